import SpindleLog
import SpindleSimulator

/// A small log for tests: entries carry a number, from which the rest of their payload follows.
struct TestLog: ~Copyable {
    static let id = LogID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)

    static let configuration = LogConfiguration(
        segmentBytes: 16 << 10, entryBytesMax: 4000, batchBytesMax: 64 << 10, batchBytesKept: 64 << 10, reservedSegments: 1,
        preparedAhead: 1, spentSegmentsMax: 1, freeBytesKept: 0)

    let storage: SimulatedDisk
    var appender: LogAppender
    var preparer: SegmentPreparer<SimulatedDisk>
    let recovered: RecoveredLog
    /// The number of the next entry.
    var next: UInt64
    /// Entries below this number are confirmed.
    var confirmed: UInt64
    /// Where the entry of each number lies; only for those appended here.
    var places: [UInt64: AppendedEntry] = [:]

    init(_ storage: SimulatedDisk, configuration: LogConfiguration = configuration) throws {
        self.storage = storage
        let (recovered, next) = try Self.recover(storage, configuration: configuration)
        self.recovered = recovered
        appender = recovered.makeAppender()
        preparer = recovered.makePreparer(storage: storage)
        self.next = next
        confirmed = next
    }

    /// Recovers, checks that the entries follow each other without a gap and hold what they should, and returns the number of
    /// entries. A checkpoint's payload is the number of entries below it.
    static func recover(
        _ storage: SimulatedDisk, configuration: LogConfiguration = configuration
    ) throws(LogRecoveryError) -> (RecoveredLog, UInt64) {
        var next: UInt64 = 0
        let recovered = try LogRecovery.recover(
            storage: storage, configuration: configuration, newLogID: id,
            onCheckpoint: { (payload, _) throws(LogReplayRefusal) in
                guard payload.byteCount == 8 else { throw LogReplayRefusal("checkpoint of \(payload.byteCount) bytes") }
                next = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            },
            onEntry: { (entry, payload) throws(LogReplayRefusal) in
                let bytes = payload.withUnsafeBytes { Array($0) }
                guard bytes == TestLog.payload(next, count: bytes.count) else {
                    throw LogReplayRefusal("entry at \(entry.lsn) is not number \(next)")
                }
                next += 1
            })
        return (recovered, next)
    }

    static func payload(_ number: UInt64, count: Int) -> [UInt8] {
        (0..<count).map { index in
            index < 8
                ? UInt8(truncatingIfNeeded: number >> UInt64(8 * index))
                : UInt8(truncatingIfNeeded: number &* 31 &+ UInt64(index) | 1)
        }
    }

    @discardableResult
    mutating func append(count: Int) throws -> AppendedEntry {
        let payload = Self.payload(next, count: count)
        let head = payload.prefix(count / 3)
        let body = payload.dropFirst(count / 3)
        let entry = try appender.append(type: 7, head: Array(head).span.bytes, body: Array(body).span.bytes)
        places[next] = entry
        next += 1
        return entry
    }

    /// Writes what was appended, and counts it as confirmed.
    mutating func commit() throws {
        guard let batch = appender.takeBatch() else { return }
        let appended = next
        appender.markDurable(try LogWriter(storage: storage).write(batch))
        appender.recycle(batch)
        confirmed = appended
    }

    /// Writes what was appended, without the sync at the end.
    mutating func writeWithoutSync() throws {
        storage.faults[storage.operations + 1] = .crash
        guard let batch = appender.takeBatch() else { return }
        _ = try? LogWriter(storage: storage).write(batch)
    }

    mutating func prepare() throws {
        switch try preparer.prepareNext() {
        case .prepared(let through): appender.notePrepared(through: through, diskFull: false)
        case .diskFull: appender.notePrepared(through: 0, diskFull: true)
        }
    }

    mutating func prepareAhead(_ count: UInt64) throws {
        while appender.preparedThrough < appender.currentSegment + count { try prepare() }
    }

    func checkpoint() throws {
        let count = confirmed
        let payload = withUnsafeBytes(of: count) { Array($0) }
        try recovered.makeCheckpointer(storage: storage).write(payload.span.bytes, at: appender.durable, durable: appender.durable)
    }

    @discardableResult
    func reclaim(oldestLive: LSN) throws -> LogReclaimed {
        try recovered.makeReclaimer(storage: storage).reclaim(oldestLive: oldestLive)
    }

    /// The offset of an entry in its segment's file.
    func offset(_ number: UInt64) -> Int {
        Int(places[number]?.lsn.offset(segmentBytes: recovered.segmentBytes) ?? 0)
    }
}
