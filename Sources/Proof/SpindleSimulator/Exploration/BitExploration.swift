internal import SpindleLog

/// Every bit of a 64 KiB log flipped, one at a time: the start must refuse, or say that the tail is torn and lose no more than the
/// last synced batch. Anything else is silent.
package struct BitExploration {
    package private(set) var bits = 0
    package private(set) var refused = 0
    package private(set) var reportedAsTorn = 0
    package private(set) var violations: [String] = []

    private static let configuration = LogConfiguration(
        segmentBytes: 64 << 10, entryBytesMax: 4000, batchBytesMax: 64 << 10, batchBytesKept: 64 << 10, reservedSegments: 0, preparedAhead: 0,
        spentSegmentsMax: 1, freeBytesKept: 0)

    package init() {}

    package var description: String {
        "\(bits) bits flipped, \(refused) refused, \(reportedAsTorn) told as a torn tail within the last synced batch, \(violations.count) silent"
    }

    private static func recover(_ storage: SimulatedDisk) throws(LogRecoveryError) -> (log: RecoveredLog, entries: UInt64) {
        var entries: UInt64 = 0
        let log = try LogRecovery.recover(
            storage: storage, configuration: configuration, newLogID: LogID(high: 1, low: 2),
            onCheckpoint: { (_, _) throws(LogReplayRefusal) in },
            onEntry: { (_, _) throws(LogReplayRefusal) in entries += 1 })
        return (log, entries)
    }

    /// `stride`: every so many bits; 1 is all.
    package mutating func run(stride step: Int = 1, stopsAtViolation: Bool = false) throws {
        let storage = SimulatedDisk()
        storage.recordsTrace = false
        let (log, _) = try Self.recover(storage)
        var appender = log.makeAppender()
        var generator = SeededGenerator(seed: 64)
        var appended: UInt64 = 0
        var proven: UInt64 = 0
        while appender.end.offset(segmentBytes: 64 << 10) < 60 << 10 {
            proven = appended
            for _ in 0..<3 {
                let payload = (0..<200 + generator.below(500)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                _ = try appender.append(type: 7, head: payload.span.bytes)
                appended += 1
            }
            guard let batch = appender.takeBatch() else { break }
            appender.markDurable(try LogWriter(storage: storage).write(batch))
        }
        let disk = storage.disk
        let name = LogFileName.segment(1)
        for bit in Swift.stride(from: 0, to: (64 << 10) * 8, by: step) {
            var flipped = disk
            flipped.damage(name) { $0[bit / 8] ^= 1 << UInt8(bit % 8) }
            let copy = SimulatedDisk(flipped)
            copy.recordsTrace = false
            bits += 1
            do throws(LogRecoveryError) {
                let (found, entries) = try Self.recover(copy)
                if found.tail == .clean { violations.append("bit \(bit): silent, \(entries) of \(appended) entries") }
                if entries < proven { violations.append("bit \(bit): \(entries) entries are left of \(proven) that were proven durable") }
                reportedAsTorn += 1
            } catch {
                if case .corrupt = error { refused += 1 } else { violations.append("bit \(bit): \(error)") }
            }
            if stopsAtViolation, !violations.isEmpty { return }
        }
    }
}
