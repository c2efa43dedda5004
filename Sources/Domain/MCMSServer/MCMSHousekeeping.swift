package import Logging
package import MCMS
internal import ServiceLifecycle

/// Deletes, once an hour, what the store remembers only for a time. One process of an installation needs to run it.
package struct MCMSHousekeeping: Service {
    private let store: MCMSStore
    private let interval: Duration
    private let logger: Logger

    package init(store: MCMSStore, interval: Duration = .seconds(3_600), logger: Logger) {
        self.store = store
        self.interval = interval
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await store.prune()
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("audit.error", metadata: ["what": "housekeeping", "error": "\(error)"])
                }
                // Ends early only when it is cancelled, which the loop sees.
                try? await Task.sleep(for: interval)
            }
        }
    }
}
