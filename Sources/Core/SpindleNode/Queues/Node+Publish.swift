internal import SpindleLog
internal import SpindleQueue
internal import SpindleText
internal import SpindleWire

// PUBLISH and TOPIC_PUBLISH.
extension Node {
    /// What was decided about the items of a batch.
    struct Admission {
        /// Records that are taken, one run where nothing between was refused.
        struct Piece {
            var firstIndex: Int
            var count: Int
            /// Where they lie in the request's records.
            var range: Range<Int>
        }

        var pieces: [Piece] = []
        /// The reply, with each stored run's `firstID` still its place in the stored records.
        var runs: [PublishReply.Run] = []
        var notes = ItemNotes()
        var firstError: WireError?
        var acceptedBytes = 0
        var acceptedCount = 0
        /// Messages for which the broker has room.
        var room = Int.max

        mutating func accept(index: Int, range: Range<Int>) {
            let place = UInt64(acceptedBytes)
            acceptedBytes += range.count
            acceptedCount += 1
            if let last = pieces.last, last.firstIndex + last.count == index {
                pieces[pieces.count - 1].count += 1
                pieces[pieces.count - 1].range = last.range.lowerBound..<range.upperBound
                runs[runs.count - 1].count += 1
            } else {
                pieces.append(Piece(firstIndex: index, count: 1, range: range))
                runs.append(.init(status: .ok, count: 1, firstID: place))
            }
        }

        /// `follows`: the id is the one before plus the length of its record.
        mutating func duplicate(id: UInt64, follows: Bool) {
            if follows, let last = runs.last, last.status == .duplicate {
                runs[runs.count - 1].count += 1
            } else {
                runs.append(.init(status: .duplicate, count: 1, firstID: id))
            }
        }

        mutating func refuse(_ error: WireError, index: Int) {
            if firstError == nil { firstError = error }
            notes.add(error, item: index)
            let status = ItemStatus(error.code)
            if let last = runs.last, last.status == status { runs[runs.count - 1].count += 1 } else { runs.append(.init(status: status, count: 1, firstID: 0)) }
        }

        /// The reply, once it is known where the stored records lie.
        func reply(recordsAddress: UInt64) -> [PublishReply.Run] {
            runs.map { run in
                var run = run
                if run.status == .ok { run.firstID += recordsAddress }
                return run
            }
        }
    }

    mutating func publish(_ request: Request, _ body: RawSpan) throws(WireError) {
        guard !isDraining else { throw WireError(.goingAway, "the broker is stopping; publish again after reconnecting", retryAfterMilliseconds: 1000) }
        let batch = try PublishRequest(body)
        let queue = try publishTarget(request, batch.queue)
        try checkNotPaused(queue)
        try checkRoom(forPublishOf: batch.records.byteCount)
        var keys = BatchKeys(expands: expands(request.session))
        let admission = try admit(
            batch.records, count: batch.count, producer: batch.producerID, firstSequence: batch.firstSequence, to: .queue(queue), now: request.now,
            batch: &keys)
        for run in admission.runs where run.status == .duplicate { duplicates[Int(queue)] += UInt64(run.count) }
        guard !admission.pieces.isEmpty else {
            answer(request.session, request.correlationID, .publishedItems(PublishReply(runs: admission.runs, notes: admission.notes)))
            return
        }
        beginTransaction(now: request.now)
        writePublish(.publish, target: queue, admission, batch)
        let address = try appendRecords(.publish, admission, batch.records)
        try apply(.publish, target: queue, admission, batch, address: address)
        let runs = admission.reply(recordsAddress: address)
        answer(request.session, request.correlationID, runs.count == 1 ? .published(runs[0]) : .publishedItems(PublishReply(runs: runs, notes: admission.notes)))
        becameReady(queue)
    }

