/// Why a message is in its state: the one cause that decides, and what time alone changes next.
package struct Explanation: Equatable, Sendable {
    package var message: MessageView
    package var cause: Cause
    /// When it came into its state, as far as the queues keep that.
    package var since: UInt64
    /// nil: nothing happens to it before something else does.
    package var next: Event?
    /// Why it died and where it came from, of a dead letter.
    package var death: MessageHistory.Death?

    /// A group, and how it is limited.
    package struct Limit: Equatable, Sendable {
        /// The group's key; empty: the whole queue, or messages without a key.
        package var group = ""
        /// Leases that are held.
        package var leased: UInt64 = 0
        /// Leases at once, or deliveries a second.
        package var max: UInt64 = 0
    }

    package enum Cause: Equatable, Sendable {
        case leased(holder: String)
        /// Leased, and gone with the end of its lease.
        case cancelled(holder: String)
        case delayed
        /// Waits after that attempt failed.
        case backOff(attempt: UInt32, reason: String)
        case paused(reason: String)
        case concurrency(Limit)
        case rate(Limit)
        /// An earlier message of its ordered group comes first: it is leased, or waits for its time.
        case groupOrder(group: String, first: UInt64)
        case groupConcurrency(Limit)
        case groupRate(Limit)
        /// It has expired. It leaves the queue when the log has room for that entry.
        case timeToLiveEnded
        /// Nothing holds the queue's deliveries back, but another message is next; 0: one that ends just now.
        case behind(first: UInt64)
        /// It is what the queue delivers next.
        case next
    }

    /// What time alone does next. Of what it could be the earliest counts.
    package struct Event: Equatable, Sendable {
        package enum Kind: Sendable {
            case leaseEnds
            case becomesReady
            case rateAllows
            /// At the latest then a lease of the queue, or of the group, has ended.
            case otherLeaseEnds
            /// The message that comes first becomes ready.
            case otherBecomesReady
            case timeToLiveEnds
        }

        package var kind: Kind
        package var at: UInt64

        package init(_ kind: Kind, at: UInt64) {
            self.kind = kind
            self.at = at
        }
    }
}

extension QueueEngine {
    /// Leases that are looked at to find the one of a queue that ends first; beyond it is not known.
    package static let leasesLookedAtMax = 65_536

    /// Why a message is in its state. nil where it isn't in the queue.
    ///
    /// It asks what a delivery asks: ``QueueState/bar()``, ``QueueState/bar(group:)``, ``QueueState/first(_:_:)`` and
    /// ``nextReady(in:now:)``. Call ``promote(now:)`` before it, as a turn does.
    package mutating func explain(_ id: UInt64, in queue: UInt32, now: UInt64) -> Explanation? {
        guard let message = view(id, in: queue) else { return nil }
        let history = histories[id]
        let judged = judge(message, history, now: now)
        var explanation = Explanation(message: message, cause: judged.cause, since: since(message, history, now: now), next: judged.next)
        explanation.death = history?.death
        if !message.isLeased, let end = endOfLife(of: message), explanation.next.map({ end < $0.at }) ?? true {
            explanation.next = .init(.timeToLiveEnds, at: end)
        }
        return explanation
    }

    /// When the first lease of `queue` ends, in `group` where one is given; nil: there is none, or too many others end before.
    package func earliestLease(in queue: UInt32, group: UInt32? = nil) -> (id: UInt64, deadline: UInt64)? {
        held.earliestLease(looksMax: Self.leasesLookedAtMax) { $0.queue == queue && (group == nil || $0.group == group) }
    }

    private typealias Judgement = (cause: Explanation.Cause, next: Explanation.Event?)

    private mutating func judge(_ message: MessageView, _ history: MessageHistory?, now: UInt64) -> Judgement {
        switch message.state {
        case .leased(let lease):
            (message.isCancelled ? .cancelled(holder: lease.holder) : .leased(holder: lease.holder), .init(.leaseEnds, at: lease.deadline))
        case .delayed(let until):
            (delay(of: message, history), .init(.becomesReady, at: until))
        case .ready:
            judgeQueue(message, now: now) ?? judgeGroup(message, now: now) ?? judgeTurn(message, now: now)
        }
    }

