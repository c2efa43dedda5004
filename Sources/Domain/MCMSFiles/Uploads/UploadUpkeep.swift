package import Logging
internal import ServiceLifecycle

/// Finishes, at its start, the uploads that an earlier process had all bytes of, and gives up those that stand still for too long.
package struct UploadUpkeep: Service {
    private static let pause = Duration.seconds(300)

    private let uploads: UploadService
    private let logger: Logger

    package init(uploads: UploadService, logger: Logger) {
        self.uploads = uploads
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            do {
                try await uploads.resume()
            } catch {
                logger.error("audit.error", metadata: ["what": "uploads of before can't be finished", "error": "\(error)"])
            }
            while !Task.isCancelled {
                await uploads.clean()
                try? await Task.sleep(for: Self.pause)
            }
        }
    }
}
