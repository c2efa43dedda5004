internal import DequeModule
internal import HeapModule
internal import SpindleLog
internal import SpindleQueue
internal import SpindleWire

// LEASE, and those who wait for it.
extension Node {
    mutating func lease(_ request: Request, _ body: RawSpan) throws(WireError) {
        let lease = try LeaseRequest(body)
        let first = try place(in: lease.queue, of: lease, request.principal)
        var others: [Waiter.Place] = []
        for name in lease.others { others.append(try place(in: name, of: lease, request.principal)) }
        guard !isDraining else { throw WireError(.goingAway, "the broker is stopping; lease again after reconnecting", retryAfterMilliseconds: 1000) }
        let waiter = Waiter(
            session: request.session, correlationID: request.correlationID, first: first, others: others,
            messagesMax: min(Int(lease.messagesMax), Self.messagesPerLeaseMax), bytesMax: min(Int(lease.bytesMax), leaseBytesMax),
            deadline: request.now + UInt64(lease.waitMilliseconds), actor: request.actor)
        let isQuiet = sessions[request.session]?.isQuiet == true
        guard leaseRoom(of: request.session) > 0 else { throw leasesOverQuota(request.session) }
        let grant = isQuiet ? .nothing : try grant(to: waiter, isNew: true, now: request.now)
        var needed: Int?
        if case .noRoom(let byteCount) = grant { needed = byteCount }
        if case .messages(let granted, let index) = grant {
            deliver(granted, to: waiter, from: index)
        } else if lease.waitMilliseconds == 0, needed == nil {
            deliver([], to: waiter)
        } else {
            for index in 0..<waiter.placeCount where waitingLeases.count(on: waiter.place(index).queue) >= WaitingLeases.perQueueMax {
                throw WireError(
                    .tooManyInFlight,
                    "\(WaitingLeases.perQueueMax) LEASEs wait on '\(state.engine.queues[Int(waiter.place(index).queue)].name)': no more are allowed",
                    retryAfterMilliseconds: 1000)
            }
            try checkWaitQuota(request, more: waiter.placeCount)
            waitingLeases.add(waiter, parkedFor: isQuiet ? .quiet : needed != nil ? .noRoom : [])
            if let needed { flow.wait(request.session, for: needed) }
            for index in 0..<waiter.placeCount { waitForRate(waiter.place(index).queue, now: request.now) }
            use(.init(requests: 1, waits: waiter.placeCount), request.session)
        }
    }

    /// A queue of the LEASE, checked.
    private func place(in name: String, of lease: LeaseRequest, _ principal: Principal) throws(WireError) -> Waiter.Place {
        try Self.allow(principal.lease, name, "lease from queue", principal)
        let queue = try queueNumber(name)
        let policy = state.engine.queues[Int(queue)].policy
        guard UInt64(lease.leaseMilliseconds) <= policy.leaseMaxMilliseconds else {
            throw WireError(
                .invalidArgument,
                "a lease of \(lease.leaseMilliseconds) ms: the queue '\(name)' allows \(policy.leaseMaxMilliseconds) ms; extend it while you work")
        }
        let asked = lease.leaseMilliseconds > 0 ? UInt64(lease.leaseMilliseconds) : policy.leaseMilliseconds
        return Waiter.Place(queue: queue, leaseMilliseconds: HeldMessages.leaseDuration(asked))
    }

    /// Bytes of records in one reply at most: the rest of the frame is for its table and the dead letters' histories.
    private var leaseBytesMax: Int { configuration.frameBytesMax - WireLimits.recordOverheadBytesMax }

    private func holder(of waiter: Waiter) -> String {
        guard let session = sessions[waiter.session] else { return "" }
        guard let actor = waiter.actor, let principal = session.principal else { return session.holder }
        return Holder.text(principal: principal.name, client: session.clientName, actor: actor)
    }

    /// Bytes of a LEASE reply that are no records: its head, and its table's line for one message.
    private static let leaseHeadBytes = 64

    /// What became of a LEASE that was looked at.
    private enum Grant {
        /// From the waiter's queue with that number in its order.
        case messages([QueueEngine.Granted], Int)
        case nothing
        /// The log can't hold the grant now.
        case logIsFull
        /// Its session has no room for the first message, which takes so many bytes.
        case noRoom(Int)
    }

