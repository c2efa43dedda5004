import SpindleWire

/// What a client sent to the mechanism that it authenticates by.
package struct MechanismRound: Equatable, Sendable {
    package var mechanism: String
    /// Counts from 1.
    package var number: Int
    package var data: [UInt8]
}

/// How far the exchange of a session with its mechanism is.
struct MechanismProgress: Sendable {
    var mechanism: String
    /// AUTHs that came.
    var rounds: Int
}

/// What the shell found out about a session that says who it is.
package enum AuthenticationVerdict: Sendable {
    /// `data` is the mechanism's last word to the client; nil where there was no mechanism.
    case known(Principal, data: [UInt8]?)
    /// Another round: the client must answer these bytes.
    case challenge([UInt8])
    /// In a sentence for the client.
    case refused(String)
}

// Who a session is. The shell verifies; the node counts the rounds and says what comes next.
extension Node {
    /// An AUTH came, as the first one or as the answer to a challenge.
    mutating func authenticate(
        _ session: SessionID, _ header: FrameHeader, _ body: RawSpan, after progress: MechanismProgress?
    ) throws(WireError) {
        guard header.opcode == Opcode.auth.rawValue else {
            throw WireError(.notAuthenticated, "authenticate with AUTH before any other request")
        }
        try header.checkIsRequest(of: .auth)
        let request = try AuthRequest(body)
        if let progress, request.method != .mechanism || request.credential != progress.mechanism {
            throw WireError(
                .authenticationFailed, "the exchange was begun with the mechanism '\(progress.mechanism)' and goes on with it; connect again to begin another")
        }
        let next = MechanismProgress(mechanism: request.credential, rounds: (progress?.rounds ?? 0) + 1)
        sessions[session]?.state = .authenticating(correlationID: header.correlationID, mechanism: request.method == .mechanism ? next : nil)
        switch request.method {
        case .token: outbox.effects.append(.verifyToken(session, token: request.credential))
        case .clientCertificate: outbox.effects.append(.verifyCertificate(session))
        case .mechanism:
            let round = MechanismRound(mechanism: next.mechanism, number: next.rounds, data: request.data ?? [])
            outbox.effects.append(.verifyMechanism(session, round))
        }
    }

    /// The shell's answer to a token or certificate; nil: the credential is not good.
    package mutating func authenticated(_ session: SessionID, principal: Principal?, now: UInt64) {
        let unknown = "the credential is not known to this broker; check the token file or the certificate"
        judged(session, principal.map { .known($0, data: nil) } ?? .refused(unknown), now: now)
    }

    /// The shell's answer to a `verify…` effect.
    package mutating func judged(_ session: SessionID, _ verdict: AuthenticationVerdict, now: UInt64) {
        guard case .authenticating(let correlationID, let progress)? = sessions[session]?.state else { return }
        do throws(WireError) {
            switch verdict {
            case .known(let principal, let data):
                try checkData(data)
                open(session, principal, AuthReply(principal: principal.name, data: data), correlationID)
            case .challenge(let data):
                guard let progress, progress.rounds < WireLimits.authenticationRoundsMax else {
                    throw WireError(
                        .authenticationFailed, "the mechanism asks for more than \(WireLimits.authenticationRoundsMax) rounds, which no connection gets")
                }
                try checkData(data)
                sessions[session]?.state = .challenged(progress)
                outbox.reply(session, .auth, correlationID) { AuthReply(principal: "", data: data).encode(into: &$0) }
            case .refused(let reason):
                throw WireError(.authenticationFailed, reason)
            }
        } catch {
            refuse(session, opcode: Opcode.auth.rawValue, correlationID: correlationID, error, blastRadius: .connection)
        }
    }

    private func checkData(_ data: [UInt8]?) throws(WireError) {
        let count = data?.count ?? 0
        guard count <= WireLimits.authenticationDataBytesMax else {
            throw WireError(
                .internalError, "the mechanism answers with \(count) bytes, at most \(WireLimits.authenticationDataBytesMax) are allowed; report it")
        }
    }

    private mutating func open(_ session: SessionID, _ principal: Principal, _ reply: AuthReply, _ correlationID: UInt32) {
        sessions[session]?.state = .open(SignedIn(principal))
        sessions[session]?.account = quotas.account(of: principal.name)
        let client = sessions[session]?.clientName ?? ""
        sessions[session]?.holder = Holder.text(principal: principal.name, client: client)
        outbox.reply(session, .auth, correlationID) { reply.encode(into: &$0) }
        if isDraining { outbox.push(session, .goingAway) { GoingAwayNotice(graceMilliseconds: 0, reason: "the broker is stopping").encode(into: &$0) } }
    }
}
