internal import SpindleWire

// Why a message is where it is, as the broker tells it, against what the observer knows.
extension Oracle {
    /// The explanation of a message that was asked for in one of its queues; nil: the queue has no such message.
    ///
    /// To be called when every answer has left: then what is known here is as it is there.
    mutating func explained(_ tag: Int, isDead: Bool, _ reply: WhyReply?, now: UInt64) {
        checks += 1
        let model = messages[tag]
        guard let reply else {
            if isSurelyAt(tag, isDead: isDead, at: now) { fail(18, "\(name(tag)) has no explanation, and nothing took it away") }
            return
        }
        if model.fate == .gone { fail(18, "\(name(tag)) is explained as \(reply.state), and it is gone") }
        switch reply.state {
        case .leased, .cancelled: judgeLeased(tag, isDead: isDead, reply, now: now)
        case .ready, .delayed: judgeWaiting(tag, isDead: isDead, reply, now: now)
        case .other, .acknowledged, .dead, .removed, .elsewhere: fail(18, "\(name(tag)) is in its queue and explained as \(reply.state)")
        }
    }

    private func judgeLeased(_ tag: Int, isDead: Bool, _ reply: WhyReply, now: UInt64) {
        let model = messages[tag]
        let isHere = isSurelyAt(tag, isDead: isDead, at: now)
        if isHere, isSurelyNotLeased(tag, isDead: isDead) { fail(18, "\(name(tag)) is explained as leased, and nobody has it") }
        if isHere, reply.state == .cancelled, !model.isCancelled, model.lastRemoval == 0 {
            fail(18, "\(name(tag)) is explained as cancelled, and nobody did that")
        }
        guard case .held(let from, _) = model.lease, model.fate == (isDead ? .dead : .home), now < from else { return }
        if reply.next != .leaseEnds || reply.nextAtMilliseconds < from {
            fail(18, "\(name(tag)) is leased until \(from) at least, and explained with \(reply.next) at \(reply.nextAtMilliseconds)")
        }
    }

    private func judgeWaiting(_ tag: Int, isDead: Bool, _ reply: WhyReply, now: UInt64) {
        let model = messages[tag]
        guard model.fate == (isDead ? .dead : .home) else { return }
        if case .held(let from, _) = model.lease, now < from { fail(18, "\(name(tag)) is explained as \(reply.state), and its lease holds until \(from)") }
        guard isSurelyAt(tag, isDead: isDead, at: now), !mayBeOver(tag, at: now), model.settle == 0 else { return }
        let readyAt = reply.state == .ready ? now : reply.next == .becomesReady ? reply.nextAtMilliseconds : .max
        if readyAt < model.notBefore { fail(18, "\(name(tag)) is explained as ready at \(readyAt), and its delay ends at \(model.notBefore)") }
        if reply.state == .ready, !isDead { judgeReady(tag, reply, now: now) }
    }

    /// What holds a message back must be so; and where something surely does, it must be told.
    private func judgeReady(_ tag: Int, _ reply: WhyReply, now: UInt64) {
        let model = messages[tag]
        let queue = queues[Int(model.queue)]
        if reply.cause == .paused {
            if queue.lastPause == 0 { fail(18, "\(name(tag)) is explained as paused, and nobody paused its queue") }
            return
        }
        if queue.deliveriesPausedSince != nil { fail(18, "\(name(tag)) is explained as \(reply.cause), and its queue is paused") }
        guard let limits = queue.limits else { return }
        let held = Set(queue.leased).filter { other in
            guard case .held(let from, _) = messages[other].lease, messages[other].fate == .home else { return false }
            return now < from
        }
        let ofGroup = held.count { model.group > 0 && messages[$0].group == model.group }
        let queueIsFull = limits.concurrencyMax > 0 && held.count >= limits.concurrencyMax
        let groupIsFull = (limits.concurrencyPerGroupMax > 0 && ofGroup >= limits.concurrencyPerGroupMax) || (queue.isOrdered && ofGroup > 0)
        switch reply.cause {
        case .concurrency: judge(reply, limits.concurrencyMax, tag)
        case .rate: judge(reply, limits.ratePerSecond, tag)
        case .groupConcurrency: judge(reply, limits.concurrencyPerGroupMax, tag, ofGroup: true)
        case .groupRate: judge(reply, limits.ratePerGroup, tag, ofGroup: true)
        case .groupOrder: if !queue.isOrdered || model.group == 0 { fail(18, "\(name(tag)) is explained by the order of a group that it isn't in") }
        default: if groupIsFull { fail(18, "\(name(tag)) is explained as \(reply.cause), and \(ofGroup) leases of its group hold: no more may") }
        }
        if queueIsFull, reply.cause != .concurrency {
            fail(18, "\(name(tag)) is explained as \(reply.cause), and \(held.count) leases of its queue hold: \(limits.concurrencyMax) may")
        }
    }

    /// A limit that is told is the queue's, and reached.
    private func judge(_ reply: WhyReply, _ limit: Int, _ tag: Int, ofGroup: Bool = false) {
        if limit == 0 || reply.limit != UInt64(limit) { fail(18, "\(name(tag)) is explained by a limit of \(reply.limit ?? 0), and the limit is \(limit)") }
        if ofGroup, messages[tag].group == 0 { fail(18, "\(name(tag)) is explained by a limit of its group, and has none") }
        if let count = reply.count, count < UInt64(limit) { fail(18, "\(name(tag)) is explained by \(count) of \(limit) leases") }
    }

    /// Time went to where the broker said that something happens to the message, and nothing else happened.
    mutating func foretold(_ tag: Int, _ before: WhyReply, after: WhyReply?) {
        checks += 1
        guard let after, after.next != .none, after.nextAtMilliseconds <= before.nextAtMilliseconds else { return }
        fail(18, "\(name(tag)) was told \(before.next) at \(before.nextAtMilliseconds), and then \(after.cause) with \(after.next) at \(after.nextAtMilliseconds)")
    }
}
