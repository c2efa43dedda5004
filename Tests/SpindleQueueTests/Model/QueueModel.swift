import SpindleQueue

/// What queues mean, without a thought for speed: all messages in one array, looked through from end to end.
struct QueueModel {
    enum State: Equatable {
        case ready
        case delayed(until: UInt64)
        case leased(deadline: UInt64, duration: UInt64)
    }

    struct Message {
        var id: UInt64
        var address: UInt64
        var byteCount: UInt32
        var queue: Int
        var storedAt: UInt64
        var liveFrom: UInt64
        var timeToLive: UInt64
        var priority: UInt8
        /// nil where it came to a queue that does not look at keys, and never was in one that does.
        var key: String?
        /// The group in which it takes turns; "" for those without.
        var group: String
        var state: State
        var epoch: UInt32 = 0
        var attempts: UInt32 = 0
        var isCancelled = false
        var failures = 0
        var diedIn: String?

        var isLeased: Bool {
            if case .leased = state { return true }
            return false
        }
    }

    struct Group {
        var key: String
        var turn: UInt64 = 0
        var rateTime: UInt64 = 0
    }

    struct Queue {
        var name: String
        var policy: QueuePolicy
        var isDeleted = false
        var pausesDeliveries = false
        var rateTime: UInt64 = 0
        var turns: UInt64 = 0
        /// The first is of messages without a key.
        var groups = [Group(key: "")]
        var totals = QueueState.Totals()
        var hasKeys: Bool { groups.count > 1 }
    }

    var queues: [Queue] = []
    /// By id.
    var messages: [Message] = []
    var time: UInt64 = 0

    // MARK: Looking

    func index(_ id: UInt64) -> Int? { messages.firstIndex { $0.id == id } }
    func messages(of queue: Int) -> [Message] { messages.filter { $0.queue == queue } }

    func counts(of queue: Int) -> QueueState.Counts {
        var counts = QueueState.Counts()
        for message in messages where message.queue == queue {
            counts.bytes += UInt64(message.byteCount)
            switch message.state {
            case .ready: counts.ready += 1
            case .delayed: counts.delayed += 1
            case .leased: counts.leased += 1
            }
        }
        return counts
    }

    func isOver(_ message: Message, now: UInt64) -> Bool {
        let ttl = message.timeToLive > 0 ? message.timeToLive : queues[message.queue].policy.timeToLiveMilliseconds
        return ttl > 0 && message.liveFrom + ttl <= now
    }

    /// When something will change by time alone.
    var nextChange: UInt64? {
        messages.compactMap { message -> UInt64? in
            let ttl = message.timeToLive > 0 ? message.timeToLive : queues[message.queue].policy.timeToLiveMilliseconds
            let end = ttl > 0 && !message.isLeased ? message.liveFrom + ttl : nil
            switch message.state {
            case .ready: return end
            case .delayed(let until): return min(until, end ?? .max)
            case .leased(let deadline, _): return deadline
            }
        }.min()
    }

    /// The generic cell rate algorithm in words: a delivery may come a tenth of a second before it would be even.
    private static func opensAt(_ even: UInt64, _ perSecond: UInt64) -> UInt64 {
        guard perSecond > 0 else { return 0 }
        let early = max(0, 100_000_000 - Int(1_000_000_000 / perSecond))
        return UInt64((max(0, Int(even) - early) + 999_999) / 1_000_000)
    }

    private func opensAt(_ queue: Queue, _ waiting: [Message]) -> UInt64? {
        guard !queue.isDeleted, !queue.pausesDeliveries, waiting.contains(where: { $0.state == .ready }) else { return nil }
        let leased = waiting.count { $0.isLeased }
        if queue.policy.concurrency > 0, leased >= queue.policy.concurrency { return nil }
        return Self.opensAt(queue.rateTime, queue.policy.ratePerSecond)
    }

    /// The message that each group would deliver, and from when.
    private func heads(_ queue: Queue, _ messages: [Message]) -> [(group: Group, message: Message, from: UInt64)] {
        queue.groups.compactMap { group in
            let own = messages.filter { $0.group == group.key }
            let leased = own.count { $0.isLeased }
            let isOrdered = queue.policy.orderedGroups && group.key != ""
            if isOrdered {
                guard leased == 0, let first = own.first, first.state == .ready else { return nil }
                return (group, first, Self.opensAt(group.rateTime, queue.policy.ratePerSecondPerGroup))
            }
            if group.key != "", queue.policy.concurrencyPerGroup > 0, leased >= queue.policy.concurrencyPerGroup { return nil }
            let ready = own.filter { $0.state == .ready }
            guard let best = ready.map(\.priority).max(), let first = ready.first(where: { $0.priority == best }) else { return nil }
            return (group, first, group.key == "" ? 0 : Self.opensAt(group.rateTime, queue.policy.ratePerSecondPerGroup))
        }
    }

