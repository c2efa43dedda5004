package import Logging
internal import Outbox
internal import SQLStore
internal import ServiceLifecycle
package import SpindleClient

/// Takes the commands of ended jobs out of their queue, so that no add-in generates for nothing.
///
/// Any number of processes may run it: a command that is gone already is no error.
package struct CommandWithdrawals: Service {
    /// Cancels messages of the generation queue. Throws where the broker did not; a message that is gone counts as cancelled.
    package typealias Cancel = @Sendable (_ messages: [UInt64]) async throws -> Void

    /// Withdrawn in one step.
    private static let batchMax = 100
    /// Between two looks when nobody says that there is something.
    private static let pollInterval = Duration.seconds(1)
    private static let failurePause = Duration.seconds(5)
    static let reason = "the job has ended"

    private let store: MCMSStore
    private let logger: Logger
    private let cancel: Cancel

    package init(store: MCMSStore, logger: Logger, cancel: @escaping Cancel) {
        self.store = store
        self.logger = logger
        self.cancel = cancel
    }

    package func run() async throws {
        let wake = WakeSignal()
        // Without it, only the poll finds what is to be withdrawn.
        let observation = try? await store.database.observe(table: "commandWithdrawal") { wake.raise() }
        defer { observation?.cancel() }
        await cancelWhenGracefulShutdown {
            var lastFailure: String?
            while !Task.isCancelled {
                do {
                    let count = try await step()
                    lastFailure = nil
                    if count == 0 { _ = await wake.wait(atMost: Self.pollInterval) }
                } catch is CancellationError {
                    return
                } catch {
                    // Said once, not with every attempt.
                    if lastFailure != "\(error)" {
                        logger.error(
                            "audit.error", metadata: ["what": "commands of ended jobs cannot be withdrawn; trying again", "error": "\(error)"])
                    }
                    lastFailure = "\(error)"
                    _ = await wake.wait(atMost: Self.failurePause)
                }
            }
        }
    }

    /// Withdraws what can be withdrawn now. Returns how many commands that were.
    @discardableResult
    package func step() async throws -> Int {
        let due = try await store.withdrawals(limit: Self.batchMax).filter { $0.messageID != nil }
        guard !due.isEmpty else { return 0 }
        try await cancel(due.compactMap(\.messageID))
        try await store.withdrawn(due.map(\.jobID))
        return due.count
    }
}

extension CommandWithdrawals {
    /// Withdraws by cancelling at the broker.
    package init(store: MCMSStore, client: SpindleClient, logger: Logger) {
        self.init(store: store, logger: logger) { messages in
            let ids = messages.map(MessageID.init(rawValue:))
            for case .failed(let error) in try await client.cancel(ids, in: MCMSNames.generationQueue, reason: Self.reason) { throw error }
        }
    }
}
