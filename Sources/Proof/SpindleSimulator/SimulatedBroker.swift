package import SpindleLog
package import SpindleNode
internal import SpindleText
package import SpindleWire

/// A broker's shell in one thread: the production node over the production log, on a ``SimulatedDisk``.
///
/// What the real shell does on its threads happens here in steps that the caller chooses, so that requests can come between the
/// taking of a batch and its sync, and a crash between any two calls of the storage.
package final class SimulatedBroker {
    package private(set) var node: Node
    package let storage: SimulatedDisk
    package private(set) var recovered: RecoveredLog
    package let configuration: NodeConfiguration
    private var preparer: SegmentPreparer<SimulatedDisk>
    private var performing = Node.Outbox()
    private var inFlight: LogBatch?
    // Which of the broker's threads is within a call of the storage.
    package private(set) var isWriting = false
    package private(set) var isPreparing = false
    package private(set) var isCheckpointing = false
    private var frame: [UInt8] = []
    /// Output that its session did not take yet, of those that do not take everything at once.
    private var untaken: [SessionID: [UInt8]] = [:]
    /// Sessions that take output with ``take(_:atMost:)`` only.
    package private(set) var slow: Set<SessionID> = []

    /// Node time, milliseconds.
    package var now: UInt64
    /// Whole frames, in the order in which they leave.
    package var onFrame: (SessionID, FrameHeader, RawSpan) -> Void = { _, _, _ in }
    package var onClose: (SessionID) -> Void = { _ in }
    /// Who a session says it is.
    package var principal: (SessionID) -> Principal = { _ in SimulatedBroker.everything }
    /// A frame was made that is larger than a client takes, and how large.
    package private(set) var largestFrameBytes: Int?
    /// Why the broker stopped: a failed write or sync of the log.
    package private(set) var failure: LogStorageError?

    // Maintenance, as the real shell keeps it.
    private var lastCheckpoint: LSN
    private var taken: (state: NodeState, lsn: LSN, oldestLive: LSN)?
    private var isBlocked = false
    private var firstSegment: UInt64 = 0
    private var lastCheckpointBytes: UInt64 = 0
    private let checkpointIntervalBytes: UInt64
    /// Small, so that checkpoints are written in several.
    private static let checkpointPieceBytes = 2048

    package static let everything = Principal(
        name: "simulation", publish: [.init("*")], lease: [.init("*")], read: [.init("*")], admin: [.init("*")], topicPublish: [.init("*")],
        topicSubscribe: [.init("*")])

    /// Smaller segments could not hold what the node logs at once.
    package static let logConfiguration = LogConfiguration(
        segmentBytes: 128 << 10, entryBytesMax: 100 << 10, batchBytesMax: 1 << 20, batchBytesKept: 1 << 20, reservedSegments: 1,
        preparedAhead: 1, spentSegmentsMax: 2, freeBytesKept: 64 << 10)

    package static func nodeConfiguration(
        topicEventsMax: Int, topicRetentionMilliseconds: UInt64, outputWindowBytes: Int = 64 << 10
    ) -> NodeConfiguration {
        NodeConfiguration(
            serverVersion: "simulated", serverID: Array(1...16), frameBytesMax: NodeConfiguration.frameBytesMin, topicEventsMax: topicEventsMax,
            topicRetentionMilliseconds: topicRetentionMilliseconds, outputWindowBytes: outputWindowBytes,
            outputBudgetBytes: 4 * NodeConfiguration.frameBytesMin)
    }

    /// What a start made of a log.
    package struct Start: ~Copyable {
        package var state: NodeState
        package var recovered: RecoveredLog
    }

    /// A state of earlier, to which a recovery's entries from a position on are applied.
    package final class Shadow {
        package var state: NodeState
        package let from: LSN
        /// The recovery began at a checkpoint behind it.
        package fileprivate(set) var isLeftOut = false
        package init(_ state: NodeState, from: LSN) {
            self.state = state
            self.from = from
        }
    }

    /// Recovers the log on `storage`.
    package static func start(
        _ storage: SimulatedDisk, _ configuration: NodeConfiguration, shadow: Shadow? = nil
    ) throws(LogRecoveryError) -> Start {
        var state = NodeState(configuration: configuration)
        let recovered = try LogRecovery.recover(
            storage: storage, configuration: logConfiguration, newLogID: LogID(high: 0x5350_494E, low: 0x444C_4501),
            onCheckpoint: { (payload, lsn) throws(LogReplayRefusal) in
                if let shadow, lsn > shadow.from { shadow.isLeftOut = true }
                state = try NodeState.loaded(payload, configuration)
            },
            onEntry: { (entry, payload) throws(LogReplayRefusal) in
                var what = ""
                do throws(NodeRestoreError) {
                    try state.replay(payload: payload, payloadAddress: entry.payloadAddress)
                    what = "on the state that was live before: "
                    if let shadow, !shadow.isLeftOut, entry.lsn >= shadow.from { try shadow.state.replay(payload: payload, payloadAddress: entry.payloadAddress) }
                } catch {
                    throw LogReplayRefusal(what + error.description)
                }
            },
            oldestNeeded: { state.oldestNeeded })
        return Start(state: state, recovered: recovered)
    }

    package init(_ start: consuming Start, storage: SimulatedDisk, configuration: NodeConfiguration, now: UInt64, checkpointIntervalBytes: UInt64) {
        self.storage = storage
        self.configuration = configuration
        self.checkpointIntervalBytes = checkpointIntervalBytes
        recovered = start.recovered
        preparer = start.recovered.makePreparer(storage: storage)
        self.now = max(now, start.state.time)
        node = Node(configuration: configuration, state: start.state, log: start.recovered.makeAppender())
        lastCheckpoint = start.recovered.checkpoint ?? start.recovered.first
    }

    package var isAlive: Bool { failure == nil && !storage.isDown }

    // MARK: Events

    package func connected(_ session: SessionID) { node.connected(session, peer: "simulated", now: now) }
    package func disconnected(_ session: SessionID) {
        node.disconnected(session, now: now)
        untaken[session] = nil
        slow.remove(session)
    }

    // MARK: Output

    /// From now on the session takes its output only when it is told to.
    package func makeSlow(_ session: SessionID) {
        slow.insert(session)
        untaken[session] = []
    }

    /// The session takes so much of its output at most. Returns how much it took.
    @discardableResult
    package func take(_ session: SessionID, atMost byteCount: Int) -> Int {
        guard isAlive, let waiting = untaken[session], !waiting.isEmpty else { return 0 }
        let count = min(byteCount, waiting.count)
        guard count > 0 else { return 0 }
        received[session, default: []] += waiting[..<count]
        untaken[session]?.removeFirst(count)
        node.outputTaken(session, bytes: count)
        deliverReceived(session)
        return count
    }

    /// Whether the node takes another request of the session now.
    package func takesRequests(_ session: SessionID) -> Bool { node.takesRequests(session) }

    /// What the node counts for a session that has more outstanding than it may; nil where all is well, or something is under way.
    package func outputProblem(_ session: SessionID) -> String? {
        let counted = node.outputBytes(of: session)
        let most = max(configuration.outputWindowBytes, configuration.frameBytesMax) + WireLimits.recordOverheadBytesMax
        if counted > most { return "\(counted) bytes are outstanding, \(most) at most may be" }
        let waiting = untaken[session]?.count ?? 0
        if isQuiet, node.outbox.effects.isEmpty, counted < waiting { return "\(counted) bytes are counted as outstanding, \(waiting) are" }
        return nil
    }

    /// Bytes that a slow session has taken, and that are no whole frame yet.
    private var received: [SessionID: [UInt8]] = [:]

    private func deliverReceived(_ session: SessionID) {
        while let bytes = received[session], bytes.count >= FrameHeader.byteCount {
            guard let header = try? FrameHeader(bytes.span.bytes, frameBytesMax: configuration.frameBytesMax), bytes.count >= Int(header.length) else { return }
            received[session]?.removeFirst(Int(header.length))
            onFrame(session, header, bytes.span.bytes.extracting(FrameHeader.byteCount..<Int(header.length)))
        }
    }

    /// Declares a queue as the configuration does.
    package func declare(_ queue: String, _ policy: QueuePolicyFields) throws(WireError) {
        try node.declareFromConfiguration(queue: queue, policy: policy, now: now)
    }

    /// Whether a slow session has answers that it has not taken.
    package var hasUntaken: Bool { untaken.contains { !$0.value.isEmpty } }

    /// What WHY would answer; nil where the queue has no such message.
    package func explain(_ id: UInt64, in queue: String) -> WhyReply? { node.explain(id, in: queue, now: now) }

    package func received(_ session: SessionID, _ opcode: Opcode, _ correlationID: UInt32, _ body: RawSpan) {
        let header = FrameHeader(
            length: UInt32(FrameHeader.byteCount + body.byteCount), opcode: opcode.rawValue, correlationID: correlationID)
        node.received(session, header: header, body: body, now: now)
    }

    /// The end of a turn of the loop: what time demands, what waits, what the node asks for.
    package func turn() {
        if let deadline = node.nextDeadline, deadline <= now { node.tick(now: now) }
        repeat {
            node.endOfTick(now: now)
            performEffects()
            // What was taken at once made room for more.
        } while isAlive && node.canResumeOutput
    }

    // MARK: Committing

    package var isCommitting: Bool { inFlight != nil }
    package var hasOpenBatch: Bool { node.log.openBatchBytes > 0 }
    /// Everything that was decided is durable.
    package var isQuiet: Bool { inFlight == nil && !isWriting && node.log.openBatchBytes == 0 && !node.hasWorkLeft }

    /// Takes the open batch; it is written by ``finishCommit()``, and requests may come in between.
    package func beginCommit() {
        guard inFlight == nil, !isWriting else { return }
        inFlight = node.log.takeBatch()
    }

    package func finishCommit() {
        guard !isWriting, let batch = inFlight, isAlive else { return }
        inFlight = nil
        isWriting = true
        defer { isWriting = false }
        do throws(LogStorageError) {
            let durable = try LogWriter(storage: storage).write(batch)
            node.log.recycle(batch)
            node.logDurable(durable, now: now)
            performEffects()
        } catch {
            // Nobody is answered, nothing is tried again.
            failure = error
        }
    }

    // MARK: Maintenance

    package enum Work { case nothing, done, diskFull, failed(LogStorageError) }

    package var needsPreparing: Bool {
        node.log.preparedThrough < node.log.currentSegment + node.log.configuration.reservedSegments + node.log.configuration.preparedAhead
    }

    package func prepare() -> Work {
        guard isAlive, needsPreparing, !isPreparing else { return .nothing }
        isPreparing = true
        defer { isPreparing = false }
        do throws(LogStorageError) {
            switch try preparer.prepareNext() {
            case .prepared(let through):
                node.log.notePrepared(through: through, diskFull: false)
                isBlocked = false
                return .done
            case .diskFull:
                node.log.notePrepared(through: 0, diskFull: true)
                isBlocked = true
                beginCheckpoint()
                return .diskFull
            }
        } catch {
            node.log.notePrepared(through: 0, diskFull: true)
            isBlocked = true
            return .failed(error)
        }
    }

    package var checkpointIsDue: Bool { taken == nil && node.log.end.rawValue >= lastCheckpoint.rawValue + checkpointIntervalBytes }

    /// Takes the node's state as it is now; it is written when the log below it is durable.
    package func beginCheckpoint() {
        guard taken == nil, !isCheckpointing, node.log.end > lastCheckpoint else { return }
        taken = (node.state, node.log.end, LSN(rawValue: node.state.oldestLiveAddress ?? .max))
    }

    package var canWriteCheckpoint: Bool { taken.map { $0.lsn <= node.log.durable } ?? false }

    /// Writes the checkpoint that waits, and reclaims.
    package func writeCheckpoint() -> Work {
        guard isAlive, !isCheckpointing, let checkpoint = taken, checkpoint.lsn <= node.log.durable else { return .nothing }
        taken = nil
        isCheckpointing = true
        defer { isCheckpointing = false }
        let bytes: UInt64
        do throws(LogCheckpointError) {
            bytes = try recovered.makeCheckpointer(storage: storage).write(
                checkpoint.state, at: checkpoint.lsn, durable: node.log.durable, pieceBytes: Self.checkpointPieceBytes)
        } catch {
            guard case .storage(let failure) = error else {
                return .failed(LogStorageError(operation: .read, path: "checkpoint", errno: 0, reason: "\(error)"))
            }
            return .failed(failure)
        }
        let older = lastCheckpoint
        lastCheckpoint = checkpoint.lsn
        do throws(LogStorageError) {
            firstSegment = try recovered.makeReclaimer(storage: storage).reclaim(oldestLive: checkpoint.oldestLive).firstSegment
        } catch {
            return .failed(error)
        }
        noteDiskBound(older: older, checkpoint.oldestLive, bytes)
        return .done
    }

    /// The most that the log's files may take, as of the last reclaiming: nil before the first.
    package private(set) var diskBytesMax: UInt64?

    private func noteDiskBound(older: LSN, _ oldestLive: LSN, _ checkpointBytes: UInt64) {
        let segmentBytes = recovered.segmentBytes
        let first = min(older, oldestLive).segment(segmentBytes: segmentBytes)
        let inUse = node.log.currentSegment - min(first, node.log.currentSegment) + 2
        // After a start some lie ready that were not counted yet.
        let limits = node.log.configuration
        let ahead = max(node.log.preparedThrough - node.log.currentSegment, limits.reservedSegments + limits.preparedAhead) + 1
        let segments = inUse + ahead + UInt64(limits.spentSegmentsMax) + 1
        // Checkpoints grow and shrink with the state; quarantined files stay until an operator removes them.
        diskBytesMax = segments * segmentBytes + 3 * max(checkpointBytes, lastCheckpointBytes) + 3 * 4096 + quarantinedBytes
        lastCheckpointBytes = checkpointBytes
    }

    private var quarantinedBytes: UInt64 {
        let files = (try? storage.list()) ?? []
        return files.reduce(0) { sum, file in
            if case .quarantined = file.name { sum + file.size } else { sum }
        }
    }

    /// While the disk is full: checkpoints as soon as whole segments could be let go of, with a mark where nothing else is logged.
    package func freeSpace() {
        guard isBlocked, taken == nil else { return }
        let needed = node.state.oldestLiveAddress.map { LSN(rawValue: $0) } ?? node.log.end
        guard min(needed, node.log.end).segment(segmentBytes: node.log.segmentBytes) > firstSegment else { return }
        if node.log.end == lastCheckpoint { mark() }
        beginCheckpoint()
    }

    /// Says in the log that all before is durable.
    package func mark() { _ = try? node.log.appendMark() }

    // MARK: Moving

    /// Records that were read to be moved.
    private var moving: (stragglers: [Straggler], bytes: [UInt8])?
    package var isMoving: Bool { moving != nil }

    /// Reads up to `max` of the records that lie below `address`, as the real shell does on its background thread. False where one
    /// can't be read, or is damaged.
    package func beginMove(below address: UInt64, max: Int) -> Bool {
        let stragglers = node.state.stragglers(below: min(address, node.log.durable.rawValue), max: max)
        guard isAlive, !stragglers.isEmpty, node.hasRoomToRelocate(stragglers) else { return true }
        let reader = recovered.makeReader(storage: storage)
        var bytes: [UInt8] = []
        for straggler in stragglers {
            var record = [UInt8](repeating: 0, count: straggler.byteCount)
            do {
                try record.withUnsafeMutableBytes { place in try reader.read(address: straggler.address, into: place) }
                try RecordView.check(record.span.bytes)
            } catch {
                return storage.isDown
            }
            bytes += record
        }
        moving = (stragglers, bytes)
        return true
    }

    /// Has what was read moved, as far as it is still in its place. How many records were.
    package func finishMove() -> Int {
        guard isAlive, let moving else { return 0 }
        self.moving = nil
        return node.relocate(moving.stragglers, records: moving.bytes.span.bytes, now: now).records
    }

    // MARK: Looking

    package func encodedState() -> [UInt8] { Self.encode(node.state) }

    package static func encode(_ state: borrowing NodeState) -> [UInt8] {
        var writer = WireWriter(capacity: 16 << 10)
        state.encodeCheckpoint(into: &writer)
        return writer.array()
    }

    // MARK: Effects

    private func performEffects() {
        guard isAlive else { return }
        while !node.outbox.effects.isEmpty {
            node.takeOutbox(into: &performing)
            var index = 0
            while index < performing.effects.count {
                let effect = performing.effects[index]
                index += 1
                switch effect {
                case .bytes(let session, let range):
                    performing.writer.withUnsafeBytes { frame.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[range])) }
                    deliverIfWhole(session, range.count)
                case .read(let session, let address, let count):
                    read(session, address, count)
                    var total = count
                    // Neighbours go out at once, as from the real shell.
                    while index < performing.effects.count,
                        case .read(session, let next, let more) = performing.effects[index], next == address + UInt64(total)
                    {
                        read(session, next, more)
                        total += more
                        index += 1
                    }
                    deliverIfWhole(session, total)
                case .fetch(let ticket, let ranges):
                    fetch(ticket, ranges)
                case .verifyToken(let session, _), .verifyCertificate(let session):
                    node.authenticated(session, principal: principal(session), now: now)
                case .verifyMechanism(let session, _):
                    node.judged(session, .refused("simulated clients have tokens"), now: now)
                case .close(let session):
                    onClose(session)
                case .audit: break // says what a request said, and changes nothing
                }
            }
            performing.removeAll()
        }
    }

    private func fetch(_ ticket: UInt64, _ ranges: [Effect.Range]) {
        let reader = recovered.makeReader(storage: storage)
        var bytes: [UInt8] = []
        var isWhole = true
        for range in ranges {
            let start = bytes.count
            bytes.append(contentsOf: repeatElement(0, count: range.count))
            bytes.withUnsafeMutableBytes { all in
                do throws(LogStorageError) {
                    try reader.read(address: range.address, into: UnsafeMutableRawBufferPointer(rebasing: all[start...]))
                } catch {
                    isWhole = false
                }
            }
        }
        if isWhole { node.fetched(ticket, bytes: bytes.span.bytes, now: now) } else { node.fetched(ticket, bytes: nil, now: now) }
    }

    private func read(_ session: SessionID, _ address: UInt64, _ count: Int) {
        let start = frame.count
        frame.append(contentsOf: repeatElement(0, count: count))
        let reader = recovered.makeReader(storage: storage)
        let expands = node.expands(session)
        frame.withUnsafeMutableBytes { bytes in
            _ = StandIn.fill(UnsafeMutableRawBufferPointer(rebasing: bytes[start...]), expands: expands) { try reader.read(address: address, into: $0) }
        }
    }

    /// Frames come one behind the other, each in one piece or more.
    private func deliverIfWhole(_ session: SessionID, _ byteCount: Int) {
        if slow.contains(session) {
            untaken[session]? += frame
            frame.removeAll(keepingCapacity: true)
            return
        }
        node.outputTaken(session, bytes: byteCount)
        var offset = 0
        while frame.count - offset >= FrameHeader.byteCount {
            // One that a client would refuse must not be made.
            let length = (0..<4).reduce(0) { $0 | Int(frame[offset + $1]) << (8 * $1) }
            if length > configuration.frameBytesMax { largestFrameBytes = max(largestFrameBytes ?? 0, length) }
            let span = frame.span.bytes.extracting(offset..<frame.count)
            guard let header = try? FrameHeader(span, frameBytesMax: configuration.frameBytesMax), span.byteCount >= Int(header.length) else { break }
            onFrame(session, header, span.extracting(FrameHeader.byteCount..<Int(header.length)))
            offset += Int(header.length)
        }
        if offset == frame.count { frame.removeAll(keepingCapacity: true) } else { frame.removeFirst(offset) }
    }
}
