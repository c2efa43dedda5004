import SpindleLog
import SpindleSimulator
import Testing

@Suite("Scrubbing piece by piece")
struct ScrubTests {
    /// Reads the segment in pieces of the least size, so that entries lie across their borders.
    private func scrub(_ disk: SimulatedDiskState, segment: UInt64, bytesPerRead: Int = 4096) throws -> SegmentScrub<SimulatedDisk>.Step {
        let storage = SimulatedDisk(disk)
        var scrub = SegmentScrub(storage: storage, log: TestLog.id, segmentBytes: 16384, number: segment)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytesPerRead, alignment: 8)
        defer { buffer.deallocate() }
        var steps = 0
        while true {
            let step = try scrub.step(buffer)
            guard case .goOn(let count) = step else { return step }
            #expect(count > 0 && count <= bytesPerRead)
            steps += 1
            try #require(steps < 100, "it does not end")
        }
    }

    @Test(arguments: [4096, 4104, 5000, 16384, 1 << 20]) func aWholeSegmentInPiecesOfAnySize(bytesPerRead: Int) throws {
        guard case .whole = try scrub(RecoveryTests.layout().disk, segment: 1, bytesPerRead: bytesPerRead) else {
            Issue.record("a whole segment was found damaged")
            return
        }
    }

    /// Whatever byte of a sealed segment changes, up to its seal: the offset is that of the entry, or 0 for the header.
    @Test func everyByteCounts() throws {
        let layout = try RecoveryTests.layout()
        let whole = try #require(layout.disk[.segment(1)])
        let seal = layout.offset(9) + 40 + 1160
        let entries = layout.offsets.prefix(10) + [seal]
        for offset in stride(from: 0, to: seal + 40, by: 7) {
            var disk = layout.disk
            disk[.segment(1)]?[offset] ^= 0x10
            guard case .damaged(let corruption) = try scrub(disk, segment: 1) else {
                Issue.record("a change at \(offset) was not found")
                continue
            }
            let expected = offset < 4096 ? 0 : try #require(entries.last { $0 <= offset })
            #expect(corruption.offset == UInt64(expected), "a change at \(offset)")
        }
        #expect(layout.disk[.segment(1)] == whole)
    }

    @Test func whatIsMissing() throws {
        let layout = try RecoveryTests.layout()
        var short = layout.disk
        short[.segment(1)]?.removeLast(12000)
        guard case .damaged(let corruption) = try scrub(short, segment: 1) else {
            Issue.record("a short file was found whole")
            return
        }
        #expect(corruption.offset == 4384)
        #expect(throws: LogStorageError.self) { try scrub(layout.disk, segment: 9) }
    }

    @Test func aSegmentOfAnotherNumber() throws {
        let layout = try RecoveryTests.layout()
        var disk = layout.disk
        disk[.segment(2)] = disk[.segment(1)]
        guard case .damaged(let corruption) = try scrub(disk, segment: 2) else {
            Issue.record("a file in another's place was found whole")
            return
        }
        #expect(corruption.offset == 0)
    }
}
