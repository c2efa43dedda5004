internal import SpindleNode
internal import SpindleWire

/// What became of requests that their clients took back.
struct Withdrawals {
    /// Those that were answered with CANCELLED, and LEASEs over several queues that were answered: no other answer may come.
    private var ended: Set<UInt32> = []

    /// Every connection is gone.
    mutating func restarted() { ended = [] }

    mutating func end(_ correlation: UInt32) { ended.insert(correlation) }

    /// An answer came.
    func check(_ correlation: UInt32, _ oracle: inout Oracle) {
        if ended.contains(correlation) { oracle.fail(2, "request \(correlation) was withdrawn or answered, and was answered once more") }
    }
}

// Clients that take back what they wait for: a LEASE in line, one that was granted just now, or an AWAIT.
extension Simulation {
    func withdraw() {
        let asked = pending.filter { $0.value.mayBeWithdrawn && connections[$0.value.session]?.isAlive == true }.keys.sorted()
        guard !asked.isEmpty else { return }
        let correlation = random.pick(asked)
        guard let request = pending[correlation], let client = connections[request.session]?.client else { return }
        // What it was granted until then was leased for others all the same.
        if case .lease(let ask) = request.kind {
            for queue in ask.queues { oracle.mayGrantUnseen(queue, isDead: ask.isDead) }
        }
        note("client \(client) withdraws \(correlation)")
        send(client, .withdraw, .withdraw(correlation)) { WithdrawRequest(correlationID: correlation).encode(into: &$0) }
    }

    /// Whether the refusal says that the client took its request back: then the log may tell of a grant, and that it was returned.
    func isWithdrawn(_ request: PendingRequest, _ correlation: UInt32, _ error: ErrorReply) -> Bool {
        guard error.code == ErrorCode.cancelled.rawValue, request.mayBeWithdrawn else { return false }
        let isAsked = pending.values.contains { other in
            guard case .withdraw(let named) = other.kind, named == correlation else { return false }
            return other.session == request.session && other.arrivedAt != nil
        }
        if !isAsked { oracle.fail(8, "request \(correlation) was answered as withdrawn, and nobody asked for that") }
        withdrawals.end(correlation)
        return true
    }

    func withdrawn(_ asked: UInt32, _ body: RawSpan) throws(WireError) {
        guard try WithdrawReply(body).outcome == .withdrawn, pending[asked] != nil else { return }
        oracle.fail(8, "request \(asked) was withdrawn, and its own answer has not come")
    }
}

extension PendingRequest {
    fileprivate var mayBeWithdrawn: Bool {
        switch kind {
        case .lease, .awaits: true
        case _: false
        }
    }
}
