import Logging
import Outbox
import SQLStore
import SpindleClient
import Synchronization
import Testing

@Suite struct SpindleOutboxPublisherTests {
    @Test(arguments: [
        (SpindleError.Code.recordTooLarge, SpindleError.BlastRadius.item, "rejected"), (.recordInvalid, .item, "rejected"),
        (.queueFull, .item, "held"), (.noSpace, .item, "held"), (.noSuchQueue, .request, "held"), (.permissionDenied, .request, "held"),
        (.queuePaused, .item, "held"), (.noSuchTopic, .request, "held"), (.conflict, .request, "failed"),
        (.internalError, .connection, "unavailable"), (.connectFailed, .connection, "unavailable"), (.timedOut, .request, "unavailable"),
        (.goingAway, .connection, "unavailable"), (.notOwner, .request, "unavailable"), (.authenticationFailed, .connection, "unavailable"),
    ])
    func refusalsAreSortedByWhoseFaultTheyAre(code: SpindleError.Code, radius: SpindleError.BlastRadius, expected: String) {
        let result = SpindleOutboxPublisher.result(of: SpindleError(code: code, message: "m", blastRadius: radius))
        let name =
            switch result {
            case .published, .stored: "published"
            case .failed: "failed"
            case .rejected: "rejected"
            case .held: "held"
            case .unavailable: "unavailable"
            }
        #expect(name == expected)
    }

    @Test func aRowBecomesAMessageWithItsIDAsDeduplicationKey() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let draft = OutboxDraft(
            type: "t", key: "k", destination: .queue("q"), payload: [1, 2], taskType: "T", correlationID: "c", group: "g",
            headers: [OutboxHeader(name: "n", value: "v")], priority: 7)
        let id = try await database.store.write { try Outbox.enqueue($0, draft, now: 1) }
        let messages = Mutex<[Message]>([])
        let publisher = ScriptedPublisher { row in
            messages.withLock { $0.append(SpindleOutboxPublisher.message(for: row)) }
            return .published
        }
        _ = try await relay(database.store, publisher, clock: ManualClock()).step()
        #expect(
            messages.withLock { $0 } == [
                Message(
                    body: [1, 2], priority: 7, correlationID: "c", contentType: "application/json", taskType: "T", group: "g", deduplicationKey: id,
                    userHeaders: [.init(name: "n", value: "v")])
            ])
    }

    /// No broker is needed to see which row is at fault: the client refuses it before anything is sent, and is closed for the others.
    @Test(arguments: ["a correlation id that is too long", "a group that is too long", "a header without a name"])
    func aPoisonRowIsDeadAlone(_ fault: String) async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let client = SpindleClient(
            configuration: .init(endpoints: [.init(host: "127.0.0.1", port: 1)], credential: .token("none")), logger: logger)
        await client.close()
        var bad = draft("bad")
        switch fault {
        case "a correlation id that is too long": bad.correlationID = String(repeating: "x", count: 300)
        case "a group that is too long": bad.group = String(repeating: "x", count: 300)
        default: bad.headers = [OutboxHeader(name: "", value: "v")]
        }
        let ids = try await database.store.write { [bad] db in
            try [draft("1"), draft("2"), bad, draft("4"), draft("5")].map { try Outbox.enqueue(db, $0, now: 1) }
        }
        let relay = OutboxRelay(database: database.store, publisher: SpindleOutboxPublisher(client: client), logger: logger, now: { 1 })
        _ = try await relay.step()
        for (index, id) in ids.enumerated() {
            let state = try #require(try await database.state(id))
            #expect(state.status == (index == 2 ? "dead" : "pending"), "row \(index + 1): \(state)")
            #expect(state.attempts == (index == 2 ? 1 : 0))
        }
    }
}
