package import SpindleLog
internal import SpindleQueue
internal import SpindleWire

/// What a salvage found and did.
package struct SalvageReport: Sendable {
    /// Bytes that are no entry. Where something was logged in them, it is lost.
    package struct Damage: Equatable, Sendable {
        package var file: String
        package var offset: UInt64
        package var byteCount: UInt64
        package var first: LSN
        package var end: LSN
        package var reason: String
        /// The checkpoint has what was logged there; only records that lay there are lost.
        package var isBelowCheckpoint: Bool
        /// Up to the end of the last segment: perhaps only the log's torn end, or what a recycled file held before.
        package var isTail: Bool
    }

    /// Nothing that was durable is known to be damaged or missing.
    package var isWhole: Bool { missingSegments.isEmpty && damagedCheckpoints.isEmpty && damage.allSatisfy(\.isTail) }

    package var damage: [Damage] = []
    package var missingSegments: [UInt64] = []
    package var damagedCheckpoints: [(file: String, problem: String)] = []
    package var checkpoint: LSN?
    package var entries: UInt64 = 0
    /// Operations that name what is not there, and were left out; the first of them in words.
    package var operationsLeftOut: UInt64 = 0
    package var operationsMended: UInt64 = 0
    package var leftOut: [String] = []
    /// Messages stored before this position may come again though they were acknowledged; nil: none.
    package var mayRepeatBefore: LSN?
    /// How many of those that were kept that is.
    package var mayRepeat: UInt64 = 0
    package var queues: [(name: String, messages: UInt64)] = []
}

/// Brings what can be read of a damaged log into a new one. The source is only read.
///
/// The state is that of the newest whole checkpoint with every readable entry behind it applied, those behind damage too. Then every
/// message of which the record is whole and that no readable entry ended is kept. So:
/// - A message is lost where its record is, or where the entry that stored it is and no checkpoint has it.
/// - A message whose acknowledgement is lost is kept, and delivered again.
/// - Attempts, delays and histories may be those of before what is lost. Deduplication knows what is kept.
package struct LogSalvage<Source: LogStorage> {
    private let source: Source

    package init(_ source: Source) { self.source = source }

    /// Reads all of the log. Nil where not even one segment says which log it is of.
    package func read() throws(LogStorageError) -> (state: NodeState, report: SalvageReport, segmentBytes: UInt64, lastSegment: UInt64)? {
        let inspector = LogInspector(storage: source)
        guard let (_, segmentBytes, segments) = try inspector.anatomy(), let first = segments.first, let last = segments.last else { return nil }
        var report = SalvageReport()
        var state = NodeState(configuration: .forLooking)
        var refused: [(file: String, problem: String)] = []
        // All of them are looked at, though the newest that can be loaded is enough: verification calls the others damaged too.
        let damaged = try inspector.checkpoints { lsn, payload in
            do throws(LogReplayRefusal) {
                let loaded = try NodeState.loaded(payload)
                guard report.checkpoint == nil else { return false }
                state = loaded
                report.checkpoint = lsn
            } catch {
                refused.append(("\(LogFileName.checkpoint(lsn))", "it is whole and cannot be loaded: \(error.reason)"))
            }
            return false
        }
        report.damagedCheckpoints = damaged + refused
        state.salvaging = SalvageNotes()
        var expected = report.checkpoint.map { $0.rawValue / segmentBytes } ?? 1
        expected = min(expected, first)
        for number in segments {
            while expected < number {
                report.missingSegments.append(expected)
                expected += 1
            }
            expected = number + 1
        }
        let start = report.checkpoint ?? .zero
        try inspector.inspect(typeName: { _ in nil }) { item, payload in
            switch item {
            case .entry(let entry, _, _):
                guard entry.lsn >= start, entry.type < EntryHeader.firstReservedType else { break }
                report.entries += 1
                state.salvage(payload: payload, payloadAddress: entry.payloadAddress)
            case .damage(let file, let offset, let byteCount, let reason):
                guard case .segment(let number)? = LogFileName(file) else { break }
                let address = number * segmentBytes + offset
                report.damage.append(
                    .init(
                        file: file, offset: offset, byteCount: byteCount, first: LSN(rawValue: address),
                        end: LSN(rawValue: address + byteCount), reason: reason,
                        isBelowCheckpoint: LSN(rawValue: address + byteCount) <= start,
                        isTail: number == last && offset + byteCount == segmentBytes))
            }
            return true
        }
        // Segments are freed from the oldest on, so all from the oldest needed record's on must be there.
        if let oldest = state.oldestNeeded?.segment(segmentBytes: segmentBytes), oldest < first {
            report.missingSegments = Array(oldest..<(report.missingSegments.first ?? first)) + report.missingSegments
        }
        note(state, segmentBytes, last, &report)
        return (state, report, segmentBytes, last)
    }

    private func note(_ state: NodeState, _ segmentBytes: UInt64, _ last: UInt64, _ report: inout SalvageReport) {
        if let notes = state.salvaging {
            report.operationsLeftOut = notes.leftOut
            report.operationsMended = notes.mended
            report.leftOut = notes.reasons
        }
        // An acknowledgement that is lost lies in damage behind the checkpoint, and is of a message stored before.
        report.mayRepeatBefore = report.damage.filter { !$0.isBelowCheckpoint && !$0.isTail }.map(\.end).max()
        // Nothing is lost but records where a checkpoint has what was logged there.
        let covered = report.checkpoint.map { $0.rawValue / segmentBytes } ?? 0
        if let gap = report.missingSegments.max(), gap >= covered {
            report.mayRepeatBefore = max(report.mayRepeatBefore ?? .zero, LSN(rawValue: (gap + 1) * segmentBytes))
        }
        for queue in state.engine.queues where !queue.isDeleted && queue.counts.length > 0 {
            report.queues.append((queue.name, queue.counts.length))
        }
        guard let before = report.mayRepeatBefore else { return }
        for queue in state.engine.queues.indices {
            var after: UInt64 = 0
            while true {
                let views = state.engine.browse(UInt32(queue), after: after, max: 1024).filter { $0.id < before.rawValue }
                guard let last = views.last else { break }
                report.mayRepeat += UInt64(views.count)
                after = last.id
            }
        }
    }
}
