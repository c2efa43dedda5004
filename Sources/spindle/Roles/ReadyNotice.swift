import Foundation
import Logging
import ServiceLifecycle
import SpindleClient

/// Writes down that this process has reached its broker: `spindle up` says “ready” of it then, and not before.
struct ReadyNotice: Service {
    private static let retryPause = Duration.seconds(1)

    let client: SpindleClient
    let name: String
    let directory: DataDirectory
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await client.connected()
                    write()
                    break
                } catch {
                    // The client says why, and goes on trying.
                    try? await Task.sleep(for: Self.retryPause)
                }
            }
            // A service that ends would end the others.
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3_600)) }
        }
    }

    private func write() {
        do {
            try FileManager.default.createDirectory(atPath: directory.runDirectory, withIntermediateDirectories: true)
            try Data("\(getpid())\n".utf8).write(to: URL(fileURLWithPath: Self.file(name, directory)), options: .atomic)
        } catch {
            logger.warning("it cannot be written down that this process is ready", metadata: ["error": "\(error)"])
        }
    }

    private static func file(_ name: String, _ directory: DataDirectory) -> String { "\(directory.runDirectory)/\(name).ready" }

    /// Whether the process that the supervisor started under this name has said that it is ready: an earlier one's word doesn't count.
    static func isReady(_ name: String, in directory: DataDirectory) -> Bool {
        func number(_ file: String) -> String? {
            (try? String(contentsOfFile: file, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        guard let ready = number(file(name, directory)), !ready.isEmpty else { return false }
        return ready == number("\(directory.runDirectory)/\(name).pid")
    }
}
