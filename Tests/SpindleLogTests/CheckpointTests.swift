import SpindleLog
import SpindleSimulator
import Testing

@Suite("Checkpoints and reclaiming")
struct CheckpointTests {
    /// A log of several segments with checkpoints after the entries of each number given.
    private func log(entries: Int, checkpointsAfter: Set<Int>) throws -> TestLog {
        var log = try TestLog(SimulatedDisk())
        for number in 1...entries {
            try log.prepareAhead(2)
            try log.append(count: 3000)
            try log.commit()
            if checkpointsAfter.contains(number) { try log.checkpoint() }
        }
        return log
    }

    private func checkpoints(_ storage: SimulatedDisk) -> [LogFileName] {
        storage.disk.names.keys.filter { if case .checkpoint = $0 { true } else { false } }.sorted { "\($0)" < "\($1)" }
    }

    private func segments(_ storage: SimulatedDisk) -> [UInt64] {
        storage.disk.names.keys.compactMap { if case .segment(let number) = $0 { number } else { nil } }.sorted()
    }

    @Test func theReplayStartsAtTheNewestCheckpoint() throws {
        let log = try log(entries: 12, checkpointsAfter: [4, 9])
        let (recovered, count) = try TestLog.recover(log.storage)
        #expect(count == 12)
        #expect(recovered.replayedEntries == 3)
        #expect(recovered.checkpoint == log.places[8]?.end)
    }

