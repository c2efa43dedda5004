internal import SpindleLog
internal import SpindleQueue
internal import SpindleText
internal import SpindleWire

// ACK, NACK, EXTEND and SETTLE.
extension Node {
    /// Most tokens in one request.
    static let tokensPerRequestMax = 65_536

    /// Whether the token is of the lease that holds now and was granted to the principal, and the principal may settle it.
    private func check(_ token: DeliveryToken, _ principal: Principal) -> ItemStatus {
        var known: (queue: UInt32, isAllowed: Bool)?
        return check(token, principal, &known).status
    }

    /// The same for many: `known` is what was found out about the last one's queue.
    private func check(
        _ token: DeliveryToken, _ principal: Principal, _ known: inout (queue: UInt32, isAllowed: Bool)?
    ) -> (status: ItemStatus, queue: UInt32) {
        guard let queue = state.engine.queue(leasedBy: token.epoch, of: token.messageID),
            state.engine.isLeased(token.messageID, by: { Holder.isHolder($0, principal: principal.name) })
        else { return (ItemStatus(.leaseLost), 0) }
        if known?.queue != queue {
            let name = state.engine.queues[Int(queue)].name
            known = (queue, principal.lease.contains { $0.matches(name) })
        }
        return (known?.isAllowed == true ? .ok : ItemStatus(.permissionDenied), queue)
    }

    /// A lease of `queue` ended: where a limit held others back, they may go on.
    private mutating func leaseEnded(in queue: UInt32) {
        if waitingLeases.count(inLineFor: queue) > 0, state.engine.queues[Int(queue)].counts.ready > 0 { becameReady(queue) }
    }

    /// Room for entries that only free or move what is there: they may use the log's reserve.
    func checkReserve(_ payloadCount: Int) throws(WireError) {
        if let refusal = log.refusal(payloadCount: payloadCount) { throw Self.noRoom(refusal) }
    }

    /// How many of the first items of a request go into one entry, by what each takes at most: what a frame may carry can be more than an
    /// entry may. At least one.
    private func portion<Item>(of items: ArraySlice<Item>, beside: Int = 0, _ byteCount: (Item) -> Int) -> (count: Int, byteCount: Int) {
        var total = Self.portionOverhead + beside
        var count = 0
        for item in items {
            let more = byteCount(item)
            guard count == 0 || total + more <= min(Self.portionBytesMax, log.payloadBytesMax) else { break }
            total += more
            count += 1
        }
        return (count, total)
    }

    /// Bytes of an entry of settlements at most, where it holds more than one.
    private static let portionBytesMax = 1 << 20
    /// Of an entry besides its items.
    private static let portionOverhead = 128

    private static func checkTokenCount(_ count: Int) throws(WireError) {
        guard count > 0, count <= tokensPerRequestMax else {
            throw WireError(.invalidArgument, "\(count) tokens: 1 to \(tokensPerRequestMax) are allowed in a request")
        }
    }

    mutating func acknowledge(_ request: Request, _ body: RawSpan) throws(WireError) {
        let ack = try AckRequest(body)
        try Self.checkTokenCount(ack.tokens.count)
        var reply = StatusReply()
        var results = ack.results[...]
        var rest = ack.tokens[...]
        while !rest.isEmpty {
            let (count, byteCount) = portion(of: rest, beside: results.reduce(0) { $0 + $1.bytes.count }) { _ in 8 + Self.resultByteCountMax }
            do throws(WireError) { try checkReserve(byteCount) } catch {
                // What was done is done: the rest can be tried again.
                guard rest.startIndex > 0 else { throw error }
                for _ in rest { reply.append(ItemStatus(error.code), error) }
                break
            }
            try acknowledge(rest.prefix(count), request, &results, &reply)
            rest = rest.dropFirst(count)
        }
        count(reply)
        answer(request.session, request.correlationID, .statuses(.ack, reply))
    }