    /// Leases from the first of the waiter's queues, in its order, that has a message for it. Whoever waited longer for a queue comes first there.
    private mutating func grant(to waiter: Waiter, isNew: Bool, now: UInt64) throws(WireError) -> Grant {
        for index in 0..<waiter.placeCount {
            let queue = waiter.place(index).queue
            guard isNew ? waitingLeases.count(inLineFor: queue) == 0 : waitingLeases.first(inLineFor: queue)?.number == waiter.number else { continue }
            let grant = try grant(at: index, to: waiter, now: now)
            if case .nothing = grant { continue }
            return grant
        }
        return .nothing
    }

    /// Leases what the waiter may have of one queue, as much as its session has room for, and at least one message.
    private mutating func grant(at index: Int, to waiter: Waiter, now: UInt64) throws(WireError) -> Grant {
        let (queue, leaseMilliseconds) = (waiter.place(index).queue, waiter.place(index).leaseMilliseconds)
        endTimesToLive(now: now)
        guard let first = state.engine.nextReady(in: queue, now: now) else { return .nothing }
        let allowance = outputAllowance(waiter.session)
        let needed = Int(first.byteCount) + Self.leaseHeadBytes
        guard needed <= allowance.single else { return .noRoom(needed) }
        guard log.canAppend(payloadCount: 1024 + 12 * waiter.messagesMax) else { return .logIsFull }
        beginTransaction(now: now)
        let holder = holder(of: waiter)
        let namesGroups = state.engine.queues[Int(queue)].groups.hasKeys
        let countAt = namesGroups
            ? transaction.beginGrantFromGroups(queue: queue, duration: leaseMilliseconds, holder: holder)
            : transaction.beginGrant(queue: queue, duration: leaseMilliseconds, holder: holder)
        let messagesMax = min(waiter.messagesMax, leaseRoom(of: waiter.session))
        let account = sessions[waiter.session]?.account ?? Quotas.noAccount
        var granted: [QueueEngine.Granted] = []
        var byteCount = 0
        var room = allowance.room - Self.leaseHeadBytes
        while granted.count < messagesMax, let next = state.engine.nextReady(in: queue, now: state.time) {
            byteCount += Int(next.byteCount)
            room -= Int(next.byteCount) + LeaseReplyHead.itemByteCount
            guard byteCount <= waiter.bytesMax && room >= 0 || granted.isEmpty else { break }
            guard let message = state.engine.grant(
                queue: queue, id: next.id, group: next.group, duration: leaseMilliseconds, holder: holder,
                session: waiter.session.rawValue, account: account, now: state.time)
            else {
                // A damaged checkpoint may name a message twice; the second is dropped here. Anything else would go on for ever.
                precondition(state.engine.nextReady(in: queue, now: state.time)?.id != next.id, "the next ready message can be leased")
                continue
            }
            if namesGroups { transaction.message(message.id, group: message.group) } else { transaction.writer.u64(message.id) }
            granted.append(message)
        }
        transaction.writer.patch(u32: UInt32(granted.count), at: countAt)
        _ = try appendTransaction(.grant)
        statistics.messagesDelivered += UInt64(granted.count)
        owns(waiter.session, granted.lazy.map { DeliveryToken(messageID: $0.id, epoch: $0.epoch) })
        return granted.isEmpty ? .nothing : .messages(granted, index)
    }

    private mutating func deliver(_ granted: [QueueEngine.Granted], to waiter: Waiter, from index: Int = 0) {
        var delivery = PendingReply.Delivery(leaseMilliseconds: waiter.place(index).leaseMilliseconds, messages: granted)
        delivery.deadLetterNotes = deadLetterNotes(granted)
        if !granted.isEmpty, waiter.placeCount > 1 { delivery.queueIndex = UInt16(index) }
        answer(waiter.session, waiter.correlationID, .leased(delivery))
    }

