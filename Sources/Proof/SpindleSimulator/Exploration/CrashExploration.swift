internal import SpindleLog
internal import SpindleNode
internal import SpindleWire

/// A small workload of a whole broker, crashed at every I/O, with every fate of up to two un-synced sectors and seeded fates of more,
/// and again at every I/O of the recovery, with the same choices.
///
/// A run without a crash notes the state behind every entry of the log. Whatever survives a crash must be one of these, not
/// older than what was confirmed.
package struct CrashExploration {
    package private(set) var inputOutputs = 0
    package private(set) var crashes = 0
    package private(set) var crashesInRecovery = 0
    package private(set) var violations: [String] = []

    private let configuration = SimulatedBroker.nodeConfiguration(topicEventsMax: 4, topicRetentionMilliseconds: 3_600_000)
    private var truth: [LSN: [UInt8]] = [:]
    /// Where the truth was noted, rising.
    private var places: [LSN] = []
    /// Violations kept; the rest is only counted.
    private static let violationsMax = 20

    package init() {}

    package var description: String {
        "\(inputOutputs) I/Os, \(crashes) crashes at them, \(crashesInRecovery) crashes in the recoveries, \(violations.count) violations"
    }

    /// Stops after so many violations.
    package mutating func run(stopsAtViolation: Bool = false) {
        let whole = SimulatedDisk()
        let run = SmallWorkload(configuration)
        _ = run.work(whole)
        truth = run.states
        places = truth.keys.sorted()
        inputOutputs = whole.operations
        for operation in 0...whole.operations {
            let storage = SimulatedDisk()
            storage.recordsTrace = false
            storage.faults[operation] = .crash
            let durable = SmallWorkload(configuration).work(storage)
            let place = "I/O \(operation) (\(operation < whole.trace.count ? whole.trace[operation] : "the end"))"
            for (index, choice) in Self.choices(storage.disk, seed: UInt64(operation)).enumerated() {
                crashes += 1
                explore(storage.disk.crashed(choice), durable, "\(place), choice \(index)")
                if stopsAtViolation, !violations.isEmpty { return }
            }
        }
    }

    private mutating func explore(_ disk: SimulatedDiskState, _ durable: LSN, _ place: String) {
        let storage = SimulatedDisk(disk)
        storage.recordsTrace = false
        guard let end = check(storage, atLeast: durable, place) else { return }
        // Power goes again right after: what the recovery found must be what is on the disk.
        let again = SimulatedDisk(storage.disk.crashed(.init(directoryChangesKept: 0, sector: { _ in .lost }, sizeKept: { _ in false })))
        if let second = check(again, atLeast: end, "\(place), second recovery"), second != end {
            fail("\(place): the second recovery ends at \(second), the first at \(end)")
        }
        for step in 0..<storage.operations {
            let interrupted = SimulatedDisk(disk)
            interrupted.recordsTrace = false
            interrupted.faults[step] = .crash
            if (try? SimulatedBroker.start(interrupted, configuration)) != nil { fail("\(place): the recovery did not need its I/O \(step)") }
            for (index, choice) in Self.choices(interrupted.disk, seed: UInt64(step)).enumerated() {
                crashesInRecovery += 1
                _ = check(SimulatedDisk(interrupted.disk.crashed(choice)), atLeast: durable, "\(place), recovery's I/O \(step), choice \(index)")
            }
        }
    }

    /// Recovers, compares with the truth; where the log ends, or nil after a violation.
    private mutating func check(_ storage: SimulatedDisk, atLeast durable: LSN, _ place: String) -> LSN? {
        storage.recordsTrace = false
        do throws(LogRecoveryError) {
            let start = try SimulatedBroker.start(storage, configuration)
            let end = start.recovered.end
            if end < durable {
                fail("\(place): the log ends at \(end), and was durable to \(durable)")
                return nil
            }
            // A seal, and the beginning of the next segment, are positions of their own and change nothing.
            let noted = places.last { $0 <= end }
            guard start.recovered.isNew || noted.flatMap({ truth[$0] }) == SimulatedBroker.encode(start.state) else {
                fail("\(place): the state at \(end) is not what it was")
                return nil
            }
            return end
        } catch {
            fail("\(place): does not start: \(error)")
            return nil
        }
    }

    private mutating func fail(_ text: String) {
        if violations.count < Self.violationsMax { violations.append(text) }
    }

    static func choices(_ disk: SimulatedDiskState, seed: UInt64) -> [SimulatedDiskState.CrashChoice] {
        var choices: [SimulatedDiskState.CrashChoice] = []
        let sectors = disk.dirtySectorCount
        let fates = SimulatedDiskState.SectorFate.allCases
        for directory in 0...disk.pendingChanges.count {
            if sectors <= 2 {
                for code in 0..<(sectors == 0 ? 1 : sectors == 1 ? 3 : 9) {
                    choices.append(.init(
                        directoryChangesKept: directory, sector: { fates[$0 == 0 ? code % 3 : code / 3] }, sizeKept: { _ in code.isMultiple(of: 2) }))
                }
                continue
            }
            for fate in fates { choices.append(.init(directoryChangesKept: directory, sector: { _ in fate }, sizeKept: { _ in fate != .lost })) }
            for variant in 0..<4 as Range<UInt64> {
                var generator = SeededGenerator(seed: seed &* 1000 &+ variant)
                let table = (0..<sectors).map { _ in fates[generator.below(3)] }
                let keepsSize = generator.below(2) == 0
                choices.append(.init(directoryChangesKept: directory, sector: { table[$0] }, sizeKept: { _ in keepsSize }))
            }
        }
        return choices
    }
}

