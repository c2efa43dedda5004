internal import Foundation
package import Logging
package import SQLStore
internal import ServiceLifecycle
internal import Synchronization

/// Publishes what is in the outbox, as soon as it is committed.
///
/// Any number of relays may run, in one process or several: a row is claimed by one of them at a time, under a lock that runs out.
/// Delivery is at least once; a row that is published twice (its relay died, or was slower than its lock) carries the same
/// deduplication key both times. Rows of the same key are published in the order of writing.
///
/// Commits through the same ``SQLDatabase`` wake the relay at once; those of other processes are found by polling.
package struct OutboxRelay: Service {
    package struct Configuration: Sendable {
        package var filter = OutboxTypeFilter.all
        package var batchRowsMax = 100
        /// How long a relay has for a batch before others may take it over.
        package var lockMilliseconds: Int64 = 30_000
        /// A row that failed so often is dead. A broker that can't be reached and a destination that takes nothing don't count.
        package var attemptsMax = 50
        package var backoff = OutboxBackoff()
        /// The first poll after work was found, and the longest pause between polls when there is none.
        package var pollMilliseconds: ClosedRange<Int64> = 50...500
        /// Published rows are kept so long, for those who look for what happened.
        package var retentionMilliseconds: Int64 = 24 * 3_600_000
        package var cleanupIntervalMilliseconds: Int64 = 60_000
        package var cleanupRowsMax = 1_000

        package init() {}
    }

    /// What one step found to do.
    package enum StepOutcome: Hashable, Sendable {
        case idle
        case handled(rows: Int)
        /// The receiver could not be reached: wait before the next step.
        case unavailable(reason: String)
    }

    private let database: any SQLDatabase
    private let publisher: any OutboxPublisher
    private let configuration: Configuration
    private let logger: Logger
    private let now: @Sendable () -> Int64
    private let randomUnit: @Sendable () -> Double
    /// Names this relay in `lockedBy`. No two are the same, even in one process.
    package let name: String
    private let wake = WakeSignal()
    private let shutdown = Shutdown()

    /// - Parameters:
    ///   - now: the time in milliseconds since 1970; `randomUnit`: a random number from 0 up to 1, for the jitter.
    package init(
        database: any SQLDatabase, publisher: any OutboxPublisher, configuration: Configuration = Configuration(), logger: Logger,
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1_000) },
        randomUnit: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) {
        precondition(configuration.batchRowsMax > 0 && configuration.attemptsMax > 0 && configuration.pollMilliseconds.lowerBound > 0)
        self.database = database
        self.publisher = publisher
        self.configuration = configuration
        self.logger = logger
        self.now = now
        self.randomUnit = randomUnit
        self.name = "\(ProcessInfo.processInfo.hostName)/\(ProcessInfo.processInfo.processIdentifier)/\(UUID().uuidString.prefix(8))"
    }

    /// Runs until graceful shutdown (the batch in hand is finished and marked) or cancellation (it is left to the lock).
    package func run() async throws {
        let observation = await observation()
        defer { observation?.cancel() }
        await withGracefulShutdownHandler {
            await loop()
        } onGracefulShutdown: {
            shutdown.begin()
            wake.raise()
        }
    }

    /// Returns nil if the relay only polls.
    private func observation() async -> SQLObservation? {
        do {
            return try await database.observe(table: "outbox") { [wake] in wake.raise() }
        } catch {
            logger.warning("outbox relay is not told of commits, and polls", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private func loop() async {
        var pause = configuration.pollMilliseconds.lowerBound
        var failures = 0
        var nextCleanup = ContinuousClock.now
        while !shutdown.hasBegun && !Task.isCancelled {
            let outcome: StepOutcome
            do {
                if ContinuousClock.now >= nextCleanup {
                    nextCleanup = .now + .milliseconds(configuration.cleanupIntervalMilliseconds)
                    try await cleanUp()
                }
                outcome = try await step()
            } catch is CancellationError {
                return
            } catch {
                outcome = .unavailable(reason: "the database: \(error)")
            }
            switch outcome {
            case .handled:
                failures = 0
                pause = configuration.pollMilliseconds.lowerBound
            case .idle:
                failures = 0
                let woken = await wake.wait(atMost: .milliseconds(pause))
                pause = woken ? configuration.pollMilliseconds.lowerBound : min(pause * 2, configuration.pollMilliseconds.upperBound)
            case .unavailable(let reason):
                failures += 1
                logger.warning(
                    "outbox relay waits: the receiver is not available",
                    metadata: ["relay": "\(name)", "reason": "\(reason)", "failures": "\(failures)"])
                let delay = configuration.backoff.delayMilliseconds(afterAttempt: failures, randomUnit: randomUnit())
                await shutdown.wait(atMost: .milliseconds(min(delay, Self.unavailablePauseMillisecondsMax)))
            }
        }
    }

    /// The longest pause while the receiver is down: what is written in that time is sent this soon after it is back.
    private static let unavailablePauseMillisecondsMax: Int64 = 5_000

    /// Reaps expired locks, claims a batch, publishes it and writes down the result.
    package func step() async throws -> StepOutcome {
        let filter = configuration.filter
        let times = OutboxTimes(
            now: now(), waitMax: max(configuration.backoff.capMilliseconds, OutboxBackoff.heldMillisecondsMax),
            lockMilliseconds: configuration.lockMilliseconds)
        guard try await database.read({ try Outbox.hasWork($0, filter: filter, at: times) }) else { return .idle }
        let (reaped, claim) = try await database.write { [configuration, name] db in
            let reaped = try Outbox.reapExpiredLocks(db, at: times, attemptsMax: configuration.attemptsMax)
            let claim = try Outbox.claim(db, filter: filter, lockedBy: name, at: times, limit: configuration.batchRowsMax)
            for row in claim.unreadable {
                _ = try Outbox.settle(db, sequence: row.sequence, lockedBy: name, as: .dead(reason: row.reason), now: times.now)
            }
            return (reaped, claim)
        }
        for row in claim.unreadable {
            logger.error(
                "audit.error",
                metadata: ["what": "an outbox row holds no message and is dead", "outboxSequence": "\(row.sequence)", "error": "\(row.reason)"])
        }
        let batch = claim.messages
        if reaped.returned + reaped.dead > 0 {
            logger.warning("outbox locks ran out", metadata: ["returned": "\(reaped.returned)", "dead": "\(reaped.dead)"])
        }
        guard !batch.isEmpty else { return claim.unreadable.isEmpty ? .idle : .handled(rows: claim.unreadable.count) }
        return try await publish(batch)
    }

    /// Publishes a batch in waves, each with at most one row of a key, so that a row is sent only after the rows before it in its
    /// key were confirmed.
    private func publish(_ batch: [OutboxMessage]) async throws -> StepOutcome {
        var waves = OutboxWaves(batch)
        while let wave = waves.next() {
            guard let lockedUntil = wave.map(\.lockedUntilMilliseconds).min(), now() < lockedUntil else {
                // Others may have taken the rows over by now.
                logger.warning("outbox relay was slower than its lock", metadata: ["relay": "\(name)", "rows": "\(waves.remainingCount)"])
                break
            }
            let results = await publisher.publish(wave)
            var unavailable: String?
            var settlements: [(OutboxMessage, OutboxSettlement)] = []
            for (index, message) in wave.enumerated() {
                let result: OutboxPublishResult =
                    index < results.count ? results[index] : .unavailable(reason: "the publisher answered \(results.count) of \(wave.count) messages")
                let settlement = settlement(of: message, after: result)
                settlements.append((message, settlement))
                switch settlement {
                case .published: break
                case .dead: break  // Must not hold up the rows after it for ever.
                case .retry, .postponed: settlements += waves.withdraw(key: message.draft.key).map { ($0, .released(reason: nil)) }
                case .released(let reason): unavailable = reason
                }
            }
            if unavailable != nil {
                settlements += waves.withdrawAll().map { ($0, .released(reason: nil)) }
            }
            try await write(settlements)
            if let unavailable { return .unavailable(reason: unavailable) }
        }
        return .handled(rows: batch.count)
    }

    private func settlement(of message: OutboxMessage, after result: OutboxPublishResult) -> OutboxSettlement {
        switch result {
        case .published: return .published(messageID: nil)
        case .stored(let id): return .published(messageID: id)
        case .rejected(let reason): return .dead(reason: reason)
        case .unavailable(let reason): return .released(reason: reason)
        case .held(let reason):
            let time = now()
            let delay = configuration.backoff.heldDelayMilliseconds(age: time - message.createdAtMilliseconds, randomUnit: randomUnit())
            return .postponed(at: time + delay, reason: reason)
        case .failed(let reason):
            guard message.attempts < configuration.attemptsMax else {
                return .dead(reason: "\(reason) (after \(message.attempts) attempts)")
            }
            let delay = configuration.backoff.delayMilliseconds(afterAttempt: message.attempts, randomUnit: randomUnit())
            return .retry(at: now() + delay, reason: reason)
        }
    }

    private func write(_ settlements: [(OutboxMessage, OutboxSettlement)]) async throws {
        let time = now()
        let lost = try await database.write { [name] db in
            try settlements.filter { message, settlement in
                try !Outbox.settle(db, sequence: message.sequence, lockedBy: name, as: settlement, now: time)
            }.count
        }
        if lost > 0 {
            logger.warning("outbox rows were taken over before they were marked", metadata: ["relay": "\(name)", "rows": "\(lost)"])
        }
        for case (let message, .dead(let reason)) in settlements {
            logger.error(
                "audit.error",
                metadata: [
                    "what": "an outbox message cannot be published and is dead", "outboxId": "\(message.id)", "type": "\(message.draft.type)",
                    "correlationId": "\(message.draft.correlationID ?? "-")", "error": "\(reason)",
                ])
        }
    }

    /// Deletes published rows that are older than the retention, a bounded number at a time.
    @discardableResult
    package func cleanUp() async throws -> Int {
        let before = now() - configuration.retentionMilliseconds
        return try await database.write { [configuration] db in
            try Outbox.deletePublished(db, before: before, limit: configuration.cleanupRowsMax)
        }
    }
}

/// Remembers that the relay is to stop, and ends its pauses.
private final class Shutdown: Sendable {
    private let begun = Atomic(false)
    private let signal = WakeSignal()

    var hasBegun: Bool { begun.load(ordering: .acquiring) }

    func begin() {
        begun.store(true, ordering: .releasing)
        signal.raise()
    }

    func wait(atMost limit: Duration) async {
        _ = await signal.wait(atMost: limit)
    }
}
