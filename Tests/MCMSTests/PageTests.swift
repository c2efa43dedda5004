import Foundation
import HTTPTypes
import Testing

/// The page's files: that they are served, fit together, and say everything in both languages.
@Suite struct PageTests {
    private func file(_ name: String) async throws -> String {
        let api = try TestAPI()
        defer { api.test.remove() }
        let response = try await api.send(.get, name, as: nil)
        #expect(response.status == 200, "\(name)")
        return response.text
    }

    @Test func whatThePageNamesIsServed() async throws {
        let names = try await file("/").matches(of: #/(?:src|href)="(\/[^"]+)"/#).map { String($0.1) }
        #expect(Set(names) == ["/page/page.css", "/page/strings.js", "/page/events.js", "/page/files.js", "/page/people.js", "/page/app.js"])
        for name in names {
            let text = try await file(name)
            #expect(text.utf8.count > 1_000, "\(name)")
        }
    }

    @Test func nothingIsInlineOrFromOutside() async throws {
        let page = try await file("/")
        #expect(!page.contains(#/<script(?![^>]*\ssrc=)/#))
        #expect(!page.contains(#/<style|\sstyle=|\son[a-z]+=/#))
        for name in ["/", "/page/page.css", "/page/strings.js", "/page/events.js", "/page/files.js", "/page/people.js", "/page/app.js"] {
            let text = try await file(name).replacing("http://www.w3.org/2000/svg", with: "") // a name, not an address
            #expect(!text.contains(#/https?:\/\/|url\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/#), "\(name)")
        }
    }

    private func strings() async throws -> [String: [String: String]] {
        let script = try await file("/page/strings.js")
        let start = try #require(script.range(of: "const STRINGS = ")).upperBound
        let end = try #require(script.range(of: ";", options: .backwards)).lowerBound
        return try JSONDecoder().decode([String: [String: String]].self, from: Data(script[start..<end].utf8))
    }

    @Test func bothLanguagesSayTheSame() async throws {
        let strings = try await strings()
        let english = try #require(strings["en"])
        let korean = try #require(strings["ko"])
        #expect(strings.count == 2)
        #expect(Set(english.keys).symmetricDifference(korean.keys).isEmpty)
        for (key, text) in english {
            #expect(!text.isEmpty)
            #expect(korean[key]?.isEmpty == false, "\(key)")
            let values = { (text: String) in Set(text.matches(of: #/\{\d\}/#).map { String($0.0) }) }
            #expect(values(text) == values(korean[key] ?? ""), "\(key)")
        }
    }

    @Test func everyTextThatIsUsedIsThere() async throws {
        let page = try await file("/")
        let script = try await file("/page/app.js") + file("/page/people.js")
        let used = page.matches(of: #/data-(?:text|placeholder|label)="([^"]+)"/#).map { String($0.1) }
            + script.matches(of: #/\btext\("([A-Za-z.\-]+)"[,)]/#).map { String($0.1) }
        let known = Set(try await strings()["en", default: [:]].keys)
        #expect(used.count > 90)
        #expect(Set(used).subtracting(known).isEmpty)
    }
}
