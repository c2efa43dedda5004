internal import SpindleQueue
internal import SpindleText
package import SpindleWire

// WHY: the queues say what holds a message back; who takes messages only the node knows.
extension Node {
    mutating func why(_ request: Request, _ body: RawSpan) throws(WireError) {
        let asked = try WhyRequest(body)
        let queue = try lookedAtQueue(request, asked.queue)
        let overhead = state.engine.browseOverhead(of: queue)
        work.charge(1 + (overhead.groups + min(overhead.held, QueueEngine.leasesLookedAtMax)) / 16)
        guard let reply = explain(asked.id, in: asked.queue, now: request.now) ?? whereabouts(asked.id, since: queue, request.principal) else {
            throw WireError(.noSuchMessage, "there is no message \(String(asked.id, radix: 16)) in '\(asked.queue)', and no result of it (any more)")
        }
        answer(request.session, request.correlationID, .why) { reply.encode(into: &$0) }
    }

    /// Why the message is in its state; nil where it isn't in the queue.
    package mutating func explain(_ id: UInt64, in queue: String, now: UInt64) -> WhyReply? {
        guard let queue = state.engine.number(of: queue) else { return nil }
        // As at a turn's beginning: what is due is ready.
        for gained in state.engine.promote(now: now) { becameReady(gained) }
        guard let explanation = state.engine.explain(id, in: queue, now: now) else { return nil }
        var reply = WhyReply(explanation)
        switch explanation.cause {
        case .next, .behind: judgeConsumers(of: queue, explanation, &reply)
        case .leased, .cancelled, .delayed, .backOff, .paused, .concurrency, .rate, .groupOrder, .groupConcurrency, .groupRate, .timeToLiveEnded: break
        }
        return reply
    }

    /// The queue would deliver: what decides is who takes messages from it.
    private mutating func judgeConsumers(of queue: UInt32, _ explanation: Explanation, _ reply: inout WhyReply) {
        guard waitingLeases.count(inLineFor: queue) == 0 else {
            if explanation.cause == .next, retryTimersAt != nil { reply.cause = .logFull }
            return
        }
        reply.otherID = nil
        let parked = waitingLeases.parkReasons(on: queue)
        let leased = state.engine.queues[Int(queue)].counts.leased
        if parked.contains(.noRoom) {
            reply.cause = .consumersFull
        } else if parked.contains(.quiet) {
            reply.cause = .consumersQuiet
        } else if leased > 0 {
            reply.cause = .consumersBusy
            reply.count = leased
            let lease = state.engine.earliestLease(in: queue)
            if let lease, reply.next == .none || lease.deadline < reply.nextAtMilliseconds { reply.set(.init(.otherLeaseEnds, at: lease.deadline)) }
        } else if let death = explanation.death {
            reply.cause = .deadLetter
            reply.subject = death.originQueue
            reply.reason = death.reason
        } else {
            reply.cause = .noConsumer
        }
    }

    /// What became of a message that is not in the queue, or no longer; nil: it is not known, or the principal may not know it.
    private func whereabouts(_ id: UInt64, since queue: UInt32, _ principal: Principal) -> WhyReply? {
        if let message = state.engine.held.find(id), message.queue != queue {
            let name = state.engine.queues[Int(message.queue)].name
            let death = state.engine.history(of: id)?.death
            if (principal.read + principal.admin).contains(where: { $0.matches(name) }) {
                var reply = WhyReply(.elsewhere, .moved, sinceMilliseconds: death?.at ?? message.storedAt)
                reply.subject = name
                reply.reason = death?.reason ?? ""
                return reply
            }
        }
        guard let result = state.results.find(id), result.queue == queue else { return nil }
        let state: WhyReply.State =
            switch result.ending {
            case .acknowledged: .acknowledged
            case .dead: .dead
            case .cancelled: .removed
            }
        var reply = WhyReply(state, .ended, sinceMilliseconds: result.settledAt)
        reply.next = .forgotten
        reply.nextAtMilliseconds = result.expiresAt
        return reply
    }
}

extension WhyReply {
    /// What the queues say, as it is sent.
    init(_ explanation: Explanation) {
        let state: State =
            switch explanation.message.state {
            case .ready: .ready
            case .delayed: .delayed
            case .leased: explanation.message.isCancelled ? .cancelled : .leased
            }
        self.init(state, .other, sinceMilliseconds: explanation.since)
        switch explanation.cause {
        case .leased(let holder): (cause, subject, count) = (.leased, holder, UInt64(explanation.message.attempts))
        case .cancelled(let holder): (cause, subject) = (.cancelled, holder)
        case .delayed: cause = .delayed
        case .backOff(let attempt, let why): (cause, count, reason) = (.backOff, UInt64(attempt), why)
        case .paused(let why): (cause, reason) = (.paused, why)
        case .concurrency(let limit): set(.concurrency, limit)
        case .rate(let limit): set(.rate, limit)
        case .groupOrder(let group, let first): (cause, subject, otherID) = (.groupOrder, group, first == 0 ? nil : first)
        case .groupConcurrency(let limit): set(.groupConcurrency, limit)
        case .groupRate(let limit): set(.groupRate, limit)
        case .timeToLiveEnded: cause = .timeToLiveEnded
        case .behind(let first): (cause, otherID) = (.behind, first == 0 ? nil : first)
        case .next: cause = .next
        }
        if let event = explanation.next { set(event) }
    }

    private mutating func set(_ cause: Cause, _ about: Explanation.Limit) {
        self.cause = cause
        subject = about.group
        limit = about.max
        if about.leased > 0 { count = about.leased }
    }

    mutating func set(_ event: Explanation.Event) {
        nextAtMilliseconds = event.at
        next =
            switch event.kind {
            case .leaseEnds: .leaseEnds
            case .becomesReady: .becomesReady
            case .rateAllows: .rateAllows
            case .otherLeaseEnds: .otherLeaseEnds
            case .otherBecomesReady: .otherBecomesReady
            case .timeToLiveEnds: .timeToLiveEnds
            }
    }
}
