import ArgumentParser
import Foundation
import SpindleDisk
import SpindleLog
import SpindleNode

struct LogSalvageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "salvage", abstract: "Bring what can be read of a damaged log into a new one. The damaged one is only read.",
        discussion: """
            Restore a backup rather, if there is a recent one. Salvage keeps every message whose record is whole and that no readable entry says is
            done. It says what was lost, and which messages may come again although they were done. The new log's messages have their old ids;
            delivery tokens and topic cursors of the old one are refused.

            Afterwards put the new log in the old one's place, and keep the old one until you know what was in it:
              mv DATA/broker/log DATA/broker/log.damaged && mv NEW DATA/broker/log

            Example:
              spindle log salvage spindle-data --to salvaged-log
            """)

    @OptionGroup var options: LogOptions

    @Option(help: ArgumentHelp("The new log's directory; it must not be there yet, or be empty.", valueName: "dir"))
    var to: String

    @Flag(help: "Go on although nothing is damaged.")
    var force = false

    func run() async throws {
        let source = try options.open().storage
        guard let (state, report, segmentBytes, lastSegment) = try reading({ try LogSalvage(source).read() }) else {
            throw CommandFailure("no segment of this log has a readable header: there is nothing to begin with.", advice: "Restore a backup.")
        }
        if report.isWhole, !force {
            throw CommandFailure("nothing of this log is damaged, and nothing was written.", advice: "Start the broker on it. What it says then, if it refuses, tells more.")
        }
        let target = try NewDirectory(to)
        do {
            let result = try reading {
                try LogRebuild(
                    state: state, source: source, segmentBytes: segmentBytes, lastSegment: lastSegment,
                    target: try DiskLogStorage(path: target.partial), newLogID: .random()
                ).run()
            }
            try target.finish()
            try SalvageAnswer(directory: to, report: report, result: result).show(json: options.json)
        } catch {
            target.discard()
            throw error
        }
    }
}

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a data directory for use from one that `spindle backup` made.",
        discussion: """
            The new log holds the same messages, under the same ids, and has an identity of its own: whatever was handed out after the backup
            (delivery tokens, topic cursors) is refused or answered with a gap, and never means something else. What happened after the
            backup is not there: messages of that time are missing, and messages that were done after it come again.

            Example:
              spindle restore /backup/spindle-2026-11-21 --to spindle-data
            """)

    @Argument(help: "The backup.")
    var backup: String

    @Option(help: ArgumentHelp("The data directory to make; it must not be there yet, or be empty.", valueName: "dir"))
    var to: String

    @Flag(help: "Answer in JSON.")
    var json = false

    private struct Answer: Encodable {
        let directory: String
        let log: String
        let messages: UInt64
        let bytes: UInt64
    }

    func run() async throws {
        let logPath = backup + "/broker/log"
        guard FileManager.default.fileExists(atPath: logPath) else {
            throw CommandFailure("there is no log in \(logPath).", advice: "Name the directory that `spindle backup --to` made.")
        }
        let target = try NewDirectory(to)
        do {
            let result = try reading { try rebuild(logPath, target.partial + "/broker/log") }
            guard result.lost.isEmpty else {
                throw CommandFailure(
                    "\(result.lost.count) records of the backup are damaged, the first in \(result.lost[0].place): \(result.lost[0].reason)",
                    advice: "Use another backup, or `spindle log salvage \(logPath) --to …`, which leaves them out.")
            }
            for name in ["tokens", "mcms", "cluster"] where FileManager.default.fileExists(atPath: "\(backup)/\(name)") {
                try FileManager.default.copyItem(atPath: "\(backup)/\(name)", toPath: "\(target.partial)/\(name)")
            }
            try target.finish()
            if json { return try Output.json(Answer(directory: to, log: "\(result.log)", messages: result.records, bytes: result.bytes)) }
            Output.line("\(to): \(result.records) messages and events, \(result.bytes) bytes")
        } catch {
            target.discard()
            throw error
        }
    }

    private func rebuild(_ source: String, _ path: String) throws -> LogRebuild<DiskLogStorage, DiskLogStorage>.Result {
        let storage = try DiskLogStorage(path: source, access: .readOnly)
        guard let (state, recovered) = try NodeState.look(at: storage) else { throw CommandFailure("there is no log in \(source).") }
        return try LogRebuild(
            state: state, source: storage, segmentBytes: recovered.segmentBytes,
            lastSegment: recovered.end.rawValue / recovered.segmentBytes, target: try DiskLogStorage(path: path), newLogID: .random()
        ).run()
    }
}

