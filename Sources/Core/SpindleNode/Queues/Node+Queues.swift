internal import DequeModule
internal import SpindleQueue
import SpindleText
package import SpindleWire

// DECLARE and STATS.
extension Node {
    mutating func declare(_ request: Request, _ body: RawSpan) throws(WireError) {
        let declare = try DeclareRequest(body)
        try Self.allow(request.principal.admin, declare.queue, "declare queue", request.principal)
        let outcome = try declareQueue(declare.queue, declare.policy, by: request.principal, now: request.now)
        answer(request.session, request.correlationID, .declared(DeclareReply(outcome: outcome)))
    }

    /// Declares a queue of the configuration; the same rules as DECLARE, except that the operator may route dead letters anywhere.
    @discardableResult
    package mutating func declareFromConfiguration(
        queue: String, policy: QueuePolicyFields, now: UInt64
    ) throws(WireError) -> DeclareReply.Outcome {
        try declareQueue(queue, policy, by: nil, now: now)
    }

    /// A setting that a declaration changes.
    package struct PolicyChange: Equatable, Sendable {
        package var setting: PolicySetting
        package var before: String
        package var after: String
    }

    /// What ``declareFromConfiguration(queue:policy:now:)`` would change in a queue that exists.
    package func changes(by fields: QueuePolicyFields, of queue: String) -> [PolicyChange] {
        guard let number = state.engine.number(of: queue) else { return [] }
        let current = state.engine.queues[Int(number)].policy.fields
        return PolicySetting.allCases.compactMap { setting in
            guard let after = fields.text(of: setting) else { return nil }
            let before = current.text(of: setting) ?? ""
            return before.hasSameBytes(as: after) ? nil : PolicyChange(setting: setting, before: before, after: after)
        }
    }

    /// `principal` nil: the configuration.
    private mutating func declareQueue(
        _ name: String, _ fields: QueuePolicyFields, by principal: Principal?, now: UInt64
    ) throws(WireError) -> DeclareReply.Outcome {
        try Self.checkName(name, "queue")
        let known = state.engine.number(of: name)
        let defaults = configuration.newQueues
        let base = if let known { state.engine.queues[Int(known)].policy } else { try QueuePolicy().applying(defaults.policy) }
        var policy = try base.applying(fields)
        if known == nil, fields.deadLetterQueue == nil { policy.deadLetterQueue = defaults.deadLetterQueue(of: name) }
        if let known, state.engine.queues[Int(known)].policy == policy { return .unchanged }
        let deadLetters = policy.deadLetterQueue
        let needsDeadLetters = !deadLetters.isEmpty && state.engine.number(of: deadLetters) == nil && deadLetters != name
        if needsDeadLetters { try Self.checkName(deadLetters, "queue") }
        guard deadLetters != name else { throw WireError(.invalidArgument, "the queue '\(name)' can't be its own dead-letter queue") }
        let before = known.map { state.engine.queues[Int($0)].policy.deadLetterQueue }
        if before != deadLetters { try checkRouteEnds(from: name, to: deadLetters) }
        if let principal, before != deadLetters || needsDeadLetters {
            try Self.allowRoute(to: deadLetters, from: name, isNew: needsDeadLetters, principal)
        }
        let added = (known == nil ? 1 : 0) + (needsDeadLetters ? 1 : 0)
        let queuesMax = min(configuration.queuesMax, state.engine.limits.queues)
        guard state.engine.count + added <= queuesMax else {
            throw WireError(.invalidArgument, "there are \(state.engine.count) queues: at most \(queuesMax) are allowed")
        }
        let topic = try deadLetterTopic(policy.deadLetterTopic, before: known.map { state.engine.queues[Int($0)].policy.deadLetterTopic }, queue: name, principal)
        var deadPolicy = try QueuePolicy().applying(defaults.policy)
        // It collects deaths, and tells of its own only where that is said of it.
        deadPolicy.deadLetterTopic = ""
        deadPolicy = try deadPolicy.applying(defaults.deadLetterPolicy)
        try checkRoom(forPublishOf: 2048)
        beginTransaction(now: now)
        let numbers = state.engine.freeNumbers(2)
        let number = known ?? numbers[0]
        let deadNumber = numbers[known == nil ? 1 : 0]
        if let topic { writeTopic(topic, name: policy.deadLetterTopic) }
        transaction.declare(queue: number, name: name, policy: policy.fields)
        if needsDeadLetters {
            transaction.declare(queue: deadNumber, name: deadLetters, policy: deadPolicy.fields)
        }
        _ = try appendTransaction(.declare)
        if topic != nil { declareTopic(policy.deadLetterTopic) }
        try state.declare(number, name: name, policy: policy)
        queueNames.insert(name)
        if needsDeadLetters {
            try state.declare(deadNumber, name: deadLetters, policy: deadPolicy)
            queueNames.insert(deadLetters)
        }
        while duplicates.count < state.engine.queues.count { duplicates.append(0) }
        for number in [number, deadNumber] where Int(number) < duplicates.count {
            // Another queue may have had this number.
            if known != number, state.engine.queues[Int(number)].totals.published == 0 { duplicates[Int(number)] = 0 }
        }
        // Limits may have been raised, or a rate lifted.
        becameReady(number)
        return known == nil ? .created : .changed
    }

