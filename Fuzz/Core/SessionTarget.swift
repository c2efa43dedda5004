internal import SpindleNode
internal import SpindleSimulator
internal import SpindleText
internal import SpindleWire

extension FuzzTarget {
    /// Clients of every kind before one node: arbitrary frames, and requests that make sense, in every state of a session, with time,
    /// restarts, crashes, a disk that stalls. What must hold is in ``SessionScript``.
    static let session = FuzzTarget("session", inputBytesMax: 2048) { input in
        let script = SessionScript(FuzzBytes(input))
        try script.run()
        // Recovery takes ten times as long as most scripts: where the input asks for it, and after one in eight others.
        let sum = input.withUnsafeBytes { $0.reduce(0) { $0 &+ $1 } }
        if sum & 7 == 0 { try script.compareWithRecovery() }
    }
}

/// One run: an input read as steps, and what the clients saw.
final class SessionScript {
    private static let stepsMax = 400
    private static let sessionsMax = 6

    /// A client's end of a connection.
    struct Client {
        var id: SessionID
        /// Index in ``NodeShell/principals``; nil before it was let in.
        var principal: Int?
        /// Bytes that came and are no whole frame yet.
        var incoming: [UInt8] = []
        /// Requests that have no answer yet.
        var waiting: [UInt32: UInt16] = [:]
        /// Nothing more may come.
        var isClosed = false
    }

    var input: FuzzBytes
    private(set) var shell = NodeShell()
    /// Since the last restart.
    private var isDraining = false
    var clients: [Client] = []
    private var nextSession: UInt64 = 1
    private var nextCorrelation: UInt32 = 1
    /// The epoch of each message's newest lease that was seen.
    private var epochs: [UInt64: UInt32] = [:]
    private(set) var tokens: [DeliveryToken] = []
    /// Acks under way: what is confirmed when the answer comes.
    private var ackTokens: [UInt32: [DeliveryToken]] = [:]
    private var acknowledged: Set<UInt64> = []

    init(_ input: FuzzBytes) { self.input = input }

    func run() throws {
        _ = connect(principal: 0)
        _ = connect(principal: 1)
        var steps = 0
        while !input.isAtEnd, steps < Self.stepsMax {
            try step()
            steps += 1
        }
        try finish()
    }

    private func step() throws {
        let code = input.u8()
        switch code & 0x3F {
        case 0: clients.count < Self.sessionsMax ? _ = connect(principal: input.bool() ? 0 : nil) : try turn()
        case 1: rawFrame()
        case 2...17: try request(Int(code & 0x3F) - 2)
        case 18: shell.now += UInt64(1) << UInt64(input.u8() % 40)
        case 19: disconnect(input.choice(8))
        case 20: shell.isStalled.toggle()
        case 21: try restart(crash: input.bool())
        case 22: try checkpoint()
        case 23: lateFrame()
        case 24: drain(shell)
        case 25: shell.storage.disk.capacity = input.bool() ? 0 : .max
        case 26: answerVerification()
        case 27: shell.isUnreadable.toggle()
        case 28...43: try administer(Int(code & 0x3F) - 28)
        default: try turn()
        }
    }

    private func drain(_ shell: NodeShell) {
        shell.node.drain(graceMilliseconds: 10, reason: "fuzz", now: shell.now)
        isDraining = true
    }

    // MARK: Connections

