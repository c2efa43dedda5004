internal import SpindleQueue
internal import SpindleText
internal import SpindleWire

// Why a token is not good: what its holder is told beside the status.
extension Node {
    /// In a sentence, for whoever showed the token; nil where it is good.
    func refusal(_ status: ItemStatus, of token: DeliveryToken, _ principal: Principal) -> WireError? {
        switch status.error {
        case nil: return nil
        case .permissionDenied:
            let queue = state.engine.held.find(token.messageID).map { state.engine.queues[Int($0.queue)].name } ?? ""
            return WireError(.permissionDenied, "'\(principal.name)' may not lease from '\(queue)', so it may not settle its messages")
        default: return WireError(.leaseLost, lostLease(token, principal))
        }
    }

    /// What became of the lease. Of a message that the principal may not lease, and of a lease that holds for another principal, it is told what
    /// it would be told if there were none.
    private func lostLease(_ token: DeliveryToken, _ principal: Principal) -> String {
        let id = String(token.messageID, radix: 16)
        let unknown = "message \(id) has no lease of epoch \(token.epoch) here: it was settled, or it never was"
        guard let message = state.engine.held.find(token.messageID), token.epoch <= message.epoch else { return unknown }
        let queue = state.engine.queues[Int(message.queue)].name
        guard principal.lease.contains(where: { $0.matches(queue) }) else { return unknown }
        switch message.state {
        case .leased(let lease):
            guard token.epoch < message.epoch else { return unknown }
            return "the lease of message \(id) (epoch \(token.epoch)) ended; '\(lease.holder)' leased it \(age(lease.leasedAt)) ms ago (epoch \(message.epoch))"
        case .ready, .delayed:
            let end = token.epoch == message.epoch ? lastEnd(of: message) : "ended, and a later one did too"
            return "the lease of message \(id) (epoch \(token.epoch)) \(end); it waits in '\(queue)'"
        }
    }

    /// How the latest lease of a message ended that waits again.
    private func lastEnd(of message: HeldMessage) -> String {
        guard let last = state.engine.history(of: message.id)?.attempts.last, last.number == message.attempts else { return "was given back" }
        switch last.outcome {
        case .expired: return "expired \(age(last.endedAt)) ms ago"
        case .nacked: return "was given back \(age(last.endedAt)) ms ago"
        }
    }

    private func age(_ time: UInt64) -> UInt64 { state.time > time ? state.time - time : 0 }
}