    /// Acknowledges some tokens of a request, in one entry.
    private mutating func acknowledge(
        _ tokens: ArraySlice<DeliveryToken>, _ request: Request, _ results: inout ArraySlice<AckResult>, _ reply: inout StatusReply
    ) throws(WireError) {
        beginTransaction(now: request.now)
        let countAt = transaction.beginAcknowledge()
        var done: UInt32 = 0
        var known: (queue: UInt32, isAllowed: Bool)?
        for (index, token) in zip(tokens.indices, tokens) {
            let result = Self.take(index, from: &results)
            let (status, queue) = check(token, request.principal, &known)
            reply.append(status, reply.notes.isFull ? nil : refusal(status, of: token, request.principal))
            guard status == .ok, state.engine.acknowledge(token.messageID) else { continue }
            transaction.writer.u64(token.messageID)
            forgetProgress(token.messageID)
            done += 1
            noteEnd(token.messageID, in: queue, .acknowledged, result: result)
            leaseEnded(in: queue)
        }
        if done > 0 {
            transaction.writer.patch(u32: done, at: countAt)
            _ = try appendTransaction(.settle)
            statistics.messagesAcknowledged += UInt64(done)
        } else {
            cancelTransaction()
        }
    }

    /// The result that the ack `index` leaves; they come in the order of the acks.
    private static func take(_ index: Int, from results: inout ArraySlice<AckResult>) -> [UInt8] {
        guard let first = results.first, first.index == index else { return [] }
        results.removeFirst()
        return first.bytes
    }

    private mutating func count(_ reply: StatusReply) {
        for run in reply.runs {
            if let error = run.status.error { statistics.refusals[Int(error.rawValue)] += UInt64(run.count) }
        }
    }

    mutating func negativeAcknowledge(_ request: Request, _ body: RawSpan) throws(WireError) {
        let nack = try NackRequest(body)
        try Self.checkTokenCount(nack.items.count)
        var reply = StatusReply()
        var rest = nack.items[...]
        while !rest.isEmpty {
            let endByteCountMax = endByteCountMax
            let (count, byteCount) = portion(of: rest) { 64 + 2 * endByteCountMax + 2 * $0.reason.utf8.count }
            do throws(WireError) { try checkReserve(byteCount) } catch {
                // What was done is done: the rest can be tried again.
                guard rest.startIndex > 0 else { throw error }
                for _ in rest { reply.append(ItemStatus(error.code), error) }
                break
            }
            beginTransaction(now: request.now)
            for item in rest.prefix(count) {
                let status = check(item.token, request.principal)
                reply.append(status, reply.notes.isFull ? nil : refusal(status, of: item.token, request.principal))
                guard status == .ok else { continue }
                end(item)
            }
            if transaction.isEmpty { cancelTransaction() } else { _ = try appendTransaction(.settle) }
            rest = rest.dropFirst(count)
        }
        count(reply)
        answer(request.session, request.correlationID, .statuses(.nack, reply))
    }

    /// Ends the lease of a checked item, in the open transaction.
    private mutating func end(_ item: NackItem) {
        guard let message = state.engine.held.find(item.token.messageID) else { return }
        switch item.disposition {
        case .retry:
            let next = afterFailure(message, delay: item.delayMilliseconds == NackItem.delayByPolicy ? nil : item.delayMilliseconds)
            end(message, .nacked, reason: item.reason, next: next)
        case .dead:
            end(message, .nacked, reason: item.reason, next: death(in: message.queue))
        case .release:
            end(message, .released, reason: item.reason, next: item.delayMilliseconds == NackItem.delayByPolicy || item.delayMilliseconds == 0
                ? .ready : .delayed(until: state.time + min(item.delayMilliseconds, QueuePolicy.durationMillisecondsMax)))
        }
    }

    mutating func end(_ message: HeldMessage, _ ending: QueueEngine.Ending, reason: String, next: QueueEngine.Next) {
        // Whoever ends the lease of a cancelled message removes it.
        let asked = message.isCancelled ? .removed : next
        let next = state.engine.following(message, asked)
        let reason = asked == next ? reason : QueueEngine.epochsReason
        transaction.end(message.id, ending, next: next, reason: reason)
        let ended = state.engine.end(message.id, ending, reason: reason, next: next, now: state.time)
        precondition(ended, "a lease that was found can be ended")
        forgetProgress(message.id)
        switch next {
        case .ready, .delayed: endTimeToLive(message)
        case .dead(let queue):
            noteEnd(message.id, in: message.queue, .dead, result: Array(reason.utf8))
            noteDeath(message.id, in: message.queue, attempts: message.attempts, .dead, reason: reason, next: next)
            becameReady(queue)
        case .dropped:
            noteEnd(message.id, in: message.queue, .dead, result: Array(reason.utf8))
            noteDeath(message.id, in: message.queue, attempts: message.attempts, .dead, reason: reason, next: next)
        case .removed:
            noteEnd(message.id, in: message.queue, .cancelled)
            noteDeath(message.id, in: message.queue, attempts: message.attempts, .cancelled, reason: "cancelled", next: next)
        }
        leaseEnded(in: message.queue)
    }

