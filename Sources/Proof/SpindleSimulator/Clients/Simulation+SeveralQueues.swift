internal import SpindleWire

// LEASEs over several queues.
extension Simulation {
    /// Further queues for a LEASE; mostly none.
    func furtherQueues(behind first: Int) -> [Int] {
        guard features.contains(.severalQueues), !isCalm, profile.queues.count > 1, random.chance(1, in: 4) else { return [] }
        var others = profile.queues.indices.filter { $0 != first }
        if random.chance(1, in: 2) { others.reverse() }
        return Array(others.prefix(1 + random.below(others.count)))
    }

    /// The queue that a reply's messages are of.
    func queue(of head: LeaseReplyHead, _ ask: PendingRequest.LeaseAsk, _ body: RawSpan) throws(WireError) -> Int {
        var reader = WireReader(body)
        _ = try LeaseReplyHead(&reader)
        for item in head.items { _ = try reader.span(Int(item.recordByteCount), "record") }
        let index = try LeaseReplyTail(&reader).queueIndex.map(Int.init)
        guard ask.queues.count > 1, !head.items.isEmpty else {
            if index != nil { oracle.fail(8, "a LEASE reply names a queue, and nobody asked for several") }
            return ask.queues[0]
        }
        guard let index, index < ask.queues.count else {
            oracle.fail(8, "a LEASE over \(ask.queues.count) queues does not say which one gave: \(index.map { "\($0)" } ?? "none")")
            return ask.queues[0]
        }
        let isSlow = slowReaders.windowBytes < 64 << 10
        if !ask.waits, !isSlow, let sure = ask.surelyAt, index > sure {
            oracle.fail(8, "a LEASE over \(ask.queues) was given messages of q\(ask.queues[index]), and q\(ask.queues[sure]) had some")
        }
        return ask.queues[index]
    }

    /// The place of the first queue that surely has a message for the LEASE that comes now, as far as can be told.
    func surelyReadyPlace(of ask: PendingRequest.LeaseAsk, _ correlation: UInt32) -> Int? {
        // What was asked for and is not answered may have taken it.
        let isAlone = !pending.contains { $0.key != correlation && $0.value.arrivedAt != nil && $0.value.mayTakeAway }
        guard isAlone else { return nil }
        return ask.queues.firstIndex { oracle.isSurelyReady($0, at: now) }
    }
}

extension Oracle {
    /// Whether the queue has a message that was never delivered, and that nothing holds back.
    func isSurelyReady(_ number: Int, at time: UInt64) -> Bool {
        let queue = queues[number]
        guard let limits = queue.limits, limits.concurrencyMax == 0, limits.concurrencyPerGroupMax == 0, limits.ratePerSecond == 0, limits.ratePerGroup == 0,
            !queue.isOrdered, queue.lastPause == 0, queue.lastRemoval == 0
        else { return false }
        return messages.indices.contains { tag in
            let model = messages[tag]
            guard Int(model.queue) == number, model.id != 0, model.epoch == 0, model.delay == 0, model.notBefore == 0, model.lastRemoval == 0, model.lastReschedule == 0 else {
                return false
            }
            return staysHome(tag, at: time) && isSurelyNotLeased(tag, isDead: false)
        }
    }
}
