internal import SpindleWire

// What operators do to queues and messages, and what limits and times to live do by themselves.
extension Oracle {
    /// A request came to the node.
    mutating func arrived(_ request: PendingRequest.Kind, at time: UInt64) -> Arrival {
        arrivals += 1
        switch request {
        case .pause(let queue, _, _), .delete(let queue):
            if case .delete = request { queues[queue].forgetDeliveries(arrivals) }
            queues[queue].lastPause = arrivals
            queues[queue].deliveriesPausedSince = nil
            queues[queue].publishesPausedSince = nil
        case .redrive(let queue):
            queues[queue].redrivenAt = time
            queues[queue].lastRedrive = arrivals
            mayRedrive(queue, at: time)
        case .declare(let queue, let settings): queues[queue].mayDeclare(settings.limits, arrivals)
        case .declareRetention(let topic, let retention): topics.mayDeclare(retention, of: topic, arrivals)
        case _: break
        }
        return Arrival(order: arrivals, losses: losses)
    }

    // MARK: What can be known

    /// Whether the message is at home, and nothing that nobody tells of can have happened to it until `time`: neither the end of its time
    /// to live, nor of a lease at its last attempt.
    func staysHome(_ tag: Int, at time: UInt64) -> Bool {
        let model = messages[tag]
        let queue = queues[Int(model.queue)]
        guard model.fate == .home, model.settle == 0, !model.isCancelled, !model.mayBeRedriven, !model.maybeKilled else { return false }
        if case .maybe = model.lease { return false }
        if mayBeOver(tag, at: time) { return false }
        return queue.attemptsLeast == 0 || model.attemptsHigh + queue.lostLeases(after: model.lossesBefore, isDead: false) < queue.attemptsLeast
    }

    /// Whether its time to live may have ended.
    func mayBeOver(_ tag: Int, at time: UInt64) -> Bool {
        let model = messages[tag]
        var timeToLive = model.timeToLive
        if timeToLive == 0 || model.mayHaveLostTimeToLive {
            let least = queues[Int(model.queue)].timeToLiveLeast
            timeToLive = timeToLive == 0 ? least : least == 0 ? timeToLive : min(timeToLive, least)
        }
        return timeToLive > 0 && time >= model.storedFrom + timeToLive
    }

    /// Whether the message is at that place, as far as can be known.
    func isSurelyAt(_ tag: Int, isDead: Bool, at time: UInt64) -> Bool {
        guard isDead else { return staysHome(tag, at: time) }
        return messages[tag].fate == .dead && messages[tag].settle == 0 && !messages[tag].isCancelled
    }

    private func isSurelyLeased(_ tag: Int, at time: UInt64) -> Bool {
        guard case .held(let from, _) = messages[tag].lease, messages[tag].fate.isCertain else { return false }
        return time < from
    }

    func isSurelyNotLeased(_ tag: Int, isDead: Bool) -> Bool {
        guard case .over = messages[tag].lease else { return false }
        return queues[Int(messages[tag].queue)].lostLeases(after: messages[tag].lossesBefore, isDead: isDead) == 0
    }

    /// Whether a PURGE, DELETE or CANCEL without an answer may have taken the message away after `arrival`.
    func mayBeRemoved(_ tag: Int, isDead: Bool, after arrival: Arrival) -> Bool {
        let queue = queues[Int(messages[tag].queue)]
        return max(messages[tag].lastRemoval, isDead ? queue.lastDeadRemoval : queue.lastRemoval) > arrival.order
    }

    /// The same, at any time.
    func mayBeRemoved(_ tag: Int) -> Bool {
        let queue = queues[Int(messages[tag].queue)]
        return max(messages[tag].lastRemoval, queue.lastDeadRemoval, queue.lastRemoval) > 0
    }

    private func place(_ isDead: Bool) -> MessageModel.Fate { isDead ? .dead : .home }

    // MARK: PAUSE

    mutating func paused(_ queue: Int, deliveries: Bool, publishes: Bool, _ arrival: Arrival) {
        // Unless another one came meanwhile.
        guard queues[queue].lastPause == arrival.order else { return }
        queues[queue].deliveriesPausedSince = deliveries ? arrivals : nil
        queues[queue].publishesPausedSince = publishes ? arrivals : nil
    }

    // MARK: PURGE and DELETE

    /// Deduplication keys are numbered up to this one.
    static let keyMax: UInt16 = 12

