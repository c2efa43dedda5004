import SpindleLog
import SpindleNode
import SpindleSimulator
import SpindleWire
import Testing

/// Damage × what `log verify` says × what a start does: the three agree.
@Suite struct DamageTests {
    private static let segmentBytes: UInt64 = 1 << 20

    /// A log of several segments: `kept` lies in the first and is never leased, a hundred kilobytes each go through behind it. Two
    /// checkpoints, and entries after them.
    private struct Story {
        let disk: SimulatedDiskState
        let kept: UInt64
        let checkpoints: [LogFileName]
        let end: UInt64

        init() throws {
            let broker = try TestBroker()
            let session = broker.connect()
            _ = broker.ask(session, .declare) { DeclareRequest(queue: "q", policy: QueuePolicyFields()).encode(into: &$0) }
            _ = broker.ask(session, .declare) { DeclareRequest(queue: "kept", policy: QueuePolicyFields()).encode(into: &$0) }
            kept = try Self.publish(broker, session, "kept", bytes: 10)
            var checkpoints: [LogFileName] = []
            for round in 0..<3 {
                for _ in 0..<12 {
                    _ = try Self.publish(broker, session, "q", bytes: 100_000)
                    try Self.work(broker, session)
                }
                guard round < 2 else { continue }
                try broker.checkpoint()
                checkpoints.append(.checkpoint(broker.node.log.durable))
            }
            self.checkpoints = checkpoints
            disk = broker.storage.disk
            end = broker.node.log.end.rawValue
        }

        private static func publish(_ broker: TestBroker, _ session: SessionID, _ queue: String, bytes: Int) throws -> UInt64 {
            var records = WireWriter()
            try MessageRecord(body: [UInt8](repeating: 7, count: bytes)).encode(into: &records)
            let record = records.array()
            let frame = broker.ask(session, .publish) { writer in
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: queue, count: 1, recordsByteCount: record.count, into: &writer)
                writer.bytes(record.span.bytes)
            }
            let body = try #require(frame).body
            let runs = try PublishReply(body.span.bytes).runs
            return try #require(runs.first).firstID
        }

        /// Leases one message of `q` and acknowledges it.
        private static func work(_ broker: TestBroker, _ session: SessionID) throws {
            let frame = broker.ask(session, .lease) {
                LeaseRequest(queue: "q", messagesMax: 1, bytesMax: 1 << 18, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0)
            }
            let body = try #require(frame).body
            var reader = WireReader(body.span.bytes)
            let items = try LeaseReplyHead(&reader).items
            _ = broker.ask(session, .ack) { AckRequest(tokens: items.map(\.token)).encode(into: &$0) }
        }

        func position(_ checkpoint: Int) -> UInt64 {
            if case .checkpoint(let lsn) = checkpoints[checkpoint] { lsn.rawValue } else { 0 }
        }