/// Runs what reads or writes logs; its errors become the command's.
private func reading<Value>(_ body: () throws -> Value) throws -> Value {
    do {
        return try body()
    } catch let error as LogStorageError {
        throw CommandFailure("\(error)")
    } catch let error as LogRecoveryError {
        throw CommandFailure("\(error)")
    }
}

extension LogID {
    fileprivate static func random() -> LogID {
        var generator = SystemRandomNumberGenerator()
        return LogID(high: generator.next(), low: generator.next())
    }
}

/// What a salvage says.
private struct SalvageAnswer: Encodable {
    struct Damage: Encodable {
        let file: String
        let offset: UInt64
        let bytes: UInt64
        let firstLsn: String
        let endLsn: String
        let reason: String
        /// `entries`: what was logged there is lost. `records`: a checkpoint has the state, only records that lay there are lost.
        /// `tail`: perhaps only the log's torn end.
        let loses: String
    }

    struct Lost: Encodable {
        let place: String
        let id: String
        let address: String
        let reason: String
    }

    struct Queue: Encodable {
        let name: String
        let messages: UInt64
    }

    private static let lostShown = 1_000

    let directory: String
    let damage: [Damage]
    let missingSegments: [UInt64]
    let damagedCheckpoints: [String]
    let checkpointLsn: String?
    let entries: UInt64
    let operationsLeftOut: UInt64
    let operationsMended: UInt64
    let leftOut: [String]
    let kept: UInt64
    let keptBytes: UInt64
    let lostRecords: Int
    let lost: [Lost]
    let mayRepeat: UInt64
    let mayRepeatBeforeLsn: String?
    let queues: [Queue]

    init(directory: String, report: SalvageReport, result: LogRebuild<DiskLogStorage, DiskLogStorage>.Result) {
        func hexadecimal(_ value: UInt64) -> String { String(value, radix: 16) }
        self.directory = directory
        damage = report.damage.map {
            Damage(
                file: $0.file, offset: $0.offset, bytes: $0.byteCount, firstLsn: hexadecimal($0.first.rawValue), endLsn: hexadecimal($0.end.rawValue),
                reason: $0.reason, loses: $0.isTail ? "tail" : $0.isBelowCheckpoint ? "records" : "entries")
        }
        missingSegments = report.missingSegments
        damagedCheckpoints = report.damagedCheckpoints.map { "\($0.file): \($0.problem)" }
        checkpointLsn = report.checkpoint.map { hexadecimal($0.rawValue) }
        entries = report.entries
        operationsLeftOut = report.operationsLeftOut
        operationsMended = report.operationsMended
        leftOut = report.leftOut
        kept = result.records
        keptBytes = result.bytes
        lostRecords = result.lost.count
        lost = result.lost.prefix(Self.lostShown).map { lost in
            let id =
                switch lost.straggler.owner {
                case .message(let id, _, _), .event(let id), .result(let id): id
                }
            return Lost(place: lost.place, id: hexadecimal(id), address: hexadecimal(lost.straggler.address), reason: lost.reason)
        }
        mayRepeat = report.mayRepeat
        mayRepeatBeforeLsn = report.mayRepeatBefore.map { hexadecimal($0.rawValue) }
        queues = report.queues.map { Queue(name: $0.name, messages: $0.messages) }
    }

    func show(json: Bool) throws {
        if json { return try Output.json(self) }
        for file in damagedCheckpoints { Output.line("checkpoint \(file)") }
        for number in missingSegments { Output.line("segment \(number) is missing") }
        for damage in damage {
            let what =
                switch damage.loses {
                case "entries": "what was logged there is lost"
                case "records": "a checkpoint has what was logged there; records that lay there are lost"
                case _: "the end of the log, or torn"
                }
            Output.line("LSN \(damage.firstLsn) to \(damage.endLsn) (\(damage.file), byte \(damage.offset)): \(damage.reason); \(what)")
        }
        for lost in lost { Output.line("lost: \(lost.id) in \(lost.place): \(lost.reason)") }
        if lostRecords > lost.count { Output.line("… and \(lostRecords - lost.count) more") }
        for reason in leftOut { Output.line("left out: \(reason)") }
        if operationsLeftOut > UInt64(leftOut.count) { Output.line("… and \(operationsLeftOut - UInt64(leftOut.count)) more") }
        Output.line("\(directory): \(kept) messages and events kept, \(keptBytes) bytes; \(lostRecords) known to be lost")
        if let before = mayRepeatBeforeLsn {
            Output.line("\(mayRepeat) of the messages kept were stored before LSN \(before): they may come again although they were done")
        }
        if !queues.isEmpty { Output.table(["QUEUE", "MESSAGES"], queues.map { [$0.name, "\($0.messages)"] }) }
    }
}
