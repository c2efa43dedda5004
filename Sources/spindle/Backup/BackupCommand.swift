import ArgumentParser
import Foundation
import MCMS
import MCMSFiles
import SpindleCluster
import SpindleDisk
import SpindleLog
import SpindleNode

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy a cluster's data into a new directory, also while it runs.",
        discussion: """
            Copied are, in this order, the domain's database, the tokens and the broker's log: its newest checkpoint and its segments, the last
            one as far as it is whole. Everything that was confirmed before the copy began is in it. The broker frees no segments meanwhile. Run
            it on the broker's machine, as the broker's user.

            The copy is a data directory. `spindle restore` makes a new one from it, for use; files of the share (`mcms/share`) are to be
            copied by other means.

            Example:
              spindle backup --data spindle-data --to /backup/spindle-2026-11-21
            """)

    @Option(help: ArgumentHelp("The directory to make; it must not be there yet, or be empty.", valueName: "dir"))
    var to: String

    @Option(help: ArgumentHelp("The cluster's data directory. (default: $SPINDLE_DATA, else ./spindle-data)", valueName: "dir"))
    var data: String?

    @Flag(help: "Answer in JSON.")
    var json = false

    private struct Answer: Encodable {
        let directory: String
        let log: String
        let firstSegment: UInt64
        let lastSegment: UInt64
        let checkpointLsn: String?
        let endLsn: String
        let bytes: UInt64
        let hasDatabase: Bool
        let seconds: Double
    }

    func run() async throws {
        let started = ContinuousClock.now
        let source = DataDirectory(option: data)
        let logPath = source.path + "/broker/log"
        guard FileManager.default.fileExists(atPath: logPath) else {
            throw CommandFailure("there is no log in \(logPath).", advice: "Say with --data where the cluster's data directory is.")
        }
        guard !Self.lies(to, in: source.path) else {
            throw CommandFailure("\(to) lies in the data directory that is copied.", advice: "Name a directory elsewhere, best on another disk.")
        }
        let target = try NewDirectory(to)
        do {
            let hasDatabase = try copyDatabase(source, target.partial)
            try copyTokens(source, target.partial)
            let copied = try copyLog(logPath, target.partial + "/broker/log")
            try target.finish()
            let answer = Answer(
                directory: to, log: "\(copied.log)", firstSegment: copied.segments.lowerBound, lastSegment: copied.segments.upperBound,
                checkpointLsn: copied.checkpoint.map { String($0.rawValue, radix: 16) }, endLsn: String(copied.end.rawValue, radix: 16),
                bytes: copied.bytes, hasDatabase: hasDatabase, seconds: (ContinuousClock.now - started).milliseconds / 1000)
            if json { return try Output.json(answer) }
            Output.line(
                "\(to): the log to LSN \(answer.endLsn), segments \(answer.firstSegment) to \(answer.lastSegment), \(answer.bytes) bytes"
                    + (hasDatabase ? ", and the domain's database" : "") + ". Checked: it is whole")
        } catch {
            target.discard()
            throw error
        }
    }

    private static func lies(_ path: String, in folder: String) -> Bool {
        func parts(_ path: String) -> [String] { URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.pathComponents }
        return parts(path).starts(with: parts(folder))
    }

    private func copyLog(_ source: String, _ path: String) throws -> LogCopied {
        do {
            let copied = try LogBackup(
                from: try DiskLogStorage(path: source, access: .copier), to: try DiskLogStorage(path: path)
            ).run()
            let verification = try LogInspector(storage: try DiskLogStorage(path: path, access: .readOnly)).verifyState()
            guard verification.isHealthy else {
                let problem = verification.problems.first.map { "\($0)" } ?? "a checkpoint is damaged"
                throw CommandFailure("the copy is not whole: \(problem)", advice: "Check the log itself with `spindle log verify` once the broker is stopped.")
            }
            return copied
        } catch let error as LogBackupError {
            throw CommandFailure("\(error)")
        } catch let error as LogStorageError {
            throw CommandFailure("\(error)")
        }
    }

    /// Before the log: what the database has not handed to the broker yet is handed over after a restore, perhaps a second time, and
    /// the broker knows it then. The other way round something could be in neither.
    private func copyDatabase(_ source: DataDirectory, _ path: String) throws -> Bool {
        let file = source.path + "/mcms/mcms.sqlite"
        guard FileManager.default.fileExists(atPath: file) else { return false }
        try FileManager.default.createDirectory(atPath: path + "/mcms", withIntermediateDirectories: true)
        do {
            try MCMSStore.backUp(file, to: path + "/mcms/mcms.sqlite", extending: FilesSchema.add)
        } catch {
            throw CommandFailure("the database \(file) cannot be copied: \(error)")
        }
        return true
    }

    private func copyTokens(_ source: DataDirectory, _ path: String) throws {
        guard FileManager.default.fileExists(atPath: source.tokenDirectory) else { return }
        try FileManager.default.copyItem(atPath: source.tokenDirectory, toPath: path + "/tokens")
    }
}

/// A directory that has its name only once everything is in it.
struct NewDirectory {
    let path: String
    let partial: String

    init(_ path: String) throws {
        self.path = path
        partial = path + ".partial"
        let files = FileManager.default
        if let found = try? files.contentsOfDirectory(atPath: path), !found.isEmpty {
            throw CommandFailure("\(path) is not empty.", advice: "Name a directory that is not there yet.")
        }
        guard !files.fileExists(atPath: partial) else {
            throw CommandFailure("\(partial) is there: another run is under way, or did not end.", advice: "If none is under way, remove it.")
        }
        do {
            try files.createDirectory(atPath: partial, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750])
        } catch {
            throw CommandFailure("\(partial) cannot be made: \(FileProblem.sentence(error))")
        }
    }

    func finish() throws {
        try? FileManager.default.removeItem(atPath: path)
        do {
            try FileManager.default.moveItem(atPath: partial, toPath: path)
        } catch {
            throw CommandFailure("\(partial) is complete, and could not be renamed to \(path): \(FileProblem.sentence(error))")
        }
    }

    func discard() { try? FileManager.default.removeItem(atPath: partial) }
}