        static func flip(_ disk: inout SimulatedDiskState, _ address: UInt64) {
            disk[.segment(address / segmentBytes)]?[Int(address % segmentBytes)] ^= 0x10
        }
    }

    enum Start: Equatable, Sendable {
        /// Replays from the n-th checkpoint, or from the very beginning.
        case opens(checkpoint: Int?)
        /// Says so of this file.
        case refuses(LogFileName)
    }

    enum Damage: String, CaseIterable, Sendable {
        case none
        case segmentBeforeTheNewestCheckpoint = "a bit in a segment before the newest checkpoint's"
        case beforeTheNewestCheckpoint = "a bit in the segment of the newest checkpoint, before it"
        case afterTheNewestCheckpoint = "a bit after the newest checkpoint"
        case newestCheckpoint = "a bit of the newest checkpoint"
        case olderCheckpoint = "a bit of the older checkpoint"
        case newestCheckpointMeansNothing = "a newest checkpoint that is whole and cannot be loaded"
        case bothCheckpoints = "both checkpoints"
        case oldestSegmentMissing = "the oldest segment, in which a message lies, is missing"
        case bothCheckpointsAndTheOldestSegment = "both checkpoints are damaged and the oldest segment is missing"
        case middleSegmentMissing = "a segment in the middle is missing"
        case lastEntry = "a bit of the last entry"
    }

    private static func apply(_ damage: Damage, to disk: inout SimulatedDiskState, _ story: Story) {
        switch damage {
        case .none: break
        case .segmentBeforeTheNewestCheckpoint: Story.flip(&disk, segmentBytes + 300_000)
        case .beforeTheNewestCheckpoint: Story.flip(&disk, story.position(1) - 50_000)
        case .afterTheNewestCheckpoint: Story.flip(&disk, story.position(1) + 50_000)
        case .newestCheckpoint: disk[story.checkpoints[1]]?[70] ^= 1
        case .olderCheckpoint: disk[story.checkpoints[0]]?[70] ^= 1
        case .newestCheckpointMeansNothing:
            disk[story.checkpoints[1]] = nil
            disk = forged(disk, story)
        case .bothCheckpoints: for file in story.checkpoints { disk[file]?[70] ^= 1 }
        case .oldestSegmentMissing: disk[.segment(1)] = nil
        case .bothCheckpointsAndTheOldestSegment:
            for file in story.checkpoints { disk[file]?[70] ^= 1 }
            disk[.segment(1)] = nil
        case .middleSegmentMissing: disk[.segment(2)] = nil
        case .lastEntry: Story.flip(&disk, story.end - 20)
        }
    }

    /// What a start does; and but for the first and the last row verification calls the log damaged.
    private static func start(_ damage: Damage, _ story: Story) -> Start {
        switch damage {
        case .none, .segmentBeforeTheNewestCheckpoint, .olderCheckpoint, .lastEntry: .opens(checkpoint: 1)
        case .beforeTheNewestCheckpoint: .refuses(.segment((story.position(1) - 50_000) / segmentBytes))
        case .afterTheNewestCheckpoint: .refuses(.segment((story.position(1) + 50_000) / segmentBytes))
        case .newestCheckpoint, .newestCheckpointMeansNothing: .opens(checkpoint: 0)
        case .bothCheckpoints: .opens(checkpoint: nil)
        case .oldestSegmentMissing: .refuses(.segment(1))
        case .bothCheckpointsAndTheOldestSegment: .refuses(story.checkpoints[1])
        case .middleSegmentMissing: .refuses(.segment(2))
        }
    }

    /// The newest checkpoint's file with another content, whole by its checksums.
    private static func forged(_ disk: SimulatedDiskState, _ story: Story) -> SimulatedDiskState {
        let storage = SimulatedDisk(disk)
        let lsn = LSN(rawValue: story.position(1))
        let payload: [UInt8] = [9, 0, 1, 2, 3]
        // An error would leave the checkpoint out, and the row would fail.
        _ = try? LogCheckpointer(storage: storage, log: LogID(high: 1, low: 2)).write(payload.span.bytes, at: lsn, durable: lsn)
        return storage.disk
    }

    @Test(arguments: Damage.allCases) func verdictsAgree(damage: Damage) throws {
        let story = try Story()
        var disk = story.disk
        Self.apply(damage, to: &disk, story)
        let isWhole = damage == .none || damage == .lastEntry

        let verification = try LogInspector(storage: SimulatedDisk(disk)).verifyState()
        #expect(verification.isHealthy == isWhole, "\(damage.rawValue): \(verification.problems)")
        if !isWhole {
            #expect(!verification.problems.isEmpty || verification.checkpoints.contains { $0.problem != nil }, "\(damage.rawValue): what is damaged is named")
        }

        let storage = SimulatedDisk(disk)
        let expected = Self.start(damage, story)
        do throws(LogRecoveryError) {
            let (state, recovered) = try NodeState.recover(
                from: storage, log: TestBroker.logConfiguration, newLogID: LogID(high: 9, low: 9), node: StateBuilder.configuration())
            let checkpoint = recovered.checkpoint.flatMap { lsn in story.checkpoints.firstIndex(of: .checkpoint(lsn)) }
            #expect(expected == .opens(checkpoint: checkpoint), "\(damage.rawValue)")
            #expect(verification.start == .opens(checkpoint: recovered.checkpoint, entries: recovered.replayedEntries), "\(damage.rawValue)")
            #expect(state.liveRecords >= 1, "\(damage.rawValue)")
        } catch {
            #expect(verification.start == .refuses(reason: "\(error)"), "\(damage.rawValue)")
            guard case .refuses(let file) = expected else {
                Issue.record("\(damage.rawValue): the start is refused: \(error)")
                return
            }
            #expect("\(error)".contains("\(file)"), "\(damage.rawValue): \(error)")
            #expect(storage.operations == 0, "\(damage.rawValue): a refusal changes nothing")
        }

        // Salvage takes for damaged what verification does.
        let salvaged = try LogSalvage(SimulatedDisk(disk)).read()
        let report = try #require(salvaged).report
        #expect(report.isWhole == isWhole, "\(damage.rawValue): missing \(report.missingSegments), damaged \(report.damagedCheckpoints.map(\.file))")
    }

    /// A message whose segment is missing is named as lost; the others are kept.
    @Test func salvageNamesTheMissingSegment() throws {
        let story = try Story()
        var disk = story.disk
        disk[.segment(1)] = nil
        let salvaged = try LogSalvage(SimulatedDisk(disk)).read()
        let (state, report, segmentBytes, last) = try #require(salvaged)
        #expect(report.missingSegments == [1])
        #expect(report.mayRepeatBefore == nil, "a checkpoint has what was logged there")
        let result = try LogRebuild(
            state: state, source: SimulatedDisk(disk), segmentBytes: segmentBytes, lastSegment: last, target: SimulatedDisk(),
            newLogID: LogID(high: 7, low: 8)
        ).run()
        #expect(result.lost.map(\.straggler.address) == [story.kept])
    }
}
