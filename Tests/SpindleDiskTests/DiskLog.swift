import SpindleDisk
import SpindleLog

/// A log on real files whose entries carry their number.
struct DiskLog: ~Copyable {
    static let configuration = LogConfiguration(
        segmentBytes: 64 << 10, entryBytesMax: 32 << 10, batchBytesMax: 1 << 20, batchBytesKept: 1 << 20, reservedSegments: 1,
        preparedAhead: 2, spentSegmentsMax: 2, freeBytesKept: 0)

    let storage: DiskLogStorage
    let recovered: RecoveredLog
    var appender: LogAppender
    var next: UInt64

    init(_ storage: DiskLogStorage, configuration: LogConfiguration = configuration) throws {
        self.storage = storage
        var next: UInt64 = 0
        recovered = try LogRecovery.recover(
            storage: storage, configuration: configuration,
            newLogID: LogID(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
            onCheckpoint: { (payload, _) throws(LogReplayRefusal) in
                next = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            },
            onEntry: { (_, payload) throws(LogReplayRefusal) in
                let number = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
                if number != next { throw LogReplayRefusal("entry \(number) where \(next) should be") }
                next += 1
            })
        appender = recovered.makeAppender()
        self.next = next
    }

    mutating func append(count: Int) throws -> AppendedEntry {
        let number = withUnsafeBytes(of: next) { Array($0) }
        let rest = [UInt8](repeating: 0x5A, count: count - 8)
        let entry = try appender.append(type: 1, head: number.span.bytes, body: rest.span.bytes)
        next += 1
        return entry
    }

    mutating func commit() throws {
        guard let batch = appender.takeBatch() else { return }
        appender.markDurable(try LogWriter(storage: storage).write(batch))
        appender.recycle(batch)
    }

    func checkpoint() throws {
        let payload = withUnsafeBytes(of: next) { Array($0) }
        try recovered.makeCheckpointer(storage: storage).write(payload.span.bytes, at: appender.durable, durable: appender.durable)
    }
}
