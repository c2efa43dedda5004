internal import DequeModule
internal import SpindleQueue
internal import SpindleWire

// CANCEL and RESCHEDULE, and what holders of cancelled messages are told.
extension Node {
    mutating func cancel(_ request: Request, _ body: RawSpan) throws(WireError) {
        let cancel = try CancelRequest(body)
        try Self.allow(request.principal.admin, cancel.queue, "cancel messages of queue", request.principal)
        let queue = try queueNumber(cancel.queue)
        try checkReserve(128 + cancel.reason.utf8.count + (12 + endByteCountMax) * cancel.ids.count)
        beginTransaction(now: request.now)
        let countAt = transaction.beginCancel(in: queue, reason: cancel.reason)
        var reply = CancelReply(items: [])
        var flagged: [MessageView] = []
        var count: UInt32 = 0
        for id in cancel.ids {
            guard let message = state.engine.view(id, in: queue), let cancelled = cancelMessage(message, reason: cancel.reason) else {
                statistics.refused(.noSuchMessage)
                reply.notes.add(noMessage(id, in: cancel.queue), item: reply.items.count)
                reply.items.append(.init(status: ItemStatus(.noSuchMessage)))
                continue
            }
            count += 1
            switch cancelled {
            case .removed(let wasDelayed): reply.items.append(.init(status: .ok, was: wasDelayed ? .delayed : .ready))
            case .flagged(let message):
                flagged.append(message)
                reply.items.append(.init(status: .ok, was: .leased))
            }
        }
        try endMessages(.cancel, count: count, at: countAt)
        tellHolders(flagged, reason: cancel.reason)
        answer(request.session, request.correlationID, .cancel) { reply.encode(into: &$0) }
    }

    /// Cancels one message that is there, in the open operation.
    mutating func cancelMessage(_ message: MessageView, reason: String) -> QueueEngine.Cancelled? {
        guard let cancelled = state.engine.cancel(message.id, in: message.queue, group: message.group, reason: reason) else { return nil }
        transaction.message(message.id, group: message.group)
        if case .removed = cancelled {
            noteEnd(message.id, in: message.queue, .cancelled)
            noteDeath(
                message.id, in: message.queue, attempts: message.attempts, .cancelled, reason: reason.isEmpty ? "cancelled" : reason, next: .removed)
        }
        statistics.messagesCancelled += 1
        // A later one of its group may have waited for it.
        becameReady(message.queue)
        return cancelled
    }

    /// Ends the one operation of a transaction over messages: nothing is logged where there were none.
    private mutating func endMessages(_ type: EntryType, count: UInt32, at countAt: Int) throws(WireError) {
        guard count > 0 else { return cancelTransaction() }
        transaction.writer.patch(u32: count, at: countAt)
        _ = try appendTransaction(type)
    }

    /// Pushes CANCELLED to the connections of those who hold the messages, once that is durable.
    mutating func tellHolders(_ flagged: [MessageView], reason: String) {
        guard !flagged.isEmpty else { return }
        for session in sessionOrder {
            guard let holder = sessions[session]?.holder, sessions[session]?.principal != nil else { continue }
            let tokens = flagged.compactMap { message -> DeliveryToken? in
                guard case .leased(let lease) = message.state,
                    lease.session == session.rawValue || Holder.isSame(lease.holder, as: holder)
                else { return nil }
                return DeliveryToken(messageID: message.id, epoch: message.epoch)
            }
            // A hint: EXTEND tells it too, and a holder that takes nothing is not sent more.
            guard !tokens.isEmpty, hasRoomForPush(session) else { continue }
            var body = WireWriter(capacity: 64 + DeliveryToken.byteCount * tokens.count)
            CancelledNotice(tokens: tokens, reason: reason).encode(into: &body)
            answer(session, 0, .pushed(.cancelled, body.array()))
        }
    }

    mutating func reschedule(_ request: Request, _ body: RawSpan) throws(WireError) {
        let reschedule = try RescheduleRequest(body)
        try Self.allow(request.principal.admin, reschedule.queue, "reschedule messages of queue", request.principal)
        let queue = try queueNumber(reschedule.queue)
        try checkReserve(128 + 12 * reschedule.ids.count)
        beginTransaction(now: request.now)
        let until = rescheduledUntil(delay: reschedule.delayMilliseconds)
        let countAt = transaction.beginReschedule(in: queue, until: until)
        var reply = StatusReply()
        var count: UInt32 = 0
        for id in reschedule.ids {
            let refusal = rescheduled(id, in: queue, until: until)
            if refusal == nil { count += 1 }
            reply.append(refusal.map { ItemStatus($0.code) } ?? .ok, refusal)
        }
        for run in reply.runs {
            if let error = run.status.error { statistics.refusals[Int(error.rawValue)] += UInt64(run.count) }
        }
        try endMessages(.reschedule, count: count, at: countAt)
        answer(request.session, request.correlationID, .statuses(.reschedule, reply))
    }

    private func noMessage(_ id: UInt64, in queue: String) -> WireError {
        WireError(.noSuchMessage, "'\(queue)' has no message \(String(id, radix: 16)): it ended, or never was here")
    }

    /// Reschedules a message, in the open operation; why not.
    private mutating func rescheduled(_ id: UInt64, in queue: UInt32, until: UInt64?) -> WireError? {
        guard let message = state.engine.view(id, in: queue) else { return noMessage(id, in: state.engine.queues[Int(queue)].name) }
        if case .leased(let lease) = message.state {
            let left = lease.deadline > state.time ? lease.deadline - state.time : 0
            return WireError(
                .conflict, "message \(String(id, radix: 16)) is leased by '\(lease.holder)' for another \(left) ms; cancel it, or wait",
                retryAfterMilliseconds: UInt32(clamping: left))
        }
        // Found, and not leased: it can be.
        return rescheduleMessage(message, until: until) ? nil : noMessage(id, in: state.engine.queues[Int(queue)].name)
    }

    /// When messages become ready that are rescheduled now; nil: at once.
    func rescheduledUntil(delay: UInt64) -> UInt64? {
        delay == 0 ? nil : state.time + min(delay, QueuePolicy.durationMillisecondsMax)
    }

    /// Reschedules one message that is there, in the open operation. False where it is leased.
    mutating func rescheduleMessage(_ message: MessageView, until: UInt64?) -> Bool {
        if case .leased = message.state { return false }
        guard state.engine.reschedule(message.id, in: message.queue, group: message.group, until: until, now: state.time) else { return false }
        transaction.message(message.id, group: message.group)
        becameReady(message.queue)
        return true
    }
}
