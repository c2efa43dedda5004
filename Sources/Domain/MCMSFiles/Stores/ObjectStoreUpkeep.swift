package import Logging
internal import Foundation
internal import ServiceLifecycle

/// Looks at the start whether the bucket does what is needed of it, says so in the log, and aborts uploads in parts that nobody works on.
///
/// A store that is away is no reason to end: files wait, and it is looked at again.
package struct ObjectStoreUpkeep: Service {
    private static let pause = Duration.seconds(3_600)
    private static let pauseAway = Duration.seconds(15)

    private let store: S3PayloadStore
    private let logger: Logger

    package init(_ store: S3PayloadStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var logged: String?
            while !Task.isCancelled {
                let problem = await look()
                if let problem, problem != logged {
                    logger.error("audit.error", metadata: ["what": "the store of payloads can't be used; files wait", "store": "\(store.name)", "error": "\(problem)"])
                } else if problem == nil, logged != "" {
                    logger.info("the store of payloads is used", metadata: ["store": "\(store.name)"])
                }
                logged = problem ?? ""
                try? await Task.sleep(for: problem == nil ? Self.pause : Self.pauseAway)
            }
        }
    }

    /// Returns what is wrong; nil if nothing is.
    private func look() async -> String? {
        do {
            try await store.probe(UUID().uuidString)
            let count = try await store.abortAbandoned(now: Int64(Date().timeIntervalSince1970 * 1_000))
            if count > 0 { logger.notice("abandoned uploads to the store were aborted", metadata: ["count": "\(count)"]) }
            return nil
        } catch {
            return Task.isCancelled ? nil : "\(error)"
        }
    }
}
