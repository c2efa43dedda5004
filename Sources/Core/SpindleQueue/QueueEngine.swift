internal import HeapModule
internal import SpindleText

/// All queues of one node: which message is where, who holds it, what comes next.
///
/// Pure state. Functions named as facts (`store`, `grant`, `acknowledge`, …) apply what the log says, live and at replay alike;
/// the others only look. Time is an argument, in milliseconds, and never falls.
package struct QueueEngine: Sendable {
    /// Index = the queue's number in the log. Numbers of deleted queues wait to be used again.
    package internal(set) var queues: [QueueState] = []
    var numberByName: [ByteText: UInt32] = [:]
    var deletedCount = 0
    /// Queues that tell a topic of their dead messages.
    package internal(set) var announcingQueues = 0
    package internal(set) var held = HeldMessages()
    /// Only of held messages.
    var histories: [UInt64: MessageHistory] = [:]
    /// When delayed messages become ready. May name messages that have left that state: checked when taken.
    var delayed = Heap<TimeKey>()
    var delayedCount = 0
    /// Queues in which a message's time to live ends: when, at the earliest.
    var aging = IndexedHeap<UInt64>()
    /// Messages with a time to live of their own: when it ends. May name some that have gone.
    var ending = Heap<TimeKey>()
    /// Queues with deduplication keys: when the first of these expires. May be too early, not too late.
    var keyEnds = IndexedHeap<UInt64>()
    /// The time of the fact that is applied.
    package var time: UInt64 = 0
    package let limits: EngineLimits
    /// No fewer than the messages that there are.
    var messagesBound = 0

    package static let priorityDefault: UInt8 = 4
    /// The group of a message about which nothing is known.
    package static let noGroup = UInt32.max

    struct TimeKey: Comparable, Sendable {
        var until: UInt64
        var id: UInt64
        static func < (a: TimeKey, b: TimeKey) -> Bool { a.until != b.until ? a.until < b.until : a.id < b.id }
    }

    package init(limits: EngineLimits = .standard) { self.limits = limits }

    // MARK: Queues

    package func number(of name: String) -> UInt32? { numberByName[ByteText(name)] }

    /// Queues that are there.
    package var count: Int { queues.count - deletedCount }

    /// The next `count` numbers for new queues: those that are free, the lowest first.
    package func freeNumbers(_ count: Int) -> [UInt32] {
        var numbers: [UInt32] = []
        if deletedCount > 0 {
            for index in queues.indices where queues[index].isDeleted && numbers.count < count { numbers.append(UInt32(index)) }
        }
        for more in 0..<max(0, count - numbers.count) { numbers.append(UInt32(queues.count + more)) }
        return numbers
    }

    /// A new queue; the name must be free, and the number too, if it is given.
    @discardableResult
    package mutating func declare(_ name: String, policy: QueuePolicy, number: UInt32? = nil) -> UInt32 {
        let number = number ?? freeNumbers(1)[0]
        let state = QueueState(number: number, name: name, policy: policy)
        if Int(number) == queues.count {
            queues.append(state)
        } else {
            precondition(queues[Int(number)].isDeleted, "the number \(number) is in use")
            queues[Int(number)] = state
            deletedCount -= 1
        }
        numberByName[ByteText(name)] = number
        if !policy.deadLetterTopic.isEmpty { announcingQueues += 1 }
        return number
    }

    package mutating func setPolicy(_ policy: QueuePolicy, of number: UInt32) {
        let index = Int(number)
        let before = queues[index].policy
        queues[index].policy = policy
        announcingQueues += (policy.deadLetterTopic.isEmpty ? 0 : 1) - (before.deadLetterTopic.isEmpty ? 0 : 1)
        if policy.orderedGroups, !before.orderedGroups { orderDelayed(number) }
        if policy.timeToLiveMilliseconds != before.timeToLiveMilliseconds { ageAnew(number) }
        if policy.deduplicationWindowMilliseconds != before.deduplicationWindowMilliseconds {
            changeWindow(index, from: before.deduplicationWindowMilliseconds)
        }
        queues[index].refreshAll(held)
    }

    /// Delayed messages of an ordered group hold back those behind them.
    private mutating func orderDelayed(_ number: UInt32) {
        for message in heldMessages(of: number) where message.group > 0 {
            guard case .delayed = message.state else { continue }
            let slot = Int(message.group)
            let lane = queues[Int(number)].groups.slots[slot].lane(message.priority)
            queues[Int(number)].wait(message.id, slot: slot, lane: lane, held)
        }
    }

    /// Held messages of one queue, by id. Looks at all that are held, where the queue has any.
    func heldMessages(of number: UInt32) -> [HeldMessage] {
        var rest = queues[Int(number)].heldCount
        guard rest > 0 else { return [] }
        var found: [HeldMessage] = []
        found.reserveCapacity(rest)
        held.forEach { message in
            if message.queue == number {
                found.append(message)
                rest -= 1
            }
            return rest > 0
        }
        return found.sorted { $0.id < $1.id }
    }

    // MARK: Facts

    /// A message was stored in `queue`.
    package mutating func store(
        queue: UInt32, id: UInt64, byteCount: UInt32, priority: UInt8 = QueueEngine.priorityDefault, delay: UInt64 = 0,
        timeToLive: UInt64 = 0, group: String? = nil, deduplicationKey: String? = nil, now: UInt64
    ) {
        time = max(time, now)
        let index = Int(queue)
        messagesBound += 1
        if let deduplicationKey { remember(deduplicationKey, of: id, in: index, now: now) }
        let place = group == nil ? 0 : self.group(of: group, in: index)
        let stored = QueueState.Stored(id: id, byteCount: byteCount, priority: priority, delay: delay, timeToLive: timeToLive, now: now)
        guard queues[index].store(stored, in: place) else {
            let message = queues[index].kept(stored, in: place)
            hold(message)
            queues[index].refresh(message.group, held)
            return
        }
        refresh(place, of: index)
        if queues[index].policy.timeToLiveMilliseconds > 0 { age(packedOf: index, from: now) }
    }

    /// The group of a message that comes to a queue with `key`.
    private mutating func group(of key: String?, in index: Int) -> UInt32 {
        let hadKeys = queues[index].groups.hasKeys
        let number = queues[index].group(of: key, max: limits.groupsPerQueue)
        if !hadKeys, queues[index].groups.hasKeys { queues[index].beginTurns(held) }
        return number
    }

    /// Judges anew whether a group may take its turn. Handing on `held` costs as much as all the rest: only where it must be.
    private mutating func refresh(_ group: UInt32, of index: Int) {
        if !queues[index].refreshPacked(group) { queues[index].refresh(group, held) }
    }

    /// Keeps a message by itself from now on.
    mutating func hold(_ message: HeldMessage) {
        guard held.insert(message) else { return }
        queues[Int(message.queue)].heldCount += 1
        entered(message)
    }

    mutating func entered(_ message: HeldMessage) {
        queues[Int(message.queue)].entered(message, held)
        switch message.state {
        case .leased: return
        case .delayed(let until):
            delayedCount += 1
            delayed.insert(TimeKey(until: until, id: message.id))
            if delayed.count > 64 + 4 * delayedCount { forgetDelays() }
        case .ready: break
        }
        age(message)
    }

    mutating func left(_ message: HeldMessages.Place) {
        queues[Int(message.queue)].left(message)
        if message.state == .delayed { delayedCount -= 1 }
    }

    /// Lets go of the times of messages that are not delayed until then any more.
    private mutating func forgetDelays() {
        delayed = Heap(delayed.unordered.filter { key in held.with(key.id) { $0.state == .delayed(until: key.until) } ?? false })
    }

    /// What a grant gave out.
    package struct Granted: Equatable, Sendable {
        package var id: UInt64
        /// Where the record lies.
        package var address: UInt64
        package var epoch: UInt32
        package var attempt: UInt32
        package var storedAt: UInt64
        package var byteCount: UInt32
        package var group: UInt32
    }

    /// The message `id` of `queue` was leased; nil if it isn't there to be leased. `group`: the one in which it probably is.
    package mutating func grant(
        queue: UInt32, id: UInt64, group: UInt32 = 0, duration: UInt64, holder: String, session: UInt64 = 0, account: UInt32 = 0, now: UInt64
    ) -> Granted? {
        let index = Int(queue)
        time = max(time, now)
        var lease = HeldMessage.Lease(deadline: now + duration, duration: duration, leasedAt: now, holder: holder)
        lease.session = session
        if let first = queues[index].take(first: id, hint: group) {
            return grant(packed: first.message, group: first.group, priority: first.priority, queue: queue, lease, account)
        }
        if let message = held.find(id) {
            guard message.queue == queue, !message.isLeased else { return nil }
            return grant(held: message, lease, account)
        }
        guard let taken = queues[index].take(packed: id, hint: group) else { return nil }
        return grant(packed: taken.message, group: taken.group, priority: taken.priority, queue: queue, lease, account)
    }

    private mutating func grant(
        packed: PackedMessages.Message, group: UInt32, priority: UInt8, queue: UInt32, _ lease: HeldMessage.Lease, _ account: UInt32
    ) -> Granted? {
        guard held.insert(packed, .init(queue: queue, group: group, priority: priority, byteCount: packed.byteCount, state: .leased), lease, account: account)
        else { return nil }
        queues[Int(queue)].heldCount += 1
        granted(from: group, of: Int(queue), now: lease.leasedAt)
        return Granted(
            id: packed.id, address: packed.address, epoch: 1, attempt: 1, storedAt: packed.storedAt, byteCount: packed.byteCount, group: group)
    }

    private mutating func grant(held message: HeldMessage, _ lease: HeldMessage.Lease, _ account: UInt32) -> Granted? {
        // One whose epochs are used up is dead: see ``end(_:_:reason:next:now:)``.
        guard message.epoch < .max else { return nil }
        left(.init(message))
        let granted = held.update(message.id, account: account) { message in
            message.epoch += 1
            if message.attempts < .max { message.attempts += 1 }
            message.readyAt = 0
            message.state = .leased(lease)
            return Granted(
                id: message.id, address: message.address, epoch: message.epoch, attempt: message.attempts, storedAt: message.storedAt,
                byteCount: message.byteCount, group: message.group)
        }
        self.granted(from: message.group, of: Int(message.queue), now: lease.leasedAt)
        return granted
    }

    private mutating func granted(from group: UInt32, of index: Int, now: UInt64) {
        queues[index].granted(from: group, now: now)
        refresh(group, of: index)
    }

    /// The queue of a message whose lease `epoch` holds; nil if that lease is over.
    package func queue(leasedBy epoch: UInt32, of id: UInt64) -> UInt32? {
        held.leased(id).flatMap { $0.epoch == epoch ? $0.queue : nil }
    }

    /// Returns whether the lease of `id` was granted to one of whom `isHolder` says so by the name that the lease keeps.
    package func isLeased(_ id: UInt64, by isHolder: (String) -> Bool) -> Bool {
        held.with(id) { message in
            guard case .leased(let lease) = message.state else { return false }
            return isHolder(lease.holder)
        } ?? false
    }

    /// The holder is done with the message: it is gone. False if it isn't leased.
    package mutating func acknowledge(_ id: UInt64) -> Bool {
        guard let message = held.takeLeased(id) else { return false }
        queues[Int(message.queue)].totals.acknowledged += 1
        dropped(id, message)
        return true
    }

    /// The lease was extended to `now + duration`. False if there is none.
    package mutating func extend(_ id: UInt64, duration: UInt64, now: UInt64) -> Bool {
        time = max(time, now)
        return held.update(id) { message in
            guard case .leased(var lease) = message.state else { return false }
            lease.deadline = now + duration
            lease.duration = duration
            message.state = .leased(lease)
            return true
        } ?? false
    }

    /// The lease of `id` is held by this session from now on, and counts for `account` where one is given; returns the session that
    /// held it before, nil where there is no lease. No fact of the log.
    @discardableResult
    package mutating func own(_ id: UInt64, session: UInt64, account: UInt32? = nil) -> UInt64? {
        held.own(id, session: session, account: account)
    }

    /// What comes after a lease that ended without an ack.
    package enum Next: Equatable, Sendable {
        case ready
        case delayed(until: UInt64)
        /// Moved to the dead-letter queue of that number.
        case dead(queue: UInt32)
        case dropped
        /// It was cancelled: gone, and not counted as dead.
        case removed
    }

    /// How the lease ended.
    package enum Ending: UInt8, Equatable, Sendable {
        case nacked = 0
        case expired = 1
        /// Given back untouched: the attempt does not count.
        case released = 2
    }

    /// The reason that a message's death gives when it was leased as often as an epoch can count.
    package static let epochsReason = "lease epochs used up"

    /// What comes after a lease of `message`, where `next` would be: death, if no epoch is left for another lease.
    package func following(_ message: HeldMessage, _ next: Next) -> Next {
        switch next {
        case .dead, .dropped, .removed: return next
        case .ready, .delayed:
            guard message.epoch == .max else { return next }
            let name = queues[Int(message.queue)].policy.deadLetterQueue
            guard !name.isEmpty, let number = number(of: name), number != message.queue else { return .dropped }
            return .dead(queue: number)
        }
    }

    /// The lease of `id` ended without an ack. False if it isn't leased.
    package mutating func end(_ id: UInt64, _ ending: Ending, reason: String, next: Next, now: UInt64) -> Bool {
        time = max(time, now)
        guard var message = held.find(id), case .leased(let lease) = message.state else { return false }
        let (asked, next) = (next, following(message, next))
        let reason = asked == next ? reason : Self.epochsReason
        let origin = Int(message.queue)
        let attempt = message.attempts
        switch ending {
        case .nacked: queues[origin].totals.nacked += 1
        case .expired: queues[origin].totals.expired += 1
        case .released: message.attempts -= min(attempt, 1)
        }
        if ending != .released {
            note(in: &message) { history in
                history.append(AttemptRecord(
                    number: attempt, leasedAt: lease.leasedAt, endedAt: now, holder: lease.holder,
                    outcome: ending == .expired ? .expired : .nacked, reason: reason))
            }
        }
        switch next {
        case .dropped:
            queues[origin].totals.dead += 1
            drop(id)
        case .removed:
            queues[origin].totals.removed += 1
            drop(id)
        case .ready: change(message, to: .ready)
        case .delayed(let until): change(message, to: .delayed(until: until))
        case .dead(let queue): die(message, in: queue, reason: reason, now: now)
        }
        return true
    }

    // MARK: Parts of facts

    /// Adds to a message's history; what `message` says of it must be stored by the caller.
    mutating func note(in message: inout HeldMessage, _ change: (inout MessageHistory) -> Void) {
        message.hasHistory = true
        change(&histories[message.id, default: MessageHistory()])
        _ = held.touch(message.id) { $0.hasHistory = true }
    }

    /// `message` (with whatever else changed of it) is in another state from now on.
    mutating func change(_ message: HeldMessage, to state: HeldMessage.State) {
        guard let before = held.find(message.id) else { return }
        left(.init(before))
        var after = message
        after.state = state
        if case .delayed(let until) = state { after.readyAt = until } else { after.readyAt = 0 }
        if after.queue != before.queue { after.isInAges = false }
        held.update(message.id) { $0 = after }
        if after.queue != before.queue {
            // Before it comes to the other queue: its indexes are made anew by these counts.
            queues[Int(before.queue)].heldCount -= 1
            queues[Int(after.queue)].heldCount += 1
        }
        entered(after)
        if after.queue != before.queue {
            queues[Int(before.queue)].counts.bytes -= UInt64(after.byteCount)
            queues[Int(after.queue)].counts.bytes += UInt64(after.byteCount)
            queues[Int(after.queue)].totals.published += 1
        }
        queues[Int(after.queue)].refresh(after.group, held)
        if after.queue != before.queue || after.group != before.group {
            queues[Int(before.queue)].vanish(before.group, now: time)
            queues[Int(before.queue)].refresh(before.group, held)
        }
    }

    /// A held message goes to another queue, and to its group there.
    mutating func rehome(_ message: inout HeldMessage, to queue: UInt32) {
        let origin = Int(message.queue)
        let known = message.group > 0 ? queues[origin].groups.slots[Int(message.group)].key : nil
        let key = known ?? (message.hasHistory ? histories[message.id]?.groupKey : nil)
        message.queue = queue
        message.group = group(of: key, in: Int(queue))
        message.priority = queues[Int(queue)].priority(message.priority, group: message.group)
        let rest = message.group == 0 ? key : nil
        if rest != nil || message.hasHistory { note(in: &message) { $0.groupKey = rest } }
    }

    /// The message becomes a dead letter in `queue`.
    mutating func die(_ message: HeldMessage, in queue: UInt32, reason: String, now: UInt64) {
        var message = message
        let origin = Int(message.queue)
        queues[origin].totals.dead += 1
        let name = queues[origin].name
        note(in: &message) { $0.death = .init(originQueue: name, reason: reason, at: now) }
        rehome(&message, to: queue)
        message.attempts = 0
        // A dead letter must be leased to be looked after: tokens of four billion leases ago are held by nobody.
        if message.epoch == .max { message.epoch = 0 }
        message.liveFrom = now
        message.timeToLive = 0
        message.isCancelled = false
        change(message, to: .ready)
    }

    /// The message is gone.
    mutating func drop(_ id: UInt64) {
        if let message = held.take(id) { dropped(id, message) }
    }

    private mutating func dropped(_ id: UInt64, _ message: HeldMessages.Place) {
        left(message)
        let index = Int(message.queue)
        messagesBound -= min(messagesBound, 1)
        queues[index].heldCount -= 1
        queues[index].counts.bytes -= UInt64(message.byteCount)
        if message.hasHistory { histories[id] = nil }
        gone(from: message.group, of: index)
    }

    /// A message has left a group for good.
    mutating func gone(from group: UInt32, of index: Int) {
        guard queues[index].groups.hasKeys else { return }
        queues[index].vanish(group, now: time)
        refresh(group, of: index)
    }

    /// Notes what a producer stored.
    package mutating func produced(_ run: ProducerTable.Run, by producer: UInt64, in queue: UInt32) {
        queues[Int(queue)].producers.stored(producer: producer, run)
    }
}
