import ArgumentParser
import SpindleDisk
import SpindleLog
import SpindleNode

struct LogStatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat", abstract: "Print what a log holds: its segments, entries by type, checkpoints, and how much of it still lives.",
        discussion: """
            What lives is found by replaying the log, as a start would, and nothing is changed. Where the log is damaged that part is left out.

            Example:
              spindle log stat spindle-data
            """)

    @OptionGroup var options: LogOptions

    private struct Answer: Encodable {
        struct Kind: Encodable {
            let type: String
            var entries: UInt64 = 0
            var payloadBytes: UInt64 = 0
        }

        struct Checkpoint: Encodable {
            let file: String
            let bytes: UInt64
            let problem: String?
        }

        struct Live: Encodable {
            let bytes: UInt64
            let records: UInt64
            let oldestAddress: String?
            let oldestSegment: UInt64?
            /// Bytes of the log from the oldest live record's segment on.
            let heldBytes: UInt64
        }

        var log: String?
        var segmentBytes: UInt64
        var firstSegment: UInt64?
        var lastSegment: UInt64?
        var segments: Int
        var segmentFileBytes: UInt64
        var preparedSegments: Int
        var spentSegments: Int
        var firstLsn: String?
        var endLsn: String?
        var types: [Kind]
        var damagedBytes: UInt64
        var checkpoints: [Checkpoint]
        var live: Live?
        var replayProblem: String?
        var replayedEntries: UInt64?
    }

    func run() async throws {
        let inspector = try options.open()
        let answer: Answer
        do {
            answer = try gather(inspector)
        } catch let error as LogStorageError {
            throw CommandFailure("\(error)")
        }
        if options.json { try Output.json(answer) } else { show(answer) }
    }

    private func gather(_ inspector: LogInspector<DiskLogStorage>) throws -> Answer {
        let verification = try inspector.verify()
        var kinds: [String: Answer.Kind] = [:]
        var damagedBytes: UInt64 = 0
        try inspector.inspect(typeName: { EntryType(rawValue: $0)?.name }) { item, _ in
            switch item {
            case .entry(_, let payloadCount, let name):
                kinds[name, default: .init(type: name)].entries += 1
                kinds[name, default: .init(type: name)].payloadBytes += UInt64(payloadCount)
            case .damage(_, _, let byteCount, _): damagedBytes += byteCount
            }
            return true
        }
        var answer = Answer(
            log: verification.log.map { "\($0)" }, segmentBytes: verification.segmentBytes, firstSegment: verification.segments.first?.number,
            lastSegment: verification.segments.last?.number, segments: verification.segments.count,
            segmentFileBytes: UInt64(verification.segments.count) * verification.segmentBytes,
            preparedSegments: verification.preparedSegments.count, spentSegments: verification.spentSegments.count,
            firstLsn: verification.segments.first.map { hexadecimal($0.first.rawValue) },
            endLsn: verification.segments.last.map { hexadecimal($0.end.rawValue) },
            types: kinds.values.sorted { ($0.payloadBytes, $0.type) > ($1.payloadBytes, $1.type) }, damagedBytes: damagedBytes,
            checkpoints: verification.checkpoints.map { .init(file: $0.file, bytes: $0.bytes, problem: $0.problem) })
        do {
            guard let (state, recovered) = try NodeState.look(at: inspector.storage) else { return answer }
            let oldest = state.oldestLiveAddress
            let segment = oldest.map { $0 / verification.segmentBytes }
            answer.live = .init(
                bytes: state.liveBytes, records: state.liveRecords, oldestAddress: oldest.map(hexadecimal), oldestSegment: segment,
                heldBytes: segment.map { recovered.end.rawValue - min(recovered.end.rawValue, $0 * verification.segmentBytes) } ?? 0)
            answer.replayedEntries = recovered.replayedEntries
        } catch {
            answer.replayProblem = "\(error)"
        }
        return answer
    }

    private func hexadecimal(_ value: UInt64) -> String { String(value, radix: 16) }

    private func show(_ answer: Answer) {
        guard let first = answer.firstSegment, let last = answer.lastSegment else { return Output.line("there are no segments") }
        Output.line("log \(answer.log ?? "?"), from LSN \(answer.firstLsn ?? "?") to \(answer.endLsn ?? "?")")
        Output.line(
            "segments \(first) to \(last): \(answer.segments) of \(answer.segmentBytes) bytes, together \(answer.segmentFileBytes); "
                + "\(answer.preparedSegments) prepared, \(answer.spentSegments) spent")
        for checkpoint in answer.checkpoints { Output.line("\(checkpoint.file)  \(checkpoint.bytes) bytes: \(checkpoint.problem ?? "whole")") }
        Output.table(["TYPE", "ENTRIES", "PAYLOAD BYTES"], answer.types.map { [$0.type, "\($0.entries)", "\($0.payloadBytes)"] })
        if answer.damagedBytes > 0 { Output.line("\(answer.damagedBytes) bytes are no entry: `spindle log verify` says where") }
        if let live = answer.live {
            Output.line(
                "live: \(live.records) records of \(live.bytes) bytes; "
                    + (live.oldestAddress.map { "the oldest at \($0), so \(live.heldBytes) bytes of log are held" } ?? "nothing is held"))
        } else if let problem = answer.replayProblem {
            Output.line("what lives is not known, because the log does not replay: \(problem)")
        }
    }
}
