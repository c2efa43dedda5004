import SpindleLog
import SpindleSimulator
import Testing

/// What crashes leave unfinished is put aside, and does not pile up; what damage leaves stays.
@Suite struct UnfinishedFileTests {
    /// A process dies while it writes a checkpoint, and is started again.
    private func killInCheckpoint(_ storage: SimulatedDisk) throws -> SimulatedDisk {
        var log = try TestLog(storage)
        try log.prepareAhead(2)
        try log.append(count: 100)
        try log.commit()
        storage.faults[storage.operations + 2] = .crash
        #expect(throws: LogCheckpointError.self) { try log.checkpoint() }
        return SimulatedDisk(storage.disk.crashed(.init(
            directoryChangesKept: storage.disk.pendingChanges.count, sector: { _ in .kept }, sizeKept: { _ in true })))
    }

    private func quarantined(_ storage: SimulatedDisk) -> [String] {
        storage.disk.names.keys.compactMap { if case .quarantined(let text) = $0 { text } else { nil } }.sorted()
    }

    @Test func ofKilledCheckpointsTheNewestThreeAreKept() throws {
        var storage = SimulatedDisk()
        for _ in 0..<12 { storage = try killInCheckpoint(storage) }
        let (recovered, entries) = try TestLog.recover(storage)
        #expect(entries == 12)
        #expect(recovered.quarantined.count == 1)
        #expect(quarantined(storage) == [10, 11, 12].map { "checkpointing.temp.quarantined-\($0)" })
    }

    /// Damaged checkpoints are evidence: an operator removes them.
    @Test func damagedCheckpointsAllStay() throws {
        let storage = SimulatedDisk()
        var log = try TestLog(storage)
        for _ in 0..<6 {
            try log.prepareAhead(2)
            try log.append(count: 100)
            try log.commit()
            try log.checkpoint()
            let newest = try #require(storage.disk.names.keys.filter { if case .checkpoint = $0 { true } else { false } }.max { "\($0)" < "\($1)" })
            storage.disk[newest]?[70] ^= 1
            #expect(try TestLog.recover(storage).1 == log.next)
        }
        #expect(quarantined(storage).count == 6)
    }

    /// What a start would refuse never gets the name of a checkpoint, and those before stay.
    @Test func aCheckpointThatAStartWouldRefuseDoesNotCount() throws {
        let storage = SimulatedDisk()
        var log = try TestLog(storage)
        try log.prepareAhead(2)
        var whole: [LogFileName] = []
        for _ in 0..<2 {
            try log.append(count: 100)
            try log.commit()
            try log.checkpoint()
            whole.append(.checkpoint(log.appender.durable))
        }
        try log.append(count: 100)
        try log.commit()
        let error = #expect(throws: LogCheckpointError.self) {
            try log.recovered.makeCheckpointer(storage: storage).write(
                [UInt8]([1, 2, 3]).span.bytes, at: log.appender.durable, durable: log.appender.durable,
                readBack: { (payload) throws(LogReplayRefusal) in throw LogReplayRefusal("\(payload.byteCount) bytes mean nothing") })
        }
        #expect(error?.description == "checkpoint checkpointing.temp cannot be loaded by a start: 3 bytes mean nothing")
        for file in whole { #expect(storage.disk.names[file] != nil) }
        #expect(storage.disk.names[.checkpoint(log.appender.durable)] == nil)
        #expect(try TestLog.recover(storage).1 == 3)
    }

    /// A whole checkpoint that the caller refuses is put aside like a damaged one, as long as the one before will do.
    @Test func aRefusedCheckpointFallsBackToTheOneBefore() throws {
        let storage = SimulatedDisk()
        var log = try TestLog(storage)
        try log.prepareAhead(2)
        for number in 0..<2 {
            try log.append(count: 100)
            try log.commit()
            if number == 0 { try log.checkpoint() } else {
                try log.recovered.makeCheckpointer(storage: storage).write([1, 2, 3].span.bytes, at: log.appender.durable, durable: log.appender.durable)
            }
        }
        let newest = LogFileName.checkpoint(log.appender.durable)
        let (recovered, entries) = try TestLog.recover(storage)
        #expect(entries == 2)
        #expect(recovered.quarantined.map(\.file) == [newest])
        #expect(recovered.replayedEntries == 1)
    }
}