    mutating func topicPublish(_ request: Request, _ body: RawSpan) throws(WireError) {
        guard !isDraining else { throw WireError(.goingAway, "the broker is stopping; publish again after reconnecting", retryAfterMilliseconds: 1000) }
        let batch = try PublishRequest(body)
        try Self.allow(request.principal.topicPublish, batch.queue, "publish to topic", request.principal)
        try checkRoom(forPublishOf: batch.records.byteCount)
        let (topic, isNew) = try topicTarget(batch.queue)
        var keys = BatchKeys(expands: expands(request.session))
        let admission = try admit(
            batch.records, count: batch.count, producer: batch.producerID, firstSequence: batch.firstSequence, to: .topic(isNew ? nil : topic),
            now: request.now, batch: &keys)
        guard !admission.pieces.isEmpty else {
            answer(request.session, request.correlationID, .topicPublished(TopicPublishReply(epoch: epoch, runs: admission.runs, notes: admission.notes)))
            return
        }
        beginTransaction(now: request.now)
        if isNew { writeTopic(topic, name: batch.queue) }
        writePublish(.topicPublish, target: topic, admission, batch)
        let address = try appendRecords(.topicPublish, admission, batch.records)
        if isNew { declareTopic(batch.queue) }
        try apply(.topicPublish, target: topic, admission, batch, address: address)
        answer(
            request.session, request.correlationID,
            .topicPublished(TopicPublishReply(epoch: epoch, runs: admission.reply(recordsAddress: address), notes: admission.notes)))
    }

    private mutating func publishTarget(_ request: Request, _ name: String) throws(WireError) -> UInt32 {
        // The queue may have been deleted since, and its number given to another.
        if let last = sessions[request.session]?.lastPublishQueue, last.name == name, state.engine.queues[Int(last.number)].name == name {
            return last.number
        }
        try Self.allow(request.principal.publish, name, "publish to queue", request.principal)
        let number = try queueNumber(name)
        sessions[request.session]?.lastPublishQueue = (name, number)
        return number
    }

    /// The topic's number, and whether it is new: then it is the next one, and not declared yet.
    func topicTarget(_ name: String) throws(WireError) -> (number: UInt32, isNew: Bool) {
        if let number = state.topics.number(of: name) { return (number, false) }
        try Self.checkName(name, "topic")
        let topicsMax = min(configuration.topicsMax, state.topics.limits.topics)
        guard state.topics.topics.count < topicsMax else {
            throw WireError(.invalidArgument, "there are \(topicsMax) topics: no more are allowed")
        }
        return (UInt32(state.topics.topics.count), true)
    }

    func checkRoom(forPublishOf byteCount: Int) throws(WireError) {
        switch log.roomForPublish(payloadCount: byteCount + transaction.writer.count + 256) {
        case .available, .preparing: return
        case .full:
            throw WireError(
                .noSpace, "the broker's disk is full: publishes are refused until messages are worked off or space is freed",
                retryAfterMilliseconds: 1000)
        }
    }

    enum Target {
        case queue(UInt32)
        /// nil: a topic that is not declared yet.
        case topic(UInt32?)
    }

    /// Judges every record of a batch. Throws only where the batch can't be taken apart. `batch`: what of the request was judged before for
    /// the same target; this one is added.
    func admit(
        _ records: RawSpan, count: Int, producer: UInt64, firstSequence: UInt64, to target: Target, now: UInt64, batch keys: inout BatchKeys
    ) throws(WireError) -> Admission {
        guard producer == 0 || firstSequence <= UInt64.max - UInt64(count) else {
            throw WireError(.invalidArgument, "the sequence \(firstSequence) is too large")
        }
        var admission = Admission()
        if case .queue = target { admission.room = state.engine.roomForMessages(keys.acceptedCount + count) - keys.acceptedCount }
        var offset = 0
        var duplicateEnd: UInt64? // id that follows a duplicate by its length
        for index in 0..<count {
            let length = try RecordView.length(in: records, at: offset)
            let range = offset..<(offset + length)
            offset += length
            switch verdict(target, producer: producer, sequence: firstSequence &+ UInt64(index)) {
            case .duplicate(let firstID, let isFirst):
                let id = isFirst ? firstID : duplicateEnd ?? 0
                admission.duplicate(id: id, follows: !isFirst && duplicateEnd != nil)
                duplicateEnd = id == 0 ? nil : id + UInt64(length)
                continue
            case .forgotten:
                admission.refuse(WireError(.sequenceOutOfOrder, "sequence \(firstSequence &+ UInt64(index)) is older than what the broker remembers of this producer"), index: index)
            case .new:
                judge(records, range, index: index, target, now: now, keys: &keys, &admission)
            }
            duplicateEnd = nil
        }
        guard offset == records.byteCount else {
            throw .malformed("the \(count) records take \(offset) bytes of the \(records.byteCount) announced")
        }
        keys.acceptedBytes += admission.acceptedBytes
        keys.acceptedCount += admission.acceptedCount
        return admission
    }

    /// What a request holds for one target: deduplication keys, and what was accepted of its earlier groups.
    struct BatchKeys {
        /// The client may send compressed bodies.
        let expands: Bool
        var seen: Set<ByteText> = []
        var acceptedBytes = 0
        var acceptedCount = 0
        /// Bytes of the keys that are new.
        var keyBytes = 0
        /// Records that may begin a group each.
        var groupsBegun = 0