    /// A delay that a message was given, or the wait after its last attempt.
    private func delay(of message: MessageView, _ history: MessageHistory?) -> Explanation.Cause {
        guard message.attempts > 0, let last = history?.attempts.last, last.number == message.attempts, last.endedAt >= history?.death?.at ?? 0
        else { return .delayed }
        return .backOff(attempt: last.number, reason: last.reason)
    }

    /// What holds the whole queue back.
    private func judgeQueue(_ message: MessageView, now: UInt64) -> Judgement? {
        let queue = queues[Int(message.queue)]
        switch queue.bar() {
        case .none, .empty: return nil
        case .paused: return (.paused(reason: queue.pause.reason), nil)
        case .concurrency:
            let limit = Explanation.Limit(leased: queue.counts.leased, max: queue.policy.concurrency)
            return (.concurrency(limit), earliestLease(in: message.queue).map { .init(.otherLeaseEnds, at: $0.deadline) })
        case .order: return nil
        case .rate(let opensAt):
            guard opensAt > now else { return nil }
            return (.rate(.init(max: queue.policy.ratePerSecond)), .init(.rateAllows, at: opensAt))
        }
    }

    /// What holds its group back, or comes before it there.
    private mutating func judgeGroup(_ message: MessageView, now: UInt64) -> Judgement? {
        if let end = endOfLife(of: message), end <= now { return (.timeToLiveEnded, nil) }
        let (index, slot) = (Int(message.queue), Int(message.group))
        let (key, leased) = (queues[index].groups.slots[slot].key, UInt64(queues[index].groups.slots[slot].leased))
        switch queues[index].bar(group: slot) {
        case .paused, .empty: return nil
        case .order:
            let lease = earliestLease(in: message.queue, group: message.group)
            return (.groupOrder(group: key, first: lease?.id ?? 0), lease.map { .init(.otherLeaseEnds, at: $0.deadline) })
        case .concurrency:
            let limit = Explanation.Limit(group: key, leased: leased, max: queues[index].policy.concurrencyPerGroup)
            let lease = earliestLease(in: message.queue, group: message.group)
            return (.groupConcurrency(limit), lease.map { .init(.otherLeaseEnds, at: $0.deadline) })
        case .rate(let opensAt) where opensAt > now:
            return (.groupRate(.init(group: key, max: queues[index].policy.ratePerSecondPerGroup)), .init(.rateAllows, at: opensAt))
        case .rate, .none: break
        }
        guard let first = queues[index].first(slot, held), let until = first.delayedUntil else { return nil }
        return (.groupOrder(group: key, first: first.head.id), .init(.otherBecomesReady, at: until))
    }

    private mutating func judgeTurn(_ message: MessageView, now: UInt64) -> Judgement {
        let first = nextReady(in: message.queue, now: now)
        return (first?.id == message.id ? .next : .behind(first: first?.id ?? 0), nil)
    }

    /// When the message came into its state: of all that is kept of it the latest.
    private func since(_ message: MessageView, _ history: MessageHistory?, now: UInt64) -> UInt64 {
        if case .leased(let lease) = message.state { return lease.leasedAt }
        let readyAt: UInt64 = held.with(message.id) { $0.readyAt } ?? 0
        let known: [UInt64] = [message.storedAt, history?.attempts.last?.endedAt ?? 0, history?.death?.at ?? 0, readyAt <= now ? readyAt : 0]
        return known.max() ?? message.storedAt
    }

    /// When the message's time to live ends, be it leased or not; nil: it has none.
    private func endOfLife(of message: MessageView) -> UInt64? {
        let (liveFrom, own) = held.with(message.id) { ($0.liveFrom, $0.timeToLive) } ?? (message.storedAt, 0)
        let ttl = QueueState.timeToLive(queue: queues[Int(message.queue)].policy.timeToLiveMilliseconds, own: own)
        return ttl > 0 ? liveFrom + ttl : nil
    }
}
