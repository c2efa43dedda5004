import SpindleQueue

/// Random work on the engine and the model side by side, from a seed.
struct EngineRun {
    /// What differed, and after what.
    struct Difference: Error, CustomStringConvertible {
        var description: String
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    struct Chance {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
        mutating func one<T>(_ of: [T]) -> T { of[below(of.count)] }
        mutating func percent(_ share: Int) -> Bool { below(100) < share }
    }

    /// The last queue takes the dead letters of the others.
    static let queueCount = 4

    let seed: UInt64
    /// Messages stored at once at most: enough for several chunks, or few.
    let batchMax: Int
    var chance: Chance
    var engine = QueueEngine()
    var model = QueueModel()
    var now: UInt64 = 1_000_000
    var log: [(fact: Fact, now: UInt64)] = []
    /// Where the next record will lie.
    var end: UInt64 = 1000
    var isRelocated = false

    init(seed: UInt64, batchMax: Int) {
        self.seed = seed
        self.batchMax = batchMax
        chance = Chance(state: seed)
    }

    mutating func run(steps: Int) throws(Difference) {
        for number in 0..<Self.queueCount { try apply(.declare("q\(number)", policy(), UInt32(number))) }
        for _ in 0..<steps {
            try step()
            try compare()
        }
        try replay()
        try restore()
    }

    // MARK: Steps

    private mutating func step() throws(Difference) {
        let queue = UInt32(chance.below(Self.queueCount))
        switch chance.below(100) {
        case ..<24: try store(queue, count: 1)
        case ..<27: try store(queue, count: 1 + chance.below(batchMax))
        case ..<50: for _ in 0...chance.below(4) { try grant(queue) }
        case ..<62: if let message = leased() { try apply(.acknowledge(message.id)) }
        case ..<70: try endLease()
        case ..<72: if let message = leased() { try apply(.extend(message.id, duration: chance.one([1000, 50, 4096]))) }
        case ..<82: try pass(chance.one([1, 1, 7, 40, 40, 100, 300, 5000]))
        case ..<85: if let message = any() { try apply(.cancel(message.id, UInt32(message.queue), group: hint(message))) }
        case ..<89: try reschedule()
        case ..<92: try move()
        case ..<95: try relocate()
        case ..<97: try apply(.policy(queue, policy()))
        case ..<98: try apply(.pause(queue, deliveries: chance.percent(50), publishes: false))
        case 98: try rarely(queue)
        default: if chance.percent(50) { try restore() } else { try replay() }
        }
    }

    private mutating func rarely(_ queue: UInt32) throws(Difference) {
        guard chance.percent(50) else {
            try apply(.purge(queue, ready: chance.percent(70), delayed: chance.percent(70)))
            return
        }
        try apply(.delete(queue))
        try compare()
        let free = engine.freeNumbers(1)
        guard free == [queue] else { throw Difference(description: "seed \(seed): free numbers \(free), not \(queue)") }
        try apply(.declare("q\(queue)", policy(), queue))
    }

    private mutating func policy() -> QueuePolicy {
        var policy = QueuePolicy()
        policy.orderedGroups = chance.percent(30)
        policy.fairGroups = chance.percent(40)
        policy.priorities = chance.percent(80)
        policy.concurrency = chance.one([0, 0, 0, 1, 3])
        policy.concurrencyPerGroup = chance.one([0, 0, 1, 2])
        policy.ratePerSecond = chance.one([0, 0, 0, 3, 40, 1000])
        policy.ratePerSecondPerGroup = chance.one([0, 0, 2, 15, 200])
        policy.timeToLiveMilliseconds = chance.one([0, 0, 60, 2000])
        policy.delayMilliseconds = chance.one([0, 0, 0, 30])
        return policy
    }

    private mutating func store(_ queue: UInt32, count: Int) throws(Difference) {
        for _ in 0..<count {
            let byteCount = UInt32(1 + chance.below(300))
            let isPlain = chance.percent(60)
            let key = chance.one([nil, "", "a", "b", "c", "d", "e"])
            let fact = Fact.store(
                queue, id: end, byteCount: byteCount, priority: isPlain ? 4 : UInt8(chance.below(10)), delay: isPlain ? 0 : chance.one([0, 20, 500]),
                timeToLive: isPlain ? 0 : chance.one([0, 0, 90]), group: key)
            end += UInt64(byteCount) + UInt64(chance.one([0, 0, 90]))
            try apply(fact)
        }
    }

