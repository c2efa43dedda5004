internal import DequeModule
internal import SpindleQueue
import SpindleText
package import SpindleWire

// Coming, going, and who may do what.
extension Node {
    /// A connection was accepted. `peer` is its address, for humans.
    package mutating func connected(_ session: SessionID, peer: String, now: UInt64) {
        sessions[session] = Session(peer: peer, now: now)
        flow.connected(session)
        sessionOrder.append(session)
        statistics.sessions = sessions.count
    }

    /// A connection is gone. Its leases go on: their tokens are good on any connection of the same principal.
    package mutating func disconnected(_ session: SessionID, now: UInt64) {
        endWaits(of: session)
        guard let gone = sessions.removeValue(forKey: session) else { return }
        flow.disconnected(session)
        setAside[session] = nil
        quotas.subtract(gone.usage, from: gone.account)
        takeBackUnsentGrants(of: session, now: now)
        disown(gone.leases, of: session)
        if !gone.subscriptions.isEmpty { topicPush.subscribers.removeAll { $0 == session } }
        if sessionOrder.count > 2 * sessions.count + 16 {
            sessionOrder.removeAll { sessions[$0] == nil }
        }
        statistics.sessions = sessions.count
    }

    /// The largest frame that may come next on this session, bytes.
    package func frameBytesMax(_ session: SessionID) -> Int {
        switch sessions[session]?.state {
        case .open: configuration.frameBytesMax
        case .awaitingAuthentication, .authenticating, .challenged: WireLimits.authenticationFrameBytesMax
        case .awaitingHello, .closing, nil: WireLimits.preAuthenticationFrameBytesMax
        }
    }

    /// Whether the client can expand a compressed body; from one that cannot it is withheld, and none is taken. See ``StandIn``.
    package func expands(_ session: SessionID) -> Bool { sessions[session]?.capabilities.contains(.lz4) == true }

    package func isAuthenticated(_ session: SessionID) -> Bool { sessions[session]?.principal != nil }

    /// The bytes of this session can't be taken apart into frames: it is told why, and closed.
    package mutating func framingFailed(_ session: SessionID, error: WireError, now: UInt64) {
        guard !isClosing(session) else { return }
        refuse(session, opcode: 0, correlationID: 0, error, blastRadius: .connection)
    }

    /// One whole frame has come; its length was checked against ``frameBytesMax(_:)``.
    package mutating func received(_ session: SessionID, header: FrameHeader, body: RawSpan, now: UInt64) {
        guard let state = sessions[session]?.state else { return }
        statistics.requests[Int(min(header.opcode, 255))] += 1
        sessions[session]?.heardAt = now
        work.charge(Self.units(of: header.opcode, byteCount: Int(header.length)))
        do throws(WireError) {
            switch state {
            case .closing:
                return
            case .awaitingHello:
                guard header.opcode == Opcode.hello.rawValue else {
                    throw WireError(.helloRequired, "the first frame must be HELLO, not opcode \(header.opcode)")
                }
                try header.checkIsRequest(of: .hello)
                try hello(session, header, body)
            case .awaitingAuthentication:
                try authenticate(session, header, body, after: nil)
            case .challenged(let progress):
                try authenticate(session, header, body, after: progress)
            case .authenticating:
                throw WireError(.notAuthenticated, "wait for AUTH's answer before the next request")
            case .open(let signedIn):
                open(session, signedIn, header, body, now: now)
            }
        } catch {
            refuse(session, opcode: header.opcode, correlationID: header.correlationID, error, blastRadius: .connection)
        }
    }

    private mutating func hello(_ session: SessionID, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        let request = try HelloRequest(body)
        guard request.versionMin <= ProtocolVersion.max, request.versionMax >= ProtocolVersion.min else {
            throw WireError(
                .unsupportedVersion,
                "the client speaks versions \(request.versionMin) to \(request.versionMax), this broker \(ProtocolVersion.min) to \(ProtocolVersion.max)")
        }
        try Self.checkShown(request.clientName, "client name")
        try Self.checkShown(request.clientVersion, "client version")
        for label in request.labels {
            try Self.checkShown(label.name, "label name")
            try Self.checkShown(label.value, "label value")
        }
        sessions[session]?.clientName = request.clientName
        sessions[session]?.clientVersion = request.clientVersion
        sessions[session]?.labels = request.labels
        let capabilities = request.capabilities.intersection([.lz4, .settleIdentity])
        sessions[session]?.capabilities = capabilities
        sessions[session]?.state = .awaitingAuthentication
        let reply = HelloReply(
            version: min(request.versionMax, ProtocolVersion.max), capabilities: capabilities,
            frameBytesMax: UInt32(configuration.frameBytesMax), inFlightMax: UInt32(configuration.inFlightMax),
            heartbeatMilliseconds: configuration.heartbeatMilliseconds, serverID: configuration.serverID,
            serverName: configuration.serverName, serverVersion: configuration.serverVersion,
            opcodes: Self.supported.map { .init(opcode: $0.rawValue, versionMin: 1, versionMax: 1) },
            outputWindowBytes: UInt64(configuration.outputWindowBytes))
        outbox.reply(session, .hello, header.correlationID) { reply.encode(into: &$0) }
    }

