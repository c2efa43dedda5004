internal import DequeModule
internal import SpindleLog
internal import SpindleQueue
internal import SpindleWire

// WITHDRAW, and grants that were never sent.
extension Node {
    /// Waiting requests that are looked at for one unit of work.
    private static let waitsPerUnit = 16

    /// Takes back a LEASE, AWAIT, GET or BROWSE of the session that waits: it is answered with CANCELLED, and then the WITHDRAW is.
    mutating func withdraw(_ request: Request, _ body: RawSpan) throws(WireError) {
        let id = try WithdrawRequest(body).correlationID
        let session = request.session
        let withdrawn: Opcode?
        if let opcode = withdrawWaiting(id, of: session) {
            withdrawn = opcode
        } else if takeBackPendingGrant(id, of: session, now: request.now) {
            withdrawn = .lease
        } else {
            withdrawn = nil
        }
        guard let withdrawn else {
            outbox.reply(session, .withdraw, request.correlationID) { WithdrawReply(outcome: .answered).encode(into: &$0) }
            return
        }
        answer(session, id, .refused(withdrawn, WireError(.cancelled, "the \(withdrawn.name) was withdrawn")))
        answer(session, request.correlationID, .withdraw) { WithdrawReply(outcome: .withdrawn).encode(into: &$0) }
    }

    /// Removes what waits under the id; returns which operation that was, or nil for none.
    private mutating func withdrawWaiting(_ id: UInt32, of session: SessionID) -> Opcode? {
        work.charge((waitingLeases.count(of: session) + waitingAwaits.count(of: session) + pending.count) / Self.waitsPerUnit)
        if let waiter = waitingLeases.remove(of: session, correlationID: id) {
            free(.init(requests: 1, waits: waiter.placeCount), session)
            return .lease
        }
        if let awaiter = waitingAwaits.remove(of: session, correlationID: id) {
            free(.init(requests: 1, waits: awaiter.pending.count), session)
            return .await
        }
        guard let place = setAside[session]?.firstIndex(where: { $0.correlationID == id }), let what = setAside[session]?.remove(at: place) else { return nil }
        flow.noteSetAside(session, -1)
        return what.opcode
    }

    // MARK: Grants that were never sent

    /// Bytes of an entry for one message that is taken back.
    private var takenBackByteCount: Int { 160 + endByteCountMax }

    /// The session is gone. Messages that were granted to it, and of whose reply no byte was taken, are ready again at once, and the attempt
    /// does not count. Where the log has no room their leases run out.
    mutating func takeBackUnsentGrants(of session: SessionID, now: UInt64) {
        accountOutput()
        var tokens = unsentGrants.remove(session)
        for (_, reply) in pending where reply.session == session { tokens += reply.content.granted }
        _ = takeBack(Array(tokens.prefix(log.payloadBytesMax / takenBackByteCount)), of: session, reason: "the connection ended before it was sent", now: now)
    }

    /// Takes back the grant that a LEASE was given while it was withdrawn, where its reply still waits for the log. Returns false where
    /// there is none, or the log has no room for it: then the reply goes out.
    private mutating func takeBackPendingGrant(_ id: UInt32, of session: SessionID, now: UInt64) -> Bool {
        guard let place = pending.firstIndex(where: { $0.reply.session == session && $0.reply.correlationID == id }) else { return false }
        let reply = pending[place].reply
        guard takeBack(reply.content.granted, of: session, reason: "the LEASE was withdrawn before it was sent", now: now) else { return false }
        pending.remove(at: place)
        flow.release(reply.promisedBytes, of: session)
        free(.init(requests: 1, requestBytes: reply.requestBytes), session)
        return true
    }

    /// Makes those of the messages ready again that the session still holds, as if they had never been granted. Returns false where there
    /// are none, or the log has no room.
    private mutating func takeBack(_ tokens: [DeliveryToken], of session: SessionID, reason: String, now: UInt64) -> Bool {
        let held = tokens.filter { isHeld($0, by: session.rawValue) }
        guard !held.isEmpty, log.canAppend(payloadCount: takenBackByteCount * held.count) else { return false }
        beginTransaction(now: now)
        for token in held {
            guard let message = state.engine.held.find(token.messageID) else { continue }
            end(message, .released, reason: reason, next: .ready)
        }
        do throws(WireError) {
            _ = try appendTransaction(.settle)
        } catch {
            preconditionFailure("the log had room for grants that are taken back: \(error.message)")
        }
        return true
    }
}

extension PendingReply.Content {
    /// What was leased with it.
    var granted: [DeliveryToken] {
        guard case .leased(let delivery) = self else { return [] }
        return delivery.messages.map { DeliveryToken(messageID: $0.id, epoch: $0.epoch) }
    }
}

extension Node.SetAside {
    /// The request that waits; nil: none does.
    fileprivate var correlationID: UInt32? {
        switch self {
        case .browse(let browse): browse.correlationID
        case .get(let get): get.correlationID
        case .await(let awaiter): awaiter.correlationID
        case .quiet: nil
        }
    }

    fileprivate var opcode: Opcode {
        switch self {
        case .browse: .browse
        case .get: .get
        case .await: .await
        case .quiet: .quiet
        }
    }
}
