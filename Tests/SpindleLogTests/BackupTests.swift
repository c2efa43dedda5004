import SpindleLog
import SpindleSimulator
import Testing

@Suite("Copying a log that is in use")
struct BackupTests {
    private static func copy(_ source: SimulatedDiskState) throws -> (LogCopied, SimulatedDiskState) {
        let target = SimulatedDisk()
        let storage = SimulatedDisk(source)
        let copied = try LogBackup(from: storage, to: target, bytesPerRead: 5000).run()
        #expect(storage.operations == 0, "the source is only looked at")
        #expect(target.disk.dirtySectorCount == 0 && target.disk.pendingChanges.isEmpty, "a copy is durable when it is done")
        return (copied, target.disk)
    }

    /// The copy holds at least `confirmed` entries, and recovers.
    private static func expectHolds(_ disk: SimulatedDiskState, atLeast confirmed: UInt64) throws {
        let verification = try LogInspector(storage: SimulatedDisk(disk)).verify()
        #expect(verification.isHealthy, "\(verification.problems)")
        let (recovered, next) = try TestLog.recover(SimulatedDisk(disk))
        #expect(next >= confirmed)
        #expect(recovered.tail == .clean, "the copy ends where its entries end")
    }

    @Test func everythingThatWasConfirmedIsThere() throws {
        var log = try TestLog(SimulatedDisk())
        for round in 0..<20 {
            try log.prepareAhead(2)
            for _ in 0..<3 { try log.append(count: 900) }
            try log.commit()
            if round % 7 == 6 { try log.checkpoint() }
            let (copied, disk) = try Self.copy(log.storage.disk)
            #expect(copied.end == log.appender.durable)
            #expect(copied.log == TestLog.id)
            try Self.expectHolds(disk, atLeast: log.confirmed)
        }
    }

    /// A copy is read from front to back while entries are written: what it holds of each sector is older or newer than what it
    /// holds of the next. Every mix must come out as a log that ends behind what was confirmed before.
    @Test func theLastSegmentChangesWhileItIsRead() throws {
        var log = try TestLog(SimulatedDisk())
        try log.prepareAhead(2)
        try log.append(count: 700)
        try log.commit()
        let before = log.storage.disk
        let confirmed = log.confirmed
        for _ in 0..<6 {
            try log.append(count: 700)
            try log.commit()
        }
        let after = log.storage.disk
        let old = try #require(before[.segment(1)])
        let new = try #require(after[.segment(1)])
        for border in stride(from: 0, to: new.count, by: 512) {
            var mixed = after
            mixed[.segment(1)] = Array(old[..<border]) + Array(new[border...])
            let (_, copy) = try Self.copy(mixed)
            try Self.expectHolds(copy, atLeast: confirmed)
        }
    }

    @Test func aCopyIsNeverMadeOverAnother() throws {
        var log = try TestLog(SimulatedDisk())
        try log.append(count: 100)
        try log.commit()
        let (_, disk) = try Self.copy(log.storage.disk)
        #expect(throws: LogBackupError.self) { _ = try LogBackup(from: log.storage, to: SimulatedDisk(disk)).run() }
        #expect(throws: LogBackupError.noLog) { _ = try LogBackup(from: SimulatedDisk(), to: SimulatedDisk()).run() }
    }

    /// A disk that refuses anywhere leaves an error, and what is there of the copy is not taken for a log with another end.
    @Test func aTargetThatFails() throws {
        var log = try TestLog(SimulatedDisk())
        for _ in 0..<12 {
            try log.prepareAhead(2)
            for _ in 0..<2 { try log.append(count: 1500) }
            try log.commit()
        }
        try log.checkpoint()
        let whole = SimulatedDisk()
        _ = try LogBackup(from: log.storage, to: whole).run()
        for call in 0..<whole.operations {
            let target = SimulatedDisk()
            target.faults[call] = .error(5)
            #expect(throws: LogBackupError.self) { _ = try LogBackup(from: log.storage, to: target).run() }
        }
    }
}