    @Test func theProtocolInOrder() throws {
        let log = try log(entries: 1, checkpointsAfter: [])
        let before = log.storage.trace.count
        try log.checkpoint()
        let name = LogFileName.checkpoint(log.appender.durable)
        #expect(
            log.storage.trace[before...] == [
                "create checkpointing.temp", "write checkpointing.temp", "write checkpointing.temp", "sync checkpointing.temp",
                "rename checkpointing.temp → \(name)", "syncDirectory ",
            ])
    }

    @Test func twoAreKept() throws {
        let log = try log(entries: 12, checkpointsAfter: [2, 4, 6, 8])
        #expect(checkpoints(log.storage).count == 2)
        try log.checkpoint()
        try log.checkpoint()
        #expect(checkpoints(log.storage).count == 2)
    }

    @Test func anUnreadableNewestFallsBackToTheOlder() throws {
        let log = try log(entries: 12, checkpointsAfter: [4, 9])
        let newest = try #require(checkpoints(log.storage).last)
        for damage in [0, 33, 50, 61, 66] {
            let storage = SimulatedDisk(log.storage.disk)
            storage.disk[newest]?[damage] ^= 4
            let (recovered, count) = try TestLog.recover(storage)
            #expect(count == 12)
            #expect(recovered.checkpoint == log.places[3]?.end)
            #expect(recovered.quarantined.map(\.file) == [newest])
            let (second, secondCount) = try TestLog.recover(storage)
            #expect(secondCount == 12)
            #expect(second.quarantined.isEmpty)
        }
    }

    @Test func withoutTheOlderOnesSegmentsAnUnreadableNewestStopsTheStart() throws {
        let log = try log(entries: 20, checkpointsAfter: [4, 19])
        // What a broken reclaimer would do.
        log.storage.disk[.segment(1)] = nil
        log.storage.disk[.segment(2)] = nil
        #expect(try TestLog.recover(SimulatedDisk(log.storage.disk)).1 == 20)
        let newest = try #require(checkpoints(log.storage).last)
        log.storage.disk[newest]?[65] ^= 1
        let before = log.storage.operations
        let error = #expect(throws: LogRecoveryError.self) { try TestLog.recover(log.storage) }
        guard case .corrupt(let corruption) = error else { Issue.record("\(String(describing: error))"); return }
        #expect(corruption.file == "\(newest)")
        #expect(log.storage.operations == before)
    }

    @Test func aloneAndUnreadableItIsReplacedByTheWholeLog() throws {
        let log = try log(entries: 6, checkpointsAfter: [3])
        let newest = try #require(checkpoints(log.storage).last)
        log.storage.disk[newest]?.removeLast()
        let (recovered, count) = try TestLog.recover(log.storage)
        #expect(count == 6)
        #expect(recovered.replayedEntries == 6)
    }

    @Test func aCheckpointAheadOfTheLogIsProofOfLoss() throws {
        let log = try log(entries: 3, checkpointsAfter: [3])
        let offset = log.offset(2)
        log.storage.disk[.segment(1)]?[offset + 100] ^= 1
        let error = #expect(throws: LogRecoveryError.self) { try TestLog.recover(log.storage) }
        guard case .corrupt(let corruption) = error else { Issue.record("\(String(describing: error))"); return }
        #expect(corruption.offset == UInt64(offset))
    }

    /// The entry behind it names the last one of the segment before; a start from the checkpoint must know that one.
    @Test func theChainGoesOnBehindACheckpointAtTheBeginningOfASegment() throws {
        var first = try TestLog(SimulatedDisk())
        while first.appender.currentSegment == 1 {
            try first.prepareAhead(2)
            try first.append(count: 3000)
            try first.commit()
        }
        let storage = first.storage
        // A crash took the batch that opened the segment.
        let opened = try #require(storage.disk[.segment(2)])
        storage.disk[.segment(2)] = Array(opened.prefix(SegmentHeader.bytes)) + [UInt8](repeating: 0, count: opened.count - SegmentHeader.bytes)
        let second = try TestLog(storage)
        #expect(second.next == first.next - 1)
        #expect(second.appender.end == LSN(rawValue: 2 * 16384 + UInt64(SegmentHeader.bytes)))
        try second.checkpoint()
        var third = try TestLog(storage)
        #expect(third.recovered.checkpoint == second.appender.end)
        try third.append(count: 3000)
        try third.commit()
        #expect(try TestLog.recover(SimulatedDisk(storage.disk)).1 == third.next)
        // The whole log is replayed.
        let checkpoint = try #require(checkpoints(storage).last)
        storage.disk[checkpoint]?[65] ^= 1
        #expect(try TestLog.recover(storage).1 == third.next)
    }

    @Test func aFailedCheckpointLeavesTheOnesBefore() throws {
        let log = try log(entries: 6, checkpointsAfter: [2, 4])
        let kept = checkpoints(log.storage)
        for step in 0..<5 {
            let storage = SimulatedDisk(log.storage.disk)
            storage.faults[step] = .error(28)
            let checkpointer = log.recovered.makeCheckpointer(storage: storage)
            let payload: [UInt8] = [6, 0, 0, 0, 0, 0, 0, 0]
            #expect(throws: LogCheckpointError.self) {
                try checkpointer.write(payload.span.bytes, at: log.appender.durable, durable: log.appender.durable)
            }
            #expect(checkpoints(storage) == kept)
            // Space is there again: the next attempt does it.
            try checkpointer.write(payload.span.bytes, at: log.appender.durable, durable: log.appender.durable)
            let (recovered, count) = try TestLog.recover(storage)
            #expect(count == 6)
            #expect(recovered.checkpoint == log.appender.durable)
        }
    }

    @Test(arguments: [[], [0], [3, 0, 5], [70_000, 1]]) func aPayloadInPiecesIsOnePayload(pieces: [Int]) throws {
        let log = try log(entries: 3, checkpointsAfter: [])
        let storage = SimulatedDisk(log.storage.disk)
        let checkpointer = log.recovered.makeCheckpointer(storage: storage)
        var whole: [UInt8] = []
        let bytes = try checkpointer.write(at: log.appender.durable, durable: log.appender.durable) { append in
            for (index, count) in pieces.enumerated() {
                let piece = [UInt8](repeating: UInt8(index + 1), count: count)
                whole += piece
                append(piece.span.bytes)
            }
        }
        let inPieces = try #require(storage.disk[.checkpoint(log.appender.durable)])
        #expect(bytes == UInt64(inPieces.count))
        let atOnce = SimulatedDisk(log.storage.disk)
        try log.recovered.makeCheckpointer(storage: atOnce).write(whole.span.bytes, at: log.appender.durable, durable: log.appender.durable)
        #expect(atOnce.disk[.checkpoint(log.appender.durable)] == inPieces)
    }

    @Test(arguments: [0, 63, 64, 70]) func aCheckpointThatIsThereAndCutOffIsToldNotTrusted(bytes: Int) throws {
        let log = try log(entries: 3, checkpointsAfter: [3])
        let name = LogFileName.checkpoint(log.appender.durable)
        log.storage.disk[name] = log.storage.disk[name].map { Array($0.prefix(bytes)) }
        let error = #expect(throws: LogCheckpointError.self) { try log.checkpoint() }
        guard case .notReadBack = error else { Issue.record("\(String(describing: error))"); return }
    }

    @Test func aPieceThatIsNotWrittenLeavesNoCheckpoint() throws {
        let log = try log(entries: 3, checkpointsAfter: [])
        for failing in 1...4 {
            let storage = SimulatedDisk(log.storage.disk)
            storage.faults[failing] = .error(5) // 0 is the creation, 4 the header
            let piece: [UInt8] = [1, 2, 3]
            #expect(throws: LogCheckpointError.self, "operation \(failing)") {
                try log.recovered.makeCheckpointer(storage: storage).write(at: log.appender.durable, durable: log.appender.durable) { append in
                    for _ in 0..<3 { append(piece.span.bytes) }
                }
            }
            #expect(checkpoints(storage).isEmpty)
        }
    }

    @Test func reclaimingKeepsWhatTheOlderCheckpointNeeds() throws {
        let log = try log(entries: 20, checkpointsAfter: [10, 18])
        let older = try #require(log.places[9]?.end)
        let reclaimed = try log.reclaim(oldestLive: log.appender.durable)
        #expect(reclaimed.firstSegment == older.segment(segmentBytes: 16384))
        #expect(segments(log.storage).first == reclaimed.firstSegment)
        #expect(reclaimed.recycled == 1)
        #expect(reclaimed.deleted == Int(reclaimed.firstSegment) - 2)
        // Even the older one still serves.
        let newest = try #require(checkpoints(log.storage).last)
        log.storage.disk[newest]?[65] ^= 1
        #expect(try TestLog.recover(log.storage).1 == 20)
    }

    @Test func reclaimingKeepsTheOldestLiveByte() throws {
        let log = try log(entries: 20, checkpointsAfter: [16, 18])
        let live = try #require(log.places[6])
        try log.reclaim(oldestLive: live.lsn)
        #expect(segments(log.storage).first == live.lsn.segment(segmentBytes: 16384))
    }

    @Test func withOneCheckpointNothingIsReclaimed() throws {
        let log = try log(entries: 20, checkpointsAfter: [18])
        try log.reclaim(oldestLive: log.appender.durable)
        #expect(segments(log.storage).first == 1)
    }

    @Test func aSpentSegmentIsUsedAgainAndItsStaleEntriesDoNotPass() throws {
        var log = try log(entries: 20, checkpointsAfter: [16, 18])
        #expect(try log.reclaim(oldestLive: log.appender.durable).recycled == 1)
        let prepared = log.appender.preparedThrough
        try log.prepare()
        let recycled = LogFileName.prepared(prepared + 1)
        #expect(log.storage.disk[recycled]?[4096...].contains { $0 != 0 } == true)
        // Fill until the recycled file is the current segment, then one entry in it.
        while log.appender.currentSegment <= prepared {
            try log.append(count: 3000)
            try log.commit()
        }
        let (recovered, count) = try TestLog.recover(SimulatedDisk(log.storage.disk))
        #expect(count == log.next)
        #expect(recovered.tail == .clean)
        #expect(recovered.end == log.appender.end)
    }

    /// The reclaimer and the preparer run on two threads: the preparer may meet a spent segment whose new name is not durable.
    @Test func aSpentSegmentMayGetItsOldNameBackInACrash() throws {
        let log = try log(entries: 20, checkpointsAfter: [16, 18])
        let firstSegment = try #require(segments(log.storage).first)
        for crashAt in 0..<12 {
            let storage = SimulatedDisk(log.storage.disk)
            try storage.rename(.segment(firstSegment), to: .spent(firstSegment))
            var preparer = SegmentPreparer(
                storage: storage, log: TestLog.id, segmentBytes: 16384, freeBytesKept: 0,
                preparedThrough: log.appender.preparedThrough)
            storage.faults[storage.operations + crashAt] = .crash
            _ = try? preparer.prepareNext()
            for kept in 0...storage.disk.pendingChanges.count {
                for fate in SimulatedDiskState.SectorFate.allCases {
                    let disk = storage.disk.crashed(
                        .init(directoryChangesKept: kept, sector: { _ in fate }, sizeKept: { _ in true }))
                    #expect(try TestLog.recover(SimulatedDisk(disk)).1 == 20, "crash at \(crashAt), \(kept) names kept")
                }
            }
        }
    }

    @Test func aForeignCheckpointStopsTheStart() throws {
        let log = try log(entries: 3, checkpointsAfter: [])
        let payload: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0]
        try LogCheckpointer(storage: log.storage, log: LogID(high: 1, low: 2))
            .write(payload.span.bytes, at: log.appender.durable, durable: log.appender.durable)
        #expect(throws: LogRecoveryError.self) { try TestLog.recover(log.storage) }
    }
}
