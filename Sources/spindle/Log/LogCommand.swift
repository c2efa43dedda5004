import ArgumentParser
import Foundation
import SpindleDisk
import SpindleLog
import SpindleNode

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Look at a broker's write-ahead log, and save what can be read of a damaged one.",
        subcommands: [LogStatCommand.self, LogInspectCommand.self, LogVerifyCommand.self, LogSalvageCommand.self])
}

/// Which log is meant.
struct LogOptions: ParsableArguments {
    @Argument(help: "The log's directory, or the data directory that it is in.")
    var directory: String

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    /// Opens it for looking only.
    func open() throws -> LogInspector<DiskLogStorage> {
        let candidates = [directory, directory + "/log", directory + "/broker/log"]
        guard let path = candidates.first(where: Self.holdsLog) else {
            throw CommandFailure("there is no log in \(directory).", advice: "Give the data directory of a broker, or the folder with its segment files.")
        }
        do {
            return LogInspector(storage: try DiskLogStorage(path: path, access: .readOnly))
        } catch {
            throw CommandFailure("\(error)", advice: "A log that a broker uses cannot be looked at: stop the broker, or look at a copy.")
        }
    }

    private static func holdsLog(_ path: String) -> Bool {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.contains { LogFileName($0) != nil }
    }
}

struct LogVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every file of a log: exits with 1 when something is damaged.",
        discussion: """
            Checkpoints are loaded and entries replayed as a start does, so the last line says what a start on this log would do. A torn tail is no
            damage: it is what a crash leaves of writes that were never confirmed, and the next start cuts it off.

            Example:
              spindle log verify spindle-data
            """)

    @OptionGroup var options: LogOptions

    private struct Problem: Encodable {
        let file: String
        let offset: UInt64
        let reason: String
        let evidence: String
    }

    private struct Answer: Encodable {
        struct Segment: Encodable {
            let number: UInt64
            let entries: UInt64
            let payloadBytes: UInt64
            let verdict: String
        }

        struct Checkpoint: Encodable {
            let file: String
            let bytes: UInt64
            let problem: String?
        }

        let isHealthy: Bool
        /// Whether a broker starts on this log.
        let starts: Bool
        /// Why it does not.
        let refusal: String?
        let segments: [Segment]
        let checkpoints: [Checkpoint]
        let quarantined: [String]
        let problems: [Problem]
    }

    func run() async throws {
        let result: LogVerification
        do { result = try options.open().verifyState() } catch let error as LogStorageError { throw CommandFailure("\(error)") }
        if options.json { try Output.json(answer(result)) } else { show(result) }
        if !result.isHealthy { throw ExitCode.failure }
    }

    private func answer(_ result: LogVerification) -> Answer {
        Answer(
            isHealthy: result.isHealthy, starts: result.refusal == nil, refusal: result.refusal,
            segments: result.segments.map { .init(number: $0.number, entries: $0.entries, payloadBytes: $0.payloadBytes, verdict: "\($0.verdict)") },
            checkpoints: result.checkpoints.map { .init(file: $0.file, bytes: $0.bytes, problem: $0.problem) }, quarantined: result.quarantined,
            problems: result.problems.map { Problem(file: $0.file, offset: $0.offset, reason: $0.reason, evidence: $0.evidence) })
    }

    private func show(_ result: LogVerification) {
        for segment in result.segments {
            Output.line("\(LogFileName.segment(segment.number))  \(segment.entries) entries, \(segment.payloadBytes) bytes: \(segment.verdict)")
        }
        for checkpoint in result.checkpoints { Output.line("\(checkpoint.file)  \(checkpoint.bytes) bytes: \(checkpoint.problem ?? "whole")") }
        for file in result.quarantined { Output.line("\(file)  put aside by an earlier recovery") }
        for problem in result.problems { Output.line("DAMAGED: \(problem.file) at byte \(problem.offset): \(problem.reason) (\(problem.evidence))") }
        Output.line(verdict(result))
    }

    private func verdict(_ result: LogVerification) -> String {
        if result.isHealthy { return "the log is whole" }
        let advice = "docs/operations.md says what to do"
        guard case .opens(let checkpoint, _) = result.start else { return "the log is damaged, and the broker will not start on it: \(advice)" }
        let from = checkpoint.map { "checkpoint \(LogFileName.checkpoint($0))" } ?? "its beginning"
        return "the log is damaged, and the broker starts on it, from \(from): \(advice)"
    }
}

extension LogVerification {
    /// Why a start refuses the log; nil where it does not.
    fileprivate var refusal: String? {
        if case .refuses(let reason) = start { reason } else { nil }
    }
}

struct LogInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Print the entries of a log.",
        discussion: """
            Example:
              spindle log inspect spindle-data --limit 20
            """)

    @OptionGroup var options: LogOptions

    @Option(help: ArgumentHelp("End after so many entries; 0 is no limit.", valueName: "n"))
    var limit = 1000

    @Option(help: ArgumentHelp("Begin at this position, hexadecimal as it is printed.", valueName: "lsn"))
    var from: String?

    private struct Line: Encodable {
        let lsn: String
        let type: String
        let payloadBytes: Int
        let timeMs: UInt64?
    }

    private struct Damage: Encodable {
        let damagedFile: String
        let offset: UInt64
        let bytes: UInt64
        let reason: String
    }

    func validate() throws {
        if limit < 0 { throw ValidationError("--limit must not be below 0.") }
        if let from, UInt64(from, radix: 16) == nil { throw ValidationError("--from must be a hexadecimal number, such as 200.") }
    }

    func run() async throws {
        let inspector = try options.open()
        let start = from.flatMap { UInt64($0, radix: 16) }.map { LSN(rawValue: $0) } ?? .zero
        var left = limit == 0 ? Int.max : limit
        var failure: (any Error)?
        do {
            try inspector.inspect(from: start, typeName: { EntryType(rawValue: $0)?.name }) { item, payload in
                do { try show(item, time: Self.time(of: payload)) } catch { failure = error }
                left -= 1
                return left > 0 && failure == nil
            }
        } catch {
            throw CommandFailure("\(error)")
        }
        if let failure { throw failure }
        if left == 0, !options.json { Output.error("(ended at --limit \(limit))") }
    }

    private func show(_ item: LogInspection, time: UInt64?) throws {
        switch item {
        case .entry(let entry, let payloadCount, let typeName):
            let lsn = String(entry.lsn.rawValue, radix: 16)
            if options.json { return try Output.json(Line(lsn: lsn, type: typeName, payloadBytes: payloadCount, timeMs: time)) }
            let date = time.map { Date(timeIntervalSince1970: Double($0) / 1000).formatted(.iso8601.time(includingFractionalSeconds: true)) }
            Output.line("\(lsn.padded(to: 12))  \(typeName.padded(to: 14))  \("\(payloadCount)".padded(to: 9))  \(date ?? "-")")
        case .damage(let file, let offset, let byteCount, let reason):
            if options.json { return try Output.json(Damage(damagedFile: file, offset: offset, bytes: byteCount, reason: reason)) }
            Output.line("\(file) at byte \(offset): \(byteCount) bytes are no entry (\(reason))")
        }
    }

    /// Every transaction of a node begins with `u32 head bytes · u64 time ms`, little-endian; the log's own entries are shorter.
    private static func time(of payload: RawSpan) -> UInt64? {
        guard payload.byteCount >= 12 else { return nil }
        return UInt64(littleEndian: payload.unsafeLoadUnaligned(fromByteOffset: 4, as: UInt64.self))
    }
}