    /// What this version does; the other opcodes answer UNSUPPORTED.
    static let supported: [Opcode] = [
        .hello, .auth, .ping, .goingAway, .publish, .lease, .ack, .nack, .extend, .settle, .cancelled, .declare, .delete, .purge, .pause,
        .resume, .stats, .browse, .get, .cancel, .reschedule, .redrive, .bulk, .await, .withdraw, .topicPublish, .topicSubscribe,
        .topicUnsubscribe, .topicCredit, .topicEvents, .topicGap, .topicDeclare, .topicStats, .workers, .workerControl, .quiet,
    ]

    /// Answers with an error; one that spoils the connection closes it.
    mutating func refuse(_ session: SessionID, opcode: UInt16, correlationID: UInt32, _ error: WireError, blastRadius: BlastRadius) {
        statistics.refused(error.code)
        if error.code == .authenticationFailed { auditFailedAuthentication(session, error) }
        outbox.error(session, opcode: opcode, correlationID: correlationID, error, blastRadius: blastRadius)
        if blastRadius == .connection { close(session) }
    }

    /// Cuts a session for a reason that the node can't see, after telling it (a missed heartbeat, a full output buffer, a limit).
    package mutating func cut(_ session: SessionID, error: WireError) {
        guard !isClosing(session) else { return }
        refuse(session, opcode: 0, correlationID: 0, error, blastRadius: .connection)
    }

    /// It was told its last word, or is gone.
    func isClosing(_ session: SessionID) -> Bool {
        switch sessions[session]?.state {
        case .closing, nil: true
        case .awaitingHello, .awaitingAuthentication, .authenticating, .challenged, .open: false
        }
    }

    private mutating func close(_ session: SessionID) {
        sessions[session]?.state = .closing
        if let count = sessions[session]?.subscriptions.count, count > 0 {
            sessions[session]?.subscriptions = []
            free(.init(subscriptions: count), session)
            topicPush.subscribers.removeAll { $0 == session }
        }
        endWaits(of: session)
        outbox.effects.append(.close(session))
    }

    /// The broker will stop: tells every session, takes no new work, answers those who wait. Connections that have not said who they are
    /// are closed.
    package mutating func drain(graceMilliseconds: UInt32, reason: String, now: UInt64) {
        guard !isDraining else { return }
        isDraining = true
        for session in sessionOrder {
            guard case .open? = sessions[session]?.state else {
                // It has nothing to finish.
                cut(session, error: WireError(.goingAway, "the broker is stopping; connect again later", retryAfterMilliseconds: 1000))
                continue
            }
            outbox.push(session, .goingAway) { GoingAwayNotice(graceMilliseconds: graceMilliseconds, reason: reason).encode(into: &$0) }
        }
        endWaits(now: .max, max: .max)
        endAwaits(now: .max, max: .max)
    }

    /// A request of an authenticated session.
    private mutating func open(_ session: SessionID, _ signedIn: SignedIn, _ header: FrameHeader, _ body: RawSpan, now: UInt64) {
        do throws(WireError) {
            try header.checkCorrelationID()
        } catch {
            // Its answer would be taken for an error of the connection, and so it is one.
            return refuse(session, opcode: header.opcode, correlationID: 0, error, blastRadius: .connection)
        }
        var request = Request(session: session, signedIn: signedIn, correlationID: header.correlationID, now: max(now, state.time))
        do throws(WireError) {
            guard let opcode = Opcode(rawValue: header.opcode) else {
                throw WireError(.unsupported, "opcode \(header.opcode) is not known to this broker")
            }
            if header.flags.contains(.reply) {
                // The answer to a PING of ours says only that the peer is there.
                if opcode == .ping { return }
                throw .malformed("\(opcode.name) came with the reply flag: the broker asks nothing but PING")
            }
            try header.checkIsRequest(of: opcode)
            // A WITHDRAW is answered in place of what it takes back.
            guard opcode == .withdraw || (sessions[session]?.usage.requests ?? 0) < configuration.inFlightMax else {
                throw WireError(
                    .tooManyInFlight, "\(configuration.inFlightMax) requests of this connection wait for an answer; wait for some of them",
                    retryAfterMilliseconds: 10)
            }
            if let actor = try RequestTail.actor(in: body, of: opcode) {
                try Self.allow(signedIn.principal, toActFor: actor)
                request.actor = actor
            }
            try checkRequestQuota(opcode, request, byteCount: Int(header.length))
            quotas.receivedBytes = Int(header.length)
            defer { quotas.receivedBytes = 0 }
            try perform(opcode, request, body)
            audit(session, opcode, body, actor: request.actor, error: nil)
        } catch {
            // The frame was whole: whatever is wrong with its body, the stream is still in step.
            refuse(session, opcode: header.opcode, correlationID: header.correlationID, error, blastRadius: .request)
            if let opcode = Opcode(rawValue: header.opcode) { audit(session, opcode, body, actor: request.actor, error: error) }
        }
    }