    func nextReady(in index: Int, now: UInt64) -> Message? {
        let queue = queues[index]
        let own = messages(of: index)
        guard let opens = opensAt(queue, own), opens <= now else { return nil }
        let open = heads(queue, own).filter { $0.from <= now }
        // Turns are taken among those that have the highest priority to offer.
        let next = open.min { ($1.message.priority, $0.group.turn) < ($0.message.priority, $1.group.turn) }
        return next.flatMap { isOver($0.message, now: now) ? nil : $0.message }
    }

    func limitedUntil(_ index: Int, now: UInt64) -> UInt64? {
        let queue = queues[index]
        let own = messages(of: index)
        guard let opens = opensAt(queue, own) else { return nil }
        if opens > now { return opens }
        let heads = heads(queue, own)
        return heads.contains { $0.from <= now } ? nil : heads.map(\.from).min()
    }

    // MARK: Facts

    mutating func promote(now: UInt64) {
        for index in messages.indices {
            if case .delayed(let until) = messages[index].state, until <= now { messages[index].state = .ready }
        }
    }

    /// Applies a fact; the answer in the words of ``Fact/apply(to:now:)``.
    mutating func apply(_ fact: Fact, now: UInt64) -> String {
        time = max(time, now)
        switch fact {
        case .declare(let name, let policy, let number):
            if Int(number) == queues.count {
                queues.append(Queue(name: name, policy: policy))
            } else {
                queues[Int(number)] = Queue(name: name, policy: policy)
            }
            return "\(number)"
        case .policy(let queue, let policy):
            queues[Int(queue)].policy = policy
            return ""
        case .store(let queue, let id, let byteCount, let priority, let delay, let timeToLive, let group):
            store(Int(queue), id, byteCount, priority, delay, timeToLive, group, now)
            return ""
        case .grant(let queue, let id, _, let duration): return grant(Int(queue), id, duration, now)
        case .acknowledge(let id):
            guard let index = index(id), messages[index].isLeased else { return "false" }
            queues[messages[index].queue].totals.acknowledged += 1
            remove(index)
            return "true"
        case .extend(let id, let duration):
            guard let index = index(id), messages[index].isLeased else { return "false" }
            messages[index].state = .leased(deadline: now + duration, duration: duration)
            return "true"
        case .end(let id, let ending, let next):
            guard let index = index(id), messages[index].isLeased else { return "false" }
            end(index, ending, next, now)
            return "true"
        case .pause(let queue, let deliveries, _):
            queues[Int(queue)].pausesDeliveries = deliveries
            return ""
        case .purge(let queue, let ready, let delayed): return "\(purge(Int(queue), ready, delayed, now))"
        case .delete(let queue):
            let count = messages(of: Int(queue)).count
            messages.removeAll { $0.queue == Int(queue) }
            queues[Int(queue)] = Queue(name: "", policy: QueuePolicy())
            queues[Int(queue)].isDeleted = true
            return "\(count)"
        case .cancel(let id, let queue, _):
            guard let index = index(id), messages[index].queue == Int(queue) else { return "nil" }
            guard !messages[index].isLeased else {
                messages[index].isCancelled = true
                return "flagged \(id)"
            }
            let wasDelayed = messages[index].state != .ready
            queues[Int(queue)].totals.removed += 1
            remove(index)
            return "removed \(wasDelayed)"
        case .reschedule(let id, let queue, _, let until):
            guard let index = index(id), messages[index].queue == Int(queue), !messages[index].isLeased else { return "false" }
            let until = until ?? 0
            messages[index].state = until > now ? .delayed(until: until) : .ready
            messages[index].liveFrom = max(until, now)
            return "true"
        case .move(let id, let from, let to, _, let resets):
            guard let index = index(id), messages[index].queue == Int(from), !messages[index].isLeased else { return "false" }
            if resets {
                messages[index].attempts = 0
                messages[index].diedIn = nil
            }
            messages[index].liveFrom = now
            if case .delayed(let until) = messages[index].state { messages[index].liveFrom = max(until, now) }
            rehome(index, to: Int(to))
            return "true"
        case .expire(let id, let queue, _, let next):
            guard let index = index(id), messages[index].queue == Int(queue), !messages[index].isLeased else { return "false" }
            queues[Int(queue)].totals.dead += 1
            if case .dead(let target) = next { die(index, in: Int(target), now) } else { remove(index) }
            return "true"
        case .relocate(let relocations):
            var missing: [UInt64] = []
            for one in relocations {
                if let index = index(one.id), messages[index].queue == Int(one.queue), messages[index].address == one.from {
                    messages[index].address = one.to
                } else {
                    missing.append(one.id)
                }
            }
            return "\(missing.sorted())"
        }
    }

    // MARK: Parts of facts