    mutating func purged(_ queue: Int, isDead: Bool, ready: Bool, delayed: Bool, removed: UInt64, at time: UInt64, now: UInt64) {
        checks += 1
        var least: UInt64 = 0
        var most: UInt64 = 0
        for tag in messages.indices where mayBeAt(tag, queue, isDead: isDead, at: now) {
            if isSurelyLeased(tag, at: now), messages[tag].fate == place(isDead) { continue }
            most += 1
            if ready, delayed, isSurelyAt(tag, isDead: isDead, at: now), isSurelyNotLeased(tag, isDead: isDead) {
                least += 1
                messages[tag].fate = .gone
            } else {
                messages[tag].fate.insert(.gone)
                messages[tag].lastRemoval = arrivals
            }
        }
        if removed < least || removed > most {
            fail(8, "the purge of q\(queue)\(isDead ? ".dead" : "") removed \(removed) messages: there were \(least) at least, \(most) at most")
        }
    }

    /// Whether the message may be in that queue: what is at home, as far as was seen, may be dead by now.
    private func mayBeAt(_ tag: Int, _ queue: Int, isDead: Bool, at time: UInt64) -> Bool {
        guard Int(messages[tag].queue) == queue else { return false }
        if messages[tag].fate.contains(place(isDead)) { return true }
        return isDead && messages[tag].fate.contains(.home) && mayHaveDied(tag, at: time)
    }

    private func mayHaveDied(_ tag: Int, at time: UInt64) -> Bool {
        !staysHome(tag, at: time) && !(messages[tag].fate == .home && isSurelyLeased(tag, at: time))
    }

    mutating func maybePurged(_ queue: Int, isDead: Bool, at now: UInt64) {
        if isDead { queues[queue].lastDeadRemoval = arrivals } else { queues[queue].lastRemoval = arrivals }
        for tag in messages.indices where mayBeAt(tag, queue, isDead: isDead, at: now) { messages[tag].fate.insert(.gone) }
    }

    mutating func deleted(_ queue: Int, removed: UInt64, _ arrival: Arrival, now: UInt64) {
        checks += 1
        var least: UInt64 = 0
        var most: UInt64 = 0
        for tag in messages.indices where Int(messages[tag].queue) == queue && messages[tag].fate.contains(.home) {
            // What came behind it is in the new queue, if it was stored.
            guard messages[tag].publishedBy < arrival.order else { continue }
            most += 1
            if staysHome(tag, at: now) { least += 1 }
            if mayHaveDied(tag, at: now) {
                messages[tag].fate.insert(.dead)
                messages[tag].attemptsLow = 0
            }
            // A REDRIVE may go on.
            if !messages[tag].mayBeRedriven { messages[tag].fate.remove(.home) }
            messages[tag].fate.insert(.gone)
            messages[tag].lastRemoval = arrivals
            messages[tag].lease = messages[tag].fate == .gone ? .over : .maybe
        }
        if removed < least || removed > most {
            fail(8, "the deletion of q\(queue) removed \(removed) messages: there were \(least) at least, \(most) at most")
        }
        forgetResults(queue)
        for key in 0...Self.keyMax {
            queues[queue].holdersByKey[key]?.removeAll { messages[$0].publishedBy < arrival.order }
        }
        queues[queue].keysForgottenThrough = now
        queues[queue].leased.removeAll()
    }

    private mutating func forgetResults(_ queue: Int) {
        for tag in messages.indices where Int(messages[tag].queue) == queue { messages[tag].acknowledgedBefore = 0 }
    }

    mutating func maybeDeleted(_ queue: Int, at now: UInt64) {
        maybePurged(queue, isDead: false, at: now)
        forgetResults(queue)
        queues[queue].keysForgottenThrough = now
        for tag in messages.indices where Int(messages[tag].queue) == queue && messages[tag].fate.contains(.home) { messages[tag].lease = .maybe }
    }

    // MARK: CANCEL and RESCHEDULE

    mutating func cancelled(_ tag: Int, isDead: Bool, isThere: Bool, wasLeased: Bool, now: UInt64) {
        checks += 1
        guard isThere else {
            if isSurelyAt(tag, isDead: isDead, at: now) { fail(1, "\(name(tag)) could not be cancelled: it was not there, and nothing took it away") }
            return
        }
        checkPresent(tag, isDead: isDead, "cancelled")
        resolveSettle(tag, happened: !messages[tag].isAcknowledgedBySettle)
        if wasLeased {
            if isSurelyNotLeased(tag, isDead: isDead) { fail(8, "\(name(tag)) was leased when it was cancelled, and nobody has it") }
            messages[tag].isCancelled = true
            messages[tag].fate.insert(.gone)
        } else {
            if isSurelyLeased(tag, at: now) { fail(2, "\(name(tag)) was cancelled as one that waits, and its lease holds") }
            messages[tag].fate = .gone
            messages[tag].lease = .over
        }
    }

