import SpindleLog
import SpindleSimulator
import Testing

/// What recovery makes of a log that was damaged in a known way.
@Suite("Recovery")
struct RecoveryTests {
    enum Expected {
        /// Opens with so many entries, and says that the tail was torn (at this entry's place) or clean.
        case opens(entries: UInt64, tornAt: Int?, quarantined: Int)
        /// Refuses: this file, this offset.
        case refuses(file: String, offset: UInt64)
    }

    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        var damage: @Sendable (inout SimulatedDiskState, Layout) -> Void
        var expected: @Sendable (Layout) -> Expected

        var testDescription: String { name }
    }

    /// A log of two segments. Entries 0–9 lie in segment 1. In segment 2 the batch of entries 10 and 11 is synced, then the batch
    /// of 12 and 13 is written; nothing later says that it was synced.
    struct Layout: Sendable {
        var disk: SimulatedDiskState
        var offsets: [Int]

        func offset(_ entry: Int) -> Int { offsets[entry] }
        func end(_ entry: Int) -> Int { entry + 1 < offsets.count ? offsets[entry + 1] : 4096 + 4 * (40 + 1200) }
    }

    static let segment1 = LogFileName.segment(1)
    static let segment2 = LogFileName.segment(2)

    static func layout() throws -> Layout {
        var log = try TestLog(SimulatedDisk())
        try log.prepareAhead(2)
        for _ in 0..<5 {
            for _ in 0..<2 { try log.append(count: 1160) }
            try log.commit()
        }
        for _ in 0..<2 {
            for _ in 0..<2 { try log.append(count: 1200) }
            try log.commit()
        }
        #expect(log.places[10]?.lsn.segment(segmentBytes: 16384) == 2)
        let offsets = (0..<log.next).map { log.offset($0) }
        return Layout(disk: log.storage.disk, offsets: offsets)
    }

    private static func flip(_ disk: inout SimulatedDiskState, _ file: LogFileName, _ offset: Int, mask: UInt8 = 1) {
        disk[file]?[offset] ^= mask
    }

    private static func zero(_ disk: inout SimulatedDiskState, _ file: LogFileName, _ range: Range<Int>) {
        disk[file]?.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
    }

    static let cases: [Case] = [
        Case(name: "untouched", damage: { _, _ in }, expected: { _ in .opens(entries: 14, tornAt: nil, quarantined: 0) }),
        Case(
            name: "last entry: torn length field",
            damage: { disk, layout in zero(&disk, segment2, layout.offset(13) + 2..<layout.offset(13) + 4); flip(&disk, segment2, layout.offset(13)) },
            expected: { .opens(entries: 13, tornAt: $0.offset(13), quarantined: 0) }),
        Case(
            name: "last entry: torn payload",
            damage: { disk, layout in zero(&disk, segment2, layout.offset(13) + 512..<layout.end(13)) },
            expected: { .opens(entries: 13, tornAt: $0.offset(13), quarantined: 0) }),
        Case(
            name: "last entry: header only",
            damage: { disk, layout in zero(&disk, segment2, layout.offset(13) + 40..<layout.end(13)) },
            expected: { .opens(entries: 13, tornAt: $0.offset(13), quarantined: 0) }),
        Case(
            name: "last entry: never written",
            damage: { disk, layout in zero(&disk, segment2, layout.offset(13)..<layout.end(13)) },
            expected: { _ in .opens(entries: 13, tornAt: nil, quarantined: 0) }),
        Case(
            name: "last batch: the first entry lost, the second whole",
            damage: { disk, layout in zero(&disk, segment2, layout.offset(12)..<layout.offset(13)) },
            expected: { .opens(entries: 12, tornAt: $0.offset(12), quarantined: 0) }),
        Case(
            name: "last batch: bit flip, the stated limit",
            damage: { disk, layout in flip(&disk, segment2, layout.offset(12) + 100) },
            expected: { .opens(entries: 12, tornAt: $0.offset(12), quarantined: 0) }),
        Case(
            name: "synced batch of the last segment: bit flip in a payload",
            damage: { disk, layout in flip(&disk, segment2, layout.offset(11) + 700) },
            expected: { .refuses(file: "\(segment2)", offset: UInt64($0.offset(11))) }),
        Case(
            name: "synced batch of the last segment: length field wrong",
            damage: { disk, layout in flip(&disk, segment2, layout.offset(10) + 1, mask: 0x40) },
            expected: { .refuses(file: "\(segment2)", offset: UInt64($0.offset(10))) }),
        Case(
            name: "synced batch of the last segment: lost, a hole of zeros",
            damage: { disk, layout in zero(&disk, segment2, layout.offset(10)..<layout.offset(12)) },
            expected: { .refuses(file: "\(segment2)", offset: UInt64($0.offset(10))) }),
        Case(
            name: "first segment: bit flip in the middle",
            damage: { disk, layout in flip(&disk, segment1, layout.offset(4) + 60) },
            expected: { .refuses(file: "\(segment1)", offset: UInt64($0.offset(4))) }),
        Case(
            name: "first segment: last entry zeroed",
            damage: { disk, layout in zero(&disk, segment1, layout.offset(9)..<layout.offset(9) + 1200) },
            expected: { .refuses(file: "\(segment1)", offset: UInt64($0.offset(9))) }),
        Case(
            name: "first segment: seal gone",
            damage: { disk, layout in zero(&disk, segment1, layout.offset(9) + 1200..<layout.offset(9) + 1240) },
            expected: { .refuses(file: "\(segment1)", offset: UInt64($0.offset(9) + 1200)) }),
        Case(
            name: "first segment: header damaged",
            damage: { disk, _ in flip(&disk, segment1, 20) },
            expected: { _ in .refuses(file: "\(segment1)", offset: 0) }),
        Case(
            name: "first segment: file too short",
            damage: { disk, _ in disk[segment1]?.removeLast(4096) },
            expected: { _ in .refuses(file: "\(segment1)", offset: 12288) }),
        Case(
            name: "first segment: missing",
            damage: { disk, _ in disk[segment1] = nil },
            expected: { _ in .refuses(file: "\(segment1)", offset: 0) }),
        Case(
            name: "middle segment: missing",
            damage: { disk, _ in
                disk[.segment(3)] = disk[segment2]
                disk[segment2] = nil
            },
            expected: { _ in .refuses(file: "\(segment2)", offset: 0) }),
        Case(
            name: "both segments missing, a prepared one left",
            damage: { disk, _ in
                disk[segment1] = nil
                disk[segment2] = nil
            },
            expected: { _ in .refuses(file: "\(segment2)", offset: 0) }),
        Case(
            name: "last segment: header damaged, entries whole",
            damage: { disk, _ in flip(&disk, segment2, 20) },
            expected: { _ in .refuses(file: "\(segment2)", offset: 0) }),
        Case(
            name: "last segment: a file of another number",
            damage: { disk, _ in disk[segment2] = disk[segment1] },
            expected: { _ in .refuses(file: "\(segment2)", offset: 32) }),
        Case(
            name: "a further segment that is empty",
            damage: { disk, _ in disk[.segment(3)] = [] },
            expected: { _ in .refuses(file: "\(segment2)", offset: UInt64(4096 + 4 * 1240)) }),
        Case(
            name: "stale bytes of another segment behind the end",
            damage: { disk, layout in
                let stale = disk[segment1]?[layout.offset(4)...] ?? []
                disk[segment2]?.replaceSubrange(layout.end(13)..<layout.end(13) + 2000, with: stale.prefix(2000))
            },
            expected: { .opens(entries: 14, tornAt: $0.end(13), quarantined: 0) }),
        Case(
            name: "unfinished checkpoint",
            damage: { disk, _ in disk[.checkpointing] = [1, 2, 3] },
            expected: { _ in .opens(entries: 14, tornAt: nil, quarantined: 1) }),
        Case(
            name: "prepared segment that is not whole",
            damage: { disk, _ in disk[.prepared(3)]?.removeLast() },
            expected: { _ in .opens(entries: 14, tornAt: nil, quarantined: 1) }),
    ]

    @Test(arguments: cases)
    func verdict(on example: Case) throws {
        let layout = try Self.layout()
        var damaged = layout.disk
        example.damage(&damaged, layout)
        let storage = SimulatedDisk(damaged)
        switch example.expected(layout) {
        case .refuses(let file, let offset):
            let error = #expect(throws: LogRecoveryError.self) { try TestLog.recover(storage) }
            guard case .corrupt(let corruption) = error else {
                Issue.record("refused with \(String(describing: error))")
                return
            }
            #expect(corruption.file == file)
            #expect(corruption.offset == offset)
            #expect(storage.operations == 0, "a refusal must change nothing")
        case .opens(let entries, let tornAt, let quarantined):
            let (recovered, count) = try TestLog.recover(storage)
            #expect(count == entries)
            if case .torn(_, let offset, _, _) = recovered.tail { #expect(Int(offset) == tornAt) } else { #expect(tornAt == nil) }
            #expect(recovered.quarantined.count == quarantined)
            try Self.expectStable(storage, recovered, count)
        }
    }

    /// A second recovery finds the same log, clean, and it can be appended to.
    static func expectStable(_ storage: SimulatedDisk, _ first: RecoveredLog, _ count: UInt64) throws {
        let again = SimulatedDisk(storage.disk)
        let (second, secondCount) = try TestLog.recover(again)
        #expect(secondCount == count)
        #expect(second.end == first.end)
        #expect(second.tail == .clean)
        #expect(second.quarantined.isEmpty)
        var log = try TestLog(again)
        try log.prepareAhead(1)
        try log.append(count: 500)
        try log.commit()
        let (_, finalCount) = try TestLog.recover(SimulatedDisk(again.disk))
        #expect(finalCount == count + 1)
    }

    @Test func anEmptyFurtherSegmentDoesNotBlockTheStart() throws {
        // Segment 2 is sealed, and segment 3 got its name, but nothing of its content reached the disk.
        for remains in [[], [UInt8](repeating: 0, count: 100), [UInt8](repeating: 0, count: 16384)] as [[UInt8]] {
            var log = try TestLog(SimulatedDisk())
            try log.prepareAhead(3)
            for _ in 0..<6 { try log.append(count: 4000) }
            try log.commit()
            #expect(log.appender.currentSegment == 2)
            var sealed = try sealedWithoutNext(&log)
            sealed[.segment(3)] = remains
            let storage = SimulatedDisk(sealed)
            let (recovered, count) = try TestLog.recover(storage)
            #expect(count == 6)
            #expect(recovered.quarantined.map(\.file) == [.segment(3)])
            #expect(storage.disk[.segment(3).quarantined(attempt: 1)] == remains)
            try Self.expectStable(storage, recovered, count)
        }
    }

    /// The disk of a log whose last segment is sealed, when the next one has not got its name.
    private func sealedWithoutNext(_ log: inout TestLog) throws -> SimulatedDiskState {
        try log.append(count: 4000)
        let storage = log.storage
        storage.faults[storage.operations + 2] = .crash
        #expect(throws: LogStorageError.self) { try log.commit() }
        let disk = storage.disk.crashed(.init(directoryChangesKept: 0, sector: { _ in .kept }, sizeKept: { _ in true }))
        #expect(disk.names[.segment(3)] == nil)
        return disk
    }

    @Test func aSealedLastSegmentGoesOnInTheNext() throws {
        var log = try TestLog(SimulatedDisk())
        try log.prepareAhead(3)
        for _ in 0..<6 { try log.append(count: 4000) }
        try log.commit()
        let storage = SimulatedDisk(try sealedWithoutNext(&log))
        let (recovered, count) = try TestLog.recover(storage)
        #expect(count == 6)
        #expect(recovered.preparedThrough >= 3)
        try Self.expectStable(storage, recovered, count)
    }

    @Test func anEmptyFirstSegmentIsAnUnfinishedCreation() throws {
        for remains in [[], [UInt8](repeating: 0, count: 5000)] as [[UInt8]] {
            let storage = SimulatedDisk()
            storage.disk[.segment(1)] = remains
            let (recovered, count) = try TestLog.recover(storage)
            #expect(recovered.isNew)
            #expect(count == 0)
            #expect(recovered.quarantined.map(\.file) == [.segment(1)])
        }
        let storage = SimulatedDisk()
        storage.disk[.segment(1)] = [UInt8](repeating: 7, count: 5000)
        #expect(throws: LogRecoveryError.self) { try TestLog.recover(storage) }
    }

    @Test func aLaterMarkProvesWhatCameBefore() throws {
        var log = try TestLog(SimulatedDisk())
        try log.append(count: 100)
        try log.append(count: 100)
        try log.commit()
        _ = try log.appender.appendMark()
        try log.commit()
        #expect(try TestLog.recover(SimulatedDisk(log.storage.disk)).1 == 2)
        log.storage.disk[.segment(1)]?[log.offset(1) + 50] ^= 1
        let error = #expect(throws: LogRecoveryError.self) { try TestLog.recover(log.storage) }
        guard case .corrupt(let corruption) = error else { Issue.record("\(String(describing: error))"); return }
        #expect(corruption.offset == UInt64(log.offset(1)))
    }

    @Test func theVisitorCanRefuse() throws {
        let layout = try Self.layout()
        let storage = SimulatedDisk(layout.disk)
        let error = #expect(throws: LogRecoveryError.self) {
            try LogRecovery.recover(
                storage: storage, configuration: TestLog.configuration, newLogID: TestLog.id,
                onCheckpoint: { (_, _) throws(LogReplayRefusal) in },
                onEntry: { (entry, _) throws(LogReplayRefusal) in
                    if entry.lsn.offset(segmentBytes: 16384) == layout.offset(3) { throw LogReplayRefusal("type 7 is unknown") }
                })
        }
        guard case .refused(_, let file, let offset, let reason) = error else { Issue.record("\(String(describing: error))"); return }
        #expect((file, offset, reason) == ("\(Self.segment1)", UInt64(layout.offset(3)), "type 7 is unknown"))
        #expect(storage.operations == 0)
    }

    @Test func entriesWithoutAKnownSyncAreWrittenAgain() throws {
        // After a failed sync the pages read well and are on no disk: a sync alone would not write them.
        let layout = try Self.layout()
        let storage = SimulatedDisk(layout.disk)
        _ = try TestLog.recover(storage)
        #expect(storage.trace == ["write \(Self.segment2)", "sync \(Self.segment2)", "syncDirectory "])
    }
}
