internal import SpindleLog
internal import SpindleNode
internal import SpindleSimulator
internal import SpindleText
internal import SpindleWire

/// A node over a simulated disk that is cheap to make: the log and its first queues are made once, and copied.
final class NodeShell {
    static let segmentBytes: UInt64 = 128 << 10
    static let logConfiguration = LogConfiguration(
        segmentBytes: segmentBytes, entryBytesMax: 100 << 10, batchBytesMax: 256 << 10, batchBytesKept: 64 << 10, reservedSegments: 1,
        preparedAhead: 1, spentSegmentsMax: 1, freeBytesKept: 0)
    static let configuration = NodeConfiguration(
        serverVersion: "fuzz", serverID: Array(1...16), frameBytesMax: NodeConfiguration.frameBytesMin, inFlightMax: 16, queuesMax: 12,
        topicsMax: 6, topicEventsMax: 4, topicRetentionMilliseconds: 60_000)
    static let queues = ["a", "a.b", "b", "c"]
    static let topics = ["t.a", "t.b", "u"]
    /// The second may do little: what it must not see is checked.
    static let principals: [Principal] = [
        Principal(
            name: "all", publish: [.init("*")], lease: [.init("*")], read: [.init("*")], admin: [.init("*")], topicPublish: [.init("*")],
            topicSubscribe: [.init("*")]),
        Principal(
            name: "few", publish: [.init("a*")], lease: [.init("a*")], read: [.init("a")], topicPublish: [.init("t.a")],
            topicSubscribe: [.init("t.a*")]),
    ]

    /// A disk with a log that has the queues in it.
    struct Base: Sendable {
        var disk: SimulatedDiskState
        var state: NodeState
        var recovered: RecoveredLog
        var preparedThrough: UInt64
    }

    static let base: Base = {
        do {
            let shell = try NodeShell(recovering: SimulatedDiskState())
            for (index, name) in (queues + ["a.dead"]).enumerated() {
                var policy = QueuePolicyFields()
                policy.attemptsMax = index == 0 ? 2 : nil
                policy.lengthMax = index == 2 ? 3 : nil
                policy.backoffInitialMilliseconds = index == 1 ? 0 : nil
                policy.deadLetterQueue = index == 3 ? "" : nil
                try shell.node.declareFromConfiguration(queue: name, policy: policy, now: shell.now)
            }
            shell.settle()
            var state = NodeState(configuration: configuration)
            let recovered = try recover(SimulatedDisk(shell.storage.disk), &state)
            return Base(disk: shell.storage.disk, state: state, recovered: recovered, preparedThrough: shell.node.log.preparedThrough)
        } catch {
            preconditionFailure("an empty simulated disk can be opened: \(error)")
        }
    }()

    var node: Node
    var storage: SimulatedDisk
    private var preparer: SegmentPreparer<SimulatedDisk>
    private var reader: LogReader<SimulatedDisk>
    private var recovered: RecoveredLog
    /// Node time, milliseconds.
    var now: UInt64 = 1_000_000
    /// The disk does nothing: nothing becomes durable.
    var isStalled = false
    /// Nothing that the node asks for can be read.
    var isUnreadable = false
    /// Whole effects since the last ``takeReceived()``, in their order.
    private(set) var received: [(session: SessionID, bytes: [UInt8])] = []
    private(set) var closed: [SessionID] = []
    /// Who asks to be let in: the answer is the script's.
    private(set) var verifying: [SessionID] = []

    init() {
        let base = Self.base
        storage = SimulatedDisk(base.disk)
        recovered = base.recovered
        preparer = base.recovered.makePreparer(storage: storage)
        reader = base.recovered.makeReader(storage: storage)
        node = Node(configuration: Self.configuration, state: base.state, log: base.recovered.makeAppender())
        node.log.notePrepared(through: base.preparedThrough, diskFull: false)
        now = max(now, node.state.time)
    }

    /// Opens the log of `disk`, whatever it is.
    init(recovering disk: SimulatedDiskState, now: UInt64 = 1_000_000) throws {
        storage = SimulatedDisk(disk)
        var state = NodeState(configuration: Self.configuration)
        recovered = try Self.recover(storage, &state)
        preparer = recovered.makePreparer(storage: storage)
        reader = recovered.makeReader(storage: storage)
        node = Node(configuration: Self.configuration, state: state, log: recovered.makeAppender())
        self.now = max(now, state.time)
        prepareSegments()
    }

