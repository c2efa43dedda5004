internal import HeapModule

// Which message a queue delivers next. Where all are in group 0, its first one; else groups that can deliver take turns.
extension QueueState {
    /// The next message of a group.
    struct Head: Sendable {
        var id: UInt64
        var byteCount: UInt32
        var group: UInt32
        var priority: UInt8
        /// From when its time to live counts, and its own, where it has one.
        var liveFrom: UInt64
        var timeToLive: UInt64
    }

    /// Whether group `slot` may have only one message out, the oldest.
    private func isOrdered(_ slot: Int) -> Bool { slot > 0 && policy.orderedGroups }

    // MARK: What limits

    /// What holds deliveries back, of the queue or of one of its groups.
    enum Bar: Equatable {
        case none
        /// There is nothing to deliver.
        case empty
        case paused
        /// The one message that an ordered group may have out is out.
        case order
        case concurrency
        /// Until that time, which may be past.
        case rate(opensAt: UInt64)

        /// When a delivery is allowed: a time that is past, one to come, or nil: not before something else happens.
        @inline(__always) var opensAt: UInt64? {
            switch self {
            case .none: 0
            case .rate(let opensAt): opensAt
            case .empty, .paused, .order, .concurrency: nil
            }
        }
    }

    /// What holds the queue's deliveries back, its groups aside. The one place where these rules stand: deliveries and explanations ask it.
    @inline(__always) func bar() -> Bar {
        if isDeleted || counts.ready == 0 { return .empty }
        if pause.deliveries { return .paused }
        if policy.concurrency > 0, counts.leased >= policy.concurrency { return .concurrency }
        if policy.ratePerSecond > 0 { return .rate(opensAt: Rate.opensAt(time: rateTime, perSecond: policy.ratePerSecond)) }
        return .none
    }

    /// What holds one group's deliveries back, its messages aside.
    func bar(group slot: Int) -> Bar {
        guard slot > 0 else { return .none }
        let leased = UInt64(groups.slots[slot].leased)
        if policy.orderedGroups, leased > 0 { return .order }
        if policy.concurrencyPerGroup > 0, leased >= policy.concurrencyPerGroup { return .concurrency }
        guard policy.ratePerSecondPerGroup > 0 else { return .none }
        return .rate(opensAt: Rate.opensAt(time: groups.slots[slot].rateTime, perSecond: policy.ratePerSecondPerGroup))
    }

    // MARK: Turns

    /// Something about a group changed: whether it may take its turn is judged anew.
    mutating func refresh(_ number: UInt32, _ held: HeldMessages) {
        guard let slot = slotWithTurns(number) else { return }
        if let from = bar(group: slot).opensAt, let priority = bestPriority(slot, held) { open(number, from: from, priority) } else { close(number) }
    }

    /// The same where no held message has a say, which is nearly always: nothing large is handed on. False: one may have.
    mutating func refreshPacked(_ number: UInt32) -> Bool {
        guard let slot = slotWithTurns(number) else { return true }
        guard let from = bar(group: slot).opensAt else {
            close(number)
            return true
        }
        if isOrdered(slot), !isOnlyPacked(slot) { return false }
        if let priority = readyPriority(slot) { open(number, from: from, priority) } else { close(number) }
        return true
    }

    /// Where in `slots` a group is that takes turns.
    private func slotWithTurns(_ number: UInt32) -> Int? {
        guard groups.hasKeys, Int(number) < groups.slots.count, groups.slots[Int(number)].isUsed else { return nil }
        return Int(number)
    }

    /// Whether all that waits in a group is packed, and in one lane.
    private func isOnlyPacked(_ slot: Int) -> Bool {
        groups.slots[slot].lanes.count == 1 && groups.slots[slot].lanes[0].heldReady == 0 && groups.slots[slot].delayed == 0
    }

    /// The group can't deliver.
    private mutating func close(_ number: UInt32) {
        groups.open.remove(number)
        groups.limited.remove(number)
    }

