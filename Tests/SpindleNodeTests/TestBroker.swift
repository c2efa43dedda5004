import SpindleLog
import SpindleNode
import SpindleSimulator
import SpindleText
import SpindleWire

/// A node with a simulated disk and no network: requests go in as frames, replies come out as frames, time is an argument.
final class TestBroker {
    static let everything = Principal(
        name: "admin", publish: [.init("*")], lease: [.init("*")], admin: [.init("*")], topicPublish: [.init("*")], topicSubscribe: [.init("*")])

    struct Frame {
        var header: FrameHeader
        var body: [UInt8]
        var isError: Bool { header.flags.contains(.error) }
        var error: ErrorReply? { isError ? try? ErrorReply(body.span.bytes) : nil }
    }

    private(set) var node: Node
    private(set) var storage: SimulatedDisk
    private var preparer: SegmentPreparer<SimulatedDisk>
    private var recovered: RecoveredLog
    private let configuration: NodeConfiguration
    private var nextSession: UInt64 = 1
    private var nextCorrelation: UInt32 = 1
    /// Milliseconds.
    var now: UInt64
    /// Frames that came for each session and were not taken yet.
    private var received: [SessionID: [UInt8]] = [:]
    private(set) var closed: Set<SessionID> = []
    /// Lines of the audit, in their order.
    private(set) var audit: [AuditEntry] = []
    /// Judges what a client sends to a mechanism; knows none by default.
    var judge: (MechanismRound) -> AuthenticationVerdict = { .refused("unknown mechanism '\($0.mechanism)'") }
    /// Holds the disk back: nothing becomes durable.
    var isDiskStalled = false
    /// Fetches of the node fail.
    var isLogUnreadable = false
    /// Addresses of stored records that the disk gives out no more.
    var damaged: Set<UInt64> = []
    private struct Unreadable: Error {}
    /// How many bytes of its output a session takes in a turn; all where nothing is named.
    private var takes: [SessionID: Int] = [:]
    /// Output that came and was not taken.
    private var untaken: [SessionID: Int] = [:]
    /// Most output that was ever outstanding, of one session and of all.
    private(set) var outputPeak = (session: 0, all: 0)
    /// How often the node asked for stored bytes.
    private(set) var fetches = 0

    static let logConfiguration = LogConfiguration(
        segmentBytes: 1 << 20, entryBytesMax: 512 << 10, batchBytesMax: 4 << 20, batchBytesKept: 1 << 20, reservedSegments: 1, preparedAhead: 1,
        spentSegmentsMax: 1, freeBytesKept: 0)

    init(_ storage: SimulatedDisk = SimulatedDisk(), now: UInt64 = 1_000_000, configuration: NodeConfiguration? = nil, state: NodeState? = nil) throws {
        self.storage = storage
        self.now = now
        var configuration = configuration ?? NodeConfiguration(serverVersion: "test", serverID: Array(1...16), frameBytesMax: 256 << 10)
        configuration.serverID = Array(1...16)
        self.configuration = configuration
        let (replayed, recovered) = try Self.recover(storage, configuration)
        let state = state ?? replayed
        self.recovered = recovered
        preparer = recovered.makePreparer(storage: storage)
        node = Node(configuration: configuration, state: state, log: recovered.makeAppender())
        self.now = max(now, state.time)
        try prepareSegments()
    }

    private static func recover(_ storage: SimulatedDisk, _ node: NodeConfiguration) throws -> (state: NodeState, recovered: RecoveredLog) {
        try NodeState.recover(from: storage, log: logConfiguration, newLogID: LogID(high: 1, low: 2), node: node)
    }

    private func prepareSegments() throws {
        while node.log.preparedThrough < node.log.currentSegment + 3 {
            switch try preparer.prepareNext() {
            case .prepared(let through): node.log.notePrepared(through: through, diskFull: false)
            case .diskFull:
                node.log.notePrepared(through: 0, diskFull: true)
                return
            }
        }
    }

    // MARK: Sessions

    func connect(
        _ principal: Principal? = TestBroker.everything, client: String = "test", labels: [HelloRequest.Label] = [],
        capabilities: Capabilities = []
    ) -> SessionID {
        let session = connectOnly()
        request(session, .hello) { HelloRequest(capabilities: capabilities, clientName: client, clientVersion: "1", labels: labels).encode(into: &$0) }
        request(session, .auth) { AuthRequest(method: .token, credential: "t").encode(into: &$0) }
        turn(authenticateAs: principal)
        received[session] = []
        return session
    }

    func connectOnly() -> SessionID {
        let session = SessionID(rawValue: nextSession)
        nextSession += 1
        node.connected(session, peer: "test", now: now)
        return session
    }

    /// Ends a session as the shell does when its output is full.
    func cutForTest(_ session: SessionID) { node.cut(session, error: WireError(.slowReader, "test")) }

