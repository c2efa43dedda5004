internal import SpindleNode
internal import SpindleWire

// Producers: batches of messages or events, each sent until it is answered.
extension Simulation {
    /// A record's body begins with its tag; what follows is made of it.
    static func body(_ tag: Int, bytes: Int) -> [UInt8] {
        var body = [UInt8](repeating: 0, count: 8 + bytes)
        for index in 0..<8 { body[index] = UInt8(truncatingIfNeeded: tag >> (8 * index)) }
        for index in 8..<body.count { body[index] = UInt8(truncatingIfNeeded: tag &* 31 &+ index) }
        return body
    }

    /// The tag in a record, and its own and its computed checksum. nil: it is damaged.
    static func tag(of record: RawSpan) -> (tag: Int, crc: UInt32)? {
        guard record.byteCount >= MessageRecord.fixedByteCount + 8 else { return nil }
        return record.withUnsafeBytes { bytes in
            let crc = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            let start = MessageRecord.fixedByteCount + Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt16.self)))
            guard start + 8 <= bytes.count else { return nil }
            return (Int(truncatingIfNeeded: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))), crc)
        }
    }

    /// Encodes the records of new messages into `records`.
    private func makeMessages(_ count: Int, queue: Int, largest: Int? = nil) -> Range<Int> {
        let first = oracle.messages.count
        records.removeAll()
        var keys: [UInt16] = []
        for _ in 0..<count {
            let tag = oracle.messages.count
            var model = MessageModel(queue: UInt8(queue))
            model.idsBefore = oracle.idMax
            let byteCount = largest ?? (random.chance(1, in: profile.largeOneIn) ? random.below(profile.bodyBytesMax) : random.below(60))
            var record = MessageRecord(body: Self.body(tag, bytes: byteCount))
            if features.contains(.deduplication), random.chance(1, in: 5) {
                let key = UInt16(1 + random.below(Int(Oracle.keyMax)))
                if !keys.contains(key) {
                    keys.append(key)
                    model.key = key
                    record.deduplicationKey = keyText(key)
                }
            }
            // An empty one is none.
            if profile.hasOddStrings, model.key == 0, random.chance(1, in: 8) { record.deduplicationKey = "" }
            if features.contains(.priorities), random.chance(1, in: 8) { record.priority = UInt8(random.below(10)) }
            let isGrouped = profile.queues[queue].isOrdered || profile.queues[queue].concurrencyPerGroupMax > 0
            if features.contains(.groups), random.chance(1, in: isGrouped ? 2 : 20) {
                model.group = UInt8(1 + random.below(4))
                record.group = groupText(model.group)
                oracle.queues[queue].members[Int(model.group)].append(tag)
            }
            if features.contains(.timeToLiveHeaders), random.chance(1, in: 10) {
                record.timeToLiveMilliseconds = random.pick([1_000, 5_000, 50_000])
                model.timeToLive = record.timeToLiveMilliseconds
            }
            if features.contains(.delays), random.chance(1, in: 10) {
                record.delayMilliseconds = UInt64(1 + random.below(8_000))
                model.delay = record.delayMilliseconds
            } else {
                model.delay = profile.queues[queue].delay
            }
            let (crc, recordByteCount) = encode(record)
            model.recordCRC = crc
            model.recordByteCount = UInt32(recordByteCount)
            oracle.messages.append(model)
        }
        return first..<oracle.messages.count
    }

    /// Now and then a body at, just below or just beyond the largest that is stored.
    private func largestBody() -> Int? {
        guard features.contains(.largeRecords), random.chance(1, in: 60) else { return nil }
        let room = configuration.frameBytesMax - WireLimits.recordOverheadBytesMax - MessageRecord.fixedByteCount - 8
        return room + random.pick([-20_000, -64, -1, 0, 1, 512])
    }

    private func makeEvents(_ count: Int, topic: Int) -> Range<Int> {
        let first = oracle.topics.events.count
        records.removeAll()
        for _ in 0..<count {
            var event = TopicOracle.Event(topic: topic, bornFrom: now)
            let (crc, byteCount) = encode(MessageRecord(body: Self.body(oracle.topics.events.count, bytes: random.below(60))))
            event.recordCRC = crc
            event.recordByteCount = UInt32(byteCount)
            oracle.topics.events.append(event)
        }
        return first..<oracle.topics.events.count
    }

    private func encode(_ record: MessageRecord) -> (crc: UInt32, byteCount: Int) {
        let start = records.count
        do throws(WireError) { try record.encode(into: &records) } catch { preconditionFailure("a record of the simulation: \(error.message)") }
        let crc = records.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self)) }
        return (crc, records.count - start)
    }

    // MARK: Sending

    func publish(_ producer: Int) {
        guard !producers[producer].isWaiting else { return }
        if producers[producer].batch == nil {
            let queue = random.below(profile.queues.count)
            let largest = largestBody()
            let tags = makeMessages(largest == nil ? 1 + random.below(4) : 1, queue: queue, largest: largest)
            begin(producer, isTopic: false, target: queue, tags)
        }
        sendBatch(producer)
    }

    func publishEvents(_ producer: Int) {
        guard !producers[producer].isWaiting else { return }
        if producers[producer].batch == nil {
            let topic = random.below(profile.topics)
            begin(producer, isTopic: true, target: topic, makeEvents(1 + random.below(3), topic: topic))
        }
        sendBatch(producer)
    }

    private func begin(_ producer: Int, isTopic: Bool, target: Int, _ tags: Range<Int>) {
        producers[producer].batch = .init(
            isTopic: isTopic, target: target, tags: tags, records: records.array(), sequence: producers[producer].sequence)
        producers[producer].sequence += UInt64(tags.count)
    }

    private func sendBatch(_ producer: Int) {
        guard let batch = producers[producer].batch else { return }
        note("producer \(producer) publishes \(batch.tags) to \(batch.isTopic ? "topic" : "queue") \(batch.target)\(batch.wasSent ? ", again" : "")")
        producers[producer].isWaiting = true
        producers[producer].batch?.wasSent = true
        send(batch, of: producer, isRepeated: false)
    }

    /// A batch that was answered comes once more, as from a network that doubles frames.
    func repeatPublish(_ producer: Int) {
        guard let batch = producers[producer].answered, producers[producer].id != 0 else { return }
        note("producer \(producer) repeats \(batch.tags)")
        send(batch, of: producer, isRepeated: true)
    }

    private func send(_ batch: ProducerState.Batch, of producer: Int, isRepeated: Bool) {
        let kind: PendingRequest.Kind = batch.isTopic
            ? .topicPublish(topic: batch.target, events: batch.tags, producer: producer, isRepeated: isRepeated)
            : .publish(queue: batch.target, tags: batch.tags, producer: producer, isRepeated: isRepeated)
        let id = producers[producer].id
        // A repetition comes at once: behind a DELETE it would be none.
        send(producerClient(producer), batch.isTopic ? .topicPublish : .publish, kind, atOnce: isRepeated) {
            PublishRequest.encodeHead(
                producerID: id, firstSequence: id == 0 ? 0 : batch.sequence, queue: batch.isTopic ? "t\(batch.target)" : "q\(batch.target)",
                count: batch.tags.count, recordsByteCount: batch.records.count, into: &$0)
            $0.bytes(batch.records)
        }
    }

    // MARK: Answers

    func finishBatch(_ producer: Int) {
        producers[producer].isWaiting = false
        if producers[producer].id != 0 { producers[producer].answered = producers[producer].batch }
        producers[producer].batch = nil
    }

    /// Goes through the runs of an answer: each item with its status and id (0: not named).
    private func items(_ runs: [PublishReply.Run], _ tags: Range<Int>, byteCount: (Int) -> UInt32, _ body: (Int, ItemStatus, UInt64) -> Void) {
        var tag = tags.lowerBound
        for run in runs {
            var id = run.firstID
            for _ in 0..<run.count where tag < tags.upperBound {
                body(tag, run.status, id)
                if id != 0 { id += UInt64(byteCount(tag)) }
                tag += 1
            }
        }
        if tag != tags.upperBound { oracle.fail(10, "an answer for \(tag - tags.lowerBound) of \(tags.count) items") }
    }

    func published(_ tags: Range<Int>, _ runs: [PublishReply.Run], isRepeated: Bool, at: UInt64, _ arrival: Arrival) {
        items(runs, tags, byteCount: { oracle.messages[$0].recordByteCount }) { tag, status, id in
            switch status {
            case .ok: oracle.stored(tag, id: id, arrivedAt: at, arrival, now: now)
            case .duplicate: oracle.duplicate(tag, id: id, arrivedAt: at)
            case _: oracle.refused(tag)
            }
        }
    }

    func publishedEvents(_ events: Range<Int>, _ runs: [PublishReply.Run]) {
        items(runs, events, byteCount: { oracle.topics.events[$0].recordByteCount }) { event, status, offset in
            switch status {
            case .ok: oracle.topics.stored(event, offset: offset, now: now)
            case .duplicate: oracle.topics.duplicate(event, offset: offset, now: now)
            case _: oracle.topics.refused(event)
            }
        }
    }

    // MARK: SETTLE

    func makeSettleMessages(_ count: Int, queue: Int) -> Range<Int> { makeMessages(count, queue: queue) }
    func makeSettleEvents(_ count: Int, topic: Int) -> Range<Int> { makeEvents(count, topic: topic) }

    func settled(_ tokens: [HeldToken], _ tags: Range<Int>, _ events: Range<Int>, _ ids: [UInt64], at: UInt64, _ arrival: Arrival) {
        for token in tokens { oracle.acknowledged(token, accepted: true, at: at) }
        var ids = ids[...]
        if !tags.isEmpty, var id = ids.popFirst() {
            for tag in tags {
                oracle.stored(tag, id: id, arrivedAt: at, arrival, now: now)
                id += UInt64(oracle.messages[tag].recordByteCount)
            }
        }
        if !events.isEmpty, var offset = ids.popFirst() {
            for event in events {
                oracle.topics.stored(event, offset: offset, now: now)
                offset += UInt64(oracle.topics.events[event].recordByteCount)
            }
        }
    }
}
