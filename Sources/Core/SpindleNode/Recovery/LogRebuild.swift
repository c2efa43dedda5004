package import SpindleLog
internal import SpindleQueue
internal import SpindleWire

/// Writes a new log that holds a given state, with the records that it needs copied from an old one.
///
/// The new log has an identity of its own, and begins `segmentsSkipped` segments behind the old one's end. So no address that the
/// old log may have given out since (if this state is that of a backup) or that is lost in damage comes to mean another message:
/// a delivery token of then is stale, and a topic's cursor of then is answered with a gap. Messages keep their ids.
package struct LogRebuild<Source: LogStorage, Target: LogStorage>: ~Copyable {
    /// 2^50 bytes with segments of 64 MiB.
    package static var segmentsSkipped: UInt64 { 1 << 24 }
    private static var recordsPerStep: Int { 1024 }
    private static var bytesPerStep: Int { 1 << 20 }

    package struct LostRecord: Equatable, Sendable {
        package var straggler: Straggler
        /// The name of its queue or topic.
        package var place: String
        package var reason: String
    }

    package struct Result: Sendable {
        package var log: LogID
        package var firstSegment: UInt64
        package var end: LSN
        package var records: UInt64
        package var bytes: UInt64
        package var lost: [LostRecord]
    }

    private let reader: LogReader<Source>
    private let target: Target
    private var state: NodeState
    private var appender: LogAppender
    private var preparer: SegmentPreparer<Target>
    private let recovered: RecoveredLog
    private var result: Result

    /// - Parameters:
    ///   - state: what the old log makes. Its records lie in `source`.
    ///   - lastSegment: the old log's last segment.
    package init(
        state: NodeState, source: Source, segmentBytes: UInt64, lastSegment: UInt64, target: Target, newLogID: LogID
    ) throws(LogRecoveryError) {
        self.state = state
        self.target = target
        reader = LogReader(storage: source, segmentBytes: segmentBytes)
        var configuration = LogConfiguration()
        configuration.segmentBytes = segmentBytes
        configuration.entryBytesMax = min(configuration.entryBytesMax, EntryHeader.payloadBytesLimit(segmentBytes: segmentBytes))
        let first = lastSegment + Self.segmentsSkipped
        recovered = try LogRecovery.create(storage: target, configuration: configuration, newLogID: newLogID, firstSegment: first)
        appender = recovered.makeAppender()
        preparer = recovered.makePreparer(storage: target)
        result = Result(log: newLogID, firstSegment: first, end: .zero, records: 0, bytes: 0, lost: [])
    }

    /// Copies every record, then writes the checkpoint. Until then the new log does not open.
    package consuming func run() throws(LogRecoveryError) -> Result {
        let boundary = result.firstSegment * reader.segmentBytes
        let time = state.time
        while true {
            let stragglers = state.stragglers(below: boundary, max: Self.recordsPerStep)
            if stragglers.isEmpty { break }
            var bytes = 0
            let count = stragglers.prefix { straggler in
                bytes += straggler.byteCount
                return bytes <= Self.bytesPerStep
            }.count
            try copy(Array(stragglers.prefix(max(1, count))), now: time)
        }
        try write()
        do {
            try recovered.makeCheckpointer(storage: target).write(state, at: appender.durable, durable: appender.durable)
        } catch {
            throw .configuration("\(error)")
        }
        result.end = appender.durable
        return result
    }

    private mutating func copy(_ stragglers: [Straggler], now: UInt64) throws(LogRecoveryError) {
        var whole: [Straggler] = []
        var records: [UInt8] = []
        for straggler in stragglers {
            var record = [UInt8](repeating: 0, count: straggler.byteCount)
            if let problem = read(straggler, into: &record) {
                result.lost.append(LostRecord(straggler: straggler, place: state.place(of: straggler), reason: problem))
                guard state.forget(straggler) else { throw .configuration("the record at \(straggler.address) cannot be left out") }
            } else {
                whole.append(straggler)
                records += record
            }
        }
        guard !whole.isEmpty else { return }
        while appender.preparedThrough < appender.currentSegment + 2 {
            switch try preparer.next() {
            case .prepared(let through): appender.notePrepared(through: through, diskFull: false)
            case .diskFull(let free): throw .diskFull(neededBytes: reader.segmentBytes, freeBytes: free)
            }
        }
        do throws(WireError) {
            let relocated = try state.relocate(whole, records: records.span.bytes, now: now, log: &appender)
            result.records += UInt64(relocated.records)
            result.bytes += relocated.bytes
        } catch {
            throw .configuration(error.message)
        }
        try write()
    }

    /// What is wrong with the record; nil if it was read whole.
    private func read(_ straggler: Straggler, into record: inout [UInt8]) -> String? {
        do throws(LogStorageError) {
            let outcome = record.withUnsafeMutableBytes { bytes in
                Swift.Result { () throws(LogStorageError) in try reader.read(address: straggler.address, into: bytes) }
            }
            try outcome.get()
        } catch { return "\(error)" }
        do throws(WireError) { try RecordView.check(record.span.bytes) } catch { return error.message }
        return nil
    }

    private mutating func write() throws(LogRecoveryError) {
        guard let batch = appender.takeBatch() else { return }
        do throws(LogStorageError) {
            appender.markDurable(try LogWriter(storage: target).write(batch))
        } catch { throw .storage(error) }
        appender.recycle(batch)
    }
}

extension SegmentPreparer {
    fileprivate mutating func next() throws(LogRecoveryError) -> SegmentPreparation {
        do throws(LogStorageError) { return try prepareNext() } catch { throw .storage(error) }
    }
}

extension NodeState {
    /// The name of the queue or topic that a record is in.
    func place(of straggler: Straggler) -> String {
        switch straggler.owner {
        case .message(_, let queue, _): "queue \(engine.queues[Int(queue)].name)"
        case .event(let offset): topics.name(at: offset).map { "topic \($0)" } ?? "a topic"
        case .result: "results"
        }
    }

    /// Leaves out a message, event or result whose record is lost. False where it is not there.
    mutating func forget(_ straggler: Straggler) -> Bool {
        switch straggler.owner {
        case .message(let id, let queue, let group):
            guard case .flagged? = engine.cancel(id, in: queue, group: group, reason: "its record is lost") else {
                return engine.view(id, in: queue, group: group) == nil
            }
            return engine.end(id, .released, reason: "its record is lost", next: .removed, now: time)
        case .event(let offset): return topics.lose(offset)
        case .result(let id): return results.lose(id)
        }
    }
}