    private mutating func grant(_ queue: UInt32) throws(Difference) {
        let duration = HeldMessages.leaseDuration(chance.one([30, 300, 3000]))
        if chance.percent(3), let message = any(), message.state == .ready {
            return try apply(.grant(UInt32(message.queue), id: message.id, group: hint(message), duration: duration))
        }
        guard let next = engine.nextReady(in: queue, now: now) else { return }
        try apply(.grant(queue, id: next.id, group: next.group, duration: duration))
    }

    private mutating func endLease() throws(Difference) {
        guard let message = leased() else { return }
        let next: QueueEngine.Next = chance.one([.ready, .ready, .delayed(until: now + 25), .dropped, .removed, death(message)])
        try apply(.end(message.id, chance.one([.nacked, .expired, .released]), next))
    }

    private func death(_ message: QueueModel.Message) -> QueueEngine.Next {
        message.queue == Self.queueCount - 1 ? .dropped : .dead(queue: UInt32(Self.queueCount - 1))
    }

    private mutating func reschedule() throws(Difference) {
        guard let message = any() else { return }
        let until = chance.one([nil, now - 5, now, now + 1, now + 60, now + 400_000_000_000])
        try apply(.reschedule(message.id, UInt32(message.queue), group: hint(message), until: until))
    }

    private mutating func move() throws(Difference) {
        guard let message = any() else { return }
        let target = chance.below(Self.queueCount)
        guard target != message.queue else { return }
        try apply(.move(message.id, from: UInt32(message.queue), to: UInt32(target), group: hint(message), resets: chance.percent(50)))
    }

    private mutating func relocate() throws(Difference) {
        var relocations: [Relocation] = []
        for view in engine.stragglers(below: end, max: 1 + chance.below(batchMax)) where chance.percent(60) {
            let from = chance.percent(95) ? view.address : view.address + 1
            relocations.append(.init(id: view.id, queue: view.queue, group: chance.percent(95) ? view.group : 99, from: from, to: end))
            end += UInt64(view.byteCount)
        }
        isRelocated = true
        try apply(.relocate(relocations))
    }

    /// Time passes; what it ends is ended, as a node would do it.
    private mutating func pass(_ milliseconds: UInt64) throws(Difference) {
        now += milliseconds
        while let id = engine.expiredLease(now: now) {
            guard let index = model.index(id), case .leased(let deadline, _) = model.messages[index].state, deadline <= now else {
                throw Difference(description: "seed \(seed): the lease of \(id) is not over")
            }
            try apply(.end(id, .expired, chance.one([.ready, .delayed(until: now + 10), death(model.messages[index])])))
        }
        if chance.percent(70) {
            while let over = engine.nextOver(now: now) {
                guard let index = model.index(over.id), model.messages[index].queue == over.queue, model.isOver(model.messages[index], now: now)
                else { throw Difference(description: "seed \(seed): \(over.id) is not over") }
                try apply(.expire(over.id, over.queue, group: over.group, death(model.messages[index])))
            }
            if let left = model.messages.first(where: { !$0.isLeased && model.isOver($0, now: now) }) {
                throw Difference(description: "seed \(seed): \(left) is over and was not found")
            }
        }
        let due = Set(model.messages.filter { if case .delayed(let until) = $0.state { until <= now } else { false } }.map { UInt32($0.queue) })
        let gained = Set(engine.promote(now: now))
        model.promote(now: now)
        if gained != due { throw Difference(description: "seed \(seed): queues \(gained) gained, not \(due)") }
    }

    private mutating func leased() -> QueueModel.Message? {
        let leased = model.messages.filter(\.isLeased)
        return leased.isEmpty ? nil : chance.one(leased)
    }

    private mutating func any() -> QueueModel.Message? { model.messages.isEmpty ? nil : chance.one(model.messages) }

    /// The group in which a message is, or something else: hints may be out of date.
    private mutating func hint(_ message: QueueModel.Message) -> UInt32 {
        let known = engine.view(message.id, in: UInt32(message.queue))?.group ?? QueueEngine.noGroup
        return chance.percent(70) ? known : chance.one([QueueEngine.noGroup, 0, 1, 2])
    }

    private mutating func apply(_ fact: Fact) throws(Difference) {
        log.append((fact, now))
        let isOf = fact.apply(to: &engine, now: now)
        let shouldBe = model.apply(fact, now: now)
        if isOf != shouldBe { throw Difference(description: "seed \(seed), fact \(log.count) \(fact): '\(isOf)' instead of '\(shouldBe)'") }
    }

