import Logging
import Outbox
import SQLStore
import ServiceLifecycle
import Synchronization
import Testing

@Suite struct OutboxRelayTests {
    @Test func failuresAreRetriedWithBackOffUntilTheRowIsDead() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        let id = try await database.enqueue("m")
        let relay = relay(database.store, ScriptedPublisher { _ in .failed(reason: "queue full") }, clock: clock) { $0.attemptsMax = 3 }

        #expect(try await relay.step() == .handled(rows: 1))
        #expect(try await database.state(id) == .init(status: "pending", attempts: 1, error: "queue full"))
        clock.advance(99)
        #expect(try await relay.step() == .idle)
        clock.advance(1)
        #expect(try await relay.step() == .handled(rows: 1))
        clock.advance(199)
        #expect(try await relay.step() == .idle)
        clock.advance(1)
        #expect(try await relay.step() == .handled(rows: 1))
        #expect(try await database.state(id) == .init(status: "dead", attempts: 3, error: "queue full (after 3 attempts)"))
        clock.advance(1_000_000)
        #expect(try await relay.step() == .idle)

        let dead = try await database.store.read { try Outbox.rows($0, statuses: [.dead], limit: 10) }
        #expect(dead.map(\.id) == [id])
        let redriven = try await database.store.write { try Outbox.redrive($0, ids: nil, now: clock.now) }
        #expect(redriven == 1)
        #expect(try await database.state(id)?.status == "pending")
    }

    @Test func whatWillNeverBeAcceptedIsDeadAtOnce() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let id = try await database.enqueue("m")
        _ = try await relay(database.store, ScriptedPublisher { _ in .rejected(reason: "no such queue") }, clock: ManualClock()).step()
        #expect(try await database.state(id) == .init(status: "dead", attempts: 1, error: "no such queue"))
    }

    @Test func aBrokerThatIsDownCostsNoAttempts() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let ids = try await database.enqueue(all: ["a", "b", "c"], key: "same")
        let isUp = Mutex(false)
        let publisher = ScriptedPublisher { _ in isUp.withLock { $0 } ? .published : .unavailable(reason: "connection refused") }
        let relay = relay(database.store, publisher, clock: ManualClock()) { $0.attemptsMax = 2 }
        for _ in 0..<10 { #expect(try await relay.step() == .unavailable(reason: "connection refused")) }
        for id in ids { #expect(try await database.state(id)?.attempts == 0) }
        isUp.withLock { $0 = true }
        #expect(try await relay.step() == .handled(rows: 3))
        #expect(publisher.confirmedPayloads == ["a", "b", "c"])
    }

    /// A queue that is paused for days: its rows wait, others are published, and nothing is lost when it takes messages again.
    @Test func aDestinationThatTakesNothingCostsNoAttempts() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        let isPaused = Mutex(true)
        let publisher = ScriptedPublisher { message in
            message.draft.payload == Array("paused".utf8) && isPaused.withLock { $0 } ? .held(reason: "QUEUE_PAUSED") : .published
        }
        let id = try await database.enqueue("paused", key: "k")
        let relay = relay(database.store, publisher, clock: clock) { $0.attemptsMax = 2 }
        for hour in 1...48 {
            try await database.enqueue("\(hour)", now: clock.now)
            while try await relay.step() != .idle {}
            #expect(try await database.state(id) == .init(status: "pending", attempts: 0, error: "QUEUE_PAUSED"))
            clock.advance(3_600_000)
        }
        #expect(publisher.confirmedPayloads == (1...48).map(String.init))
        isPaused.withLock { $0 = false }
        clock.advance(OutboxBackoff.heldMillisecondsMax)
        _ = try await relay.step()
        #expect(try await database.state(id)?.status == "published")
    }

    @Test(arguments: [
        ("waits for a retry", 7_200_000 as Int64), ("waits for a retry, the clock back by a little", 150), ("the clock stands", 0),
    ])
    func aClockThatIsSetBackDelaysNoRow(_ name: String, back: Int64) async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock(100_000_000)
        let fails = Mutex(true)
        let publisher = ScriptedPublisher { _ in fails.withLock { $0 } ? .failed(reason: "later") : .published }
        let relay = relay(database.store, publisher, clock: clock)
        let id = try await database.enqueue("m", now: clock.now)
        _ = try await relay.step()
        #expect(try await database.state(id)?.attempts == 1)
        clock.advance(-back)
        fails.withLock { $0 = false }
        // At most as long as the longest back-off, and what the clock went back within it.
        clock.advance(OutboxBackoff.heldMillisecondsMax + 150)
        _ = try await relay.step()
        #expect(try await database.state(id)?.status == "published")
    }

    @Test func aLockFromBeforeTheClockWasSetBackExpires() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock(100_000_000)
        let id = try await database.enqueue("m", now: clock.now)
        let dying = ScriptedPublisher { _ in
            withUnsafeCurrentTask { $0?.cancel() }
            return .published
        }
        let first = relay(database.store, dying, clock: clock)
        await #expect(throws: CancellationError.self) { try await Task { try await first.step() }.value }
        clock.advance(-7_200_000)
        let publisher = ScriptedPublisher()
        _ = try await relay(try database.another(), publisher, clock: clock).step()
        #expect(publisher.confirmedIDs == [id])
    }

    @Test(arguments: [
        ("headers = 'not JSON'", "headers must be a JSON list"), ("headers = '{}'", "headers must be a JSON list"),
        ("headers = x'ff'", "headers"), ("priority = 'high'", "priority holds no number"), ("destination = x'ff'", "destination"),
        ("createdAt = 'yesterday'", "createdAt holds no number"),
    ])
    func aRowThatHoldsNoMessageIsDeadAndStopsNobody(change: String, error: String) async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let ids = try await database.enqueue(all: ["a", "bad", "c"])
        try await database.store.write { _ = try $0.execute("UPDATE outbox SET \(change) WHERE id = $1", [ids[1]]) }
        let publisher = ScriptedPublisher()
        let relay = relay(database.store, publisher, clock: ManualClock())
        while try await relay.step() != .idle {}
        #expect(publisher.confirmedPayloads == ["a", "c"])
        let state = try #require(try await database.state(ids[1]))
        #expect(state.status == "dead")
        #expect(state.error?.contains(error) == true, "\(state.error ?? "none")")
    }

    @Test func aFailedRowHoldsBackItsKeyAndNothingElse() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        for (payload, key) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("-", nil), ("b2", "b"), ("a3", "a")] {
            try await database.enqueue(payload, key: key)
        }
        let failsOnce = Mutex(true)
        let publisher = ScriptedPublisher { message in
            guard message.draft.payload == Array("a1".utf8) else { return .published }
            return failsOnce.withLock { fails in
                defer { fails = false }
                return fails ? .failed(reason: "later") : .published
            }
        }
        let relay = relay(database.store, publisher, clock: clock)
        _ = try await relay.step()
        #expect(publisher.confirmedPayloads == ["b1", "-", "b2"])
        #expect(try await relay.step() == .idle)
        clock.advance(100)
        _ = try await relay.step()
        #expect(publisher.confirmedPayloads == ["b1", "-", "b2", "a1", "a2", "a3"])
    }

    @Test func aDeadRowDoesNotHoldBackItsKey() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        for payload in ["a1", "a2"] { try await database.enqueue(payload, key: "a") }
        let publisher = ScriptedPublisher { $0.draft.payload == Array("a1".utf8) ? .rejected(reason: "bad") : .published }
        _ = try await relay(database.store, publisher, clock: ManualClock()).step()
        #expect(publisher.confirmedPayloads == ["a2"])
    }

    /// The first relay dies after its publish was confirmed and before it marks the row: its task is cancelled inside `publish`, so
    /// that the transaction that marks the row never runs.
    @Test func aRelayThatDiesBeforeMarkingLeadsToTheSameDeduplicationKey() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        let id = try await database.enqueue("m")
        let dying = ScriptedPublisher { _ in
            withUnsafeCurrentTask { $0?.cancel() }
            return .published
        }
        let first = relay(database.store, dying, clock: clock)
        await #expect(throws: CancellationError.self) { try await Task { try await first.step() }.value }
        #expect(try await database.state(id)?.status == "in_progress")

        let publisher = ScriptedPublisher()
        let second = relay(try database.another(), publisher, clock: clock)
        clock.advance(29_999)
        #expect(try await second.step() == .idle)
        clock.advance(1)
        #expect(try await second.step() == .handled(rows: 1))
        #expect(dying.confirmedIDs == [id])
        #expect(publisher.confirmedIDs == [id])
        #expect(try await database.state(id)?.status == "published")
    }

    @Test func aRowThatKillsEveryRelayEndsAsDead() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        let id = try await database.enqueue("m")
        let deadly = ScriptedPublisher { _ in
            withUnsafeCurrentTask { $0?.cancel() }
            return .failed(reason: "-")
        }
        let relay = relay(database.store, deadly, clock: clock) { $0.attemptsMax = 2 }
        for _ in 0..<2 {
            await #expect(throws: CancellationError.self) { try await Task { try await relay.step() }.value }
            clock.advance(30_000)
        }
        #expect(try await relay.step() == .idle)
        #expect(try await database.state(id)?.status == "dead")
    }

    /// The first relay's answer comes after its lock ran out and another relay published the row and marked it.
    @Test func aLateAnswerChangesNothing() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        let ids = try await database.enqueue(all: ["a1", "a2"], key: "a")
        let fast = ScriptedPublisher()
        let other = relay(try database.another(), fast, clock: clock)
        let slow = ScriptedPublisher { _ in
            clock.advance(30_000)
            _ = try? await other.step()
            return .failed(reason: "too late to say")
        }
        _ = try await relay(database.store, slow, clock: clock).step()
        #expect(fast.confirmedPayloads == ["a1", "a2"])
        #expect(slow.confirmedPayloads == [])
        for id in ids { #expect(try await database.state(id)?.status == "published") }
    }

    @Test func publishedRowsAreDeletedAfterTheirRetention() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        for index in 0..<5 { try await database.enqueue("\(index)") }
        let relay = relay(database.store, ScriptedPublisher(), clock: clock) {
            $0.retentionMilliseconds = 1_000
            $0.cleanupRowsMax = 3
        }
        _ = try await relay.step()
        clock.advance(1_000)
        #expect(try await relay.cleanUp() == 0)
        clock.advance(1)
        #expect(try await relay.cleanUp() == 3)
        #expect(try await relay.cleanUp() == 2)
        #expect(try await database.counts() == [:])
    }

    @Test func twoRelaysOnOneFilePublishEachRowOnce() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        try await database.store.write { db in
            for index in 0..<1_000 { try Outbox.enqueue(db, draft("\(index)", key: "k\(index % 7)"), now: 1_000_000) }
        }
        let clock = ManualClock()
        let publisher = ScriptedPublisher()
        let relays = try [database.store, database.another()].map { store in
            relay(store, publisher, clock: clock) { $0.batchRowsMax = 13 }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for relay in relays {
                group.addTask {
                    // A relay may find nothing while the other holds every key's head: go on until all is published.
                    while try await database.counts()[.published] != 1_000 { _ = try await relay.step() }
                }
            }
            try await group.waitForAll()
        }
        #expect(publisher.confirmedIDs.count == 1_000)
        #expect(Set(publisher.confirmedIDs).count == 1_000)
        for key in 0..<7 {
            let ofKey = publisher.confirmedPayloads.compactMap(Int.init).filter { $0 % 7 == key }
            #expect(ofKey == ofKey.sorted(), "rows of one key are published in their order")
        }
    }

    @Test func aCommitWakesTheRelayAndAnotherProcessIsPolled() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let clock = ManualClock()
        let publisher = ScriptedPublisher()
        // With polls ten minutes apart only the notification can find the first row before the deadline.
        let woken = relay(database.store, publisher, clock: clock) { $0.pollMilliseconds = 600_000...600_000 }
        try await running(woken) {
            try await database.enqueue("same process")
            #expect(try await withDeadline { await publisher.confirmed.first { _ in true } } == "same process")
        }
        let other = TemporaryDatabase.Other(try database.another())
        let polling = relay(database.store, publisher, clock: clock) { $0.pollMilliseconds = 1...5 }
        try await running(polling) {
            try await other.enqueue("other process")
            #expect(try await withDeadline { await publisher.confirmed.first { _ in true } } == "other process")
        }
    }

    @Test func gracefulShutdownFinishesTheBatchInHand() async throws {
        let database = try TemporaryDatabase()
        defer { database.remove() }
        let id = try await database.enqueue("m")
        let started = AsyncStream<Void>.makeStream()
        let release = AsyncStream<Void>.makeStream()
        let publisher = ScriptedPublisher { _ in
            started.continuation.yield()
            _ = await release.stream.first { _ in true }
            return .published
        }
        let relay = relay(database.store, publisher, clock: ManualClock())
        let group = ServiceGroup(services: [relay], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withDeadline {
            async let run: Void = group.run()
            _ = await started.stream.first { _ in true }
            await group.triggerGracefulShutdown()
            release.continuation.yield()
            try await run
        }
        #expect(try await database.state(id)?.status == "published")
    }

    private func running(_ relay: OutboxRelay, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let group = ServiceGroup(services: [relay], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withDeadline {
            async let run: Void = group.run()
            do {
                try await body()
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await run
        }
    }
}

extension TemporaryDatabase {
    /// Writes through a connection that the relay knows nothing of.
    struct Other: Sendable {
        let database: any SQLDatabase
        init(_ database: any SQLDatabase) { self.database = database }
        func enqueue(_ payload: String) async throws { _ = try await database.write { try Outbox.enqueue($0, draft(payload), now: 1_000_000) } }
    }
}