    private func checkPresent(_ tag: Int, isDead: Bool, _ what: StaticString) {
        if !messages[tag].fate.contains(place(isDead)), !(messages[tag].fate.contains(.home) && isDead) {
            fail(3, "\(name(tag)) was \(what), and it was gone (\(messages[tag].fate))")
        }
    }

    mutating func maybeCancelled(_ tags: [Int]) {
        for tag in tags {
            messages[tag].lastRemoval = arrivals
            if !messages[tag].fate.isDisjoint(with: .present) { messages[tag].fate.insert(.gone) }
        }
    }

    enum Rescheduled { case done, leased, absent }

    mutating func rescheduled(_ tag: Int, isDead: Bool, _ outcome: Rescheduled, delay: UInt64, at time: UInt64, now: UInt64) {
        checks += 1
        switch outcome {
        case .absent:
            if isSurelyAt(tag, isDead: isDead, at: now) { fail(1, "\(name(tag)) could not be rescheduled: it was not there, and nothing took it away") }
        case .leased:
            if isSurelyNotLeased(tag, isDead: isDead) { fail(8, "\(name(tag)) could not be rescheduled: it was leased, and nobody has it") }
        case .done:
            checkPresent(tag, isDead: isDead, "rescheduled")
            resolveSettle(tag, happened: !messages[tag].isAcknowledgedBySettle)
            if isSurelyLeased(tag, at: now) { fail(2, "\(name(tag)) was rescheduled, and its lease holds") }
            messages[tag].notBefore = delay > 0 ? time + delay : 0
            // A REDRIVE that goes on has it begin again.
            messages[tag].livesFromAtMost = messages[tag].mayBeRedriven ? .max : now + delay
        }
    }

    mutating func maybeRescheduled(_ tags: [Int]) {
        for tag in tags {
            messages[tag].lastReschedule = arrivals
            messages[tag].notBefore = 0
            messages[tag].livesFromAtMost = .max
        }
    }

    // MARK: AWAIT

    /// What was told of a message to one who awaited it.
    mutating func awaited(_ tag: Int, _ item: AwaitReply.Item, _ arrival: Arrival, now: UInt64) {
        checks += 1
        let model = messages[tag]
        let wasKnown = model.acknowledgedBefore > 0 && model.acknowledgedBefore <= arrival.order
        switch item.state {
        case .pending:
            if wasKnown { fail(3, "\(name(tag)) is told to be pending, and its ack was confirmed") }
        case .acknowledged:
            if !model.fate.contains(.gone) {
                fail(8, "\(name(tag)) is told to be acknowledged, and no ack of it was confirmed: it is \(model.fate)")
            }
            if !item.result.isEmpty, item.result != Simulation.result(tag) { fail(10, "the result of \(name(tag)) is another than was left") }
            if item.result.isEmpty, model.leftResult { fail(1, "the result of \(name(tag)) was confirmed with its ack, and is not there") }
        case .dead:
            // One that came back since the AWAIT was judged may have been dead then.
            if staysHome(tag, at: now), !model.mayHaveLostTimeToLive { fail(5, "\(name(tag)) is told to be dead, after \(model.attemptsHigh) attempts") }
        case .cancelled:
            if model.fate.isCertain { fail(8, "\(name(tag)) is told to be cancelled, and nobody did that") }
        case .unknown:
            let isKept = wasKnown && now < model.acknowledgedFrom + queues[Int(model.queue)].resultRetention
            if isKept || staysHome(tag, at: now) { fail(1, "nothing is known of \(name(tag)), which is \(model.fate)") }
        }
    }

    // MARK: REDRIVE

    /// Messages that were dead by `time` may come home.
    mutating func mayRedrive(_ queue: Int, at time: UInt64) {
        for tag in messages.indices where Int(messages[tag].queue) == queue && !messages[tag].fate.isDisjoint(with: .present) {
            if messages[tag].fate.contains(.dead) || mayHaveDied(tag, at: time) { redriven(&messages[tag]) }
        }
    }

    /// The message may be at home again.
    func redriven(_ model: inout MessageModel) {
        model.mayBeRedriven = true
        model.mayHaveLostTimeToLive = true
        model.fate.insert(.home)
        model.livesFromAtMost = .max
        model.notBefore = 0
    }

    // MARK: Limits