    /// The histories of those among `granted` that are dead letters, encoded: as many as the frame surely holds, and of a long
    /// one the newest attempts.
    private func deadLetterNotes(_ granted: [QueueEngine.Granted]) -> [UInt8] {
        let bytesMax = WireLimits.recordOverheadBytesMax - LeaseReplyHead.itemByteCount * Self.messagesPerLeaseMax - 256
        var notes: [UInt8] = []
        for (index, message) in granted.enumerated() {
            guard let history = state.engine.history(of: message.id), let death = history.death else { continue }
            var note = DeadLetterNote(
                itemIndex: UInt32(index), originQueue: death.originQueue, reason: death.reason, deadAtMilliseconds: death.at,
                attempts: history.attempts.map {
                    .init(
                        number: $0.number, leasedAtMilliseconds: $0.leasedAt, endedAtMilliseconds: $0.endedAt, holder: $0.holder,
                        outcome: $0.outcome == .nacked ? .nacked : .expired, reason: $0.reason)
                })
            while true {
                var writer = WireWriter(capacity: 256)
                note.encode(into: &writer)
                if notes.count + writer.count <= bytesMax {
                    notes += writer.array()
                    break
                }
                guard !note.attempts.isEmpty else { return notes }
                note.attempts.removeFirst((note.attempts.count + 1) / 2)
            }
        }
        return notes
    }

    // MARK: Waiting

    /// How many LEASEs wait on the queue.
    package func waits(on queue: String) -> Int { state.engine.number(of: queue).map { waitingLeases.count(on: $0) } ?? 0 }

    /// A message of `queue` may have become ready.
    mutating func becameReady(_ queue: UInt32) {
        guard waitingLeases.count(inLineFor: queue) > 0, queuesToServe.last != queue else { return }
        queuesToServe.append(queue)
    }

    /// Looks again when the queue's rates allow what they hold back now.
    private mutating func waitForRate(_ queue: UInt32, now: UInt64) {
        guard waitingLeases.count(inLineFor: queue) > 0, let until = state.engine.limitedUntil(queue, now: now) else { return }
        let due = max(until, now + 1)
        if let known = rateDeadlineByQueue[queue], known <= due, known > now { return }
        rateDeadlineByQueue[queue] = due
        rateDeadlines.insert(.init(deadline: due, queue: queue))
    }

    /// Queues whose rates allow another delivery are served again.
    mutating func endRateWaits(now: UInt64) {
        while let first = rateDeadlines.min, first.deadline <= now {
            rateDeadlines.removeMin()
            guard rateDeadlineByQueue[first.queue] == first.deadline else { continue }
            rateDeadlineByQueue[first.queue] = nil
            becameReady(first.queue)
        }
    }

    mutating func serveWaiters(now: UInt64) {
        guard !queuesToServe.isEmpty else { return }
        let queues = queuesToServe
        queuesToServe.removeAll(keepingCapacity: true)
        let end = work.units + UInt64(NodeWork.unitsPerTurnMax)
        for queue in queues { serve(queue, now: now, until: end) }
    }

    /// Gives what is ready to those who wait; what is left when the node has done `end` units goes on in the next turn.
    private mutating func serve(_ queue: UInt32, now: UInt64, until end: UInt64) {
        while let waiter = waitingLeases.first(inLineFor: queue) {
            guard work.units < end else {
                queuesToServe.append(queue)
                return
            }
            guard leaseRoom(of: waiter.session) > 0 else {
                // Others behind it need not wait for its principal to finish what it holds.
                waitingLeases.remove(waiter.number)
                free(.init(requests: 1, waits: waiter.placeCount), waiter.session)
                answer(waiter.session, waiter.correlationID, .refused(.lease, leasesOverQuota(waiter.session)))
                continue
            }
            // Decoding errors can't come from here, and a full log leaves the waiter where it is.
            switch (try? grant(to: waiter, isNew: false, now: now)) ?? .logIsFull {
            case .messages(let granted, let index):
                work.charge(2 + granted.count)
                waitingLeases.remove(waiter.number)
                free(.init(requests: 1, waits: waiter.placeCount), waiter.session)
                deliver(granted, to: waiter, from: index)
            case .nothing:
                waitForRate(queue, now: now)
                return
            case .logIsFull:
                retryTimersAt = now + Self.retryMilliseconds
                queuesToServe.append(queue)
                return
            case .noRoom(let needed):
                // It waits apart, and those behind it are served.
                waitingLeases.park(waiter.number, for: .noRoom)
                flow.wait(waiter.session, for: needed)
            }
        }
    }

    /// Answers the waits that end at `now` or before with no message, at most `max` at once.
    mutating func endWaits(now: UInt64, max: Int = Node.timersPerTurnMax) {
        var left = max
        while left > 0, let waiter = waitingLeases.removeNextDue(now: now) {
            left -= 1
            free(.init(requests: 1, waits: waiter.placeCount), waiter.session)
            deliver([], to: waiter)
        }
    }
}