    /// Who asks, under which number, and when.
    struct Request {
        var session: SessionID
        var signedIn: SignedIn
        var correlationID: UInt32
        var now: UInt64
        /// In whose name, where the request says so and the principal may.
        var actor: String?

        var principal: Principal { signedIn.principal }
    }

    private mutating func perform(_ opcode: Opcode, _ request: Request, _ body: RawSpan) throws(WireError) {
        switch opcode {
        case .ping:
            try PingBody.check(body)
            outbox.reply(request.session, .ping, request.correlationID) { _ in }
        case .publish: try publish(request, body)
        case .lease: try lease(request, body)
        case .ack: try acknowledge(request, body)
        case .nack: try negativeAcknowledge(request, body)
        case .extend: try extend(request, body)
        case .settle: try settle(request, body)
        case .declare: try declare(request, body)
        case .stats: try stats(request, body)
        case .delete: try delete(request, body)
        case .purge: try purge(request, body)
        case .pause: try pause(request, body)
        case .resume: try resume(request, body)
        case .browse: try browse(request, body)
        case .get: try get(request, body)
        case .cancel: try cancel(request, body)
        case .reschedule: try reschedule(request, body)
        case .redrive: try redrive(request, body)
        case .bulk: try bulk(request, body)
        case .topicPublish: try topicPublish(request, body)
        case .topicSubscribe: try topicSubscribe(request, body)
        case .topicUnsubscribe: try topicUnsubscribe(request, body)
        case .topicCredit: try topicCredit(request, body)
        case .topicDeclare: try topicDeclare(request, body)
        case .topicStats: try topicStats(request, body)
        case .await: try awaitMessages(request, body)
        case .withdraw: try withdraw(request, body)
        case .workers: try workers(request, body)
        case .workerControl: try workerControl(request, body)
        case .why: try why(request, body)
        case .hello, .auth:
            throw WireError(.invalidArgument, "\(opcode.name) comes once, at the beginning of a connection")
        case .goingAway, .quiet, .cancelled, .topicEvents, .topicGap:
            throw WireError(.unsupported, "\(opcode.name) is sent by the broker only")
        }
    }

    // MARK: Permissions and names

    static func allow(_ patterns: [NamePattern], _ name: String, _ what: StaticString, _ principal: Principal) throws(WireError) {
        guard patterns.contains(where: { $0.matches(name) }) else {
            throw WireError(.permissionDenied, "'\(principal.name)' may not \(what) '\(name)'; ask for the permission in the broker's configuration")
        }
    }

    func queueNumber(_ name: String) throws(WireError) -> UInt32 {
        guard let number = state.engine.number(of: name) else {
            throw WireError(.noSuchQueue, "there is no queue '\(name)'; declare it first, or check the name")
        }
        return number
    }

    private static func allow(_ principal: Principal, toActFor actor: String) throws(WireError) {
        guard principal.actFor else {
            throw WireError(
                .permissionDenied,
                "'\(principal.name)' may not act for others; leave the actor out, or ask for the permission actFor in the broker's configuration")
        }
        try checkShown(actor, "actor")
    }

    /// Refuses a name that operators would not see as it is.
    static func checkShown(_ name: String, _ what: StaticString) throws(WireError) {
        if let fault = ShownName.fault(in: name) { throw WireError(.invalidArgument, "\(what): \(fault)") }
    }

    static func checkName(_ name: String, _ what: StaticString) throws(WireError) {
        let isValid = !name.isEmpty && name.utf8.count <= WireLimits.nameBytesMax
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_")].contains(byte)
            }
        guard isValid else {
            throw WireError(.invalidArgument, "'\(name)' can't name a \(what): 1 to \(WireLimits.nameBytesMax) letters, digits, '.', '-' and '_' are allowed")
        }
    }
}
