import SpindleLog
import SpindleSimulator
import Testing

@Suite("Appending")
struct AppenderTests {
    private func newLog(_ change: (inout LogConfiguration) -> Void = { _ in }) throws -> TestLog {
        var configuration = TestLog.configuration
        change(&configuration)
        return try TestLog(SimulatedDisk(), configuration: configuration)
    }

    private func expectNothing(_ batch: LogBatch?) {
        #expect(batch == nil)
    }

    @Test func anEntryLiesWhereTheAppenderSaid() throws {
        var log = try newLog()
        try log.prepareAhead(8)
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<60 {
            let count = Int.random(in: 8...1500, using: &generator)
            let foretold = log.appender.nextPayloadAddress(for: count)
            let end = log.appender.end
            let entry = try log.append(count: count)
            #expect(entry.payloadAddress == foretold)
            #expect(entry.lsn >= end)
            #expect(entry.end == log.appender.end)
        }
        try log.commit()
        let reader = log.recovered.makeReader(storage: log.storage)
        for (number, entry) in log.places {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
            defer { buffer.deallocate() }
            try reader.read(address: entry.payloadAddress, into: buffer)
            #expect(buffer.load(as: UInt64.self) == number)
        }
        #expect(log.appender.currentSegment > 3)
    }

    @Test func nothingAppendedIsNoBatch() throws {
        var log = try newLog()
        expectNothing(log.appender.takeBatch())
        try log.append(count: 10)
        #expect(log.appender.openBatchBytes > 0)
        let taken = log.appender.takeBatch()
        let batch = try #require(taken)
        #expect(batch.entryCount == 1)
        #expect(batch.end == log.appender.end)
        expectNothing(log.appender.takeBatch())
        #expect(log.appender.openBatchBytes == 0)
    }

    @Test func aBatchIsWrittenWithOneSync() throws {
        var log = try newLog()
        for _ in 0..<20 { try log.append(count: 100) }
        let before = log.storage.trace.count
        try log.commit()
        #expect(log.storage.trace[before...] == ["write 00000000000000000001.segment", "sync 00000000000000000001.segment"])
    }

    @Test func aRolloverSyncsTheOldSegmentBeforeTheNewOneGetsItsName() throws {
        var log = try newLog()
        try log.prepareAhead(2)
        for _ in 0..<4 { try log.append(count: 4000) }
        let before = log.storage.trace.count
        try log.commit()
        #expect(
            log.storage.trace[before...] == [
                "write 00000000000000000001.segment",
                "sync 00000000000000000001.segment",
                "rename 00000000000000000002.prepared → 00000000000000000002.segment",
                "syncDirectory ",
                "write 00000000000000000002.segment",
                "sync 00000000000000000002.segment",
            ])
    }

    @Test func refusalsChangeNothing() throws {
        var log = try newLog {
            $0.batchBytesMax = 8000
            $0.entryBytesMax = 4000
        }
        #expect(throws: LogAppendError.entryTooLarge(payloadBytes: 4001, payloadBytesMax: 4000)) { try log.append(count: 4001) }
        expectNothing(log.appender.takeBatch())
        try log.append(count: 4000)
        let end = log.appender.end
        #expect(throws: LogAppendError.batchFull(batchBytesMax: 8000)) { try log.append(count: 4000) }
        #expect(log.appender.end == end)
        try log.commit()
        try log.append(count: 4000)
        try log.commit()
        try log.append(count: 3000)
        try log.commit()
        #expect(throws: LogAppendError.noRoom(.preparing)) { try log.append(count: 4000) }
        log.appender.notePrepared(through: 1, diskFull: true)
        #expect(throws: LogAppendError.noRoom(.full)) { try log.append(count: 4000) }
        let (_, count) = try TestLog.recover(log.storage)
        #expect(count == log.next)
    }

    @Test func publishesStopBeforeTheReserveAndAcksGoOn() throws {
        var log = try newLog { $0.reservedSegments = 1 }
        #expect(log.appender.roomForPublish(payloadCount: 10) == .preparing)
        try log.prepareAhead(1)
        #expect(log.appender.roomForPublish(payloadCount: 10) == .available)
        // Fill the current segment: the next publish would take the reserved one.
        for _ in 0..<2 { try log.append(count: 4000) }
        try log.append(count: 3900)
        #expect(log.appender.roomForPublish(payloadCount: 4000) == .preparing)
        #expect(log.appender.roomForPublish(payloadCount: 8) == .available)
        log.appender.notePrepared(through: 0, diskFull: true)
        #expect(log.appender.roomForPublish(payloadCount: 4000) == .full)
        try log.append(count: 4000)
        #expect(log.appender.currentSegment == 2)
        #expect(log.appender.roomForPublish(payloadCount: 8) == .full)
        try log.append(count: 8)
        try log.commit()
        let (_, count) = try TestLog.recover(log.storage)
        #expect(count == log.next)
    }

    @Test func aFullDiskIsNoRoomAndIsRetried() throws {
        let storage = SimulatedDisk()
        storage.disk.capacity = 40 << 10
        var log = try TestLog(storage)
        try log.prepare()
        try log.prepare()
        #expect(log.appender.preparedThrough == 2)
        #expect(log.appender.roomForPublish(payloadCount: 4000) == .available)
        storage.disk.capacity = 100 << 10
        try log.prepare()
        #expect(log.appender.preparedThrough == 3)
    }

    @Test func spaceThatRunsOutWhileZeroingIsGivenBack() throws {
        let storage = SimulatedDisk()
        var log = try TestLog(storage)
        // create, then a write that finds the disk full in its middle
        storage.faults[storage.operations + 1] = .errorAfterBytes(1000, 28)
        try log.prepare()
        #expect(log.appender.preparedThrough == 1)
        #expect(storage.disk.names[.preparing] == nil)
        try log.prepare()
        #expect(log.appender.preparedThrough == 2)
    }

    @Test func aBufferIsUsedAgain() throws {
        var log = try newLog()
        for _ in 0..<3 {
            try log.append(count: 100)
            try log.commit()
        }
        try log.append(count: 100)
        let taken = log.appender.takeBatch()
        let first = try #require(taken)
        let identity = ObjectIdentifier(first)
        log.appender.recycle(first)
        try log.append(count: 100)
        _ = log.appender.takeBatch()
        try log.append(count: 100)
        let takenLast = log.appender.takeBatch()
        let third = try #require(takenLast)
        #expect(ObjectIdentifier(third) == identity)
    }

    @Test(arguments: [
        (LogConfiguration(segmentBytes: 5000), "segmentBytes is 5000"),
        (LogConfiguration(segmentBytes: 16 << 10), "entryBytesMax is 20971520"),
        (LogConfiguration(batchBytesMax: 1000), "batchBytesMax is 1000"),
    ])
    func wrongLimitsAreNamed(configuration: LogConfiguration, start: String) throws {
        #expect(LogConfiguration().problem() == nil)
        #expect(configuration.problem()?.hasPrefix(start) == true)
        #expect(throws: LogRecoveryError.self) { try TestLog.recover(SimulatedDisk(), configuration: configuration) }
    }
}