    /// The group can deliver, from a time on: 0 for now.
    private mutating func open(_ number: UInt32, from: UInt64, _ priority: UInt8) {
        if from > 0 {
            groups.open.remove(number)
            groups.limited.set(number, to: from)
        } else {
            groups.limited.remove(number)
            groups.open.set(number, to: .init(priority: priority, turn: groups.slots[Int(number)].turn))
        }
    }

    /// Judges all groups anew: after a change of the policy, or a restart.
    mutating func refreshAll(_ held: HeldMessages) {
        guard groups.hasKeys else { return }
        for slot in groups.slots.indices where groups.slots[slot].isUsed { refresh(UInt32(slot), held) }
    }

    /// The priority of what a group would deliver; nil: nothing.
    private mutating func bestPriority(_ slot: Int, _ held: HeldMessages) -> UInt8? {
        isOrdered(slot) ? head(slot, held)?.priority : readyPriority(slot)
    }

    /// The highest priority of what is ready in a group.
    private func readyPriority(_ slot: Int) -> UInt8? {
        for lane in groups.slots[slot].lanes.indices where groups.slots[slot].lanes[lane].ready > 0 {
            return groups.slots[slot].lanes[lane].priority
        }
        return nil
    }

    /// The first message of a group, and until when it waits for its time, in an ordered group.
    struct First {
        var head: Head
        var delayedUntil: UInt64?
    }

    /// The next message of a group, limits aside; nil where there is none, or an earlier one of an ordered group waits for its time.
    private mutating func head(_ slot: Int, _ held: HeldMessages) -> Head? {
        guard let first = first(slot, held), first.delayedUntil == nil else { return nil }
        return first.head
    }

    /// The message of a group that comes first, limits aside; nil where none waits.
    mutating func first(_ slot: Int, _ held: HeldMessages) -> First? {
        let isOrdered = isOrdered(slot)
        var best: First?
        for lane in groups.slots[slot].lanes.indices {
            let priority = groups.slots[slot].lanes[lane].priority
            if let first = groups.slots[slot].lanes[lane].packed.first, best.map({ first.id < $0.head.id }) ?? true {
                best = First(head: Head(
                    id: first.id, byteCount: first.byteCount, group: UInt32(slot), priority: priority, liveFrom: first.storedAt, timeToLive: 0))
            }
            let mayHold = groups.slots[slot].lanes[lane].heldReady > 0 || (isOrdered && groups.slots[slot].delayed > 0)
            if mayHold, let message = firstHeld(slot, lane, held), best.map({ message.id < $0.head.id }) ?? true {
                best = First(head: Head(
                    id: message.id, byteCount: message.byteCount, group: UInt32(slot), priority: priority, liveFrom: message.liveFrom,
                    timeToLive: message.timeToLive))
                if case .delayed(let until) = message.state { best?.delayedUntil = until }
            }
            // An ordered group has more than one lane only if it was not ordered once: the oldest of all counts.
            if best != nil, !isOrdered { break }
        }
        return best
    }

    /// The first held message of a lane; those that have left are forgotten.
    private mutating func firstHeld(_ slot: Int, _ lane: Int, _ held: HeldMessages) -> HeldMessage? {
        while let id = groups.slots[slot].lanes[lane].held.min {
            if let message = held.find(id), message.queue == number, message.group == UInt32(slot), message.priority == groups.slots[slot].lanes[lane].priority {
                switch message.state {
                case .ready: return message
                case .delayed: if isOrdered(slot) { return message }
                case .leased: break
                }
            }
            groups.slots[slot].lanes[lane].held.removeMin()
        }
        return nil
    }

    /// What ``nextPacked(now:)`` found out.
    enum Quick {
        case message(Head)
        case nothing
        /// Held messages or groups have a say: ask ``next(now:_:)``.
        case unknown
    }