    /// Dead letters must not come back: with times to live they would go round for ever.
    private func checkRouteEnds(from name: String, to target: String) throws(WireError) {
        var passed = [name]
        var next = target
        // A round that an earlier version let in does not pass through this queue.
        while passed.count <= state.engine.count, !next.isEmpty {
            guard !next.hasSameBytes(as: name) else {
                throw WireError(
                    .invalidArgument,
                    "dead letters of '\(name)' would come back to it by way of \(passed.dropFirst().map { "'\($0)'" }.joined(separator: ", ")); name another dead-letter queue, or none (\"\")")
            }
            passed.append(next)
            next = state.engine.number(of: next).map { state.engine.queues[Int($0)].policy.deadLetterQueue } ?? ""
        }
    }

    /// Whoever names where dead letters go sends them there: each message that dies is published by that principal's word. So the right to
    /// publish is judged here, once, and not when a message dies, where nobody asks. `isNew`: the queue would be made by this.
    private static func allowRoute(to target: String, from queue: String, isNew: Bool, _ principal: Principal) throws(WireError) {
        guard !target.isEmpty else { return }
        guard principal.publish.contains(where: { $0.matches(target) }) else {
            throw WireError(
                .permissionDenied,
                "'\(principal.name)' may not publish to '\(target)', so dead letters of '\(queue)' can't go there; name another dead-letter queue, none (\"\"), or ask for the permission in the broker's configuration")
        }
        guard !isNew || principal.admin.contains(where: { $0.matches(target) }) else {
            throw WireError(
                .permissionDenied,
                "'\(principal.name)' may not declare '\(target)', the dead-letter queue of '\(queue)' that is not there yet; let an operator declare it first, or name another")
        }
    }

    /// The number of the dead-letter topic that has yet to be made; nil: there is none, or it exists. Whoever names the topic publishes to it
    /// with each message that dies, so the right to do so is judged here.
    private func deadLetterTopic(_ name: String, before: String?, queue: String, _ principal: Principal?) throws(WireError) -> UInt32? {
        guard !name.isEmpty else { return nil }
        if before != name, let principal, !principal.topicPublish.contains(where: { $0.matches(name) }) {
            throw WireError(
                .permissionDenied,
                "'\(principal.name)' may not publish to topic '\(name)', so it can't be told of dead letters of '\(queue)'; name another topic, none (\"\"), or ask for the permission in the broker's configuration")
        }
        let (number, isNew) = try topicTarget(name)
        return isNew ? number : nil
    }

