internal import HeapModule

/// All queues of one node: which message is where, who holds it, what comes next.
///
/// Pure state. Functions named as facts (`store`, `grant`, `acknowledge`, …) apply what the log says, live and at replay alike;
/// the others only look. Time is an argument, in milliseconds, and never falls.
package struct QueueEngine: Sendable {
    /// Index = the queue's number in the log.
    package internal(set) var queues: [QueueState] = []
    private var numberByName: [String: UInt32] = [:]
    package internal(set) var held = HeldMessages()
    /// Only of held messages.
    var histories: [UInt64: MessageHistory] = [:]
    /// When delayed messages become ready. May name messages that have left that state: checked when taken.
    private var delayed = Heap<DelayKey>()

    package static let priorityDefault: UInt8 = 4

    private struct DelayKey: Comparable, Sendable {
        var until: UInt64
        var id: UInt64
        static func < (a: DelayKey, b: DelayKey) -> Bool { a.until != b.until ? a.until < b.until : a.id < b.id }
    }

    package init() {}

    // MARK: Queues

    package func number(of name: String) -> UInt32? { numberByName[name] }

    /// A new queue, with the next number.
    @discardableResult
    package mutating func declare(_ name: String, policy: QueuePolicy) -> UInt32 {
        let number = UInt32(queues.count)
        queues.append(QueueState(number: number, name: name, policy: policy))
        numberByName[name] = number
        return number
    }

    package mutating func setPolicy(_ policy: QueuePolicy, of number: UInt32) { queues[Int(number)].policy = policy }

    // MARK: Facts

    /// A message was stored in `queue`.
    package mutating func store(
        queue: UInt32, id: UInt64, byteCount: UInt32, priority: UInt8 = QueueEngine.priorityDefault, delay: UInt64 = 0,
        deduplicationKey: String? = nil, now: UInt64
    ) {
        let index = Int(queue)
        queues[index].totals.published += 1
        queues[index].counts.bytes += UInt64(byteCount)
        if let deduplicationKey {
            let window = queues[index].policy.deduplicationWindowMilliseconds
            queues[index].deduplication.insert(deduplicationKey, id: id, now: now, window: window)
        }
        let wait = delay > 0 ? delay : queues[index].policy.delayMilliseconds
        if wait == 0, priority == Self.priorityDefault, queues[index].packed.accepts(address: id, storedAt: now) {
            queues[index].packed.append(address: id, byteCount: byteCount, storedAt: now)
            queues[index].counts.ready += 1
        } else {
            let state: HeldMessage.State = wait > 0 ? .delayed(until: now + wait) : .ready
            held.insert(HeldMessage(id: id, byteCount: byteCount, queue: queue, storedAt: now, priority: priority, state: state))
            entered(state, id: id, priority: priority, queue: index)
        }
    }

    /// What a grant gave out.
    package struct Granted: Equatable, Sendable {
        package var id: UInt64
        package var epoch: UInt32
        package var attempt: UInt32
        package var storedAt: UInt64
        package var byteCount: UInt32
    }

    /// The message `id` of `queue` was leased; nil if it isn't there to be leased.
    package mutating func grant(queue: UInt32, id: UInt64, duration: UInt64, holder: String, now: UInt64) -> Granted? {
        let index = Int(queue)
        let lease = HeldMessage.Lease(deadline: now + duration, duration: duration, leasedAt: now, holder: holder)
        queues[index].totals.delivered += 1
        if let first = queues[index].packed.first, first.address == id {
            queues[index].packed.popFirst()
            queues[index].counts.ready -= 1
            queues[index].counts.leased += 1
            var message = HeldMessage(
                id: id, byteCount: first.byteCount, queue: queue, storedAt: first.storedAt, priority: Self.priorityDefault,
                state: .leased(lease))
            message.epoch = 1
            message.attempts = 1
            held.insert(message)
            return Granted(id: id, epoch: 1, attempt: 1, storedAt: first.storedAt, byteCount: first.byteCount)
        }
        guard let message = held.find(id), message.queue == queue else { return nil }
        if case .leased = message.state { return nil }
        left(message.state, queue: index)
        queues[index].counts.leased += 1
        return held.update(id) { message in
            message.epoch += 1
            message.attempts += 1
            message.state = .leased(lease)
            return Granted(
                id: id, epoch: message.epoch, attempt: message.attempts, storedAt: message.storedAt, byteCount: message.byteCount)
        }
    }

    /// The holder is done with the message: it is gone. False if it isn't leased.
    package mutating func acknowledge(_ id: UInt64) -> Bool {
        guard let message = held.find(id), case .leased = message.state else { return false }
        queues[Int(message.queue)].totals.acknowledged += 1
        drop(message)
        return true
    }

    /// The lease was extended to `now + duration`. False if there is none.
    package mutating func extend(_ id: UInt64, duration: UInt64, now: UInt64) -> Bool {
        held.update(id) { message in
            guard case .leased(var lease) = message.state else { return false }
            lease.deadline = now + duration
            lease.duration = duration
            message.state = .leased(lease)
            return true
        } ?? false
    }

    /// What comes after a lease that ended without an ack.
    package enum Next: Equatable, Sendable {
        case ready
        case delayed(until: UInt64)
        /// Moved to the dead-letter queue of that number.
        case dead(queue: UInt32)
        case dropped
    }

    /// How the lease ended.
    package enum Ending: UInt8, Equatable, Sendable {
        case nacked = 0
        case expired = 1
        /// Given back untouched: the attempt does not count.
        case released = 2
    }

    /// The lease of `id` ended without an ack. False if it isn't leased.
    package mutating func end(_ id: UInt64, _ ending: Ending, reason: String, next: Next, now: UInt64) -> Bool {
        guard let message = held.find(id), case .leased(let lease) = message.state else { return false }
        let origin = Int(message.queue)
        var attempts = message.attempts
        switch ending {
        case .nacked: queues[origin].totals.nacked += 1
        case .expired: queues[origin].totals.expired += 1
        case .released: attempts -= min(attempts, 1)
        }
        if ending != .released {
            histories[id, default: MessageHistory()].append(AttemptRecord(
                number: message.attempts, leasedAt: lease.leasedAt, endedAt: now, holder: lease.holder,
                outcome: ending == .expired ? .expired : .nacked, reason: reason))
        }
        switch next {
        case .dropped:
            queues[origin].totals.dead += 1
            drop(message)
        case .ready:
            move(message, to: .ready, attempts: attempts)
        case .delayed(let until):
            move(message, to: .delayed(until: until), attempts: attempts)
        case .dead(let queue):
            queues[origin].totals.dead += 1
            queues[origin].counts.bytes -= UInt64(message.byteCount)
            queues[Int(queue)].counts.bytes += UInt64(message.byteCount)
            queues[Int(queue)].totals.published += 1
            histories[id, default: MessageHistory()].death = .init(originQueue: queues[origin].name, reason: reason, at: now)
            move(message, to: .ready, attempts: 0, queue: queue)
        }
        return true
    }

    private mutating func move(_ message: HeldMessage, to state: HeldMessage.State, attempts: UInt32, queue: UInt32? = nil) {
        left(message.state, queue: Int(message.queue))
        let target = queue ?? message.queue
        held.update(message.id) {
            $0.state = state
            $0.attempts = attempts
            $0.queue = target
        }
        entered(state, id: message.id, priority: message.priority, queue: Int(target))
    }

    private mutating func drop(_ message: HeldMessage) {
        left(message.state, queue: Int(message.queue))
        queues[Int(message.queue)].counts.bytes -= UInt64(message.byteCount)
        held.remove(message.id)
        if message.attempts > 1 || message.epoch > 1 { histories[message.id] = nil }
    }

    private mutating func left(_ state: HeldMessage.State, queue: Int) {
        switch state {
        case .ready: queues[queue].counts.ready -= 1
        case .delayed: queues[queue].counts.delayed -= 1
        case .leased: queues[queue].counts.leased -= 1
        }
    }

    private mutating func entered(_ state: HeldMessage.State, id: UInt64, priority: UInt8, queue: Int) {
        switch state {
        case .ready:
            queues[queue].counts.ready += 1
            queues[queue].readyHeld.insert(.init(priority: priority, id: id))
        case .delayed(let until):
            queues[queue].counts.delayed += 1
            delayed.insert(DelayKey(until: until, id: id))
        case .leased:
            queues[queue].counts.leased += 1
        }
    }

    // MARK: Looking

    package func history(of id: UInt64) -> MessageHistory? { histories[id] }

    /// Makes ready what is due; the numbers of the queues that gained a message.
    package mutating func promote(now: UInt64) -> [UInt32] {
        var gained: [UInt32] = []
        while let first = delayed.min, first.until <= now {
            delayed.removeMin()
            guard let message = held.find(first.id), message.state == .delayed(until: first.until) else { continue }
            move(message, to: .ready, attempts: message.attempts)
            if gained.last != message.queue { gained.append(message.queue) }
        }
        return gained
    }

    /// The next message that `queue` would deliver.
    package mutating func nextReady(in queue: UInt32) -> (id: UInt64, byteCount: UInt32)? {
        let index = Int(queue)
        let packed = queues[index].packed.first
        while let key = queues[index].readyHeld.min {
            guard let message = held.find(key.id), message.state == .ready, message.queue == queue else {
                queues[index].readyHeld.removeMin()
                continue
            }
            guard let packed else { return (key.id, message.byteCount) }
            let waiting = QueueState.ReadyKey(priority: Self.priorityDefault, id: packed.address)
            return key < waiting ? (key.id, message.byteCount) : (packed.address, packed.byteCount)
        }
        return packed.map { ($0.address, $0.byteCount) }
    }

    /// A lease that is over at `now`, the one that ended first.
    package func expiredLease(now: UInt64) -> UInt64? {
        guard let earliest = held.earliestLease, earliest.deadline <= now else { return nil }
        return earliest.id
    }

    /// When time alone will change something next.
    package var nextDeadline: UInt64? {
        switch (delayed.min?.until, held.earliestLease?.deadline) {
        case (let a?, let b?): min(a, b)
        case (let a?, nil): a
        case (nil, let b?): b
        case (nil, nil): nil
        }
    }

    /// Age of the oldest message that waits to be delivered, milliseconds.
    package func oldestAge(of queue: UInt32, now: UInt64) -> UInt64 {
        let state = queues[Int(queue)]
        var oldest = state.packed.first?.storedAt
        if let key = state.readyHeld.min, let message = held.find(key.id) { oldest = min(oldest ?? .max, message.storedAt) }
        return oldest.map { now - min(now, $0) } ?? 0
    }

    /// The lowest address of a message that is still needed.
    package var oldestLiveAddress: UInt64? {
        var oldest = held.lowestID
        for queue in queues {
            if let first = queue.packed.first { oldest = min(oldest ?? .max, first.address) }
        }
        return oldest
    }

    // MARK: Checkpoint

    /// Puts back a held message of a checkpoint, with its history. False where it can't be.
    package mutating func restore(_ message: HeldMessage, history: MessageHistory?) -> Bool {
        guard Int(message.queue) < queues.count, held.find(message.id) == nil else { return false }
        held.insert(message)
        histories[message.id] = history
        entered(message.state, id: message.id, priority: message.priority, queue: Int(message.queue))
        queues[Int(message.queue)].counts.bytes += UInt64(message.byteCount)
        return true
    }

    /// Puts back the packed messages of a queue. False where the bytes are not a snapshot's.
    package mutating func restore(packed snapshot: PackedMessages.Snapshot, bytes: UInt64, of queue: UInt32) -> Bool {
        guard let packed = PackedMessages(restoring: snapshot), packed.byteCount == bytes else { return false }
        queues[Int(queue)].packed = packed
        queues[Int(queue)].counts.ready += UInt64(packed.count)
        queues[Int(queue)].counts.bytes += bytes
        return true
    }

    /// Changes the parts of a queue that only a checkpoint restores.
    package mutating func restore(
        totals: QueueState.Totals, deduplication: DeduplicationWindow, producers: ProducerTable, of queue: UInt32
    ) {
        queues[Int(queue)].totals = totals
        queues[Int(queue)].deduplication = deduplication
        queues[Int(queue)].producers = producers
    }

    /// Notes what a producer stored.
    package mutating func produced(_ run: ProducerTable.Run, by producer: UInt64, in queue: UInt32) {
        queues[Int(queue)].producers.stored(producer: producer, run)
    }
}
