import Outbox
import SQLStore
import Testing

@Suite struct OutboxRulesTests {
    @Test(arguments: [
        (attempt: 1, random: 0.0, expected: Int64(100)),
        (2, 0.0, 200), (3, 0.0, 400), (4, 0.0, 800), (5, 0.0, 1_000), (63, 0.0, 1_000), (1_000_000, 0.0, 1_000),
        (1, 1.0, 50), (3, 0.5, 300), (0, 0.0, 100),
    ])
    func backoffDoublesUpToItsCap(attempt: Int, random: Double, expected: Int64) {
        let backoff = OutboxBackoff(initialMilliseconds: 100, capMilliseconds: 1_000, jitter: 0.5)
        #expect(backoff.delayMilliseconds(afterAttempt: attempt, randomUnit: random) == expected)
    }

    @Test(arguments: [
        (include: [String](), exclude: [String](), taken: ["chat.message", "document.uploaded", "documents", "%"]),
        (["document."], [], ["document.uploaded"]),
        ([], ["document."], ["chat.message", "documents", "%"]),
        (["chat.", "document."], [], ["chat.message", "document.uploaded"]),
        (["document"], ["document."], ["documents"]),
        (["%"], [], ["%"]),
        (["nothing"], [], []),
    ])
    func filterTakesTypesByPrefix(include: [String], exclude: [String], taken: [String]) async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        for type in ["chat.message", "document.uploaded", "documents", "%"] { try await database.enqueue(type, type: type) }
        let publisher = ScriptedPublisher()
        let relay = relay(database.store, publisher, clock: ManualClock()) {
            $0.filter = OutboxTypeFilter(includeTypePrefix: include, excludeTypePrefix: exclude)
        }
        _ = try await relay.step()
        #expect(publisher.confirmedPayloads == taken)
    }

    @Test func aRolledBackTransactionLeavesNoMessage() async throws {
        struct Crash: Error {}
        let database = try TemporaryDatabase()
        defer { database.remove() }
        await #expect(throws: Crash.self) {
            try await database.store.write { db in
                try Outbox.enqueue(db, draft("lost"), now: 1)
                throw Crash()
            }
        }
        #expect(try await database.counts() == [:])
    }

    @Test func everyFieldComesBackAsItWasWritten() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let written = OutboxDraft(
            type: "알림", key: "열쇠", destination: .topic("routing.approval.changed"), payload: [0, 255, 10], contentType: "application/x",
            taskType: "작업", correlationID: "c-1", group: "g", headers: [OutboxHeader(name: "이름", value: "값\n\"")], priority: 9)
        let id = try await database.store.write { try Outbox.enqueue($0, written, now: 42) }
        let seen = AsyncStream<OutboxMessage>.makeStream()
        let publisher = ScriptedPublisher { message in
            seen.continuation.yield(message)
            return .published
        }
        _ = try await relay(database.store, publisher, clock: ManualClock()).step()
        let message = try #require(await seen.stream.first { _ in true })
        #expect(message.id == id)
        #expect(message.createdAtMilliseconds == 42)
        #expect(message.draft.type == written.type)
        #expect(message.draft.key == written.key)
        #expect(message.draft.destination == written.destination)
        #expect(message.draft.payload == written.payload)
        #expect(message.draft.contentType == written.contentType)
        #expect(message.draft.taskType == written.taskType)
        #expect(message.draft.correlationID == written.correlationID)
        #expect(message.draft.group == written.group)
        #expect(message.draft.headers == written.headers)
        #expect(message.draft.priority == written.priority)
    }

    @Test func aPayloadThatNoFrameCanHoldIsRefused() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        var large = draft("")
        large.payload = [UInt8](repeating: 0, count: Outbox.payloadBytesMax + 1)
        await #expect(throws: Outbox.EnqueueError.self) {
            try await database.store.write { [large] db in _ = try Outbox.enqueue(db, large, now: 1) }
        }
    }
}
