import SpindleLog
import SpindleSimulator
import Testing

@Suite("Writing")
struct WriterTests {
    /// A batch over two segments is written in six calls. Whichever fails, the writer throws and touches nothing more.
    @Test(arguments: 0..<6, [5, 28, 30] as [Int32])
    func aFailureIsThrownOnceAndNothingIsRetried(call: Int, errno: Int32) throws {
        var log = try TestLog(SimulatedDisk())
        try log.prepareAhead(2)
        for _ in 0..<4 { try log.append(count: 4000) }
        let storage = log.storage
        let before = storage.operations
        storage.faults[before + call] = .error(errno)
        let error = #expect(throws: LogStorageError.self) { try log.commit() }
        #expect(error?.errno == errno)
        #expect(storage.operations == before + call + 1)
        #expect(log.confirmed == 0)
        #expect(log.appender.durable < log.appender.end)
    }

    @Test func aShortWriteLeavesATornTail() throws {
        var log = try TestLog(SimulatedDisk())
        try log.append(count: 500)
        try log.commit()
        try log.append(count: 500)
        log.storage.faults[log.storage.operations] = .errorAfterBytes(300, 5)
        #expect(throws: LogStorageError.self) { try log.commit() }
        let (recovered, count) = try TestLog.recover(SimulatedDisk(log.storage.disk))
        #expect(count == 1)
        #expect(recovered.tail != .clean)
    }

    @Test func aMissingPreparedSegmentIsAnError() throws {
        var log = try TestLog(SimulatedDisk())
        log.appender.notePrepared(through: 2, diskFull: false)
        for _ in 0..<4 { try log.append(count: 4000) }
        let error = #expect(throws: LogStorageError.self) { try log.commit() }
        #expect(error?.operation == .rename)
    }
}
