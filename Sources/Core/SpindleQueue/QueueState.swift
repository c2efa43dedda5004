internal import HeapModule

/// One queue: its policy, its waiting messages and its counters.
package struct QueueState: Sendable {
    package let number: UInt32
    package let name: String
    package var policy: QueuePolicy
    package var pause = Pause()
    /// The queue was deleted and its number is free.
    package internal(set) var isDeleted = false

    /// Its messages by group. Group 0 holds those without a key; all of them unless the policy is keyed.
    package internal(set) var groups = GroupTable()
    /// See ``Rate``.
    package var rateTime: UInt64 = 0
    /// Held messages, whatever their state.
    var heldCount = 0
    /// Held messages by age, for the time to live.
    var ages = Heap<AgeKey>()
    package var deduplication = DeduplicationWindow()
    package var producers = ProducerTable()
    package var counts = Counts()
    package var totals = Totals()

    /// What an operator holds back.
    package struct Pause: Equatable, Sendable {
        package var deliveries = false
        package var publishes = false
        package var reason = ""
        package init() {}
        package var isAny: Bool { deliveries || publishes }
    }

    /// Messages by state, and the bytes of them all.
    package struct Counts: Equatable, Sendable {
        package var ready: UInt64 = 0
        package var delayed: UInt64 = 0
        package var leased: UInt64 = 0
        package var bytes: UInt64 = 0
        package init() {}
        package var length: UInt64 { ready + delayed + leased }
    }

    /// Since the queue was declared; part of checkpoints.
    package struct Totals: Equatable, Sendable {
        package var published: UInt64 = 0
        package var delivered: UInt64 = 0
        package var acknowledged: UInt64 = 0
        package var nacked: UInt64 = 0
        package var expired: UInt64 = 0
        package var dead: UInt64 = 0
        /// Cancelled or purged.
        package var removed: UInt64 = 0
        package init() {}
    }

    struct AgeKey: Comparable, Sendable {
        var liveFrom: UInt64
        var id: UInt64
        static func < (a: AgeKey, b: AgeKey) -> Bool { a.liveFrom != b.liveFrom ? a.liveFrom < b.liveFrom : a.id < b.id }
    }

    package init(number: UInt32, name: String, policy: QueuePolicy) {
        self.number = number
        self.name = name
        self.policy = policy
    }

    /// The priority that counts for a message that comes to `group`.
    @inline(__always)
    func priority(_ priority: UInt8, group: UInt32) -> UInt8 {
        policy.priorities && (group == 0 || !policy.orderedGroups) ? priority : QueueEngine.priorityDefault
    }

    // MARK: Waiting messages

    /// A message that comes from a producer.
    struct Stored {
        var id: UInt64
        var byteCount: UInt32
        var priority: UInt8
        var delay: UInt64
        var timeToLive: UInt64
        var now: UInt64
    }

    /// Counts a message that comes to `group`, and packs it if that can be; else ``kept(_:in:)`` says what must be held.
    mutating func store(_ message: Stored, in group: UInt32) -> Bool {
        totals.published += 1
        counts.bytes += UInt64(message.byteCount)
        guard message.delay == 0, policy.delayMilliseconds == 0, message.timeToLive == 0,
            groups.slots[Int(group)].pack(
                id: message.id, byteCount: message.byteCount, priority: priority(message.priority, group: group), storedAt: message.now)
        else { return false }
        counts.ready += 1
        if groups.hasKeys, !groups.oldest.contains(group) { groups.oldest.set(group, to: message.now) }
        return true
    }

    func kept(_ message: Stored, in group: UInt32) -> HeldMessage {
        let wait = message.delay > 0 ? message.delay : policy.delayMilliseconds
        var held = HeldMessage(
            id: message.id, byteCount: message.byteCount, queue: number, storedAt: message.now,
            priority: priority(message.priority, group: group), state: wait > 0 ? .delayed(until: message.now + wait) : .ready)
        held.group = group
        held.timeToLive = message.timeToLive
        held.liveFrom = message.now + wait
        if wait > 0 { held.readyAt = message.now + wait }
        return held
    }

    /// The number of the group of a message that comes to the queue with `key`. Behind the first key ``beginTurns(_:)`` must follow.
    /// Beyond `max` groups a further one does not begin.
    mutating func group(of key: String?, max: Int) -> UInt32 {
        guard let key, policy.isKeyed, !key.isEmpty, groups.count < max || groups.isKnown(key) else { return 0 }
        let number = groups.number(of: key)
        // What it was put down for when it was last empty says nothing of what will be delivered from it.
        groups.retiring.remove(number)
        return number
    }

    /// The first group with a key is there: from now on group 0 takes turns like any other.
    mutating func beginTurns(_ held: HeldMessages) {
        refresh(0, held)
        if let oldest = oldestPacked(in: 0) { groups.oldest.set(0, to: oldest) }
    }

    /// Where a packed message is.
    struct Place: Sendable {
        var group: UInt32
        var lane: Int
    }

    /// Finds a packed message; `hint` is the group in which it probably is. Without a good one every group is looked at.
    func find(packed id: UInt64, hint: UInt32) -> (place: Place, message: PackedMessages.Message)? {
        if Int(hint) < groups.slots.count, let found = find(packed: id, in: Int(hint)) { return found }
        for slot in groups.slots.indices where slot != Int(hint) {
            if let found = find(packed: id, in: slot) { return found }
        }
        return nil
    }

    private func find(packed id: UInt64, in slot: Int) -> (place: Place, message: PackedMessages.Message)? {
        for lane in groups.slots[slot].lanes.indices {
            if let message = groups.slots[slot].lanes[lane].packed.find(id) {
                return (Place(group: UInt32(slot), lane: lane), message)
            }
        }
        return nil
    }

    /// Takes out a packed message that is the first of a lane of group `hint`.
    mutating func take(first id: UInt64, hint: UInt32) -> (message: PackedMessages.Message, group: UInt32, priority: UInt8)? {
        guard Int(hint) < groups.slots.count, let taken = groups.slots[Int(hint)].take(first: id) else { return nil }
        counts.ready -= 1
        return (taken.message, hint, taken.priority)
    }

    /// Takes out a packed message, wherever it is.
    mutating func take(packed id: UInt64, hint: UInt32) -> (message: PackedMessages.Message, group: UInt32, priority: UInt8)? {
        if let taken = take(first: id, hint: hint) { return taken }
        guard let found = find(packed: id, hint: hint),
            let message = groups.slots[Int(found.place.group)].lanes[found.place.lane].packed.remove(id)
        else { return nil }
        counts.ready -= 1
        return (message, found.place.group, groups.slots[Int(found.place.group)].lanes[found.place.lane].priority)
    }

    // MARK: Held messages

    /// A held message of this queue came into a state, or leaves it.
    mutating func entered(_ message: HeldMessage, _ held: HeldMessages) {
        let slot = Int(message.group)
        switch message.state {
        case .ready:
            counts.ready += 1
            let lane = groups.slots[slot].lane(message.priority)
            groups.slots[slot].lanes[lane].heldReady += 1
            wait(message.id, slot: slot, lane: lane, held)
        case .delayed:
            counts.delayed += 1
            groups.slots[slot].delayed += 1
            if policy.orderedGroups, slot > 0 { wait(message.id, slot: slot, lane: groups.slots[slot].lane(message.priority), held) }
        case .leased:
            counts.leased += 1
            groups.slots[slot].leased += 1
        }
    }

    mutating func left(_ message: HeldMessages.Place) {
        let slot = Int(message.group)
        switch message.state {
        case .ready:
            counts.ready -= 1
            let lane = groups.slots[slot].lane(message.priority)
            groups.slots[slot].lanes[lane].heldReady -= 1
        case .delayed:
            counts.delayed -= 1
            groups.slots[slot].delayed -= 1
        case .leased:
            counts.leased -= 1
            groups.slots[slot].leased -= 1
        }
    }

    /// Puts an id where those that wait are found; lets go of what doesn't wait any more where that is most of it.
    mutating func wait(_ id: UInt64, slot: Int, lane: Int, _ held: HeldMessages) {
        groups.slots[slot].lanes[lane].held.insert(id)
        let waiting = groups.slots[slot].lanes[lane].heldReady + Int(groups.slots[slot].delayed)
        guard groups.slots[slot].lanes[lane].held.count > 64 + 4 * waiting else { return }
        let ids = groups.slots[slot].lanes[lane].held.unordered.filter { waits($0, UInt32(slot), held) }.sorted()
        var kept: [UInt64] = []
        for id in ids where kept.last != id { kept.append(id) }
        groups.slots[slot].lanes[lane].held = Heap(kept)
    }

    /// Whether a held message is in the group and waits, be it for a time.
    private func waits(_ id: UInt64, _ group: UInt32, _ held: HeldMessages) -> Bool {
        held.with(id) { message in
            guard message.queue == number, message.group == group else { return false }
            if case .leased = message.state { return false }
            return true
        } ?? false
    }
}
