import SpindleLog
import SpindleNode
import SpindleSimulator
import SpindleWire
import Testing

@Suite("Salvage of a damaged log")
struct SalvageTests {
    /// A log with what was done in it, and where.
    private struct Story {
        struct Message {
            var name: String
            var stored: Range<UInt64>
            var acknowledged: Range<UInt64>?
        }

        let script: Script
        var messages: [Message] = []
        /// LSNs of every action's entries.
        var actions: [Range<UInt64>] = []

        init() throws { script = Script(try TestBroker()) }

        mutating func act(_ text: String) throws -> (result: String, range: Range<UInt64>) {
            let before = script.broker.node.log.end.rawValue
            let result = try script.perform(text.split(separator: " ").map(String.init))
            let range = before..<script.broker.node.log.end.rawValue
            if !range.isEmpty { actions.append(range) }
            return (result, range)
        }

        mutating func publish(_ queue: String, _ names: [String]) throws {
            let (_, range) = try act("publish \(queue) " + names.joined(separator: " "))
            messages += names.map { Message(name: String($0.prefix(1)), stored: range) }
        }

        mutating func acknowledge(_ name: String) throws {
            let (result, range) = try act("ack w \(name)")
            #expect(result == "ok")
            if let index = messages.firstIndex(where: { $0.name == name }) { messages[index].acknowledged = range }
        }

        /// Two queues, deliveries, failures, a dead letter, moves.
        static func make(checkpoint: Bool) throws -> Story {
            var story = try Story()
            _ = try story.act("queue q attempts=2 backoff=0s dead=q.dead")
            _ = try story.act("queue r")
            try story.publish("q", ["a", "b", "c", "d", "e"])
            try story.publish("r", ["f", "g/p9", "h/d5s"])
            _ = try story.act("lease w q 2 30s")
            try story.acknowledge("a")
            _ = try story.act("nack w 0s b")
            _ = try story.act("lease w q 1 30s")
            _ = try story.act("nack w 0s b")
            if checkpoint { try story.script.broker.checkpoint() }
            _ = try story.act("lease w r 1 30s")
            try story.acknowledge("g")
            _ = try story.act("lease w q 1 30s")
            _ = try story.script.broker.move(below: story.script.broker.node.log.end.rawValue * 2 / 3)
            try story.acknowledge("c")
            _ = try story.act("lease w q 1 30s")
            try story.publish("q", ["i", "j"])
            _ = try story.act("lease w q.dead 1 30s")
            try story.publish("r", ["k"])
            return story
        }

        var disk: SimulatedDiskState { script.broker.storage.disk }
    }

    private static let segmentBytes: UInt64 = 1 << 20

    private static func damage(_ disk: inout SimulatedDiskState, _ address: UInt64) {
        disk[.segment(address / segmentBytes)]?[Int(address % segmentBytes)] ^= 0x40
    }

    /// Salvages, opens the new log, and returns the bodies of all messages in it.
    private static func salvaged(_ disk: SimulatedDiskState) throws -> (names: [String], report: SalvageReport, lost: Int) {
        let source = SimulatedDisk(disk)
        let (state, report, segmentBytes, last) = try #require(try LogSalvage(source).read())
        let target = SimulatedDisk()
        let result = try LogRebuild(
            state: state, source: source, segmentBytes: segmentBytes, lastSegment: last, target: target, newLogID: LogID(high: 7, low: 8)
        ).run()
        #expect(source.operations == 0, "the damaged log is only read")
        #expect(try LogInspector(storage: SimulatedDisk(target.disk)).verify().isHealthy)
        #expect(result.log == LogID(high: 7, low: 8))
        let crashed = target.disk.crashed(.init(directoryChangesKept: 0, sector: { _ in .lost }, sizeKept: { _ in false }))
        return (try bodies(in: crashed), report, result.lost.count)
    }

    /// Opens a log and takes everything out of it, delayed and leased messages too.
    private static func bodies(in disk: SimulatedDiskState) throws -> [String] {
        let script = Script(try TestBroker(SimulatedDisk(disk)))
        _ = try script.perform(["tick", "60s"])
        var names: [String] = []
        let all = script.broker.ask(script.broker.connect(), .stats) { StatsRequest(pattern: "*").encode(into: &$0) }
        let stats = try #require(all).body
        let queues = try StatsReply(stats.span.bytes).queues.map(\.name)
        for queue in queues {
            while true {
                let got = try script.perform(["lease", "x", queue, "10", "30s"])
                if got == "none" { break }
                let some = got.split(separator: " ").map { String($0.split(separator: "#")[0]) }
                names += some
                _ = try script.perform(["ack", "x"] + some)
            }
        }
        #expect(try script.broker.recoveredState() == script.broker.encodedState())
        return names.sorted()
    }