    // MARK: Comparing

    private func check<T: Equatable>(_ what: String, _ value: T, _ shouldBe: T) throws(Difference) {
        guard value != shouldBe else { return }
        let last = log.suffix(3).map { "\($0.fact)" }.joined(separator: "\n  ")
        throw Difference(description: "seed \(seed), after fact \(log.count) at \(now):\n  \(last)\n\(what):\n  \(value)\ninstead of\n  \(shouldBe)")
    }

    private mutating func compare() throws(Difference) {
        for queue in 0..<Self.queueCount where !model.queues[queue].isDeleted {
            let number = UInt32(queue)
            try check("counts of \(queue)", engine.queues[queue].counts, model.counts(of: queue))
            try check("totals of \(queue)", engine.queues[queue].totals, model.queues[queue].totals)
            try check("next of \(queue)", engine.nextReady(in: number, now: now)?.id, model.nextReady(in: queue, now: now)?.id)
            try check("rates of \(queue)", engine.limitedUntil(number, now: now).map { max($0, now) }, model.limitedUntil(queue, now: now))
        }
        let lowest = model.messages.map(\.address).min()
        let kept = engine.oldestLiveAddress
        try check("what the log must keep", isRelocated ? kept ?? .max <= lowest ?? .max && (kept == nil) == (lowest == nil) : kept == lowest, true)
        let deadline = engine.nextDeadline ?? .max
        try check("the next deadline \(deadline) is not late", deadline <= model.nextChange ?? .max, true)
        try compareMessages(of: chance.below(Self.queueCount))
    }

    private mutating func compareMessages(of queue: Int) throws(Difference) {
        let own = model.messages(of: queue)
        let after = own.isEmpty || chance.percent(50) ? 0 : chance.one(own).id
        let max = chance.one([1, 10, 100_000])
        let page = engine.browse(UInt32(queue), after: after, max: max)
        try check("browse of \(queue) after \(after)", page.map(words), own.filter { $0.id > after }.prefix(max).map(words))
        if let message = any() {
            let found = engine.view(message.id, in: UInt32(message.queue), group: hint(message))
            try check("view", found.map(words), words(message))
            try check("view elsewhere", engine.view(message.id, in: UInt32((message.queue + 1) % Self.queueCount)), nil)
            let history = engine.history(of: message.id)
            try check("failures of \(message.id)", history?.attempts.count ?? 0, message.failures)
            try check("death of \(message.id)", history?.death?.originQueue, message.diedIn)
        }
        let below = own.isEmpty ? end : chance.one(own).address + 1
        try check(
            "stragglers below \(below)", engine.stragglers(below: below, max: 100_000).map(\.address),
            model.messages.map(\.address).filter { $0 < below }.sorted())
    }

    private func words(_ view: MessageView) -> String {
        let state: QueueModel.State =
            switch view.state {
            case .ready: .ready
            case .delayed(let until): .delayed(until: until)
            case .leased(let lease): .leased(deadline: lease.deadline, duration: lease.duration)
            }
        let group = engine.queues[Int(view.queue)].groups.slots[Int(view.group)].key
        return "\(view.id) \(view.address) \(view.byteCount) \(view.queue) '\(group)' \(view.storedAt) \(view.priority) \(view.epoch) \(view.attempts) "
            + "\(state) \(view.isCancelled)"
    }

    private func words(_ message: QueueModel.Message) -> String {
        "\(message.id) \(message.address) \(message.byteCount) \(message.queue) '\(message.group)' \(message.storedAt) \(message.priority) "
            + "\(message.epoch) \(message.attempts) \(message.state) \(message.isCancelled)"
    }

    /// The log makes the same again, whatever was looked at in between.
    private mutating func replay() throws(Difference) {
        var again = QueueEngine()
        for (fact, now) in log { _ = fact.apply(to: &again, now: now) }
        try take(again, "replay")
    }

    /// So does a checkpoint.
    private mutating func restore() throws(Difference) {
        guard let again = engine.checkpointed() else { throw Difference(description: "seed \(seed), fact \(log.count): a checkpoint can't be restored") }
        try take(again, "checkpoint")
    }

    /// Goes on with the other one.
    private mutating func take(_ other: QueueEngine, _ what: String) throws(Difference) {
        var other = other
        _ = other.promote(now: now)
        for (a, b) in zip(other.durableState, engine.durableState) { try check(what, a, b) }
        try check(what, other.durableState.count, engine.durableState.count)
        engine = other
        try compare()
    }
}