        init(expands: Bool) { self.expands = expands }

        mutating func accept(_ attributes: RecordAttributes, remembers: Bool) {
            if attributes.group != nil { groupsBegun += 1 }
            guard remembers, let key = attributes.deduplicationKey, seen.insert(ByteText(key)).inserted else { return }
            keyBytes += key.utf8.count
        }
    }

    private func verdict(_ target: Target, producer: UInt64, sequence: UInt64) -> ProducerTable.Verdict {
        guard producer != 0 else { return .new }
        switch target {
        case .queue(let queue): return state.engine.queues[Int(queue)].producers.judge(producer: producer, sequence: sequence)
        case .topic(let topic?): return state.topics.topics[Int(topic)].producers.judge(producer: producer, sequence: sequence)
        case .topic(nil): return .new
        }
    }

    private func judge(
        _ records: RawSpan, _ range: Range<Int>, index: Int, _ target: Target, now: UInt64, keys: inout BatchKeys, _ admission: inout Admission
    ) {
        do throws(WireError) {
            let attributes = try RecordView.attributes(of: records.extracting(range))
            guard range.count <= configuration.frameBytesMax - Self.recordFrameMargin else {
                throw WireError(.recordTooLarge, "the record takes \(range.count) bytes: at most \(configuration.frameBytesMax - Self.recordFrameMargin) are allowed")
            }
            guard keys.expands || !attributes.isCompressed else {
                throw WireError(
                    .recordCompressed, "the body is compressed, and this connection declined LZ4: connect with capability bit 0, or publish it plain")
            }
            guard case .queue(let number) = target else {
                admission.accept(index: index, range: range)
                return
            }
            // Fields of the queue are reached in place: a copy of its state for each record would cost more than the rest.
            let queue = Int(number)
            if let key = attributes.deduplicationKey {
                let window = state.engine.queues[queue].policy.deduplicationWindowMilliseconds
                if let id = state.engine.queues[queue].deduplication.find(key, now: now, window: window) {
                    admission.duplicate(id: id, follows: false)
                    return
                }
                guard window == 0 || !keys.seen.contains(ByteText(key)) else {
                    admission.duplicate(id: 0, follows: false)
                    return
                }
            }
            try checkLimits(number, attributes, now: now, keys, admission)
            guard hasRoom(queue, more: range.count, admission, after: keys) else { throw queueIsFull(queue, admission, after: keys) }
            keys.accept(attributes, remembers: state.engine.queues[queue].policy.deduplicationWindowMilliseconds > 0)
            admission.accept(index: index, range: range)
        } catch {
            admission.refuse(error, index: index)
        }
    }

    /// When to publish again to a queue that is full, milliseconds; a workers' pause lasts longer than a burst.
    private static let fullRetryMilliseconds: UInt32 = 1_000
    private static let pausedRetryMilliseconds: UInt32 = 10_000

    /// How full, of what, and when to try again.
    private func queueIsFull(_ index: Int, _ admission: Admission, after earlier: BatchKeys) -> WireError {
        let queue = state.engine.queues[index]
        // With what of this request is taken.
        let length = queue.counts.length + UInt64(earlier.acceptedCount + admission.acceptedCount)
        let bytes = queue.counts.bytes + UInt64(earlier.acceptedBytes + admission.acceptedBytes)
        var held: [String] = []
        if queue.policy.lengthMax > 0 { held.append("\(length) of at most \(queue.policy.lengthMax) messages") }
        if queue.policy.bytesMax > 0 { held.append("\(bytes) of at most \(queue.policy.bytesMax) bytes") }
        let isPaused = queue.pause.deliveries
        let advice = isPaused ? "its deliveries are paused, so none leaves it: resume them" : "publish again when workers have taken some, or raise the limit"
        return WireError(
            .queueFull, "the queue '\(queue.name)' is full: it holds \(held.joined(separator: " and ")); \(advice)",
            retryAfterMilliseconds: isPaused ? Self.pausedRetryMilliseconds : Self.fullRetryMilliseconds)
    }

    func brokerIsFull() -> WireError {
        WireError(
            .queueFull, "the broker holds \(state.engine.limits.messages) messages, the most it can: let workers drain its queues",
            retryAfterMilliseconds: Self.fullRetryMilliseconds)
    }

