import Foundation
import HTTPTypes
import MCMS
import SQLStore
import SpindleText
import Testing

/// Alerts of the past.
@Suite struct AlertTests {
    private static func raise(_ test: TestStore, _ type: AlertType, routing: String = "r-1", _ parameters: [AlertParameter: String?] = [:]) async throws {
        try await test.store.transaction(by: test.caller()) { try $0.alert(Alert(type, routing: routing, parameters)) }
    }

    @Test func anAlertIsKeptAndAnnouncedTogetherOrNotAtAll() async throws {
        struct Undone: Error {}
        let test = try TestStore()
        defer { test.remove() }
        await #expect(throws: (any Error).self) {
            try await test.store.transaction(by: test.caller()) { transaction in
                try transaction.alert(Alert(.jobFailed, routing: "r-1", [.routing: "a", .message: "b"]))
                throw Undone()
            }
        }
        #expect(try await test.outbox().isEmpty)
        #expect(try await test.store.alerts().items.isEmpty)
        try await Self.raise(test, .jobFailed, [.routing: "브래킷", .message: "no license"])
        let past = try #require(try await test.store.alerts().items.first)
        let event = try #require(try await test.outbox().first)
        #expect(event.destination == "notification.alert" && event.payload["id"] == .number(Double(past.id)))
        #expect(past.title == "CAM generation failed: 브래킷" && past.message == "no license" && past.severity == .error && past.correlationId == "c-1")
        #expect(past.parameters == ["routing": "브래킷", "routingId": "r-1", "message": "no license"])
    }

    @Test func theListIsPagedNewestFirstAndNothingIsTwiceWhenMoreAreRaisedMeanwhile() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        for index in 1...5 { try await Self.raise(api.test, .jobCompleted, [.routing: "\(index)", .revision: "1", .files: "0"]) }
        var (titles, cursor) = ([String](), "")
        repeat {
            let page = try await api.send(.get, "/api/alerts?limit=2\(cursor)", as: "worker").body
            for index in 0..<2 { if let title = page["items"][index]["title"].string { titles.append(title) } }
            try await Self.raise(api.test, .jobCompleted, [.routing: "late"])
            cursor = page["nextCursor"].string.map { "&cursor=\($0)" } ?? ""
        } while !cursor.isEmpty
        #expect(titles == (1...5).reversed().map { "CAM generation completed: \($0)" })
    }

    @Test func theListIsFilteredBySeverityAndRouting() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await Self.raise(api.test, .jobCompleted, routing: "r-1")
        try await Self.raise(api.test, .jobFailed, routing: "r-1")
        try await Self.raise(api.test, .jobFailed, routing: "r-2")
        func count(_ query: String) async throws -> Int { try await api.send(.get, "/api/alerts?\(query)", as: "worker").body["items"]?.list?.count ?? -1 }
        #expect(try await count("severity=error") == 2)
        #expect(try await count("severity=warning") == 0)
        #expect(try await count("severity=error&routingId=r-2") == 1)
        #expect(try await api.send(.get, "/api/alerts?severity=bad", as: "worker").status == 400)
    }

    @Test func theReaderHasThemInTheirLanguage() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await Self.raise(api.test, .jobCompleted, [.routing: "브래킷", .revision: "3", .files: "2"])
        func words(_ query: String, _ accepted: String? = nil) async throws -> [String?] {
            let headers: HTTPFields = accepted.map { [.acceptLanguage: $0] } ?? [:]
            let answer = try await api.send(.get, "/api/alerts\(query)", as: "worker", headers: headers)
            return [answer.headers[.contentLanguage], answer.body["items"][0]["title"].string, answer.body["items"][0]["message"].string]
        }
        let english = ["en", "CAM generation completed: 브래킷", "revision 3, 2 files"]
        let korean = ["ko", "CAM 생성 완료: 브래킷", "리비전 3, 파일 2개"]
        #expect(try await words("") == english)
        #expect(try await words("?language=ko") == korean)
        #expect(try await words("", "ko-KR,ko;q=0.9,en;q=0.8") == korean)
        #expect(try await words("?language=en", "ko") == english)
        #expect(try await api.send(.get, "/api/alerts?language=xx", as: "worker").status == 400)
    }

    @Test func anAlertOfATypeThatThisVersionDoesNotKnowKeepsItsWords() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        _ = try await api.test.store.database.write { db in
            try db.execute(
                """
                INSERT INTO alert (time, type, severity, title, message, parameters, routingId, correlationId)
                VALUES (1, 'later.kind', 'warning', 'A title', 'A message', '{}', 'r', 'c')
                """)
        }
        #expect(try await api.send(.get, "/api/alerts?language=ko", as: "worker").body["items"][0]["title"] == "A title")
    }

    @Test func alertsAreForgottenAfterNinetyDays() async throws {
        let test = try TestStore()
        defer { test.remove() }
        try await Self.raise(test, .jobFailed, [.message: "old"])
        test.clock.advance(AlertLimits.retentionMilliseconds - 10_000)
        try await Self.raise(test, .jobFailed, [.message: "new"])
        try await test.store.prune()
        #expect(try await test.store.alerts().items.count == 2)
        test.clock.advance(20_000)
        try await test.store.prune()
        #expect(try await test.store.alerts().items.map(\.message) == ["new"])
        // Ids of forgotten alerts are never given again.
        test.clock.advance(AlertLimits.retentionMilliseconds + 20_000)
        try await test.store.prune()
        try await Self.raise(test, .jobFailed)
        #expect(try await test.store.alerts().items.map(\.id) == [3])
    }

    /// Every parameter that a text uses is filled in, in both languages, and the languages differ.
    @Test(arguments: AlertType.allCases) func everyTypeHasWholeTextsInBothLanguages(type: AlertType) {
        let all = Dictionary(uniqueKeysWithValues: AlertParameter.allCases.map { ($0.rawValue, "<\($0.rawValue)>") })
        let text = AlertText(type, all)
        #expect(text.english.title != text.korean.title)
        for words in [text.english, text.korean] {
            #expect(words.title.contains { $0.isLetter } && !words.message.isEmpty)
        }
        func used(_ words: AlertText.Words) -> Set<String> { Set(AlertParameter.allCases.map(\.rawValue).filter { (words.title + words.message).contains("<\($0)>") }) }
        #expect(used(text.english) == used(text.korean), "both say the same")
        let isKorean = (text.korean.title + text.korean.message).unicodeScalars.contains { (0xAC00...0xD7A3).contains($0.value) }
        #expect(isKorean)
        let table = try? String(contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/events.md"), encoding: .utf8)
        #expect(table?.contains("| `\(type.rawValue)` | \(type.severity.rawValue) |") == true, "docs/events.md lists it")
    }
}