/// Every kind of log entry once or twice, a rollover, checkpoints, reclaiming and a recycled segment, in few I/Os.
private final class SmallWorkload {
    /// Behind each entry: the state as a checkpoint would hold it.
    private(set) var states: [LSN: [UInt8]] = [:]
    private let configuration: NodeConfiguration
    private var tokens: [DeliveryToken] = []
    private var correlation: UInt32 = 1

    init(_ configuration: NodeConfiguration) { self.configuration = configuration }

    /// Works until the disk fails or the work is done. Returns how far the log was durable.
    func work(_ storage: SimulatedDisk) -> LSN {
        guard let start = try? SimulatedBroker.start(storage, configuration) else { return .zero }
        let broker = SimulatedBroker(start, storage: storage, configuration: configuration, now: 1_000, checkpointIntervalBytes: 1)
        note(broker)
        broker.onFrame = { [unowned self] _, header, body in self.received(header, body) }
        let session = SessionID(rawValue: 1)
        broker.connected(session)
        request(broker, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
        request(broker, .auth) { AuthRequest(method: .token, credential: "t").encode(into: &$0) }
        var policy = QueuePolicyFields()
        policy.attemptsMax = 2
        policy.backoffInitialMilliseconds = 0
        policy.deadLetterTopic = "ends"
        request(broker, .declare) { DeclareRequest(queue: "q", policy: policy).encode(into: &$0) }
        commit(broker)
        for round in 0..<5 {
            // Every second round fills most of a segment.
            publish(broker, bytes: round % 2 == 0 ? 40 : 29_000, count: round % 2 == 0 ? 2 : 3)
            publish(broker, bytes: 20, count: 1)
            commit(broker)
            lease(broker)
            commit(broker)
            settle(broker, round)
            commit(broker)
            if round > 0 {
                broker.beginCheckpoint()
                _ = broker.writeCheckpoint()
            }
        }
        broker.now += 40_000
        broker.turn()
        note(broker)
        commit(broker)
        return broker.node.log.durable
    }

    private func note(_ broker: SimulatedBroker) { states[broker.node.log.end] = broker.encodedState() }

    private func commit(_ broker: SimulatedBroker) {
        broker.beginCommit()
        broker.finishCommit()
        while broker.needsPreparing, case .done = broker.prepare() {}
    }

    private func request(_ broker: SimulatedBroker, _ opcode: Opcode, _ body: (inout WireWriter) -> Void) {
        var writer = WireWriter()
        body(&writer)
        correlation += 1
        broker.received(SessionID(rawValue: 1), opcode, correlation, writer.span)
        broker.turn()
        note(broker)
    }

    private func record(_ bytes: Int, into writer: inout WireWriter) {
        let body = (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(correlation)) }
        do throws(WireError) { try MessageRecord(body: body).encode(into: &writer) } catch { preconditionFailure("a small record: \(error.message)") }
    }

    private func publish(_ broker: SimulatedBroker, bytes: Int, count: Int) {
        var records = WireWriter()
        for _ in 0..<count { record(bytes, into: &records) }
        let all = records.array()
        request(broker, .publish) {
            PublishRequest.encodeHead(producerID: 7, firstSequence: UInt64(correlation), queue: "q", count: count, recordsByteCount: all.count, into: &$0)
            $0.bytes(all)
        }
    }

    private func lease(_ broker: SimulatedBroker) {
        request(broker, .lease) {
            LeaseRequest(queue: "q", messagesMax: 8, bytesMax: 100_000, leaseMilliseconds: 30_000, waitMilliseconds: 0).encode(into: &$0)
        }
    }

    /// Acks, a nack, an extension, and a SETTLE with an event.
    private func settle(_ broker: SimulatedBroker, _ round: Int) {
        guard let first = tokens.first, let last = tokens.last else { return }
        request(broker, .extend) { ExtendRequest(leaseMilliseconds: 35_000, items: [.init(token: last)]).encode(into: &$0) }
        if tokens.count > 1 {
            request(broker, .nack) { NackRequest(items: [NackItem(token: last, delayMilliseconds: 0, reason: "no")]).encode(into: &$0) }
            tokens.removeLast()
        }
        var event = WireWriter()
        record(30, into: &event)
        let bytes = event.array()
        request(broker, .settle) {
            SettleRequest.encode(acks: [first], nacks: [], groupCount: 1, into: &$0)
            SettleRequest.encodeGroup(.topic, name: "t", count: 1, records: bytes.span.bytes, into: &$0)
        }
        let rest = Array(tokens.dropFirst())
        if !rest.isEmpty { request(broker, .ack) { AckRequest(tokens: rest).encode(into: &$0) } }
        tokens = []
    }

    private func received(_ header: FrameHeader, _ body: RawSpan) {
        guard header.opcode == Opcode.lease.rawValue else { return }
        var reader = WireReader(body)
        guard let head = try? LeaseReplyHead(&reader) else { return }
        tokens += head.items.map(\.token)
    }
}