    /// Refuses a record that would take the state beyond what a checkpoint can hold.
    private func checkLimits(
        _ queue: UInt32, _ attributes: RecordAttributes, now: UInt64, _ keys: BatchKeys, _ admission: Admission
    ) throws(WireError) {
        let limits = state.engine.limits
        guard admission.acceptedCount < admission.room else { throw brokerIsFull() }
        if let group = attributes.group, !state.engine.hasRoom(forGroup: group, in: queue, begun: keys.groupsBegun) {
            throw WireError(
                .queueFull,
                "the queue '\(state.engine.queues[Int(queue)].name)' has messages of \(limits.groupsPerQueue) groups: none of a further group is taken",
                retryAfterMilliseconds: Self.fullRetryMilliseconds)
        }
        guard let key = attributes.deduplicationKey, state.engine.queues[Int(queue)].policy.deduplicationWindowMilliseconds > 0 else { return }
        let hasRoom = state.engine.hasRoom(forKeyOf: key.utf8.count, beside: keys.seen.count, keys.keyBytes, in: queue, now: now)
        guard hasRoom else {
            throw WireError(
                .queueFull,
                "the queue '\(state.engine.queues[Int(queue)].name)' remembers as many deduplication keys as it can (\(limits.keysPerQueue), "
                    + "\(limits.keyBytesPerQueue) bytes): publish again when the first of them has expired, or declare a shorter window",
                retryAfterMilliseconds: Self.fullRetryMilliseconds)
        }
    }

    func hasRoom(_ queue: Int, more: Int, _ admission: Admission, after earlier: BatchKeys? = nil) -> Bool {
        let lengthMax = state.engine.queues[queue].policy.lengthMax
        let bytesMax = state.engine.queues[queue].policy.bytesMax
        guard lengthMax > 0 || bytesMax > 0 else { return true }
        let counts = state.engine.queues[queue].counts
        return (lengthMax == 0 || counts.length + UInt64((earlier?.acceptedCount ?? 0) + admission.acceptedCount) < lengthMax)
            && (bytesMax == 0 || counts.bytes + UInt64((earlier?.acceptedBytes ?? 0) + admission.acceptedBytes + more) <= bytesMax)
    }

    private mutating func writePublish(_ kind: OperationKind, target: UInt32, _ admission: Admission, _ batch: borrowing PublishRequest) {
        var place = 0
        for piece in admission.pieces {
            transaction.publish(
                kind, target: target, producer: batch.producerID, firstSequence: batch.firstSequence &+ UInt64(piece.firstIndex),
                count: piece.count, offset: place, byteCount: piece.range.count)
            place += piece.range.count
        }
    }

    /// Appends the transaction with the accepted records: verbatim as they came, where all were.
    private mutating func appendRecords(_ type: EntryType, _ admission: Admission, _ records: RawSpan) throws(WireError) -> UInt64 {
        if admission.pieces.count == 1 { return try appendTransaction(type, body: records.extracting(admission.pieces[0].range)) }
        acceptedRecords.removeAll()
        for piece in admission.pieces { acceptedRecords.bytes(records.extracting(piece.range)) }
        return try appendTransactionWithAcceptedRecords(type)
    }

    /// ``appendTransaction(_:body:)`` with what lies in `acceptedRecords`.
    mutating func appendTransactionWithAcceptedRecords(_ type: EntryType) throws(WireError) -> UInt64 {
        let results = notedEnds.isEmpty ? 0 : writeNotedEnds()
        writeNotedDeaths()
        transaction.finish()
        let address = try Self.append(type, head: transaction.writer, body: acceptedRecords, to: &log)
        state.engine.sweepKeys()
        if !notedEnds.isEmpty { applyNotedEnds(recordsAddress: address + UInt64(results)) }
        applyNotedDeaths(recordsAddress: address)
        return address
    }

    private mutating func apply(
        _ kind: OperationKind, target: UInt32, _ admission: Admission, _ batch: borrowing PublishRequest, address: UInt64
    ) throws(WireError) {
        var place: UInt64 = 0
        for piece in admission.pieces {
            let stored = NodeState.Stored(
                target: target, producer: batch.producerID, firstSequence: batch.firstSequence &+ UInt64(piece.firstIndex), count: piece.count,
                address: address + place)
            let records = batch.records.extracting(piece.range)
            if kind == .publish {
                try state.store(stored, records: records)
                statistics.messagesStored += UInt64(piece.count)
            } else {
                try state.storeEvents(stored, records: records)
                statistics.topicEventsStored += UInt64(piece.count)
            }
            place += UInt64(piece.range.count)
        }
    }
}
