package import Logging
internal import ServiceLifecycle
internal import SpindleText

/// Collects once an hour, and at its start, what no message asks to collect: payloads that an ingest left which never ended. Any number of
/// processes may run it.
package struct GarbageSweep: Service {
    private static let interval = Duration.seconds(3_600)

    private let garbage: GarbageCollector
    private let files: FilesStore
    private let logger: Logger

    package init(garbage: GarbageCollector, files: FilesStore, logger: Logger) {
        self.garbage = garbage
        self.files = files
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    let report = try await garbage.collectAll(isDry: false, now: files.now.milliseconds)
                    if !report.removed.isEmpty || !report.strays.isEmpty {
                        logger.info(
                            "garbage collected",
                            metadata: ["payloads": "\(report.removed.count)", "strays": "\(report.strays.count)", "bytes": "\(report.bytes)"])
                    }
                } catch is CancellationError {
                    return
                } catch {
                    logger.error("audit.error", metadata: ["what": "garbage can't be collected; it is tried again", "error": "\(error)"])
                }
                // Ends early only when it is cancelled, which the loop sees.
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}
