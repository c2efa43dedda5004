internal import SpindleQueue
internal import SpindleWire

/// Why a log or checkpoint can't be taken over: its bytes pass their checksums and yet make no sense here.
package struct NodeRestoreError: Error, Equatable, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// What the log makes: queues, topics, and the time of the last entry. Live and at recovery the same functions change it.
package struct NodeState: Sendable {
    var engine: QueueEngine
    var topics: TopicStore
    var jobs = JobTable()
    var results: ResultStore
    /// SETTLEs that named themselves.
    var settlements = SettlementTable()
    /// Where the records end that were replayed last: addresses only rise.
    private var replayedRecordsEnd: UInt64 = 0
    /// No entry is of a later time, milliseconds: it keeps every sum of a time and a duration far from overflow, microseconds too.
    static let timeMax = UInt64(1) << 50
    /// Time of the last entry, milliseconds; the node's time never falls below it.
    package internal(set) var time: UInt64 = 0
    /// Set while a damaged log is replayed: entries between may be missing.
    var salvaging: SalvageNotes?

    package init(configuration: NodeConfiguration) {
        engine = QueueEngine(limits: configuration.limits)
        topics = TopicStore(retention: Node.standardRetention(configuration), limits: configuration.limits)
        results = ResultStore(countMax: configuration.limits.results)
    }

    /// The lowest log address that is still needed; nil: none is.
    package var oldestLiveAddress: UInt64? {
        [engine.oldestLiveAddress, topics.oldestLiveAddress, results.oldestLiveAddress].compactMap { $0 }.min()
    }

    /// The time of the next entry: facts are told it.
    mutating func set(time now: UInt64) {
        time = max(time, now)
        engine.time = time
    }

    /// Does what time alone does: messages that are due become ready, keys expire. That is not logged, so a state that lived and one that
    /// was recovered are compared at the same time.
    package mutating func advance(to now: UInt64) {
        set(time: now)
        _ = engine.promote(now: now)
    }

    /// Bytes of the records that are still needed: messages in any state, retained events, and results.
    package var liveBytes: UInt64 {
        engine.queues.reduce(topics.byteCount + results.byteCount) { $0 + $1.counts.bytes }
    }

    // MARK: Replay

    /// Applies one log entry.
    package mutating func replay(payload: RawSpan, payloadAddress: UInt64) throws(NodeRestoreError) {
        do throws(WireError) {
            var reader = WireReader(payload)
            let headBytes = Int(try reader.u32("head bytes"))
            guard headBytes >= TransactionWriter.prefixByteCount, headBytes <= payload.byteCount else {
                throw .malformed("head bytes \(headBytes) of a payload of \(payload.byteCount)")
            }
            var head = WireReader(payload.extracting(0..<headBytes))
            _ = try head.u32("head bytes")
            let time = try head.u64("time")
            guard time <= Self.timeMax else { throw .malformed("the entry is of the time \(time), which no clock shows") }
            set(time: time)
            let records = payload.extracting(headBytes..<payload.byteCount)
            while !head.isAtEnd { try apply(&head, records: records, recordsAddress: payloadAddress + UInt64(headBytes)) }
            engine.sweepKeys()
        } catch {
            throw NodeRestoreError("log entry at \(payloadAddress): \(error.message)")
        }
    }

    private mutating func apply(_ head: inout WireReader, records: RawSpan, recordsAddress: UInt64) throws(WireError) {
        let raw = try head.u8("operation")
        guard let kind = OperationKind(rawValue: raw) else { throw .malformed("operation \(raw) is not known: written by a later version?") }
        switch kind {
        case .publish, .topicPublish:
            let target = try head.u32("target")
            let producer = try head.u64("producer")
            let sequence = try head.u64("sequence")
            let count = Int(try head.u32("count"))
            let offset = Int(try head.u32("offset"))
            let byteCount = Int(try head.u32("bytes"))
            guard offset + byteCount <= records.byteCount else { throw .malformed("records \(offset)+\(byteCount) of \(records.byteCount)") }
            let isKnown = kind == .publish
                ? Int(target) < engine.queues.count && !engine.queues[Int(target)].isDeleted : Int(target) < topics.topics.count
            guard isKnown || (kind == .publish ? mendQueue(target) : mendTopic(target)) else { throw .malformed("\(kind == .publish ? "queue" : "topic") \(target) is not there") }
            let stored = Stored(
                target: target, producer: producer, firstSequence: sequence, count: count, address: recordsAddress + UInt64(offset))
            guard stored.address >= replayedRecordsEnd else { throw .malformed("records at \(stored.address) are stored a second time") }
            replayedRecordsEnd = stored.address + UInt64(byteCount)
            let span = records.extracting(offset..<(offset + byteCount))
            if kind == .publish { try store(stored, records: span) } else { try storeEvents(stored, records: span) }
        case .grant:
            let queue = try knownQueue(&head)
            let duration = try head.rising("lease")
            let holder = try head.string("holder", bytesMax: WireLimits.sentenceBytesMax)
            for _ in 0..<(try head.count("ids", itemBytesMin: 8, itemsMax: OperationKind.messagesMax)) {
                let id = try head.u64("id")
                let isThere = engine.grant(queue: queue, id: id, duration: duration, holder: holder, now: time) != nil
                if !isThere, !mendGrant(id, queue: queue, duration: duration, holder: holder) {
                    try missing("message \(id) was granted and is not there to be")
                }
            }
        case .acknowledge:
            for _ in 0..<(try head.count("ids", itemBytesMin: 8, itemsMax: OperationKind.messagesMax)) {
                let id = try head.u64("id")
                if !engine.acknowledge(id), !mendAcknowledge(id) { try missing("message \(id) was acknowledged and is not leased") }
            }
        case .end:
            try applyEnd(&head)
        case .extend:
            let duration = try head.rising("lease")
            for _ in 0..<(try head.count("ids", itemBytesMin: 8, itemsMax: OperationKind.messagesMax)) {
                let id = try head.u64("id")
                if !engine.extend(id, duration: duration, now: time) { try missing("the lease of \(id) was extended and is not there") }
            }
        case .declare:
            let number = try head.u32("queue")
            let name = try head.string("queue name")
            let policy = try QueuePolicyFields(try head.span(Int(clamping: try head.u32("policy bytes")), "policy"))
            guard Int(number) < engine.limits.queues else { throw .malformed("queue number \(number): at most \(engine.limits.queues) are allowed") }
            if Int(number) > engine.queues.count { _ = mendQueue(number - 1) }
            try declare(number, name: name, policy: try QueuePolicy().applying(policy))
        case .topicDeclare:
            let number = try head.u32("topic")
            let name = try head.string("topic name")
            guard Int(number) < topics.limits.topics else { throw .malformed("topic number \(number): at most \(topics.limits.topics) are allowed") }
            guard Int(number) == topics.topics.count else { throw .malformed("topic \(number) is declared as number \(topics.topics.count)") }
            topics.declare(name)
        case .pause, .purge, .delete, .cancel, .reschedule, .move, .expire, .relocate, .grantFromGroups:
            try applyAdministration(kind, &head, records: records, recordsAddress: recordsAddress)
        case .jobBegin, .jobStep: try applyJob(kind, &head)
        case .topicRetention: try applyTopicRetention(&head)
        case .trim: try applyTrim(&head)
        case .result: try applyResult(&head, records: records, recordsAddress: recordsAddress)
        case .settled: try applySettled(&head, recordsAddress: recordsAddress)
        case .relocateEvent: try applyRelocateEvent(&head, records: records, recordsAddress: recordsAddress)
        case .relocateResult: try applyRelocateResult(&head, records: records, recordsAddress: recordsAddress)
        }
    }

    func knownQueue(_ head: inout WireReader) throws(WireError) -> UInt32 {
        let queue = try head.u32("queue")
        guard Int(queue) < engine.queues.count, !engine.queues[Int(queue)].isDeleted else {
            throw .malformed("queue \(queue) of \(engine.queues.count)")
        }
        return queue
    }

    private mutating func applyEnd(_ head: inout WireReader) throws(WireError) {
        let id = try head.u64("id")
        guard let ending = QueueEngine.Ending(rawValue: try head.u8("ending")) else { throw .malformed("ending of the lease of \(id)") }
        let kind = try head.u8("next")
        let value = try head.u64("until or queue")
        let reason = try head.string("reason", bytesMax: WireLimits.sentenceBytesMax)
        let next: QueueEngine.Next
        switch kind {
        case 0: next = .ready
        case 1:
            guard value <= UInt64.max / 4 else { throw .malformed("message \(id) is delayed until \(value), which no clock shows") }
            next = .delayed(until: value)
        case 2:
            guard value < UInt64(engine.queues.count), !engine.queues[Int(value)].isDeleted else {
                throw .malformed("dead-letter queue \(value) of \(engine.queues.count)")
            }
            next = .dead(queue: UInt32(value))
        case 3: next = .dropped
        case 4: next = .removed
        default: throw .malformed("next state \(kind) of message \(id)")
        }
        let isThere = engine.end(id, ending, reason: reason, next: next, now: time)
        if !isThere, !mendEnd(id, ending, reason: reason, next: next) { try missing("the lease of \(id) ended and is not there") }
    }

    // MARK: Facts, live and at replay

    /// A run of records of one producer as the log holds it.
    struct Stored {
        var target: UInt32
        var producer: UInt64
        var firstSequence: UInt64
        var count: Int
        /// Where the first record lies.
        var address: UInt64
    }

    mutating func store(_ stored: Stored, records: RawSpan) throws(WireError) {
        var offset = 0
        for _ in 0..<stored.count {
            let length = try RecordView.length(in: records, at: offset)
            let attributes = try RecordView.attributes(of: records.extracting(offset..<(offset + length)), checksumIsKnown: true)
            engine.store(
                queue: stored.target, id: stored.address + UInt64(offset), byteCount: UInt32(length), priority: attributes.priority,
                delay: min(attributes.delayMilliseconds, QueuePolicy.durationMillisecondsMax),
                timeToLive: min(attributes.timeToLiveMilliseconds, QueuePolicy.durationMillisecondsMax), group: attributes.group,
                deduplicationKey: attributes.deduplicationKey, now: time)
            offset += length
        }
        engine.produced(
            .init(firstSequence: stored.firstSequence, count: UInt32(stored.count), firstID: stored.address),
            by: stored.producer, in: stored.target)
    }

    mutating func storeEvents(_ stored: Stored, records: RawSpan) throws(WireError) {
        var offset = 0
        for _ in 0..<stored.count {
            let length = try RecordView.length(in: records, at: offset)
            topics.store(topic: stored.target, offset: stored.address + UInt64(offset), byteCount: UInt32(length), now: time)
            offset += length
        }
        topics.produced(
            .init(firstSequence: stored.firstSequence, count: UInt32(stored.count), firstID: stored.address),
            by: stored.producer, in: stored.target)
    }

    mutating func declare(_ number: UInt32, name: String, policy: QueuePolicy) throws(WireError) {
        let isFree = Int(number) == engine.queues.count || (Int(number) < engine.queues.count && engine.queues[Int(number)].isDeleted)
        if isFree, engine.number(of: name) == nil {
            engine.declare(name, policy: policy, number: number)
        } else if engine.number(of: name) == number {
            engine.setPolicy(policy, of: number)
        } else {
            throw .malformed("queue '\(name)' is declared as number \(number) of \(engine.queues.count)")
        }
    }
}
