import NIOCore
import SpindleNode
import SpindleWire

// Who a connection is: what the node asks for, and what follows from the answer.
extension Shard {
    /// Tells the node who a session is, or that nobody knows. `data`: a mechanism's last word.
    func answer(_ session: SessionID, _ found: BrokerPrincipal?, data: [UInt8]?) {
        guard let connection = connections[session], connection.isOpen else { return }
        guard let found else { return node.authenticated(session, principal: nil, now: now) }
        if connection.principal == nil {
            let name = found.principal.name
            let max = found.principal.quota.connections
            guard sockets.counts.authenticated(name, from: connection.address, max: max) else {
                refuse(
                    connection,
                    WireError(.tooManyConnections, "'\(name)' has its \(max) connections; close some first, or raise its quota", retryAfterMilliseconds: 1_000))
                return
            }
            connection.authenticated(as: name)
        }
        node.judged(session, .known(found.principal, data: data), now: now)
        connection.frameBytesMax = node.frameBytesMax(session)
    }

    /// Refuses a session that shows a revoked certificate, whatever it authenticates by. Returns whether it did.
    func refuseRevoked(_ session: SessionID) -> Bool {
        guard let certificate = connections[session]?.certificate, directory.isRevoked(certificate) else { return false }
        node.judged(session, .refused("the client certificate was revoked; ask for another one (`spindle cert issue`)"), now: now)
        return true
    }

    /// Has the mechanism that a client named judge its bytes, off the loop.
    func verify(_ session: SessionID, _ round: MechanismRound) {
        if round.number == 1 {
            guard let mechanism = directory.mechanisms[round.mechanism] else {
                return node.judged(session, .refused(directory.mechanisms.unknown(round.mechanism)), now: now)
            }
            sockets.exchanges.begin(mechanism.exchange(), of: session)
        }
        let shard = NIOLoopBound(self, eventLoop: loop)
        let isKnown = sockets.exchanges.answer(round.data, of: session) { step in
            shard.eventLoop.execute { shard.value.exchanged(session, step) }
        }
        precondition(isKnown, "the node counts the rounds of an exchange that was begun")
    }

    /// A mechanism has judged. The connection may have ended meanwhile: nobody waits for it then.
    private func exchanged(_ session: SessionID, _ step: AuthenticationStep) {
        guard isAlive, connections[session] != nil else { return }
        switch step {
        case .challenge(let data):
            node.judged(session, .challenge(data), now: now)
        case .principal(let name, let data):
            sockets.exchanges.end(of: session)
            if let found = directory.principal(named: name) {
                answer(session, found, data: data)
            } else {
                node.judged(session, .refused("the mechanism knows '\(name)', and this broker has no such principal; configure it"), now: now)
            }
        case .refused(let reason):
            sockets.exchanges.end(of: session)
            node.judged(session, .refused(reason), now: now)
        }
        performEffects()
        scheduleFlush()
    }
}