    /// Without damage everything is there, and a rebuilt log is as good as the old one.
    @Test(arguments: [false, true]) func aWholeLog(checkpoint: Bool) throws {
        let story = try Story.make(checkpoint: checkpoint)
        let (names, report, lost) = try Self.salvaged(story.disk)
        #expect(report.isWhole)
        #expect(lost == 0 && report.operationsLeftOut == 0 && report.mayRepeatBefore == nil)
        #expect(names == story.messages.filter { $0.acknowledged == nil }.map(\.name).sorted())
    }

    /// Each action's entry is damaged in turn. What another entry stored and no readable one acknowledged is there, once; nothing else.
    @Test func everyEntryInTurn() throws {
        let story = try Story.make(checkpoint: false)
        for action in story.actions.dropLast() {
            var disk = story.disk
            Self.damage(&disk, action.lowerBound + 48)
            let (names, report, _) = try Self.salvaged(disk)
            #expect(!report.isWhole)
            #expect(report.damage.count == 1 && report.damage[0].first.rawValue == action.lowerBound, "\(report.damage)")
            #expect(try #require(report.mayRepeatBefore).rawValue > action.lowerBound)
            let expected = story.messages.filter { $0.stored != action && ($0.acknowledged == nil || $0.acknowledged == action) }
            #expect(names == expected.map(\.name).sorted(), "damaged: the entry at \(action.lowerBound)")
        }
    }

    /// Several at once.
    @Test(arguments: 0..<40) func severalEntries(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let story = try Story.make(checkpoint: false)
        var disk = story.disk
        let damaged = story.actions.dropLast().filter { _ in random.next() % 3 == 0 }
        for action in damaged { Self.damage(&disk, action.lowerBound + 48) }
        let (names, _, _) = try Self.salvaged(disk)
        let expected = story.messages.filter { message in
            !damaged.contains(message.stored) && message.acknowledged.map { damaged.contains($0) } ?? true
        }
        #expect(names == expected.map(\.name).sorted())
    }

    /// With a checkpoint, damage below it loses the records that lay there and nothing else.
    @Test func recordsBelowACheckpoint() throws {
        let story = try Story.make(checkpoint: true)
        var disk = story.disk
        let address = try #require(story.messages.first { $0.name == "f" }).stored
        // The last bytes of the entry are those of the last record: "h".
        Self.damage(&disk, address.upperBound - 9)
        let (names, report, lost) = try Self.salvaged(disk)
        #expect(lost == 1)
        #expect(report.damage.map(\.isBelowCheckpoint) == [true])
        #expect(report.mayRepeatBefore == nil, "the checkpoint knows what was acknowledged")
        #expect(!names.contains("h") && names.contains("f"))
    }

    @Test func aDamagedCheckpointAndADamagedHeader() throws {
        let story = try Story.make(checkpoint: true)
        var disk = story.disk
        let checkpoint = try #require(disk.names.keys.first { if case .checkpoint = $0 { true } else { false } })
        disk[checkpoint]?[100] ^= 1
        let (names, report, lost) = try Self.salvaged(disk)
        #expect(report.damagedCheckpoints.count == 1 && report.checkpoint == nil && lost == 0)
        #expect(names == story.messages.filter { $0.acknowledged == nil }.map(\.name).sorted())
        disk[.segment(1)]?[20] ^= 1
        #expect(try LogSalvage(SimulatedDisk(disk)).read() == nil, "no segment says which log it is")
    }

    /// Ids of the new log can never be those of the old one, whatever the old one gave out.
    @Test func newIDsLieBehindAllOldOnes() throws {
        let story = try Story.make(checkpoint: false)
        let source = SimulatedDisk(story.disk)
        let (state, recovered) = try #require(try NodeState.look(at: source))
        let target = SimulatedDisk()
        let result = try LogRebuild(
            state: state, source: source, segmentBytes: recovered.segmentBytes, lastSegment: 1, target: target, newLogID: LogID(high: 1, low: 3)
        ).run()
        #expect(result.firstSegment == 1 + LogRebuild<SimulatedDisk, SimulatedDisk>.segmentsSkipped)
        #expect(result.end.rawValue > recovered.end.rawValue + (1 << 40))
        #expect(result.lost.isEmpty)
        // A target that fails at any point is never taken for a log that is whole.
        for call in stride(from: 0, to: target.operations, by: 1) {
            let failing = SimulatedDisk()
            failing.faults[call] = .crash
            #expect(throws: LogRecoveryError.self) {
                _ = try LogRebuild(
                    state: state, source: source, segmentBytes: recovered.segmentBytes, lastSegment: 1, target: failing,
                    newLogID: LogID(high: 1, low: 3)
                ).run()
            }
        }
    }
}
