package import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the supervisor last wrote to `RUN/cluster.json`, for commands that want to know what runs.
package struct ClusterStatus: Codable, Sendable, Equatable {
    package struct Process: Codable, Sendable, Equatable {
        package var name: String
        /// Nil while it does not run.
        package var pid: Int32?
        package var state: State
        /// Starts after the first one.
        package var restarts: Int
        package var ports: [Int]
        package var tier: Int
        /// How it last ended.
        package var lastExit: String?
    }

    package enum State: String, Codable, Sendable {
        case waiting, starting, running, backingOff, stopping, stopped
    }

    package var supervisorPid: Int32
    package var startedAt: Date
    package var processes: [Process]

    package static let fileName = "cluster.json"

    /// - Returns: nil when no supervisor ever ran there.
    package static func read(runDirectory: String) throws -> ClusterStatus? {
        let path = "\(runDirectory)/\(fileName)"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try decoder.decode(ClusterStatus.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// Whether the supervisor that wrote this still runs. (A process id that was given away again cannot be told apart.)
    package var isSupervisorAlive: Bool {
        kill(supervisorPid, 0) == 0 || errno == EPERM
    }

    /// Replaces the file: a reader sees the old text or the new one.
    func write(runDirectory: String) throws {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(fileURLWithPath: "\(runDirectory)/\(Self.fileName)"), options: .atomic)
    }
}