    /// What holds deliveries from a queue back: pauses, earlier messages of an ordered group, leases that are held, the time to live.
    mutating func checkLimits(_ tag: Int, _ delivery: Delivery) {
        guard !delivery.isDead else { return }
        let number = delivery.queue
        if let since = queues[number].deliveriesPausedSince, delivery.arrival.order > since {
            fail(8, "\(name(tag)) was delivered while deliveries were paused")
        }
        let (queue, model) = (queues[number], messages[tag])
        let timeToLive = longestTimeToLive(of: model)
        if timeToLive > 0, model.livesFromAtMost < .max, delivery.from >= model.livesFromAtMost + timeToLive, hasRoomForEnds {
            fail(8, "\(name(tag)) was delivered \(delivery.from - model.livesFromAtMost) ms after its time to live began: \(timeToLive) ms")
        }
        if model.group > 0, queue.isOrdered { checkOrder(tag, delivery) }
        queues[number].leased.removeAll { other in
            if other == tag || messages[other].fate.contains(.gone) || !messages[other].fate.contains(.home) { return true }
            guard case .held(_, let until) = messages[other].lease else { return true }
            return delivery.from >= until
        }
        guard let limits = queue.limits else { return }
        checkRates(tag, delivery, limits)
        guard limits.concurrencyMax > 0 || limits.concurrencyPerGroupMax > 0 else { return }
        guard delivery.arrival.order > queue.limitsHoldFrom else { return }
        let holders = queues[number].leased.filter { isSurelyLeased($0, at: delivery.until) && messages[$0].fate == .home }
        if limits.concurrencyMax > 0, holders.count >= limits.concurrencyMax {
            fail(2, "\(name(tag)) was delivered while \(holders.count) leases of its queue hold (\(holders)): \(limits.concurrencyMax) may")
        }
        let ofGroup = holders.filter { messages[$0].group == model.group }
        if model.group > 0, limits.concurrencyPerGroupMax > 0, ofGroup.count >= limits.concurrencyPerGroupMax {
            fail(2, "\(name(tag)) was delivered while \(ofGroup.count) leases of its group hold: \(limits.concurrencyPerGroupMax) may")
        }
    }

    /// The time to live that the message has at most; 0: it may have none.
    private func longestTimeToLive(of model: MessageModel) -> UInt64 {
        let ofQueue = queues[Int(model.queue)].timeToLiveMost
        if model.timeToLive == 0 { return ofQueue }
        return model.mayHaveLostTimeToLive ? (ofQueue == 0 ? 0 : max(ofQueue, model.timeToLive)) : model.timeToLive
    }

    /// Never more deliveries in a time than the rates allow. Those that waited are left out: when they began is not known.
    private mutating func checkRates(_ tag: Int, _ delivery: Delivery, _ limits: QueueLimits) {
        guard delivery.from == delivery.until, delivery.arrival.order > queues[delivery.queue].ratesCountFrom else { return }
        if limits.ratePerSecond > 0, let over = queues[delivery.queue].recent.add(delivery.from, perSecond: limits.ratePerSecond) {
            fail(8, "\(name(tag)) was delivered at \(delivery.from): \(over.count) since \(over.since), and its queue allows \(limits.ratePerSecond) a second")
        }
        let group = Int(messages[tag].group)
        guard group > 0, limits.ratePerGroup > 0 else { return }
        if let over = queues[delivery.queue].recentByGroup[group].add(delivery.from, perSecond: limits.ratePerGroup) {
            fail(8, "\(name(tag)) was delivered at \(delivery.from): \(over.count) of its group since \(over.since), and \(limits.ratePerGroup) a second are allowed")
        }
    }

    /// Without room in the log, times to live end later.
    var hasRoomForEnds: Bool { lackedRoomAt.map { step > $0 + 64 } ?? true }

    /// No earlier message of the group may be unsettled.
    private mutating func checkOrder(_ tag: Int, _ delivery: Delivery) {
        let group = Int(messages[tag].group)
        queues[delivery.queue].members[group].removeAll { messages[$0].fate == .gone || messages[$0].fate == .dead }
        for other in queues[delivery.queue].members[group] where other != tag && messages[other].id != 0 && messages[other].id < delivery.id {
            checks += 1
            if staysHome(other, at: delivery.until) || (messages[other].fate == .home && isSurelyLeased(other, at: delivery.until)) {
                fail(4, "\(name(tag)) was delivered before \(name(other)), which is of the same ordered group, earlier and unsettled")
            }
        }
    }
}

extension MessageModel.Fate: CustomStringConvertible {
    var description: String {
        let names: [(MessageModel.Fate, String)] = [(.absent, "absent"), (.home, "at home"), (.dead, "dead"), (.gone, "gone")]
        return names.filter { contains($0.0) }.map(\.1).joined(separator: " or ")
    }
}
