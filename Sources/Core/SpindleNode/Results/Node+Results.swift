internal import HeapModule
internal import SpindleLog
internal import SpindleQueue
internal import SpindleWire

// What ended messages leave behind, and AWAIT, which asks for it.
extension Node {
    /// Most bytes that the noted end of one message adds to an entry, besides its result.
    static let resultByteCountMax = 64

    /// An end that is noted in the open transaction.
    struct NotedEnd: Sendable {
        var id: UInt64
        var queue: UInt32
        var ending: ResultStore.Ending
        var expiresAt: UInt64
        /// Of its record in `resultRecords`; empty: there is none.
        var record: Range<Int>
    }

    /// In the open transaction the message `id` ended, of which the queue may want to keep the result.
    ///
    /// To be called wherever a message ends: acknowledged, dead, cancelled. It adds at most ``resultByteCountMax`` and the result's bytes
    /// to the entry, for which there must be room.
    mutating func noteEnd(_ id: UInt64, in queue: UInt32, _ ending: ResultStore.Ending, result: [UInt8] = []) {
        let retention = state.engine.queues[Int(queue)].policy.resultRetentionMilliseconds
        guard retention > 0 else { return }
        let start = resultRecords.count
        if !result.isEmpty {
            do throws(WireError) {
                try MessageRecord(body: result).encode(into: &resultRecords)
            } catch {
                preconditionFailure("a result of \(result.count) bytes makes a record: \(error.message)")
            }
        }
        notedEnds.append(NotedEnd(
            id: id, queue: queue, ending: ending, expiresAt: state.time + retention, record: start..<resultRecords.count))
    }

    /// Writes the noted ends into the transaction and their records behind what lies in `acceptedRecords`; where those begin.
    mutating func writeNotedEnds() -> Int {
        let place = acceptedRecords.count
        for end in notedEnds {
            transaction.result(
                end.id, queue: end.queue, end.ending, expiresAt: end.expiresAt, place: place + end.record.lowerBound, byteCount: end.record.count)
        }
        Self.append(resultRecords, to: &acceptedRecords)
        return place
    }

    static func append(_ records: borrowing WireWriter, to target: inout WireWriter) { target.bytes(records.span) }

    /// The transaction is in the log, its ends' records from `address` on.
    mutating func applyNotedEnds(recordsAddress address: UInt64) {
        let ends = notedEnds
        forgetNotedEnds()
        for end in ends {
            state.results.store(
                ResultStore.Result(
                    id: end.id, queue: end.queue, ending: end.ending, settledAt: state.time, expiresAt: end.expiresAt,
                    address: end.record.isEmpty ? 0 : address + UInt64(end.record.lowerBound), byteCount: UInt32(end.record.count)),
                now: state.time)
            ended(end.id)
        }
    }

    mutating func forgetNotedEnds() {
        notedEnds.removeAll(keepingCapacity: true)
        resultRecords.removeAll()
    }

    // MARK: AWAIT

    mutating func awaitMessages(_ request: Request, _ body: RawSpan) throws(WireError) {
        let asked = try AwaitRequest(body)
        try Self.allow(request.principal.publish, asked.queue, "await messages of queue", request.principal)
        let queue = try queueNumber(asked.queue)
        guard state.engine.queues[Int(queue)].policy.resultRetentionMilliseconds > 0 else {
            throw WireError(
                .invalidArgument, "the queue '\(asked.queue)' does not remember what became of its messages; declare its result retention first")
        }
        var pending: [UInt64] = []
        var seen: Set<UInt64> = []
        for id in asked.ids where seen.insert(id).inserted && isPending(id, in: queue) { pending.append(id) }
        let awaiter = Awaiter(
            session: request.session, correlationID: request.correlationID, queue: queue, ids: asked.ids, pending: pending)
        guard !pending.isEmpty, asked.waitMilliseconds > 0, !isDraining else {
            answerAwait(awaiter)
            return
        }
        guard waitingAwaits.messageCount + pending.count <= WaitingAwaits.messagesMax else {
            throw WireError(
                .tooManyInFlight, "\(waitingAwaits.messageCount) messages are awaited: at most \(WaitingAwaits.messagesMax) are allowed",
                retryAfterMilliseconds: 1000)
        }
        try checkWaitQuota(request, more: pending.count)
        waitingAwaits.add(awaiter, until: request.now + UInt64(asked.waitMilliseconds))
        use(.init(requests: 1, waits: pending.count), request.session)
    }

    /// Whether a message has yet to end.
    private func isPending(_ id: UInt64, in queue: UInt32) -> Bool {
        if let result = state.results.find(id), result.queue == queue {
            // A dead letter may have been brought back.
            guard result.ending == .dead else { return false }
        }
        return state.engine.view(id, in: queue) != nil
    }

    /// Wakes AWAITs of a message that finished, or left its queue.
    mutating func ended(_ id: UInt64) {
        for awaiter in waitingAwaits.ended(id) { finish(awaiter) }
    }