    /// A message that was leased while its time to live ended is judged when it comes back, in the same entry.
    private mutating func endTimeToLive(_ message: HeldMessage) {
        guard state.engine.isOver(message.id, now: state.time) else { return }
        let next = death(in: message.queue)
        let countAt = transaction.beginExpire(in: message.queue, next: next)
        transaction.message(message.id, group: message.group)
        transaction.writer.patch(u32: 1, at: countAt)
        let expired = state.engine.expire(message.id, in: message.queue, group: message.group, next: next, now: state.time)
        precondition(expired, "a message that came back can end")
        noteTimeToLiveEnd(message.id, in: message.queue, attempts: message.attempts, next: next)
        if case .dead(let queue) = next { becameReady(queue) }
    }

    mutating func noteTimeToLiveEnd(_ id: UInt64, in queue: UInt32, attempts: UInt32, next: QueueEngine.Next) {
        noteEnd(id, in: queue, .dead, result: Array(QueueEngine.timeToLiveReason.utf8))
        noteDeath(id, in: queue, attempts: attempts, .dead, reason: QueueEngine.timeToLiveReason, next: next)
    }

    /// Where a message goes whose attempt failed. `delay` nil: the queue's back-off.
    func afterFailure(_ message: HeldMessage, delay: UInt64?) -> QueueEngine.Next {
        let policy = state.engine.queues[Int(message.queue)].policy
        if policy.attemptsMax > 0, UInt64(message.attempts) >= policy.attemptsMax { return death(in: message.queue) }
        let wait = delay ?? policy.backoff(attempt: message.attempts, messageID: message.id)
        return wait == 0 ? .ready : .delayed(until: state.time + min(wait, QueuePolicy.durationMillisecondsMax))
    }

    /// Dead letters of `queue` go to its dead-letter queue, where it has one.
    func death(in queue: UInt32) -> QueueEngine.Next {
        let name = state.engine.queues[Int(queue)].policy.deadLetterQueue
        guard !name.isEmpty, let number = state.engine.number(of: name), number != queue else { return .dropped }
        return .dead(queue: number)
    }

    mutating func extend(_ request: Request, _ body: RawSpan) throws(WireError) {
        let extend = try ExtendRequest(body)
        try Self.checkTokenCount(extend.items.count)
        var reply = ExtendReply(leaseMilliseconds: extend.leaseMilliseconds, items: [])
        var shortest: UInt64?
        var rest = extend.items[...]
        while !rest.isEmpty {
            let (count, byteCount) = portion(of: rest) { _ in 32 }
            do throws(WireError) { try checkReserve(byteCount) } catch {
                // What was done is done: the rest can be tried again.
                guard rest.startIndex > 0 else { throw error }
                for _ in rest {
                    reply.notes.add(error, item: reply.items.count)
                    reply.items.append(.init(status: ItemStatus(error.code), isCancelled: false))
                }
                break
            }
            try self.extend(rest.prefix(count), request, extend.leaseMilliseconds, &shortest, &reply)
            rest = rest.dropFirst(count)
        }
        reply.leaseMilliseconds = UInt32(clamping: shortest ?? 0)
        answer(request.session, request.correlationID, .extended(reply))
    }

    /// Extends the leases of some items of a request, in one entry.
    private mutating func extend(
        _ items: ArraySlice<ExtendRequest.Item>, _ request: Request, _ leaseMilliseconds: UInt32, _ shortest: inout UInt64?, _ reply: inout ExtendReply
    ) throws(WireError) {
        beginTransaction(now: request.now)
        for item in items {
            var status = check(item.token, request.principal)
            var error = reply.notes.isFull ? nil : refusal(status, of: item.token, request.principal)
            if status == .ok, let message = state.engine.held.find(item.token.messageID) {
                let policy = state.engine.queues[Int(message.queue)].policy
                let asked = leaseMilliseconds > 0 ? UInt64(leaseMilliseconds) : policy.leaseMilliseconds
                if asked > policy.leaseMaxMilliseconds {
                    error = WireError(
                        .invalidArgument,
                        "a lease of \(asked) ms is longer than the \(policy.leaseMaxMilliseconds) ms that '\(state.engine.queues[Int(message.queue)].name)' allows")
                    status = ItemStatus(.invalidArgument)
                } else {
                    let duration = HeldMessages.leaseDuration(asked)
                    shortest = min(shortest ?? duration, duration)
                    // One operation each: items may be of queues with leases of their own.
                    let countAt = transaction.beginExtend(duration: duration)
                    transaction.writer.u64(message.id)
                    transaction.writer.patch(u32: 1, at: countAt)
                    _ = state.engine.extend(message.id, duration: duration, now: state.time)
                    own(item.token, request.session)
                    note(item)
                }
            }
            let isCancelled = status == .ok && state.engine.held.find(item.token.messageID)?.isCancelled == true
            if let error { reply.notes.add(error, item: reply.items.count) }
            reply.items.append(.init(status: status, isCancelled: isCancelled))
        }
        if transaction.isEmpty { cancelTransaction() } else { _ = try appendTransaction(.extend) }
    }