    static func recover(_ storage: SimulatedDisk, _ state: inout NodeState) throws -> RecoveredLog {
        let (replayed, recovered) = try NodeState.recover(
            from: storage, log: logConfiguration, newLogID: LogID(high: 1, low: 2), node: configuration)
        state = replayed
        return recovered
    }

    private func prepareSegments() {
        while node.log.preparedThrough < node.log.currentSegment + 3 {
            switch try? preparer.prepareNext() {
            case .prepared(let through): node.log.notePrepared(through: through, diskFull: false)
            case .diskFull, nil:
                node.log.notePrepared(through: 0, diskFull: true)
                return
            }
        }
    }

    // MARK: Turns

    /// One turn of the loop, as the broker's shard does it.
    func turn() throws {
        repeat {
            node.tick(now: now)
            repeat {
                node.endOfTick(now: now)
                if !isStalled { settle() }
                try perform()
                // What the answers to fetches logged is settled in the same turn.
            } while !isStalled && node.log.openBatchBytes > 0
        } while !isStalled && node.hasWorkLeft
    }

    /// Writes and syncs what the log holds.
    func settle() {
        guard let batch = node.log.takeBatch() else { return }
        // A disk that refuses writes stops the broker: scripts never make it do so.
        guard let durable = try? LogWriter(storage: storage).write(batch) else { preconditionFailure("the simulated disk writes") }
        node.log.recycle(batch)
        node.logDurable(durable, now: now)
        prepareSegments()
    }

    private func perform() throws {
        while !node.outbox.effects.isEmpty {
            let effects = node.outbox.effects
            let bytes = node.outbox.writer.array()
            node.outbox.removeAll()
            for effect in effects {
                switch effect {
                case .bytes(let session, let range):
                    try must(range.upperBound <= bytes.count, "an effect names bytes \(range) of \(bytes.count)")
                    received.append((session, Array(bytes[range])))
                    node.outputTaken(session, bytes: range.count)
                case .read(let session, let address, let count):
                    received.append((session, try read(address, count)))
                    node.outputTaken(session, bytes: count)
                case .fetch(let ticket, let ranges):
                    let stored = try ranges.flatMap { try read($0.address, $0.count) }
                    if isUnreadable { node.fetched(ticket, bytes: nil, now: now) } else { node.fetched(ticket, bytes: stored.span.bytes, now: now) }
                case .verifyToken(let session, _), .verifyCertificate(let session), .verifyMechanism(let session, _): verifying.append(session)
                case .close(let session): closed.append(session)
                case .audit: break
                }
            }
        }
    }

    private func read(_ address: UInt64, _ count: Int) throws -> [UInt8] {
        try must(address + UInt64(count) <= node.log.durable.rawValue, "\(count) bytes at \(address) are to be read and are not durable")
        var bytes = [UInt8](repeating: 0, count: count)
        do {
            try bytes.withUnsafeMutableBytes { try reader.read(address: address, into: $0) }
        } catch {
            throw FuzzFailure("what is to be delivered is not in the log: \(error)")
        }
        return bytes
    }

    func takeReceived() -> [(session: SessionID, bytes: [UInt8])] {
        defer { received.removeAll(keepingCapacity: true) }
        return received
    }

    func takeClosed() -> [SessionID] {
        defer { closed.removeAll(keepingCapacity: true) }
        return closed
    }

    func takeVerifying() -> [SessionID] {
        defer { verifying.removeAll(keepingCapacity: true) }
        return verifying
    }

    // MARK: State

    static func encoded(_ state: NodeState) -> [UInt8] {
        var writer = WireWriter(capacity: 4096)
        state.encodeCheckpoint(into: &writer)
        return writer.array()
    }

    /// Writes a checkpoint of the state, all of which must be durable.
    func checkpoint() throws {
        try recovered.makeCheckpointer(storage: storage).write(node.state, at: node.log.durable, durable: node.log.durable)
        _ = try recovered.makeReclaimer(storage: storage).reclaim(
            oldestLive: min(node.log.durable, LSN(rawValue: node.state.oldestLiveAddress ?? .max)))
    }
}