    private mutating func store(
        _ queue: Int, _ id: UInt64, _ byteCount: UInt32, _ priority: UInt8, _ delay: UInt64, _ timeToLive: UInt64, _ key: String?, _ now: UInt64
    ) {
        let policy = queues[queue].policy
        let wait = delay > 0 ? delay : policy.delayMilliseconds
        let key = policy.isKeyed && key != "" ? key : nil
        enter(queue, key)
        queues[queue].totals.published += 1
        messages.append(Message(
            id: id, address: id, byteCount: byteCount, queue: queue, storedAt: now, liveFrom: now + wait, timeToLive: timeToLive,
            priority: Self.priority(priority, policy, key), key: key, group: key ?? "", state: wait > 0 ? .delayed(until: now + wait) : .ready))
    }

    private static func priority(_ priority: UInt8, _ policy: QueuePolicy, _ key: String?) -> UInt8 {
        policy.priorities && (key == nil || !policy.orderedGroups) ? priority : QueueEngine.priorityDefault
    }

    /// A group comes into being with its first message, and waits behind those that are there.
    private mutating func enter(_ queue: Int, _ key: String?) {
        guard let key, !queues[queue].groups.contains(where: { $0.key == key }) else { return }
        queues[queue].turns += 1
        queues[queue].groups.append(Group(key: key, turn: queues[queue].turns))
    }

    /// A message left its group for good: groups without a message are forgotten as soon as their rate limits nothing any more.
    private mutating func vanish(_ queue: Int) {
        let used = messages(of: queue).map(\.group)
        queues[queue].groups.removeAll { $0.key != "" && !used.contains($0.key) && $0.rateTime <= time * 1_000_000 }
    }

    private mutating func remove(_ index: Int) {
        let message = messages.remove(at: index)
        vanish(message.queue)
    }

    private mutating func grant(_ queue: Int, _ id: UInt64, _ duration: UInt64, _ now: UInt64) -> String {
        guard let index = index(id), messages[index].queue == queue, !messages[index].isLeased else { return "nil" }
        messages[index].state = .leased(deadline: now + duration, duration: duration)
        messages[index].epoch += 1
        messages[index].attempts += 1
        queues[queue].totals.delivered += 1
        let policy = queues[queue].policy
        func after(_ even: UInt64, _ perSecond: UInt64) -> UInt64 {
            perSecond == 0 ? even : max(even, now * 1_000_000) + 1_000_000_000 / perSecond
        }
        queues[queue].rateTime = after(queues[queue].rateTime, policy.ratePerSecond)
        let message = messages[index]
        if queues[queue].hasKeys, let group = queues[queue].groups.firstIndex(where: { $0.key == message.group }) {
            queues[queue].turns += 1
            queues[queue].groups[group].turn = queues[queue].turns
            if group > 0 { queues[queue].groups[group].rateTime = after(queues[queue].groups[group].rateTime, policy.ratePerSecondPerGroup) }
        }
        return "\(message.id) \(message.address) \(message.epoch) \(message.attempts) \(message.storedAt) \(message.byteCount)"
    }

    private mutating func end(_ index: Int, _ ending: QueueEngine.Ending, _ next: QueueEngine.Next, _ now: UInt64) {
        let queue = messages[index].queue
        switch ending {
        case .nacked: queues[queue].totals.nacked += 1
        case .expired: queues[queue].totals.expired += 1
        case .released: messages[index].attempts -= min(1, messages[index].attempts)
        }
        if ending != .released { messages[index].failures = min(messages[index].failures + 1, MessageHistory.attemptsMax) }
        switch next {
        case .ready: messages[index].state = .ready
        case .delayed(let until): messages[index].state = .delayed(until: until)
        case .dropped:
            queues[queue].totals.dead += 1
            remove(index)
        case .removed:
            queues[queue].totals.removed += 1
            remove(index)
        case .dead(let target):
            queues[queue].totals.dead += 1
            die(index, in: Int(target), now)
        }
    }

    private mutating func die(_ index: Int, in queue: Int, _ now: UInt64) {
        messages[index].diedIn = queues[messages[index].queue].name
        messages[index].attempts = 0
        messages[index].liveFrom = now
        messages[index].timeToLive = 0
        messages[index].isCancelled = false
        messages[index].state = .ready
        rehome(index, to: queue)
    }

    private mutating func rehome(_ index: Int, to queue: Int) {
        let message = messages[index]
        let key = queues[queue].policy.isKeyed ? message.key : nil
        enter(queue, key)
        queues[queue].totals.published += 1
        messages[index].queue = queue
        messages[index].group = key ?? ""
        messages[index].priority = Self.priority(message.priority, queues[queue].policy, key)
        vanish(message.queue)
    }

    private mutating func purge(_ queue: Int, _ ready: Bool, _ delayed: Bool, _ now: UInt64) -> Int {
        let before = messages.count
        messages.removeAll { message in
            guard message.queue == queue else { return false }
            switch message.state {
            case .ready: return ready
            case .delayed(let until): return until <= now ? ready : delayed
            case .leased: return false
            }
        }
        queues[queue].totals.removed += UInt64(before - messages.count)
        vanish(queue)
        return before - messages.count
    }
}
