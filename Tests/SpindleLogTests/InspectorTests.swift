import SpindleLog
import SpindleSimulator
import Testing

@Suite("Looking at a log")
struct InspectorTests {
    private func verify(_ disk: SimulatedDiskState) throws -> LogVerification {
        let storage = SimulatedDisk(disk)
        let verification = try LogInspector(storage: storage).verify()
        #expect(storage.operations == 0, "looking must change nothing")
        return verification
    }

    @Test func aWholeLog() throws {
        let layout = try RecoveryTests.layout()
        let verification = try verify(layout.disk)
        #expect(verification.isHealthy)
        #expect(verification.log == TestLog.id)
        #expect(verification.segmentBytes == 16384)
        #expect(verification.segments.map(\.verdict) == [.sealed, .open])
        #expect(verification.segments.map(\.entries) == [10, 4])
        #expect(verification.segments.map(\.payloadBytes) == [11600, 4800])
        #expect(verification.segments[0].first == LSN(rawValue: 16384 + 4096))
        #expect(verification.segments[1].end == LSN(rawValue: 2 * 16384 + 4096 + 4 * 1240))
        #expect(verification.preparedSegments == [3])
    }

    /// Verification and recovery agree on every case of the recovery table.
    @Test(arguments: RecoveryTests.cases)
    func agreesWithRecovery(on example: RecoveryTests.Case) throws {
        let layout = try RecoveryTests.layout()
        var disk = layout.disk
        example.damage(&disk, layout)
        let verification = try verify(disk)
        switch example.expected(layout) {
        case .refuses(let file, let offset):
            #expect(!verification.isHealthy)
            #expect(verification.problems.contains { $0.file == file && $0.offset == offset })
        case .opens(let entries, let tornAt, _):
            #expect(verification.isHealthy)
            #expect(verification.segments.reduce(0) { $0 + $1.entries } == entries)
            if case .torn(.torn(_, let offset, _, _)) = verification.segments.last?.verdict {
                #expect(Int(offset) == tornAt)
            } else {
                #expect(tornAt == nil)
            }
        }
    }

    @Test func allDamageIsReported() throws {
        let layout = try RecoveryTests.layout()
        var disk = layout.disk
        disk[.segment(1)]?[layout.offset(3) + 50] ^= 1
        disk[.segment(2)]?[layout.offset(10) + 50] ^= 1
        let verification = try verify(disk)
        #expect(verification.problems.map(\.offset) == [UInt64(layout.offset(3)), UInt64(layout.offset(10))])
    }

    @Test func aDamagedCheckpoint() throws {
        var log = try TestLog(SimulatedDisk())
        try log.append(count: 10)
        try log.commit()
        try log.checkpoint()
        #expect(try verify(log.storage.disk).isHealthy)
        log.storage.disk[.checkpoint(log.appender.durable)]?[70] ^= 1
        let verification = try verify(log.storage.disk)
        #expect(!verification.isHealthy)
        #expect(verification.checkpoints.first?.problem == "the checkpoint's checksum does not match its content")
    }

    @Test func entriesOneByOne() throws {
        let layout = try RecoveryTests.layout()
        var disk = layout.disk
        disk[.segment(1)]?[layout.offset(3) + 50] ^= 1
        var names: [String] = []
        var payloadBytes = 0
        try LogInspector(storage: SimulatedDisk(disk)).inspect(typeName: { $0 == 7 ? "seven" : nil }) { item, payload in
            switch item {
            case .entry(_, let count, let name):
                names.append(name)
                payloadBytes += payload.byteCount
                #expect(count == payload.byteCount)
            case .damage(let file, let offset, let byteCount, _):
                names.append("damage")
                #expect(file == "\(LogFileName.segment(1))")
                #expect(offset == UInt64(layout.offset(3)))
                #expect(byteCount == 1200)
            }
            return true
        }
        let seven = { (count: Int) in [String](repeating: "seven", count: count) }
        #expect(names == seven(3) + ["damage"] + seven(6) + ["seal"] + seven(4))
        #expect(payloadBytes == 9 * 1160 + 4 * 1200)
    }

    @Test func inspectionStartsAndEndsWhereTold() throws {
        let layout = try RecoveryTests.layout()
        var count = 0
        let start = LSN(rawValue: 2 * 16384 + UInt64(layout.offset(11)))
        try LogInspector(storage: SimulatedDisk(layout.disk)).inspect(from: start, typeName: { _ in nil }) { item, _ in
            if case .entry(let entry, _, let name) = item {
                #expect(entry.lsn >= start)
                #expect(name == "type 7")
            }
            count += 1
            return count < 2
        }
        #expect(count == 2)
    }

    @Test func scrubbingASealedSegment() throws {
        let layout = try RecoveryTests.layout()
        var disk = layout.disk
        #expect(try LogInspector(storage: SimulatedDisk(disk)).scrub(segment: 1) == nil)
        disk[.segment(1)]?[layout.offset(6) + 50] ^= 1
        #expect(try LogInspector(storage: SimulatedDisk(disk)).scrub(segment: 1)?.offset == UInt64(layout.offset(6)))
    }
}