    private mutating func finish(_ awaiter: Awaiter) {
        free(.init(requests: 1, waits: awaiter.pending.count), awaiter.session)
        answerAwait(awaiter)
    }

    /// Answers the AWAITs whose wait ends at `now` or before with what is known, at most `max` at once.
    mutating func endAwaits(now: UInt64, max: Int = Node.timersPerTurnMax) {
        var left = max
        while left > 0, let awaiter = waitingAwaits.removeNextDue(now: now) {
            left -= 1
            finish(awaiter)
        }
    }

    /// Messages of `queue` have gone that left nothing behind: nobody waits for them any more.
    mutating func reviewAwaits(of queue: UInt32) {
        guard !waitingAwaits.isEmpty else { return }
        for id in waitingAwaits.messages(of: queue) where !isPending(id, in: queue) { ended(id) }
    }

    // MARK: Answering

    /// An AWAIT's reply under way: results are read piece by piece.
    struct AwaitAnswer: Sendable {
        var session: SessionID
        var correlationID: UInt32
        var items: [AwaitReply.Item]
        /// Results that have to be read, by the item's place.
        var unread: [(item: Int, range: Effect.Range)]
        /// How many of them are being read.
        var reading = 0
        /// What its session's window keeps free for the reply.
        var promisedBytes = 0

        /// Bytes of the frame that are no items.
        private static let margin = 1024

        /// Leaves out the results for which the frame has no room; they are asked for again.
        mutating func leaveOutResults(frameBytesMax: Int) {
            var room = frameBytesMax - Self.margin - AwaitReply.itemByteCount * items.count
            let all = unread
            unread = []
            for entry in all {
                if entry.range.count <= room {
                    room -= entry.range.count
                    unread.append(entry)
                } else {
                    items[entry.item].status = ItemStatus(.recordTooLarge)
                }
            }
        }
    }

    /// Answers with what has become of the messages by now, once that is durable: what becomes of them until then is not told.
    ///
    /// Sets it aside where its session has no room for all results.
    mutating func answerAwait(_ awaiter: Awaiter) {
        var answer = AwaitAnswer(session: awaiter.session, correlationID: awaiter.correlationID, items: [], unread: [])
        for id in awaiter.ids {
            guard !isPending(id, in: awaiter.queue) else {
                answer.items.append(.init(state: .pending))
                continue
            }
            guard let result = state.results.find(id), result.queue == awaiter.queue, result.expiresAt > state.time else {
                answer.items.append(.init(status: ItemStatus(.noSuchMessage), state: .unknown))
                continue
            }
            let ending: AwaitReply.State = switch result.ending {
            case .acknowledged: .acknowledged
            case .dead: .dead
            case .cancelled: .cancelled
            }
            if result.byteCount > 0 {
                answer.unread.append((answer.items.count, Effect.Range(address: result.address, count: Int(result.byteCount))))
            }
            answer.items.append(.init(state: ending, settledAtMilliseconds: result.settledAt))
        }
        answer.leaveOutResults(frameBytesMax: configuration.frameBytesMax)
        let byteCount = answer.unread.reduce(64 + AwaitReply.itemByteCount * answer.items.count) { $0 + $1.range.count }
        guard byteCount <= outputAllowance(awaiter.session).single else { return setAside(.await(awaiter), of: awaiter.session, for: byteCount) }
        if !answer.unread.isEmpty {
            answer.promisedBytes = byteCount
            flow.promise(byteCount, to: awaiter.session)
        }
        self.answer(awaiter.session, awaiter.correlationID, .awaited(answer))
    }

    mutating func readResults(_ answer: AwaitAnswer) {
        var answer = answer
        guard !answer.unread.isEmpty else {
            let reply = AwaitReply(items: answer.items)
            flow.release(answer.promisedBytes, of: answer.session)
            outbox.reply(answer.session, .await, answer.correlationID) { reply.encode(into: &$0) }
            return
        }
        var byteCount = 0
        answer.reading = answer.unread.prefix { entry in
            byteCount += entry.range.count
            return byteCount <= Self.fetchBytesMax
        }.count
        let ranges = answer.unread.prefix(answer.reading).map(\.range)
        fetch(ranges, for: .awaited(answer))
    }

    /// Results that were asked for have come; nil: they can't be read.
    mutating func resultsRead(_ answer: AwaitAnswer, bytes: RawSpan?) {
        guard sessions[answer.session] != nil else { return }
        var answer = answer
        var place = 0
        for (item, range) in answer.unread.prefix(answer.reading) {
            if let bytes, let record = try? RecordView.decode(bytes.extracting(place..<(place + range.count))) {
                answer.items[item].result = record.body
            } else {
                // How the message ended is known all the same.
                answer.items[item].status = ItemStatus(.recordDamaged)
            }
            place += range.count
        }
        answer.unread.removeFirst(answer.reading)
        readResults(answer)
    }
}