    func disconnect(_ session: SessionID) {
        node.disconnected(session, now: now)
        untaken[session] = nil
    }

    /// Sends one frame; returns its correlation id.
    @discardableResult
    func request(_ session: SessionID, _ opcode: Opcode, _ body: (inout WireWriter) throws -> Void) rethrows -> UInt32 {
        var writer = WireWriter()
        try body(&writer)
        return raw(session, opcode.rawValue, body: writer.array())
    }

    @discardableResult
    func raw(_ session: SessionID, _ opcode: UInt16, body: [UInt8]) -> UInt32 {
        let correlation = nextCorrelation
        nextCorrelation += 1
        let header = FrameHeader(length: UInt32(12 + body.count), opcode: opcode, correlationID: correlation)
        node.received(session, header: header, body: body.span.bytes, now: now)
        return correlation
    }

    /// Hands over one whole frame as a connection does, whatever its header says.
    func raw(_ session: SessionID, frame: [UInt8]) {
        do throws(WireError) {
            let header = try FrameHeader(frame.span.bytes, frameBytesMax: node.frameBytesMax(session))
            node.received(session, header: header, body: frame.span.bytes.extracting(FrameHeader.byteCount..<frame.count), now: now)
        } catch {
            node.framingFailed(session, error: error, now: now)
        }
    }

    // MARK: Turns

    /// One turn of the loop: serves waiters, writes and syncs the log, performs the effects.
    func turn(authenticateAs principal: Principal? = TestBroker.everything) {
        repeat { step(authenticateAs: principal) } while !isDiskStalled && node.hasWorkLeft
    }

    /// As ``turn(authenticateAs:)``, but leaves what waits for a later turn.
    func step(authenticateAs principal: Principal? = TestBroker.everything) {
        node.tick(now: now)
        var canGoOn = false
        repeat {
            node.endOfTick(now: now)
            guard commit() else { return }
            while !node.outbox.effects.isEmpty { performEffects(authenticateAs: principal) }
            canGoOn = takeOutput()
            // What the effects' answers logged is committed in the same turn.
        } while canGoOn || !isDiskStalled && node.log.openBatchBytes > 0
    }

    // MARK: Output

    /// From now on `session` takes at most `byteCount` bytes in a call of ``take(_:)``, and none by itself.
    func slow(_ session: SessionID, byteCount: Int = 0) { takes[session] = byteCount }

    /// Takes a portion of the session's output; returns whether there was any.
    @discardableResult
    func take(_ session: SessionID, _ byteCount: Int? = nil) -> Bool {
        let taken = min(untaken[session, default: 0], byteCount ?? takes[session] ?? .max)
        guard taken > 0 else { return false }
        untaken[session, default: 0] -= taken
        if node.outputTaken(session, bytes: taken) { turn() }
        return true
    }

    /// Whether the node would take another request of the session.
    func takesRequests(_ session: SessionID) -> Bool { node.takesRequests(session) }

    private func noteOutput(_ session: SessionID, _ byteCount: Int) {
        untaken[session, default: 0] += byteCount
        outputPeak.session = max(outputPeak.session, node.outputBytes(of: session))
        outputPeak.all = max(outputPeak.all, node.outputBytes)
    }

    /// The sessions that are not slow take everything. Returns whether the node can go on with something.
    private func takeOutput() -> Bool {
        var canGoOn = false
        for (session, byteCount) in untaken.sorted(by: { $0.key < $1.key }) where byteCount > 0 && takes[session] == nil {
            untaken[session] = 0
            if node.outputTaken(session, bytes: byteCount) { canGoOn = true }
        }
        return canGoOn
    }

    // What a shell sees of the node's work.
    var workUnits: UInt64 { node.work.units }
    var hasWorkLeft: Bool { node.hasWorkLeft }
    var nextDeadline: UInt64? { node.nextDeadline }
    func isWorking(for session: SessionID) -> Bool { node.isWorking(for: session) }
    func endOfTickOnly() { node.endOfTick(now: now) }

    /// False where the disk failed.
    private func commit() -> Bool {
        guard !isDiskStalled, let batch = node.log.takeBatch() else { return true }
        guard let durable = try? LogWriter(storage: storage).write(batch) else { return false }
        node.log.recycle(batch)
        node.logDurable(durable, now: now)
        try? prepareSegments()
        return true
    }