    // MARK: SETTLE

    mutating func settle(_ request: Request, _ body: RawSpan) throws(WireError) {
        let settle = try SettleRequest(body)
        if let identity = settle.identity, try answerRepeated(request, identity, groupCount: settle.groups.count) { return }
        let tokens = settle.acks + settle.nacks.map(\.token)
        guard tokens.count + settle.groups.count > 0 else { throw WireError(.invalidArgument, "the SETTLE is empty") }
        guard tokens.count <= Self.tokensPerRequestMax else {
            throw WireError(.invalidArgument, "\(tokens.count) tokens: at most \(Self.tokensPerRequestMax) are allowed in a request")
        }
        var seen: Set<UInt64> = []
        for token in tokens {
            let status = check(token, request.principal)
            guard status == .ok, seen.insert(token.messageID).inserted else {
                let why = refusal(status, of: token, request.principal)?.message ?? "message \(String(token.messageID, radix: 16)) is named twice"
                throw WireError(status.error ?? .leaseLost, "\(why); nothing of this SETTLE was done")
            }
        }
        let groups = try settleGroups(request, settle)
        if !groups.isEmpty { try checkRoom(forPublishOf: settle.body.byteCount) }
        let endByteCountMax = endByteCountMax
        let ends = (8 + Self.resultByteCountMax) * settle.acks.count + settle.results.reduce(0) { $0 + $1.bytes.count }
            + settle.nacks.reduce(0) { $0 + 64 + 2 * endByteCountMax + 2 * $1.reason.utf8.count }
        try checkReserve(256 + Self.identityByteCountMax + ends + groups.reduce(0) { $0 + 512 + $1.records.count })
        try commit(request, settle, groups)
    }

    /// Bytes of an entry that remember a SETTLE, at most.
    private static let identityByteCountMax = 32 + WireLimits.nameBytesMax + 4 * SettleRequest.groupsMax

    /// Answers a SETTLE that was done before as it was then. Returns false for one that is new.
    private mutating func answerRepeated(_ request: Request, _ identity: SettleIdentity, groupCount: Int) throws(WireError) -> Bool {
        let settler = SettlementTable.Settler(principal: request.principal.name, id: identity.settler)
        switch state.settlements.judge(settler, sequence: identity.sequence) {
        case .new: return false
        case .repeated(let firstIDs):
            guard firstIDs.count == groupCount else {
                throw WireError(
                    .conflict, "SETTLE \(identity.sequence) of this settler was another, with \(firstIDs.count) groups; give each SETTLE its own sequence")
            }
            answer(request.session, request.correlationID, .settled(SettleReply(firstIDs: firstIDs)))
            return true
        case .forgotten:
            throw WireError(
                .sequenceOutOfOrder,
                "SETTLE \(identity.sequence) is too old to tell whether it was done: at most \(SettlementTable.repliesMax) of a settler are remembered")
        }
    }

    /// A group of a SETTLE whose name and records were checked.
    struct SettleGroup {
        var target: Target
        var number: UInt32
        var isNewTopic: Bool
        var count: Int
        var records: Range<Int>
        var name: String
    }

