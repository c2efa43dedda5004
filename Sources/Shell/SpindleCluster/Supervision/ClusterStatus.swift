package import Foundation

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
    /// ``ProcessStart/ticks(of:)`` of the supervisor, which tells it from a later process of its number.
    package var supervisorStart: UInt64?
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

    /// Returns the status of the supervisor that runs in `runDirectory`; nil when none does, whatever its last one left there.
    package static func running(in runDirectory: String) -> ClusterStatus? {
        guard SupervisorLock.isHeld(runDirectory: runDirectory) else { return nil }
        return try? read(runDirectory: runDirectory)
    }

    /// The supervisor's process number, if that process is the one that wrote this; nil in another container than its own.
    package var provenSupervisorPid: Int32? {
        guard supervisorPid > 0, let supervisorStart, ProcessStart.ticks(of: supervisorPid) == supervisorStart else { return nil }
        return supervisorPid
    }

    /// Replaces the file: a reader sees the old text or the new one.
    func write(runDirectory: String) throws {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(fileURLWithPath: "\(runDirectory)/\(Self.fileName)"), options: .atomic)
    }
}
