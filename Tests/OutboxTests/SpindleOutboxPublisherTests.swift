import GRDB
import Outbox
import SpindleClient
import Synchronization
import Testing

@Suite struct SpindleOutboxPublisherTests {
    @Test(arguments: [
        (SpindleError.Code.recordTooLarge, SpindleError.BlastRadius.item, "rejected"), (.recordInvalid, .item, "rejected"),
        (.queueFull, .item, "failed"), (.noSpace, .item, "failed"), (.noSuchQueue, .request, "failed"), (.permissionDenied, .request, "failed"),
        (.internalError, .connection, "unavailable"), (.connectFailed, .connection, "unavailable"), (.timedOut, .request, "unavailable"),
        (.goingAway, .connection, "unavailable"), (.authenticationFailed, .connection, "unavailable"),
    ])
    func refusalsAreSortedByWhoseFaultTheyAre(code: SpindleError.Code, radius: SpindleError.BlastRadius, expected: String) {
        let result = SpindleOutboxPublisher.result(of: SpindleError(code: code, message: "m", blastRadius: radius))
        let name =
            switch result {
            case .published: "published"
            case .failed: "failed"
            case .rejected: "rejected"
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
        let id = try await database.pool.write { try Outbox.enqueue($0, draft, now: 1) }
        let messages = Mutex<[Message]>([])
        let publisher = ScriptedPublisher { row in
            messages.withLock { $0.append(SpindleOutboxPublisher.message(for: row)) }
            return .published
        }
        _ = try await relay(database.pool, publisher, clock: ManualClock()).step()
        #expect(
            messages.withLock { $0 } == [
                Message(
                    body: [1, 2], priority: 7, correlationID: "c", contentType: "application/json", taskType: "T", group: "g", deduplicationKey: id,
                    userHeaders: [.init(name: "n", value: "v")])
            ])
    }
}
