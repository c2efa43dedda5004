internal import SpindleText

// What operators do to queues and messages: facts, live and at replay alike.
extension QueueEngine {
    /// Holds deliveries or publishes back; both false: no longer. Leases that are held go on.
    package mutating func pause(_ queue: UInt32, deliveries: Bool, publishes: Bool, reason: String) {
        var pause = QueueState.Pause()
        pause.deliveries = deliveries
        pause.publishes = publishes
        pause.reason = pause.isAny ? reason : ""
        queues[Int(queue)].pause = pause
    }

    /// Removes messages that are ready, or delayed beyond `now`. Returns how many.
    package mutating func purge(_ queue: UInt32, ready: Bool, delayed: Bool, now: UInt64) -> UInt64 {
        time = max(time, now)
        let index = Int(queue)
        var removed: UInt64 = 0
        if ready { removed += queues[index].dropPacked() }
        for message in heldMessages(of: queue) {
            let isPurged = switch message.state {
            case .ready: ready
            // One that is due is ready, whether that was noticed or not.
            case .delayed(let until): until <= now ? ready : delayed
            case .leased: false
            }
            guard isPurged else { continue }
            drop(message.id)
            removed += 1
        }
        queues[index].totals.removed += removed
        for slot in queues[index].groups.slots.indices.dropFirst() where slot < queues[index].groups.slots.count { gone(from: UInt32(slot), of: index) }
        queues[index].refresh(0, held)
        return removed
    }

    /// Removes a queue with all of its messages; returns how many. Its number can be given to another one.
    package mutating func delete(_ queue: UInt32) -> UInt64 {
        let index = Int(queue)
        let removed = queues[index].counts.length
        for message in heldMessages(of: queue) {
            held.remove(message.id)
            if message.hasHistory { histories[message.id] = nil }
            if case .delayed = message.state { delayedCount -= 1 }
        }
        aging.remove(queue)
        keyEnds.remove(queue)
        numberByName[ByteText(queues[index].name)] = nil
        if !queues[index].policy.deadLetterTopic.isEmpty { announcingQueues -= 1 }
        queues[index] = QueueState(number: queue, name: "", policy: QueuePolicy())
        queues[index].isDeleted = true
        deletedCount += 1
        return removed
    }

    /// What became of a message that was cancelled.
    package enum Cancelled: Equatable, Sendable {
        /// It was ready or delayed, and is gone.
        case removed(wasDelayed: Bool)
        /// It is leased: whoever ends the lease removes it.
        case flagged(MessageView)
    }

    /// nil if it isn't there.
    package mutating func cancel(_ id: UInt64, in queue: UInt32, group: UInt32 = noGroup, reason: String) -> Cancelled? {
        let index = Int(queue)
        if let message = held.find(id) {
            guard message.queue == queue else { return nil }
            if message.isLeased {
                _ = held.touch(id) { $0.isCancelled = true }
                return held.find(id).map { .flagged(MessageView($0)) }
            }
            queues[index].totals.removed += 1
            drop(id)
            return .removed(wasDelayed: message.state != .ready)
        }
        guard let message = unpack(id, in: queue, group: group) else { return nil }
        queues[index].totals.removed += 1
        gone(from: message.group, of: index)
        return .removed(wasDelayed: false)
    }

    /// The message becomes ready at `until`, or now. False if it isn't there, or leased.
    package mutating func reschedule(_ id: UInt64, in queue: UInt32, group: UInt32 = noGroup, until: UInt64?, now: UInt64) -> Bool {
        time = max(time, now)
        let until = until.flatMap { $0 > now ? $0 : nil }
        let state: HeldMessage.State = until.map { .delayed(until: $0) } ?? .ready
        if var message = held.find(id) {
            guard message.queue == queue, !message.isLeased else { return false }
            message.liveFrom = until ?? now
            message.isInAges = false
            change(message, to: state)
            return true
        }
        guard var message = unpack(id, in: queue, group: group) else { return false }
        message.state = state
        message.liveFrom = until ?? now
        message.readyAt = until ?? 0
        queues[Int(queue)].counts.bytes += UInt64(message.byteCount)
        hold(message)
        queues[Int(queue)].refresh(message.group, held)
        return true
    }

    /// Takes the message to another queue, with its history and in the state it is in. Its time to live begins again. At a redrive its attempts
    /// count anew and it is no dead letter any more. False if it isn't there, or leased.
    package mutating func move(
        _ id: UInt64, from: UInt32, to: UInt32, group: UInt32 = noGroup, resetsAttempts: Bool, now: UInt64
    ) -> Bool {
        time = max(time, now)
        if var message = held.find(id) {
            guard message.queue == from, !message.isLeased else { return false }
            rehome(&message, to: to)
            if resetsAttempts {
                message.attempts = 0
                if message.hasHistory { histories[id]?.death = nil }
            }
            // One that is due is ready, whether that was noticed or not: a replay doesn't notice it.
            if case .delayed(let until) = message.state, until <= now { message.state = .ready }
            message.liveFrom = now
            if case .delayed(let until) = message.state { message.liveFrom = until }
            message.isInAges = false
            change(message, to: message.state)
            return true
        }
        guard var message = unpack(id, in: from, group: group) else { return false }
        let origin = message.group
        message.liveFrom = now
        settle(message, in: to)
        gone(from: origin, of: Int(from))
        return true
    }

    /// The record of the message lies at `to` from now on. False if it isn't there, with a record at `from`.
    package mutating func relocate(_ id: UInt64, in queue: UInt32, group: UInt32 = noGroup, from: UInt64, to: UInt64) -> Bool {
        if let message = held.find(id) {
            guard message.queue == queue, message.address == from else { return false }
            _ = held.touch(id) { $0.address = to }
            return true
        }
        guard let (place, _) = queues[Int(queue)].find(packed: id, hint: group) else { return false }
        return queues[Int(queue)].groups.slots[Int(place.group)].lanes[place.lane].packed.relocate(id, from: from, to: to)
    }

    // MARK: Parts

    /// Takes a packed message out, to be kept otherwise, or not at all: it is in none of the queue's counts any more.
    mutating func unpack(_ id: UInt64, in queue: UInt32, group: UInt32) -> HeldMessage? {
        guard let (packed, group, priority) = queues[Int(queue)].take(packed: id, hint: group) else { return nil }
        queues[Int(queue)].counts.bytes -= UInt64(packed.byteCount)
        var message = HeldMessage(
            id: id, byteCount: packed.byteCount, queue: queue, storedAt: packed.storedAt, priority: priority, state: .ready)
        message.address = packed.address
        message.group = group
        return message
    }

    /// Keeps a message that was taken out of the queue it names in another one.
    mutating func settle(_ message: HeldMessage, in queue: UInt32) {
        var message = message
        rehome(&message, to: queue)
        queues[Int(queue)].counts.bytes += UInt64(message.byteCount)
        queues[Int(queue)].totals.published += 1
        hold(message)
        queues[Int(queue)].refresh(message.group, held)
    }
}

extension QueueState {
    /// Lets go of all packed messages; returns how many.
    mutating func dropPacked() -> UInt64 {
        var removed: UInt64 = 0
        for slot in groups.slots.indices {
            for lane in groups.slots[slot].lanes.indices {
                removed += UInt64(groups.slots[slot].lanes[lane].packed.count)
                counts.bytes -= groups.slots[slot].lanes[lane].packed.byteCount
                groups.slots[slot].lanes[lane].packed = PackedMessages()
            }
        }
        counts.ready -= removed
        groups.oldest.removeAll()
        return removed
    }
}