    private func performEffects(authenticateAs principal: Principal?) {
        let effects = node.outbox.effects
        let bytes = node.outbox.writer.array()
        node.outbox.removeAll()
        let reader = recovered.makeReader(storage: storage)
        for effect in effects {
            switch effect {
            case .bytes(let session, let range):
                received[session, default: []] += bytes[range]
                noteOutput(session, range.count)
            case .read(let session, let address, let count):
                var record = [UInt8](repeating: 0, count: count)
                record.withUnsafeMutableBytes { place in
                    _ = StandIn.fill(place, expands: node.expands(session)) { if damaged.contains(address) { throw Unreadable() } else { try reader.read(address: address, into: $0) } }
                }
                received[session, default: []] += record
                noteOutput(session, count)
            case .fetch(let ticket, let ranges):
                fetches += 1
                let bytes = isLogUnreadable ? nil : try? ranges.flatMap { range in
                    var bytes = [UInt8](repeating: 0, count: range.count)
                    if damaged.contains(range.address) { return bytes }
                    try bytes.withUnsafeMutableBytes { try reader.read(address: range.address, into: $0) }
                    return bytes
                }
                if let bytes { node.fetched(ticket, bytes: bytes.span.bytes, now: now) } else { node.fetched(ticket, bytes: nil, now: now) }
            case .verifyToken(let session, _), .verifyCertificate(let session):
                node.authenticated(session, principal: principal, now: now)
                turn()
            case .verifyMechanism(let session, let round):
                node.judged(session, judge(round), now: now)
                turn()
            case .close(let session): closed.insert(session)
            case .audit(let entry): audit.append(entry)
            }
        }
    }

    /// The frames that came for `session` since the last call.
    func frames(_ session: SessionID) -> [Frame] {
        var bytes = received[session, default: []][...]
        received[session] = []
        var frames: [Frame] = []
        while bytes.count >= 12, let header = try? FrameHeader(Array(bytes.prefix(12)).span.bytes, frameBytesMax: configuration.frameBytesMax), bytes.count >= Int(header.length) {
            frames.append(Frame(header: header, body: Array(bytes.dropFirst(12).prefix(Int(header.length) - 12))))
            bytes = bytes.dropFirst(Int(header.length))
        }
        return frames
    }

    /// Sends a request, turns, and gives its reply; nil while there is none.
    func ask(_ session: SessionID, _ opcode: Opcode, _ body: (inout WireWriter) throws -> Void) rethrows -> Frame? {
        let correlation = try request(session, opcode, body)
        turn()
        return frames(session).first { $0.header.correlationID == correlation && $0.header.flags.contains(.reply) }
    }

    func advance(_ milliseconds: UInt64) {
        now += milliseconds
        turn()
    }

    /// Appends the live records below `address` again, as compaction does; how many there were.
    func move(below address: UInt64 = .max) throws -> Int {
        let stragglers = node.state.stragglers(below: min(address, node.log.durable.rawValue), max: 1000)
        let reader = recovered.makeReader(storage: storage)
        let records = try stragglers.flatMap { straggler in
            var record = [UInt8](repeating: 0, count: straggler.byteCount)
            try record.withUnsafeMutableBytes { try reader.read(address: straggler.address, into: $0) }
            return record
        }
        let moved = node.relocate(stragglers, records: records.span.bytes, now: now)
        turn()
        return moved.records
    }

    /// Declares a queue as the broker's configuration does at a start.
    func configure(_ queue: String, _ policy: QueuePolicyFields) throws {
        try node.declareFromConfiguration(queue: queue, policy: policy, now: now)
        turn()
    }

    // MARK: Stopping

    /// The broker is about to stop.
    func drain() {
        node.drain(graceMilliseconds: 1000, reason: "test", now: now)
        turn()
    }

    /// The process dies; what the disk holds stays. `crash`: what was not synced is gone too.
    func restart(crash: Bool = false) throws {
        let disk = crash
            ? storage.disk.crashed(.init(directoryChangesKept: storage.disk.pendingChanges.count, sector: { _ in .lost }, sizeKept: { _ in false }))
            : storage.disk
        storage = SimulatedDisk(disk)
        let state: NodeState
        (state, recovered) = try Self.recover(storage, configuration)
        preparer = recovered.makePreparer(storage: storage)
        node = Node(configuration: configuration, state: state, log: recovered.makeAppender())
        now = max(now, state.time)
        received = [:]
        untaken = [:]
        takes = [:]
        try prepareSegments()
    }

    /// Writes a checkpoint of the durable state.
    func checkpoint() throws {
        turn()
        try recovered.makeCheckpointer(storage: storage).write(node.state, at: node.log.durable, durable: node.log.durable)
    }

    /// The state as a checkpoint would hold it.
    func encodedState() -> [UInt8] {
        var writer = WireWriter()
        node.state.encodeCheckpoint(into: &writer)
        return writer.array()
    }

    /// The state that a recovery of the present disk gives, in the same form.
    func recoveredState() throws -> [UInt8] {
        let state = try Self.recover(SimulatedDisk(storage.disk), configuration).state
        var writer = WireWriter()
        state.encodeCheckpoint(into: &writer)
        return writer.array()
    }
}
