internal import SpindleNode
internal import SpindleWire

// The administrator: pauses, purges, deletes, cancels, reschedules, redrives.
extension Simulation {
    func name(_ queue: Int, _ isDead: Bool) -> String { isDead ? "q\(queue).dead" : "q\(queue)" }

    func pause(_ queue: Int) {
        if pausedQueues.contains(queue) { return resume(queue) }
        pausedQueues.insert(queue)
        let what = 1 + random.below(3)
        let (deliveries, publishes) = (what & 1 != 0, what & 2 != 0)
        note("q\(queue) is paused:\(deliveries ? " deliveries" : "")\(publishes ? " publishes" : "")")
        send(administrator, .pause, .pause(queue: queue, deliveries: deliveries, publishes: publishes)) {
            PauseRequest(queue: name(queue, false), what: QueuePause(rawValue: UInt8(what)), reason: "simulated").encode(into: &$0)
        }
    }

    func resume(_ queue: Int) {
        pausedQueues.remove(queue)
        note("q\(queue) is resumed")
        send(administrator, .resume, .pause(queue: queue, deliveries: false, publishes: false)) {
            ResumeRequest(queue: name(queue, false)).encode(into: &$0)
        }
    }

    func purge(_ queue: Int) {
        let isDead = random.chance(1, in: 3)
        let states = random.pick([3, 3, 3, 1, 2])
        let (ready, delayed) = (states & 1 != 0, states & 2 != 0)
        note("\(name(queue, isDead)) is purged:\(ready ? " ready" : "")\(delayed ? " delayed" : "")")
        send(administrator, .purge, .purge(queue: queue, isDead: isDead, ready: ready, delayed: delayed)) {
            PurgeRequest(queue: name(queue, isDead), ready: ready, delayed: delayed).encode(into: &$0)
        }
    }

    /// Only while no producer may send anything of before once more: behind the DELETE it would be stored as new.
    func delete(_ queue: Int) {
        let isOpen = producers.contains { producer in producer.batch.map { !$0.isTopic && $0.target == queue } ?? false }
        guard !isOpen, clients[administrator].uplink.isEmpty else { return }
        note("q\(queue) is deleted, and declared again")
        for producer in producers.indices where producers[producer].answered.map({ !$0.isTopic && $0.target == queue }) ?? false {
            producers[producer].answered = nil
        }
        send(administrator, .delete, .delete(queue: queue), atOnce: true) {
            DeleteRequest(queue: name(queue, false), mode: .withMessages).encode(into: &$0)
        }
        declare(queue, atOnce: true)
    }

    /// Some messages of the queue, whose ids are known.
    func someMessages(_ queue: Int) -> [Int] {
        var tags: [Int] = []
        guard !oracle.messages.isEmpty else { return [] }
        for _ in 0..<6 {
            let reach = min(oracle.messages.count, random.chance(1, in: 2) ? 40 : oracle.messages.count)
            let tag = oracle.messages.count - 1 - random.below(reach)
            if Int(oracle.messages[tag].queue) == queue, oracle.messages[tag].id != 0, !tags.contains(tag) { tags.append(tag) }
            if tags.count == 3 { break }
        }
        return tags
    }

    func cancel(_ queue: Int) {
        let tags = someMessages(queue)
        guard !tags.isEmpty else { return }
        let isDead = random.chance(1, in: 5)
        note("\(tags) of \(name(queue, isDead)) are cancelled")
        send(administrator, .cancel, .cancel(queue: queue, isDead: isDead, tags)) {
            CancelRequest(queue: name(queue, isDead), reason: "simulated", ids: tags.map { oracle.messages[$0].id }).encode(into: &$0)
        }
    }

    func reschedule(_ queue: Int) {
        let tags = someMessages(queue)
        guard !tags.isEmpty else { return }
        let isDead = random.chance(1, in: 5)
        let delay = random.chance(1, in: 3) ? 0 : UInt64(1 + random.below(6_000))
        note("\(tags) of \(name(queue, isDead)) are rescheduled to come in \(delay) ms")
        send(administrator, .reschedule, .reschedule(queue: queue, isDead: isDead, tags, delay: delay)) {
            RescheduleRequest(queue: name(queue, isDead), delayMilliseconds: delay, ids: tags.map { oracle.messages[$0].id }).encode(into: &$0)
        }
    }