    /// The same as ``next(now:_:)`` where the next message is a packed one, which is nearly always: it takes a tenth of the time. It
    /// changes nothing, but is made to be called in place: a call that only looks would copy the whole queue.
    mutating func nextPacked(now: UInt64) -> Quick {
        guard let opens = bar().opensAt, opens <= now else { return .nothing }
        var slot = 0
        if groups.hasKeys {
            if let limited = groups.limited.first, limited.key <= now { return .unknown }
            guard let first = groups.open.first else { return .nothing }
            slot = Int(first.number)
            if isOrdered(slot), !isOnlyPacked(slot) { return .unknown }
        }
        for lane in groups.slots[slot].lanes.indices {
            if groups.slots[slot].lanes[lane].heldReady > 0 { return .unknown }
            guard let first = groups.slots[slot].lanes[lane].packed.first else { continue }
            if policy.timeToLiveMilliseconds > 0, first.storedAt + policy.timeToLiveMilliseconds <= now { return .nothing }
            return .message(Head(
                id: first.id, byteCount: first.byteCount, group: UInt32(slot), priority: groups.slots[slot].lanes[lane].priority,
                liveFrom: first.storedAt, timeToLive: 0))
        }
        return .unknown
    }

    /// The message that the queue would deliver now, limits considered.
    mutating func next(now: UInt64, _ held: HeldMessages) -> Head? {
        guard let opens = bar().opensAt, opens <= now else { return nil }
        guard groups.hasKeys else { return living(head(0, held), now) }
        openLimited(now: now, held)
        guard let first = groups.open.first else { return nil }
        return living(head(Int(first.number), held), now)
    }

    /// Groups whose rate allows another delivery take turns again.
    private mutating func openLimited(now: UInt64, _ held: HeldMessages) {
        while let first = groups.limited.first, first.key <= now {
            groups.limited.remove(first.number)
            guard let priority = bestPriority(Int(first.number), held) else { continue }
            groups.open.set(first.number, to: .init(priority: priority, turn: groups.slots[Int(first.number)].turn))
        }
    }

    /// What is over is not delivered, even if its end was not logged yet.
    private func living(_ head: Head?, _ now: UInt64) -> Head? {
        guard let head else { return nil }
        let ttl = QueueState.timeToLive(queue: policy.timeToLiveMilliseconds, own: head.timeToLive)
        return ttl > 0 && head.liveFrom + ttl <= now ? nil : head
    }

    /// The time to live that holds: the message's own, else the queue's; 0 for none.
    static func timeToLive(queue: UInt64, own: UInt64) -> UInt64 { own > 0 ? own : queue }

    /// When time alone will let the queue deliver what it holds back for its rates; nil: it doesn't.
    func limitedUntil(now: UInt64) -> UInt64? {
        guard let opens = bar().opensAt else { return nil }
        if opens > now { return opens }
        guard groups.hasKeys, groups.open.isEmpty, let first = groups.limited.first else { return nil }
        return max(first.key, now)
    }

    // MARK: Facts

    /// A message of the group was leased at `now`.
    mutating func granted(from group: UInt32, now: UInt64) {
        totals.delivered += 1
        counts.leased += 1
        groups.slots[Int(group)].leased += 1
        if policy.ratePerSecond > 0 { rateTime = Rate.delivered(time: rateTime, perSecond: policy.ratePerSecond, now: now) }
        guard groups.hasKeys else { return }
        groups.take(turn: Int(group))
        if policy.ratePerSecondPerGroup > 0, group > 0 {
            groups.slots[Int(group)].rateTime = Rate.delivered(
                time: groups.slots[Int(group)].rateTime, perSecond: policy.ratePerSecondPerGroup, now: now)
        }
    }

    /// A message left the group: one that is empty vanishes, as soon as its rate has no say any more.
    mutating func vanish(_ number: UInt32, now: UInt64) {
        guard groups.hasKeys else { return }
        while let first = groups.retiring.first, first.key <= now {
            groups.retiring.remove(first.number)
            if groups.slots[Int(first.number)].isEmpty { groups.remove(first.number) }
            guard groups.hasKeys else { return }
        }
        guard number > 0, Int(number) < groups.slots.count, groups.slots[Int(number)].isUsed, groups.slots[Int(number)].isEmpty else { return }
        let rateTime = groups.slots[Int(number)].rateTime
        if rateTime == 0 || Rate.isOver(time: rateTime, now: now) {
            groups.remove(number)
        } else {
            groups.retiring.set(number, to: Rate.overAt(time: rateTime))
        }
    }
}
