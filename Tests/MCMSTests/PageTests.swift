import Foundation
import HTTPTypes
import Testing

/// The page's files: that they are served, fit together, and say everything in both languages.
@Suite struct PageTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Sources/Domain/MCMSServer/Page")

    static func names(ending: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(ending) }.sorted()
    }

    private static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    private static func scripts() throws -> [(name: String, text: String)] {
        try names(ending: ".js").map { ($0, try text($0)) }
    }

    @Test func everyFileOfThePageIsServedAsItIs() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let names = try Self.names(ending: ".js") + Self.names(ending: ".css")
        #expect(names.count > 20)
        for name in names {
            let response = try await api.send(.get, "/page/\(name)", as: nil)
            #expect(response.status == 200, "\(name)")
            #expect(response.text == (try Self.text(name)), "\(name)")
        }
        #expect(try await api.send(.get, "/", as: nil).text == (try Self.text("index.html")))
    }

    /// Addresses are relative, so that a proxy may show the page under a path of its own.
    @Test func whatThePageNamesIsThere() throws {
        let all = Set(try Self.names(ending: ".js") + Self.names(ending: ".css"))
        let named = try Self.text("index.html").matches(of: #/(?:src|href)="([^"#]+)"/#).map { String($0.1) }.filter { !$0.hasPrefix("data:") }
        #expect(named.allSatisfy { $0.hasPrefix("page/") })
        // From the page by the modules to everything that is here: no file is left over.
        var reached = Set(named.map { String($0.dropFirst("page/".count)) })
        var next = Array(reached)
        while let name = next.popLast() {
            #expect(all.contains(name), "\(name)")
            let imports = try Self.text(name).matches(of: #/(?:from|import) "\.\/([^"]+)"|"\/page\/([^"]+)"/#).compactMap { $0.1 ?? $0.2 }
            for one in imports.map(String.init) where reached.insert(one).inserted { next.append(one) }
        }
        #expect(reached == all)
    }

    /// A name that a module does not have stops the whole page; a browser says so only when it is loaded.
    @Test func whatModulesImportIsExported() throws {
        let scripts = try Self.scripts()
        let exports = Dictionary(uniqueKeysWithValues: scripts.map { name, text in
            (name, Set(text.matches(of: #/export (?:async )?(?:function|const|class|let) (\w+)/#).map { String($0.1) }))
        })
        for (name, text) in scripts {
            for found in text.matches(of: #/import \{([^}]+)\} from "\.\/([^"]+)"/#) {
                for one in found.1.split(separator: ",").map({ $0.trimmingCharacters(in: .whitespacesAndNewlines) }) {
                    #expect(exports[String(found.2)]?.contains(one) == true, "\(name) imports \(one) from \(found.2)")
                }
            }
        }
    }

    @Test func nothingIsInlineOrFromOutside() throws {
        let page = try Self.text("index.html")
        #expect(!page.contains(#/<script(?![^>]*\ssrc=)/#))
        #expect(!page.contains(#/<style|\sstyle=|\son[a-z]+=/#))
        for name in try ["index.html"] + Self.names(ending: ".js") + Self.names(ending: ".css") {
            let text = try Self.text(name).replacing("http://www.w3.org/2000/svg", with: "") // a name, not an address
            #expect(!text.contains(#/https?:\/\/|url\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/#), "\(name)")
        }
    }

    /// Every element that a script asks for by its id is in the page, once.
    @Test func everyElementThatIsUsedIsThere() throws {
        let ids = try Self.text("index.html").matches(of: #/\sid="([^"]+)"/#).map { String($0.1) }
        #expect(Set(ids).count == ids.count)
        for (name, text) in try Self.scripts() {
            for found in text.matches(of: #/byID\("([^"]+)"\)/#) { #expect(ids.contains(String(found.1)), "\(name): \(found.1)") }
        }
    }

    // MARK: Languages

    private func strings(_ language: String) throws -> [String: String] {
        let script = try Self.text("strings-\(language).js")
        let start = try #require(script.range(of: "export default ")).upperBound
        let end = try #require(script.range(of: ";", options: .backwards)).lowerBound
        return try JSONDecoder().decode([String: String].self, from: Data(script[start..<end].utf8))
    }

    @Test func bothLanguagesSayTheSame() throws {
        let (english, korean) = (try strings("en"), try strings("ko"))
        #expect(Set(english.keys).symmetricDifference(korean.keys).isEmpty)
        for (key, text) in english {
            #expect(!text.isEmpty)
            #expect(korean[key]?.isEmpty == false, "\(key)")
            let values = { (text: String) in Set(text.matches(of: #/\{\d\}/#).map { String($0.0) }) }
            #expect(values(text) == values(korean[key] ?? ""), "\(key)")
        }
    }

    /// Texts that are words of their language, not names or signs: the Korean one has a Korean letter.
    @Test func koreanTextsAreKorean() throws {
        let same: Set = ["language", "generation.none", "namePlaceholder", "identifier", "actionFor", "event.routing.approval.changed"]
        for (key, text) in try strings("ko") where !same.contains(key) {
            #expect(text.contains(#/[가-힣]/#), "\(key): \(text)")
        }
        for (key, text) in try strings("en") where key != "language" { #expect(!text.contains(#/[가-힣]/#), "\(key): \(text)") }
    }

    @Test func everyTextThatIsUsedIsThere() throws {
        let scripts = try Self.scripts().filter { !$0.name.hasPrefix("strings-") }
        var used = try Self.text("index.html").matches(of: #/data-(?:text|placeholder|label|part)="([^"]+)"/#).map { String($0.1) }
        for (_, text) in scripts { used += text.matches(of: #/\btext\("([A-Za-z.\-]+)"[,)]/#).map { String($0.1) } }
        let known = Set(try strings("en").keys)
        #expect(used.count > 120)
        #expect(Set(used).subtracting(known).sorted().isEmpty)
    }

    /// A text that nothing says any more is not translated for ever. What a script puts together ends in a dot there: `text("status." + …)`.
    @Test func everyTextIsUsed() throws {
        let page = try Self.text("index.html")
        let scripts = try Self.scripts().filter { !$0.name.hasPrefix("strings-") }.map(\.text).joined()
        let stems = Set(scripts.matches(of: #/"([A-Za-z.]+\.)"/#).map { String($0.1) })
        for key in try strings("en").keys.sorted() {
            let isUsed = page.contains("\"\(key)\"") || scripts.contains("\"\(key)\"") || stems.contains { key.hasPrefix($0) }
            #expect(isUsed || RoutingActionNames.all.contains(key), "\(key)")
        }
    }
}

/// Actions come from the server as they are named in both languages.
private enum RoutingActionNames {
    static let all: Set = ["submit", "approve", "reject", "retry-generation"]
}
