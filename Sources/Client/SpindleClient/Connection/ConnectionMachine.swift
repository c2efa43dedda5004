package import NIOCore
package import SpindleWire

/// What the broker said of itself in its HELLO and AUTH replies.
package struct ServerInfo: Sendable, Equatable {
    package var serverID: [UInt8]
    package var serverName: String
    package var serverVersion: String
    package var frameBytesMax: Int
    package var inFlightMax: Int
    package var understandsLZ4: Bool
    /// Requests that wait can be taken back.
    package var answersWithdraw: Bool
    /// A SETTLE that names itself is done once, however often it is sent.
    package var remembersSettles: Bool
    /// Zero where the broker asks for none.
    package var heartbeat: TimeAmount
    package var principal: String
}

/// The life of one connection: opening, heartbeats, going away. Decides; ``Connection`` reads, writes and keeps the time.
///
/// ```
/// idle → helloSent → authSent ⇄ consulting → ready → draining → closed      (every state can go to closed)
/// ```
/// Source: `protocol/README.md`, "Connection".
package struct ConnectionMachine {
    /// Correlation ids of the machine's own requests; ``RequestTable`` never gives them out.
    package static let helloID: UInt32 = 0xFFFF_FFFF
    package static let authID: UInt32 = 0xFFFF_FFFE
    package static let pingID: UInt32 = 0xFFFF_FFFD
    /// Largest frame taken before the broker has named its cap: its HELLO reply with all opcodes.
    package static let openingFrameBytesMax = 64 * 1024

    package struct Settings {
        package enum Authentication: Sendable {
            case request(AuthRequest)
            case mechanism(any CredentialMechanism)
        }

        package var hello: HelloRequest
        package var auth: Authentication
        package var heartbeat: TimeAmount
        package var openingTimeout: TimeAmount

        package init(hello: HelloRequest, auth: Authentication, heartbeat: TimeAmount, openingTimeout: TimeAmount) {
            self.hello = hello
            self.auth = auth
            self.heartbeat = heartbeat
            self.openingTimeout = openingTimeout
        }
    }

    private enum State {
        /// Can transition to: helloSent, closed.
        case idle
        /// Can transition to: authSent, consulting, closed.
        case helloSent(deadline: NIODeadline)
        /// `exchange` where a mechanism authenticates. Can transition to: consulting, ready, closed.
        case authSent(deadline: NIODeadline, server: ServerInfo, exchange: MechanismExchange?)
        /// The mechanism was asked. Can transition to: authSent, ready, closed.
        case consulting(deadline: NIODeadline, server: ServerInfo, exchange: MechanismExchange)
        /// Can transition to: draining, closed.
        case ready(ServerInfo)
        /// The broker is about to stop; nothing new is sent. Can transition to: closed.
        case draining(ServerInfo, until: NIODeadline)
        case closed
    }

    private let settings: Settings
    private var state = State.idle
    private var lastSent = NIODeadline.uptimeNanoseconds(0)
    private var lastHeard = NIODeadline.uptimeNanoseconds(0)

    package init(_ settings: Settings) { self.settings = settings }

    /// New requests may be sent.
    package var isReady: Bool { if case .ready = state { true } else { false } }
    package var isDraining: Bool { if case .draining = state { true } else { false } }

    /// The transport is connected: send the HELLO that this returns.
    package mutating func opened(now: NIODeadline) -> HelloRequest {
        precondition({ if case .idle = state { true } else { false } }(), "a connection opens once")
        lastHeard = now
        lastSent = now
        state = .helloSent(deadline: now + settings.openingTimeout)
        return settings.hello
    }

    package enum FrameAction {
        case none
        /// The broker answered HELLO; frames up to its cap are taken from now on.
        case authenticate(AuthRequest, frameBytesMax: Int)
        /// As before; the mechanism's first bytes are needed for that.
        case begin(any CredentialMechanism, frameBytesMax: Int)
        /// Ask the mechanism, and hand its answer to ``answered(_:)`` or ``accepted()``.
        case consult(Challenge)
        case becomeReady(ServerInfo)
        /// A reply to a request of ``RequestTable``.
        case reply(correlationID: UInt32, isError: Bool)
        case answerPing(correlationID: UInt32)
        case push(opcode: UInt16)
        /// Send nothing new; the connection ends by itself when all is answered or the time is over.
        case drain(GoingAwayNotice)
        /// Close, and tell everybody why.
        case fail(SpindleError)
    }

    package mutating func received(_ header: FrameHeader, body: RawSpan, now: NIODeadline) -> FrameAction {
        lastHeard = now
        let isReply = header.flags.contains(.reply)
        do throws(WireError) {
            switch state {
            case .idle, .closed:
                return .none // bytes that were under way when it ended
            case .helloSent(let deadline):
                guard isReply, header.correlationID == Self.helloID else { return .fail(unexpected(header, during: "HELLO")) }
                if header.flags.contains(.error) { return .fail(SpindleError(try ErrorReply(body))) }
                return try accept(try HelloReply(body), deadline: deadline)
            case .authSent(let deadline, let server, let exchange):
                if header.opcode == Opcode.ping.rawValue, !isReply { return .answerPing(correlationID: header.correlationID) }
                guard isReply, header.correlationID == Self.authID else { return .fail(unexpected(header, during: "AUTH")) }
                if header.flags.contains(.error) { return .fail(SpindleError(try ErrorReply(body))) }
                return try authenticated(try AuthReply(body), server, exchange, deadline: deadline)
            case .consulting:
                if header.opcode == Opcode.ping.rawValue, !isReply { return .answerPing(correlationID: header.correlationID) }
                if isReply, header.flags.contains(.error) { return .fail(SpindleError(try ErrorReply(body))) }
                return .fail(unexpected(header, during: "AUTH"))
            case .ready(let server), .draining(let server, _):
                return try inService(header, body: body, isReply: isReply, server: server, now: now)
            }
        } catch {
            return .fail(SpindleError(
                code: .malformedFrame, message: "the broker sent a \(Self.name(of: header.opcode)) that can't be read: \(error.message)",
                isRetryable: true, blastRadius: .connection))
        }
    }

    private mutating func accept(_ reply: HelloReply, deadline: NIODeadline) throws(WireError) -> FrameAction {
        guard reply.version >= settings.hello.versionMin, reply.version <= settings.hello.versionMax else {
            throw .malformed("version \(reply.version) was never offered")
        }
        let frameBytesMax = min(Int(reply.frameBytesMax), WireLimits.frameBytesMax)
        guard frameBytesMax >= WireLimits.preAuthenticationFrameBytesMax else {
            throw .malformed("a frame cap of \(reply.frameBytesMax) bytes is less than the \(WireLimits.preAuthenticationFrameBytesMax) of the opening")
        }
        guard reply.inFlightMax > 0 else { throw .malformed("an in-flight limit of 0") }
        let server = ServerInfo(
            serverID: reply.serverID, serverName: reply.serverName, serverVersion: reply.serverVersion, frameBytesMax: frameBytesMax,
            inFlightMax: Int(reply.inFlightMax), understandsLZ4: reply.capabilities.contains(.lz4),
            answersWithdraw: reply.opcodes.contains { $0.opcode == Opcode.withdraw.rawValue },
            remembersSettles: reply.capabilities.contains(.settleIdentity),
            heartbeat: .milliseconds(Int64(reply.heartbeatMilliseconds)), principal: "")
        switch settings.auth {
        case .request(let request):
            state = .authSent(deadline: deadline, server: server, exchange: nil)
            return .authenticate(request, frameBytesMax: frameBytesMax)
        case .mechanism(let mechanism):
            state = .consulting(deadline: deadline, server: server, exchange: MechanismExchange(name: mechanism.name, rounds: 0))
            return .begin(mechanism, frameBytesMax: frameBytesMax)
        }
    }

    // MARK: Mechanisms

    /// What the broker's side of a mechanism says.
    package enum Challenge: Sendable, Equatable {
        case answer([UInt8])
        /// It lets the client in.
        case accepted([UInt8])
    }

    private struct MechanismExchange {
        var name: String
        /// AUTHs that were sent.
        var rounds: Int
    }

    private mutating func authenticated(
        _ reply: AuthReply, _ server: ServerInfo, _ exchange: MechanismExchange?, deadline: NIODeadline
    ) throws(WireError) -> FrameAction {
        var server = server
        server.principal = reply.principal
        guard let exchange else {
            if reply.challenge != nil { throw .malformed("it asks for another round, and no mechanism was named") }
            state = .ready(server)
            return .becomeReady(server)
        }
        state = .consulting(deadline: deadline, server: server, exchange: exchange)
        guard let challenge = reply.challenge else { return .consult(.accepted(reply.data ?? [])) }
        guard exchange.rounds < WireLimits.authenticationRoundsMax else {
            throw .malformed("it asks for more than \(WireLimits.authenticationRoundsMax) rounds")
        }
        return .consult(.answer(challenge))
    }

    /// The mechanism's bytes for the next round: send the AUTH that this returns; nil where the connection has ended meanwhile.
    package mutating func answered(_ data: [UInt8]) -> AuthRequest? {
        guard case .consulting(let deadline, let server, var exchange) = state else { return nil }
        exchange.rounds += 1
        state = .authSent(deadline: deadline, server: server, exchange: exchange)
        return AuthRequest(mechanism: exchange.name, data: data)
    }

    /// The mechanism took the broker's last words: the connection is ready; nil where it has ended meanwhile.
    package mutating func accepted() -> ServerInfo? {
        guard case .consulting(_, let server, _) = state else { return nil }
        state = .ready(server)
        return server
    }

    private mutating func inService(
        _ header: FrameHeader, body: RawSpan, isReply: Bool, server: ServerInfo, now: NIODeadline
    ) throws(WireError) -> FrameAction {
        if isReply {
            if header.correlationID == Self.pingID { return .none }
            if header.correlationID == 0, header.flags.contains(.error) {
                // An error of no request: of the connection as a whole.
                return .fail(SpindleError(try ErrorReply(body)))
            }
            return .reply(correlationID: header.correlationID, isError: header.flags.contains(.error))
        }
        switch Opcode(rawValue: header.opcode) {
        case .ping where !header.flags.contains(.push):
            return .answerPing(correlationID: header.correlationID)
        case .goingAway:
            let notice = try GoingAwayNotice(body)
            state = .draining(server, until: now + .milliseconds(Int64(notice.graceMilliseconds)))
            return .drain(notice)
        default:
            return .push(opcode: header.opcode) // those of later versions too; whoever does not know one ignores it
        }
    }

    /// Longest wait for the other replies after a request was refused with GOING_AWAY and no notice had come.
    package static let drainMax = TimeAmount.seconds(5)

    /// A request was refused because the broker is going away: the same as its notice.
    package mutating func refusedAsGoingAway(now: NIODeadline) {
        if case .ready(let server) = state { state = .draining(server, until: now + Self.drainMax) }
    }

    /// Bytes came, of whatever: a large frame on a slow link takes longer than a heartbeat.
    package mutating func heard(now: NIODeadline) { lastHeard = now }

    /// Whether bytes came a short while ago.
    package func isHearing(now: NIODeadline) -> Bool { now - lastHeard < .nanoseconds(settings.heartbeat.nanoseconds / 3) }

    /// Something was written.
    package mutating func wrote(now: NIODeadline) { lastSent = now }

    package mutating func closed() { state = .closed }

    package enum TickAction {
        case none
        case ping
        case fail(SpindleError)
    }

    /// Looks at the clock; to be called at ``nextTick(now:)``. `unanswered` are the requests in flight.
    package mutating func tick(now: NIODeadline, unanswered: Int) -> TickAction {
        switch state {
        case .idle, .closed:
            return .none
        case .helloSent(let deadline), .authSent(let deadline, _, _), .consulting(let deadline, _, _):
            guard now >= deadline else { return .none }
            return .fail(SpindleError(
                code: .connectFailed, message: "the broker did not answer HELLO and AUTH within \(settings.openingTimeout.nanoseconds / 1_000_000) ms",
                isRetryable: true, blastRadius: .connection))
        case .draining(let server, let until):
            if unanswered == 0 || now >= until {
                return .fail(SpindleError(
                    code: .goingAway, message: "the broker is going away", isRetryable: true, blastRadius: .connection))
            }
            return heartbeat(server, now: now)
        case .ready(let server):
            return heartbeat(server, now: now)
        }
    }

    private func heartbeat(_ server: ServerInfo, now: NIODeadline) -> TickAction {
        let interval = heartbeatInterval(server)
        if now - lastHeard >= interval {
            return .fail(SpindleError(
                code: .heartbeatMissed, message: "nothing was heard from the broker for \(interval.nanoseconds / 1_000_000) ms",
                isRetryable: true, blastRadius: .connection))
        }
        // Idle in either direction: its reply is what proves that the broker lives.
        let third = TimeAmount.nanoseconds(interval.nanoseconds / 3)
        return now - lastSent >= third || now - lastHeard >= third && now - lastSent >= .nanoseconds(third.nanoseconds / 2) ? .ping : .none
    }

    private func heartbeatInterval(_ server: ServerInfo) -> TimeAmount {
        server.heartbeat.nanoseconds > 0 ? min(server.heartbeat, settings.heartbeat) : settings.heartbeat
    }

    /// When ``tick(now:unanswered:)`` must be called next, at the latest.
    package func nextTick(now: NIODeadline) -> NIODeadline {
        switch state {
        case .idle, .closed: .distantFuture
        case .helloSent(let deadline), .authSent(let deadline, _, _), .consulting(let deadline, _, _): deadline
        case .ready(let server): now + .nanoseconds(heartbeatInterval(server).nanoseconds / 6)
        case .draining(let server, let until): min(until, now + .nanoseconds(heartbeatInterval(server).nanoseconds / 6))
        }
    }

    private func unexpected(_ header: FrameHeader, during what: String) -> SpindleError {
        SpindleError(
            code: .malformedFrame,
            message: "the broker sent \(Self.name(of: header.opcode)) (flags \(header.flags.rawValue), correlation id \(header.correlationID)) where the reply to \(what) was due",
            isRetryable: true, blastRadius: .connection)
    }

    package static func name(of opcode: UInt16) -> String { Opcode(rawValue: opcode)?.name ?? "opcode \(opcode)" }
}