    private func settleGroups(_ request: Request, _ settle: borrowing SettleRequest) throws(WireError) -> [SettleGroup] {
        var groups: [SettleGroup] = []
        var newTopics: [String] = []
        var earlier: [UInt32: BatchKeys] = [:]
        let messages = settle.groups.reduce(0) { $1.kind == .queue ? $0 + $1.count : $0 }
        guard state.engine.roomForMessages(messages) == messages else { throw brokerIsFull() }
        for group in settle.groups {
            let target: Target
            let number: UInt32
            var isNew = false
            switch group.kind {
            case .queue:
                try Self.allow(request.principal.publish, group.name, "publish to queue", request.principal)
                number = try queueNumber(group.name)
                try checkNotPaused(number)
                target = .queue(number)
            case .topic:
                try Self.allow(request.principal.topicPublish, group.name, "publish to topic", request.principal)
                let (found, new) = try topicTarget(group.name)
                if new, let known = newTopics.firstIndex(of: group.name) {
                    number = found + UInt32(known)
                } else {
                    number = new ? found + UInt32(newTopics.count) : found
                    if new { newTopics.append(group.name) }
                    isNew = new
                }
                target = .topic(new ? nil : found)
            }
            let records = settle.body.extracting(group.records)
            // Groups of one queue are judged together: a key of the first is known to the second, and both need room.
            var batch = BatchKeys(expands: expands(request.session))
            if case .queue = target { batch = earlier[number] ?? batch }
            let admission = try admit(
                records, count: group.count, producer: 0, firstSequence: 0, to: target, now: request.now, batch: &batch)
            if case .queue = target { earlier[number] = batch }
            if let error = admission.firstError { throw error }
            // A record whose deduplication key is known is left out; the rest of the group goes in as it is.
            guard admission.runs.allSatisfy({ $0.status == .ok }) else {
                throw WireError(.conflict, "a message for '\(group.name)' repeats a deduplication key; publish it by itself")
            }
            groups.append(SettleGroup(target: target, number: number, isNewTopic: isNew, count: group.count, records: group.records, name: group.name))
        }
        return groups
    }

    /// Everything was checked: one transaction, one entry.
    private mutating func commit(_ request: Request, _ settle: borrowing SettleRequest, _ groups: [SettleGroup]) throws(WireError) {
        beginTransaction(now: request.now)
        if !settle.acks.isEmpty {
            let countAt = transaction.beginAcknowledge()
            var results = settle.results[...]
            for (index, token) in settle.acks.enumerated() {
                let result = Self.take(index, from: &results)
                transaction.writer.u64(token.messageID)
                let queue = state.engine.queue(leasedBy: token.epoch, of: token.messageID)
                let acknowledged = state.engine.acknowledge(token.messageID)
                precondition(acknowledged, "a token that was checked can be acknowledged")
                forgetProgress(token.messageID)
                guard let queue else { continue }
                noteEnd(token.messageID, in: queue, .acknowledged, result: result)
                leaseEnded(in: queue)
            }
            transaction.writer.patch(u32: UInt32(settle.acks.count), at: countAt)
            statistics.messagesAcknowledged += UInt64(settle.acks.count)
        }
        for item in settle.nacks { end(item) }
        acceptedRecords.removeAll()
        writeNotedDeaths()
        let groupsAt = UInt64(acceptedRecords.count)
        var offsets: [Int] = []
        for group in groups {
            offsets.append(acceptedRecords.count)
            let kind: OperationKind
            switch group.target {
            case .queue: kind = .publish
            case .topic: kind = .topicPublish
            }
            if group.isNewTopic { writeTopic(group.number, name: group.name) }
            transaction.publish(
                kind, target: group.number, producer: 0, firstSequence: 0, count: group.count, offset: acceptedRecords.count,
                byteCount: group.records.count)
            acceptedRecords.bytes(settle.body.extracting(group.records))
        }
        if let identity = settle.identity { transaction.settled(identity, principal: request.principal.name, offsets: offsets) }
        var address = try appendTransactionWithAcceptedRecords(.settle) + groupsAt
        var firstIDs: [UInt64] = []
        for group in groups {
            let stored = NodeState.Stored(target: group.number, producer: 0, firstSequence: 0, count: group.count, address: address)
            let records = settle.body.extracting(group.records)
            switch group.target {
            case .queue:
                try state.store(stored, records: records)
                statistics.messagesStored += UInt64(group.count)
                becameReady(group.number)
            case .topic:
                if group.isNewTopic { declareTopic(group.name) }
                try state.storeEvents(stored, records: records)
                statistics.topicEventsStored += UInt64(group.count)
            }
            firstIDs.append(address)
            address += UInt64(group.records.count)
        }
        if let identity = settle.identity {
            let settler = SettlementTable.Settler(principal: request.principal.name, id: identity.settler)
            state.settlements.settled(settler, .init(sequence: identity.sequence, firstIDs: firstIDs))
        }
        answer(request.session, request.correlationID, .settled(SettleReply(firstIDs: firstIDs)))
    }
}
