internal import SpindleLog
internal import SpindleSimulator
internal import SpindleWire

extension FuzzTarget {
    /// A log that something happened to. The input is a list of what: damage of every kind, and forgeries whose checksums are right.
    /// Recovery and inspection must end. Without a forgery, nothing false may be given out, what was recovered recovers to the same,
    /// and what is appended then is found.
    static let log = FuzzTarget("log", inputBytesMax: 1024) { input in
        var bytes = FuzzBytes(input)
        var damage = LogDamage(LogSample.disk)
        for _ in 0..<32 where !bytes.isAtEnd { damage.apply(&bytes) }
        let disk = damage.disk

        let inspector = LogInspector(storage: SimulatedDisk(disk))
        _ = try? inspector.verify()
        var shown = 0
        try? inspector.inspect(typeName: { _ in nil }) { _, _ in
            shown += 1
            return shown < 10_000
        }
        let storage = SimulatedDisk(disk)
        guard let first = try? LogSample.recover(storage) else { return }
        if damage.isForged {
            _ = try? LogSample.recover(storage)
            try? LogSample.goOn(first, storage)
            return
        }
        try must(first.falseEntry == nil, "an entry was given out that was never written: number \(first.falseEntry ?? 0)")
        try must(first.entries.count <= LogSample.entryCount, "\(first.entries.count) entries came out of \(LogSample.entryCount)")
        // The process dies right behind the recovery: what it synced is all that there is.
        let crashed = storage.disk.crashed(.init(directoryChangesKept: 0, sector: { _ in .lost }, sizeKept: { _ in false }))
        let second: LogSample.Outcome
        do {
            second = try LogSample.recover(SimulatedDisk(crashed))
        } catch {
            throw FuzzFailure("a recovered log can't be recovered: \(error)")
        }
        try must(second.entries == first.entries, "a recovery changes a recovered log: \(first.entries.count), \(second.entries.count) entries")
        try must(second.log.end == first.log.end, "the end of a recovered log moves: \(first.log.end), \(second.log.end)")
        try LogSample.goOn(first, storage)
    }
}

/// A small log: three segments, two checkpoints, entries whose payload follows from their number.
enum LogSample {
    static let id = LogID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
    static let segmentBytes: UInt64 = 16 << 10
    static let configuration = LogConfiguration(
        segmentBytes: segmentBytes, entryBytesMax: 4000, batchBytesMax: 64 << 10, batchBytesKept: 64 << 10, reservedSegments: 1,
        preparedAhead: 1, spentSegmentsMax: 1, freeBytesKept: 0)
    static let entryCount = 20

    struct Outcome {
        var log: RecoveredLog
        /// Checksums of what was given out.
        var entries: [UInt32]
        var falseEntry: Int?
    }

    static let disk: SimulatedDiskState = {
        do {
            let storage = SimulatedDisk()
            let recovered = try recover(storage).log
            var appender = recovered.makeAppender()
            var preparer = recovered.makePreparer(storage: storage)
            for number in 0..<entryCount {
                while appender.preparedThrough < appender.currentSegment + 2 {
                    if case .prepared(let through) = try preparer.prepareNext() { appender.notePrepared(through: through, diskFull: false) }
                }
                let payload = payload(number)
                _ = try appender.append(type: 7, head: payload.span.bytes)
                guard number % 2 == 1, let batch = appender.takeBatch() else { continue }
                appender.markDurable(try LogWriter(storage: storage).write(batch))
                guard number == 9 || number == 15 else { continue }
                let count = withUnsafeBytes(of: UInt64(number + 1).littleEndian) { Array($0) }
                try recovered.makeCheckpointer(storage: storage).write(count.span.bytes, at: appender.durable, durable: appender.durable)
            }
            return storage.disk
        } catch {
            preconditionFailure("the sample can be written: \(error)")
        }
    }()

    static func payload(_ number: Int) -> [UInt8] {
        (0..<(1000 + 100 * number)).map { UInt8(truncatingIfNeeded: $0 < 8 ? number : number &* 31 &+ $0 | 1) }
    }

    static let checksums: [UInt32] = (0..<entryCount).map { CRC32C.extend(with: payload($0).span.bytes) }

    static func recover(_ storage: SimulatedDisk) throws -> Outcome {
        var entries: [UInt32] = []
        var next = 0
        var falseEntry: Int?
        let log = try LogRecovery.recover(
            storage: storage, configuration: configuration, newLogID: id,
            onCheckpoint: { (payload, _) throws(LogReplayRefusal) in
                guard payload.byteCount == 8 else { throw LogReplayRefusal("\(payload.byteCount) bytes") }
                next = Int(clamping: payload.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self))
            },
            onEntry: { (entry, payload) throws(LogReplayRefusal) in
                let checksum = CRC32C.extend(UInt32(entry.type), with: payload)
                entries.append(checksum)
                let isTrue = next >= 0 && next < entryCount && CRC32C.extend(with: payload) == checksums[next]
                if !isTrue, falseEntry == nil { falseEntry = next }
                next &+= 1 // a forged checkpoint may begin anywhere
            })
        return Outcome(log: log, entries: entries, falseEntry: falseEntry)
    }

    /// Appends to a recovered log, and finds it again.
    static func goOn(_ outcome: Outcome, _ storage: SimulatedDisk) throws {
        var appender = outcome.log.makeAppender()
        var preparer = outcome.log.makePreparer(storage: storage)
        for _ in 0..<3 {
            guard case .prepared(let through)? = try? preparer.prepareNext() else { break }
            appender.notePrepared(through: through, diskFull: false)
        }
        let payload = [UInt8](repeating: 0xA5, count: 64)
        guard (try? appender.append(type: 9, head: payload.span.bytes)) != nil, let batch = appender.takeBatch() else { return }
        guard (try? LogWriter(storage: storage).write(batch)) != nil else { throw FuzzFailure("a recovered log can't be written to") }
        let again: Outcome
        do {
            again = try recover(storage)
        } catch {
            throw FuzzFailure("a log that was appended to behind a recovery can't be recovered: \(error)")
        }
        try must(
            again.entries == outcome.entries + [CRC32C.extend(9, with: payload.span.bytes)],
            "an entry that was appended behind a recovery is not found: \(again.entries.count) entries of \(outcome.entries.count + 1)")
    }
}
