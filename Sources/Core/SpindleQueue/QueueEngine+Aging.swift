internal import HeapModule

// The time to live. When it ends is looked up by index; that it ended is a fact, logged like the end of a lease.
//
// Per queue there are two indexes of ages, both by what the time counts from, so that a change of the policy moves nothing: held
// messages by id, and groups by their oldest packed message. `aging` says for each queue when to look.
extension QueueEngine {
    /// The reason that a message's death gives when its time ended.
    package static let timeToLiveReason = "its time to live ended"

    /// A message was packed.
    mutating func age(packedOf index: Int, from storedAt: UInt64) {
        arm(index, storedAt + queues[index].policy.timeToLiveMilliseconds)
    }

    /// A held message waits, be it for its time.
    mutating func age(_ message: HeldMessage) {
        if message.timeToLive > 0 {
            ending.insert(TimeKey(until: message.liveFrom + message.timeToLive, id: message.id))
            if ending.count > 64 + 4 * held.count { forgetEndings() }
            return
        }
        let index = Int(message.queue)
        let ttl = queues[index].policy.timeToLiveMilliseconds
        guard ttl > 0 else { return }
        arm(index, message.liveFrom + ttl)
        guard !message.isInAges else { return }
        queues[index].ages.insert(.init(liveFrom: message.liveFrom, id: message.id))
        _ = held.touch(message.id) { $0.isInAges = true }
        if queues[index].ages.count > 64 + 4 * queues[index].heldCount { indexAges(UInt32(index)) }
    }

    /// Something in the queue may end at `deadline`.
    private mutating func arm(_ index: Int, _ deadline: UInt64) {
        if let known = aging.key(of: UInt32(index)), known <= deadline { return }
        aging.set(UInt32(index), to: deadline)
    }

    private mutating func forgetEndings() {
        var kept: Set<UInt64> = []
        ending = Heap(ending.unordered.filter { key in
            let isDue = held.with(key.id) { !$0.isLeased && $0.timeToLive > 0 && $0.liveFrom + $0.timeToLive == key.until } ?? false
            return isDue && kept.insert(key.id).inserted
        })
    }

    /// Makes the index of a queue's held messages anew.
    private mutating func indexAges(_ number: UInt32) {
        var keys: [QueueState.AgeKey] = []
        let isNeeded = queues[Int(number)].policy.timeToLiveMilliseconds > 0
        for message in heldMessages(of: number) {
            let isIndexed = isNeeded && !message.isLeased && message.timeToLive == 0
            if isIndexed { keys.append(.init(liveFrom: message.liveFrom, id: message.id)) }
            _ = held.touch(message.id) { $0.isInAges = isIndexed }
        }
        queues[Int(number)].ages = Heap(keys)
    }

    /// The queue's time to live changed.
    mutating func ageAnew(_ number: UInt32) {
        indexAges(number)
        rearm(Int(number))
    }

    private mutating func rearm(_ index: Int) {
        let ttl = queues[index].policy.timeToLiveMilliseconds
        if ttl > 0, let oldest = queues[index].oldestAging {
            aging.set(UInt32(index), to: oldest + ttl)
        } else {
            aging.remove(UInt32(index))
        }
    }

    // MARK: Looking

    /// Whether the message's time is over, be it leased or not.
    package func isOver(_ id: UInt64, now: UInt64) -> Bool {
        held.with(id) { message in
            let ttl = QueueState.timeToLive(queue: queues[Int(message.queue)].policy.timeToLiveMilliseconds, own: message.timeToLive)
            return ttl > 0 && message.liveFrom + ttl <= now
        } ?? false
    }

    /// When the first message's time may end.
    var nextAging: UInt64? {
        switch (aging.first?.key, ending.min?.until) {
        case (let a?, let b?): min(a, b)
        case (let a, let b): a ?? b
        }
    }

    /// A waiting message whose time is over at `now`. The same again, until ``expire(_:in:group:next:now:)`` is told.
    package mutating func nextOver(now: UInt64) -> (id: UInt64, queue: UInt32, group: UInt32)? {
        while let first = ending.min, first.until <= now {
            if let message = held.find(first.id), !message.isLeased, message.timeToLive > 0, message.liveFrom + message.timeToLive <= now {
                return (message.id, message.queue, message.group)
            }
            ending.removeMin()
        }
        while let first = aging.first, first.key <= now {
            let ttl = queues[Int(first.number)].policy.timeToLiveMilliseconds
            if ttl > 0, let found = over(in: Int(first.number), from: now - min(now, ttl)) { return (found.id, first.number, found.group) }
            rearm(Int(first.number))
        }
        return nil
    }