    func redrive(_ queue: Int) {
        note("dead letters of q\(queue) are redriven")
        deaths.oracle.redriven(queue)
        let max = random.chance(1, in: 2) ? 0 : UInt32(1 + random.below(5))
        let rate = random.chance(1, in: 3) ? UInt32(5 + random.below(100)) : 0
        send(administrator, .redrive, .redrive(queue: queue)) {
            RedriveRequest(queue: name(queue, true), messagesMax: max, ratePerSecond: rate).encode(into: &$0)
        }
    }

    func awaitMessages(_ queue: Int) {
        guard profile.queues[queue].resultRetention > 0 else { return }
        // Often those that somebody works on, and is soon done with.
        let held = workers[random.below(workers.count)].tokens.filter { Int(oracle.messages[$0.tag].queue) == queue && !$0.isDead }.map(\.tag)
        let tags = held.isEmpty || random.chance(1, in: 3) ? someMessages(queue) : Array(Set(held.suffix(3))).sorted()
        guard !tags.isEmpty else { return }
        let wait = random.chance(1, in: 2) ? 0 : UInt32(random.below(5_000))
        note("\(tags) of q\(queue) are awaited for \(wait) ms")
        send(administrator, .await, .awaits(queue: queue, tags)) {
            AwaitRequest(queue: name(queue, false), ids: tags.map { oracle.messages[$0].id }, waitMilliseconds: wait).encode(into: &$0)
        }
    }

    /// What was told to those who awaited messages leaves with the answer to whatever ended them, in any order.
    func judgeAwaited() {
        for (tag, item, arrival) in awaited { oracle.awaited(tag, item, arrival, now: now) }
        awaited.removeAll(keepingCapacity: true)
    }

    // MARK: Answers

    func operated(_ request: PendingRequest, _ correlation: UInt32, _ body: RawSpan) throws(WireError) {
        let at = request.arrivedAt ?? now
        switch request.kind {
        case .pause(let queue, let deliveries, let publishes):
            note("answer \(correlation): paused or resumed")
            oracle.paused(queue, deliveries: deliveries, publishes: publishes, request.arrival)
        case .purge(let queue, let isDead, let ready, let delayed):
            let removed = try RemovedReply(body).messagesRemoved
            note("answer \(correlation): \(removed) purged")
            oracle.purged(queue, isDead: isDead, ready: ready, delayed: delayed, removed: removed, at: at, now: now)
        case .delete(let queue):
            let removed = try RemovedReply(body).messagesRemoved
            note("answer \(correlation): deleted with \(removed)")
            oracle.deleted(queue, removed: removed, request.arrival, now: now)
        case .cancel(_, let isDead, let tags):
            let items = try CancelReply(body).items
            note("answer \(correlation): cancelled \(zip(tags, items).map { "\($0): \($1.status.rawValue) \($1.was)" })")
            if items.count != tags.count { oracle.fail(8, "\(items.count) answers to the CANCEL of \(tags.count)") }
            for (tag, item) in zip(tags, items) {
                oracle.cancelled(tag, isDead: isDead, isThere: item.status == .ok, wasLeased: item.was == .leased, now: now)
                if !isDead, item.status == .ok, item.was != .leased { deaths.oracle.cancelled(tag) }
            }
        case .reschedule(_, let isDead, let tags, let delay):
            let statuses = try StatusReply(body).statuses(expected: tags.count)
            note("answer \(correlation): rescheduled \(tags) \(statuses.map(\.rawValue))")
            for (tag, status) in zip(tags, statuses) {
                let outcome: Oracle.Rescheduled = status == .ok ? .done : status == ItemStatus(.conflict) ? .leased : .absent
                oracle.rescheduled(tag, isDead: isDead, outcome, delay: delay, at: at, now: now)
            }
        case .redrive(let queue):
            let job = try JobReply(body)
            note("answer \(correlation): job \(job.job), \(job.matched) so far")
            oracle.mayRedrive(queue, at: now)
        case .awaits(_, let tags):
            let items = try AwaitReply(body).items
            note("answer \(correlation): awaited \(zip(tags, items).map { "\($0): \($1.state)" })")
            if items.count != tags.count { oracle.fail(8, "\(items.count) answers to the AWAIT of \(tags.count)") }
            for (tag, item) in zip(tags, items) { awaited.append((tag, item, request.arrival)) }
        case _: break
        }
    }
}
