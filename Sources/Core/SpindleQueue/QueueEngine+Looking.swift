internal import HeapModule

// What is asked of the queues without changing them.
extension QueueEngine {
    package func history(of id: UInt64) -> MessageHistory? { histories[id] }

    /// Makes ready what is due; the numbers of the queues that gained a message.
    ///
    /// No fact: when a message becomes ready is known from the one that delayed it.
    package mutating func promote(now: UInt64) -> [UInt32] {
        var gained: [UInt32] = []
        while let first = delayed.min, first.until <= now {
            delayed.removeMin()
            guard let message = held.find(first.id), message.state == .delayed(until: first.until) else { continue }
            left(.init(message))
            var ready = message
            ready.state = .ready
            _ = held.touch(message.id) { $0.state = .ready }
            entered(ready)
            queues[Int(message.queue)].refresh(message.group, held)
            if gained.last != message.queue { gained.append(message.queue) }
        }
        return gained
    }

    /// The next message that `queue` would deliver at `now`.
    package mutating func nextReady(in queue: UInt32, now: UInt64) -> (id: UInt64, byteCount: UInt32, group: UInt32)? {
        switch queues[Int(queue)].nextPacked(now: now) {
        case .message(let head): (head.id, head.byteCount, head.group)
        case .nothing: nil
        case .unknown: queues[Int(queue)].next(now: now, held).map { ($0.id, $0.byteCount, $0.group) }
        }
    }

    /// When time alone lets a queue deliver what its rates hold back; nil: it is not that for which it waits.
    package func limitedUntil(_ queue: UInt32, now: UInt64) -> UInt64? { queues[Int(queue)].limitedUntil(now: now) }

    /// A lease that is over at `now`, the one that ended first.
    package func expiredLease(now: UInt64) -> UInt64? {
        guard let earliest = held.earliestLease, earliest.deadline <= now else { return nil }
        return earliest.id
    }

    /// When time alone will change something next.
    package var nextDeadline: UInt64? {
        var next = delayed.min?.until
        for time in [held.earliestLease?.deadline, nextAging] {
            if let time { next = min(next ?? time, time) }
        }
        return next
    }

    /// Age of the oldest message that waits to be delivered, milliseconds. Of messages that were given back only those without
    /// a group key count.
    package mutating func oldestAge(of queue: UInt32, now: UInt64) -> UInt64 {
        let index = Int(queue)
        var oldest = queues[index].oldestPacked()
        for lane in queues[index].groups.slots[0].lanes where lane.heldReady > 0 {
            if let id = lane.held.min, let message = held.find(id) { oldest = min(oldest ?? .max, message.storedAt) }
        }
        return oldest.map { now - min(now, $0) } ?? 0
    }

    /// No needed record lies below this address.
    package var oldestLiveAddress: UInt64? {
        var oldest = held.lowestAddress
        for queue in queues.indices {
            for slot in queues[queue].groups.slots.indices {
                for lane in queues[queue].groups.slots[slot].lanes.indices {
                    if let lowest = queues[queue].groups.slots[slot].lanes[lane].packed.lowestAddress { oldest = min(oldest ?? .max, lowest) }
                }
            }
        }
        return oldest
    }

    // MARK: Messages

    /// The message, in any state; nil where it isn't in the queue. In a queue with many groups one that was never delivered is
    /// searched in all of them.
    package func view(_ id: UInt64, in queue: UInt32, group: UInt32 = noGroup) -> MessageView? {
        if let message = held.find(id) { return message.queue == queue ? MessageView(message) : nil }
        guard let (place, message) = queues[Int(queue)].find(packed: id, hint: group) else { return nil }
        let priority = queues[Int(queue)].groups.slots[Int(place.group)].lanes[place.lane].priority
        return MessageView(message, queue: queue, group: place.group, priority: priority)
    }

    private struct Candidate: Comparable {
        var view: MessageView
        static func < (a: Candidate, b: Candidate) -> Bool { a.view.id < b.view.id }
        static func == (a: Candidate, b: Candidate) -> Bool { a.view.id == b.view.id }
    }

    /// The `max` messages behind `id`, in the order of ids and in all states. Looks once at every group of the queue, and at
    /// every message that the node holds where the queue has held ones.
    package func browse(_ queue: UInt32, after id: UInt64, max: Int) -> [MessageView] {
        guard max > 0 else { return [] }
        var lowest = Heap<Candidate>()
        /// Takes what is among the lowest; false if nothing above it can be.
        func take(_ view: MessageView) -> Bool {
            if lowest.count >= max {
                guard let highest = lowest.max, view.id < highest.view.id else { return false }
                lowest.removeMax()
            }
            lowest.insert(Candidate(view: view))
            return true
        }
        let groups = queues[Int(queue)].groups
        for slot in groups.slots.indices {
            for lane in groups.slots[slot].lanes where !lane.packed.isEmpty {
                lane.packed.forEach(after: id) { take(MessageView($0, queue: queue, group: UInt32(slot), priority: lane.priority)) }
            }
        }
        var rest = queues[Int(queue)].heldCount
        if rest > 0 {
            held.forEach { message in
                if message.queue == queue {
                    if message.id > id { _ = take(MessageView(message)) }
                    rest -= 1
                }
                return rest > 0
            }
        }
        return lowest.unordered.sorted().map(\.view)
    }

    /// What ``browse(_:after:max:)`` looks at besides the messages that it returns: groups, and held messages of any queue.
    package func browseOverhead(of queue: UInt32) -> (groups: Int, held: Int) {
        (queues[Int(queue)].groups.slots.count, queues[Int(queue)].heldCount > 0 ? held.count : 0)
    }

    /// Up to `max` messages whose records lie below `address`, by address.
    package func stragglers(below address: UInt64, max: Int) -> [MessageView] {
        var found: [MessageView] = []
        guard max > 0 else { return found }
        held.forEach { message in
            if message.address < address { found.append(MessageView(message)) }
            return found.count < max
        }
        for queue in queues.indices {
            for slot in queues[queue].groups.slots.indices {
                for lane in queues[queue].groups.slots[slot].lanes.indices where found.count < max {
                    let priority = queues[queue].groups.slots[slot].lanes[lane].priority
                    queues[queue].groups.slots[slot].lanes[lane].packed.forEach(below: address) { message in
                        found.append(MessageView(message, queue: UInt32(queue), group: UInt32(slot), priority: priority))
                        return found.count < max
                    }
                }
            }
        }
        return found.sorted { $0.address < $1.address }
    }
}