    private func connect(principal: Int?) -> Int {
        let id = SessionID(rawValue: nextSession)
        nextSession += 1
        shell.node.connected(id, peer: "fuzz", now: shell.now)
        clients.append(Client(id: id))
        let index = clients.count - 1
        guard let principal else { return index }
        send(index, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
        send(index, .auth) { AuthRequest(method: .token, credential: "t").encode(into: &$0) }
        clients[index].principal = principal
        shell.node.authenticated(id, principal: NodeShell.principals[principal], now: shell.now)
        return index
    }

    /// Tells the node who one of those is that asked to be let in, or one that didn't ask.
    private func answerVerification() {
        let asking = shell.takeVerifying()
        let choice = input.choice(4)
        guard let id = asking.first ?? clients.first?.id, let index = clients.firstIndex(where: { $0.id == id }) else { return }
        let principal = choice < NodeShell.principals.count ? choice : nil
        shell.node.authenticated(id, principal: principal.map { NodeShell.principals[$0] }, now: shell.now)
        if clients[index].principal == nil, shell.node.isAuthenticated(id) { clients[index].principal = principal }
    }

    private func disconnect(_ choice: Int) {
        guard !clients.isEmpty else { return }
        let client = clients.remove(at: choice % clients.count)
        shell.node.disconnected(client.id, now: shell.now)
    }

    // MARK: Sending

    /// A client that can ask, by a byte of the input.
    func pickClient() -> Int? { clients.isEmpty ? nil : input.choice(clients.count) }

    @discardableResult
    func send(_ client: Int, _ opcode: Opcode, _ body: (inout WireWriter) throws -> Void) rethrows -> UInt32 {
        var writer = WireWriter()
        try body(&writer)
        return send(client, FrameHeader(length: UInt32(12 + writer.count), opcode: opcode.rawValue, correlationID: 0), writer.array())
    }

    @discardableResult
    private func send(_ client: Int, _ header: FrameHeader, _ body: [UInt8]) -> UInt32 {
        var header = header
        header.correlationID = nextCorrelation
        nextCorrelation += 1
        // TOPIC_CREDIT has no answer but an error, the answer to a PING none at all.
        let isPong = header.opcode == Opcode.ping.rawValue && header.flags.contains(.reply)
        if header.opcode != Opcode.topicCredit.rawValue, !isPong { clients[client].waiting[header.correlationID] = header.opcode }
        let frameBytesMax = shell.node.frameBytesMax(clients[client].id)
        guard body.count + FrameHeader.byteCount <= frameBytesMax else {
            // As a connection does with a header that announces too much.
            clients[client].waiting[header.correlationID] = nil
            shell.node.framingFailed(clients[client].id, error: WireError(.frameTooLarge, "too large"), now: shell.now)
            return header.correlationID
        }
        shell.node.received(clients[client].id, header: header, body: body.span.bytes, now: shell.now)
        return header.correlationID
    }

    private func rawFrame() {
        guard let client = pickClient() else { return }
        let opcode = UInt16(input.u8())
        let shape = input.u8()
        let flags: FrameFlags = shape & 0x10 == 0 ? [] : FrameFlags(rawValue: input.u8())
        let version: UInt8 = shape & 0x20 == 0 ? 1 : input.u8()
        let body = input.take(shape & 0x40 == 0 ? Int(shape & 0x0F) * 4 : Int(input.u8()))
        send(client, FrameHeader(length: UInt32(12 + body.count), opcode: opcode, version: version, flags: flags, correlationID: 0), body)
    }

    /// A frame of a connection that is gone already.
    private func lateFrame() {
        let header = FrameHeader(length: 12, opcode: UInt16(input.u8()), correlationID: 7)
        let session = SessionID(rawValue: UInt64(input.u8()))
        guard !clients.contains(where: { $0.id == session }) else { return }
        shell.node.received(session, header: header, body: RawSpan(), now: shell.now)
    }

    /// The tokens of this ACK count as confirmed once it is answered.
    func note(ack tokens: [DeliveryToken], of correlation: UInt32) { ackTokens[correlation] = tokens }

    // MARK: Time and disk

    func turn() throws {
        try shell.turn()
        try readAll()
    }

    private func restart(crash: Bool) throws {
        // Answers that are on their way are lost; clients see their connections end.
        if !crash {
            shell.isStalled = false
            shell.isUnreadable = false
            try turn()
            try compareWithRecovery()
        }
        isDraining = false
        let disk = crash
            ? shell.storage.disk.crashed(.init(
                directoryChangesKept: shell.storage.disk.pendingChanges.count, sector: { _ in .lost }, sizeKept: { _ in false }))
            : shell.storage.disk
        shell = try NodeShell(recovering: disk, now: shell.now)
        clients = []
        ackTokens = [:]
        _ = connect(principal: 0)
        _ = connect(principal: 1)
    }

    private func checkpoint() throws {
        guard !shell.isStalled else { return }
        try turn()
        guard shell.storage.disk.capacity == .max else { return }
        try shell.checkpoint()
    }

    /// Everything comes to rest, then every request must have been answered.
    private func finish() throws {
        shell.isStalled = false
        shell.isUnreadable = false
        try turn()
        // Longer than any wait that a LEASE can ask for.
        shell.now += UInt64(UInt32.max) + 1
        for _ in 0..<4 { try turn() }
        for client in clients where !client.isClosed && client.principal != nil {
            try must(client.waiting.isEmpty, "requests were never answered: \(client.waiting)")
            try must(client.incoming.isEmpty, "\(client.incoming.count) bytes came that are no whole frame")
        }
    }

    /// What a restart would find is what is here.
    func compareWithRecovery() throws {
        let again = try NodeShell(recovering: shell.storage.disk, now: shell.now)
        // Time makes delayed messages ready, ends leases and lets jobs go on, there as here.
        again.now = shell.now
        if isDraining { drain(again) }
        for _ in 0..<2 {
            try shell.turn()
            try again.turn()
        }
        try readAll()
        let live = NodeShell.encoded(shell.node.state)
        let replayed = NodeShell.encoded(again.node.state)
        // The time of a request that came to nothing is in no entry: behind the version, the time is left out.
        let time = 2..<10
        try must(live[..<time.lowerBound] + live[time.upperBound...] == replayed[..<time.lowerBound] + replayed[time.upperBound...],
            "the recovered state (\(replayed.count) bytes) is not the live one (\(live.count) bytes)")
        var state = NodeState(configuration: NodeShell.configuration)
        do {
            try state.restore(checkpoint: live.span.bytes)
        } catch {
            throw FuzzFailure("a checkpoint of the live state is refused: \(error)")
        }
        try must(NodeShell.encoded(state) == live, "a checkpoint that was taken over encodes to other bytes")
    }

    // MARK: Receiving

    private func readAll() throws {
        for (session, bytes) in shell.takeReceived() {
            guard let index = clients.firstIndex(where: { $0.id == session }) else { continue }
            try must(!clients[index].isClosed, "something was sent behind the close of a session")
            clients[index].incoming += bytes
        }
        for session in shell.takeClosed() {
            guard let index = clients.firstIndex(where: { $0.id == session }) else { continue }
            try must(!clients[index].isClosed, "a session was closed twice")
            try readFrames(index)
            clients[index].isClosed = true
        }
        for index in clients.indices { try readFrames(index) }
    }

    private func readFrames(_ index: Int) throws {
        var offset = 0
        let bytes = clients[index].incoming
        while bytes.count - offset >= FrameHeader.byteCount {
            let header: FrameHeader
            do {
                header = try FrameHeader(bytes.span.bytes.extracting(offset..<bytes.count), frameBytesMax: NodeShell.configuration.frameBytesMax)
            } catch {
                let opcode = Opcode(rawValue: UInt16(bytes[offset + 4]) | UInt16(bytes[offset + 5]) << 8)?.name ?? "no opcode"
                throw FuzzFailure("the node sent a frame (\(opcode)) that no client takes: \(error.message)")
            }
            guard bytes.count - offset >= Int(header.length) else { break }
            let body = Array(bytes[(offset + FrameHeader.byteCount)..<(offset + Int(header.length))])
            offset += Int(header.length)
            try check(header, body, index)
        }
        clients[index].incoming = Array(bytes[offset...])
    }

    private func check(_ header: FrameHeader, _ body: [UInt8], _ index: Int) throws {
        do {
            if header.flags.contains(.push) {
                try checkPush(header, body.span.bytes, index)
                return
            }
            try must(header.flags.contains(.reply), "a frame came that is neither answer nor push: \(header)")
            let opcode = clients[index].waiting.removeValue(forKey: header.correlationID)
            if header.flags.contains(.error) {
                let error = try ErrorReply(body.span.bytes)
                try must(!error.message.isEmpty, "an error says nothing")
                let isAsked = opcode != nil || error.blastRadius == .connection || header.opcode == Opcode.topicCredit.rawValue
                try must(isAsked, "an error answers nothing: \(error.message)")
                return
            }
            try must(opcode == header.opcode, "an answer to \(header.opcode), which was asked as \(String(describing: opcode)) or not at all")
            try checkReply(header, body.span.bytes, index)
        } catch let error as WireError {
            throw FuzzFailure("the node sent a body that can't be decoded, opcode \(header.opcode): \(error.message)")
        }
    }

    private func checkPush(_ header: FrameHeader, _ body: RawSpan, _ index: Int) throws {
        guard header.opcode == Opcode.topicEvents.rawValue, let principal = clients[index].principal else { return }
        var reader = WireReader(body)
        let head = try TopicEventsHead(&reader)
        for item in head.items {
            let mayHear = NodeShell.principals[principal].topicSubscribe.contains { $0.matches(item.topic) }
            try must(mayHear, "an event of '\(item.topic)' went to one who may not hear it")
            _ = try RecordView.decode(try reader.span(Int(item.recordByteCount), "event"))
        }
    }

    private func checkReply(_ header: FrameHeader, _ body: RawSpan, _ index: Int) throws {
        switch Opcode(rawValue: header.opcode) {
        case .lease: try checkLease(body)
        case .ack:
            guard let asked = ackTokens.removeValue(forKey: header.correlationID) else { return }
            let statuses = try StatusReply(body).statuses(expected: asked.count)
            for (token, status) in zip(asked, statuses) where status == .ok { acknowledged.insert(token.messageID) }
        case .stats:
            guard let principal = clients[index].principal else { return }
            let patterns = NodeShell.principals[principal].read + NodeShell.principals[principal].admin
            for queue in try StatsReply(body).queues {
                try must(patterns.contains { $0.matches(queue.name) }, "figures of '\(queue.name)' went to one who may not see them")
            }
        default: break
        }
    }

    private func checkLease(_ body: RawSpan) throws {
        var reader = WireReader(body)
        let head = try LeaseReplyHead(&reader)
        for item in head.items {
            let token = item.token
            try must(token.epoch > epochs[token.messageID] ?? 0, "message \(token.messageID) came twice under epoch \(token.epoch)")
            try must(!acknowledged.contains(token.messageID), "message \(token.messageID) came after its ack was confirmed")
            epochs[token.messageID] = token.epoch
            if tokens.count > 64 { tokens.removeFirst(32) }
            tokens.append(token)
            _ = try RecordView.decode(try reader.span(Int(item.recordByteCount), "record"))
        }
    }
}