    /// A STATS under way: it goes over the names in order.
    struct StatsWalk: Sendable {
        var session: SessionID
        var correlationID: UInt32
        /// Queues that its principal may look at.
        var allowed: [NamePattern]
        var pattern: NamePattern
        var max: Int
        /// The last name that was looked at.
        var cursor: String
        /// Bytes that the reply has left.
        var room: Int
        var reply = StatsReply(queues: [], moreFollow: false)
    }

    /// Units of one queue's figures, and of a name that is passed over.
    private static let unitsPerStatsRow = 8
    /// Bytes of a STATS reply that are no queues.
    private static let statsMargin = 256

    mutating func stats(_ request: Request, _ body: RawSpan) throws(WireError) {
        let stats = try StatsRequest(body)
        continueStats(
            StatsWalk(
                session: request.session, correlationID: request.correlationID, allowed: request.principal.read + request.principal.admin,
                pattern: NamePattern(stats.pattern), max: min(Int(stats.max), WireLimits.queuesPerReplyMax), cursor: stats.after,
                room: pageBytesMax(request.session) - Self.statsMargin),
            now: request.now)
    }

    /// Goes on until the reply is full or there are no more names; waits for the next turn where that takes too long.
    mutating func continueStats(_ walk: StatsWalk, now: UInt64) {
        var walk = walk
        var units = 0
        var place = queueNames.place(behind: walk.cursor)
        while place < queueNames.names.count {
            guard units < NodeWork.unitsPerStepMax else {
                work.charge(units)
                return wait(.stats(walk))
            }
            let name = queueNames.names[place]
            place += 1
            units += 1
            walk.cursor = name
            guard walk.pattern.matches(name), walk.allowed.contains(where: { $0.matches(name) }) else { continue }
            guard walk.reply.queues.count < walk.max else {
                walk.reply.moreFollow = true
                break
            }
            guard let number = state.engine.number(of: name) else { continue }
            let statistics = queueStatistics(number, now: now)
            walk.room -= statistics.byteCountMax
            guard walk.room >= 0 || walk.reply.queues.isEmpty else {
                walk.reply.moreFollow = true
                break
            }
            walk.reply.queues.append(statistics)
            units += Self.unitsPerStatsRow
        }
        work.charge(units)
        let reply = walk.reply
        outbox.reply(walk.session, .stats, walk.correlationID) { reply.encode(into: &$0) }
    }

    /// All queues' figures, by number.
    package mutating func queueStatistics(now: UInt64) -> [StatsReply.Queue] {
        var all: [StatsReply.Queue] = []
        for number in state.engine.queues.indices where !state.engine.queues[number].isDeleted {
            all.append(queueStatistics(UInt32(number), now: now))
        }
        return all
    }

    private mutating func queueStatistics(_ number: UInt32, now: UInt64) -> StatsReply.Queue {
        // Before the queue is looked at: it changes the queue's index, which would be copied while somebody holds it.
        let oldestAge = state.engine.oldestAge(of: number, now: now)
        let queue = state.engine.queues[Int(number)]
        var stats = StatsReply.Queue(name: queue.name)
        stats.ready = queue.counts.ready
        stats.leased = queue.counts.leased
        stats.delayed = queue.counts.delayed
        stats.bytes = queue.counts.bytes
        stats.oldestAgeMilliseconds = oldestAge
        stats.published = queue.totals.published
        stats.delivered = queue.totals.delivered
        stats.acknowledged = queue.totals.acknowledged
        stats.nacked = queue.totals.nacked
        stats.expired = queue.totals.expired
        stats.dead = queue.totals.dead
        stats.duplicates = duplicates[Int(number)]
        stats.waiters = UInt64(waitingLeases.count(inLineFor: number))
        stats.paused = (queue.pause.deliveries ? 1 : 0) | (queue.pause.publishes ? 2 : 0)
        stats.pauseReason = queue.pause.reason
        stats.policy = queue.policy.fields
        return stats
    }
}