    /// A message of the queue that counts from `latest` or before. Corrects what the indexes have too early.
    private mutating func over(in index: Int, from latest: UInt64) -> (id: UInt64, group: UInt32)? {
        while let key = queues[index].ages.min, key.liveFrom <= latest {
            if let message = held.find(key.id), message.queue == UInt32(index), message.timeToLive == 0 {
                if !message.isLeased, message.liveFrom <= latest { return (message.id, message.group) }
                // A leased one comes back to the index when its lease ends; this one has more time than was known.
                queues[index].ages.removeMin()
                if message.isLeased {
                    _ = held.touch(message.id) { $0.isInAges = false }
                } else {
                    queues[index].ages.insert(.init(liveFrom: message.liveFrom, id: message.id))
                }
            } else {
                queues[index].ages.removeMin()
            }
        }
        return queues[index].packedMessage(storedUntil: latest)
    }

    // MARK: The fact

    /// The message's time to live ended: it dies, or is dropped. False if it isn't there, or leased.
    package mutating func expire(_ id: UInt64, in queue: UInt32, group: UInt32 = noGroup, next: Next, now: UInt64) -> Bool {
        time = max(time, now)
        let index = Int(queue)
        if let message = held.find(id) {
            guard message.queue == queue, !message.isLeased else { return false }
            if case .dead(let target) = next {
                die(message, in: target, reason: Self.timeToLiveReason, now: now)
            } else {
                queues[index].totals.dead += 1
                drop(id)
            }
            return true
        }
        guard var message = unpack(id, in: queue, group: group) else { return false }
        queues[index].totals.dead += 1
        let origin = message.group
        if case .dead(let target) = next {
            let name = queues[index].name
            note(in: &message) { $0.death = .init(originQueue: name, reason: Self.timeToLiveReason, at: now) }
            message.liveFrom = now
            settle(message, in: target)
        }
        gone(from: origin, of: index)
        return true
    }
}

extension QueueState {
    /// When the oldest packed message of group `slot` was stored.
    func oldestPacked(in slot: Int) -> UInt64? {
        var oldest: UInt64?
        for lane in groups.slots[slot].lanes.indices {
            if let first = groups.slots[slot].lanes[lane].packed.first { oldest = min(oldest ?? .max, first.storedAt) }
        }
        return oldest
    }

    /// What the oldest waiting message counts from, or a little before.
    var oldestAging: UInt64? {
        let packed = groups.hasKeys ? groups.oldest.first?.key : oldestPacked(in: 0)
        guard let held = ages.min?.liveFrom else { return packed }
        return min(packed ?? .max, held)
    }

    /// A packed message that was stored at `latest` or before.
    mutating func packedMessage(storedUntil latest: UInt64) -> (id: UInt64, group: UInt32)? {
        guard groups.hasKeys else { return firstPacked(in: 0, storedUntil: latest).map { ($0, 0) } }
        while let first = groups.oldest.first, first.key <= latest {
            if let id = firstPacked(in: Int(first.number), storedUntil: latest) { return (id, first.number) }
            if let oldest = oldestPacked(in: Int(first.number)) {
                groups.oldest.set(first.number, to: oldest)
            } else {
                groups.oldest.remove(first.number)
            }
        }
        return nil
    }

    private func firstPacked(in slot: Int, storedUntil latest: UInt64) -> UInt64? {
        for lane in groups.slots[slot].lanes.indices {
            if let first = groups.slots[slot].lanes[lane].packed.first, first.storedAt <= latest { return first.id }
        }
        return nil
    }

    /// When the oldest packed message was stored.
    mutating func oldestPacked() -> UInt64? {
        guard groups.hasKeys else { return oldestPacked(in: 0) }
        while let first = groups.oldest.first {
            guard let oldest = oldestPacked(in: Int(first.number)) else {
                groups.oldest.remove(first.number)
                continue
            }
            if oldest <= first.key { return oldest }
            groups.oldest.set(first.number, to: oldest)
        }
        return nil
    }
}
