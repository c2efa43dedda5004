internal import SpindleNode
internal import SpindleWire

// Subscribers: they come from a cursor, take what their credit allows, and must miss nothing that they are not told of.
extension Simulation {
    func subscribe(_ subscriber: Int) {
        guard subscribers[subscriber].subscription == 0 else {
            // It leaves, to come back another time.
            if random.chance(1, in: 3) { loseConnection(subscriberClient(subscriber), isHalfOpen: false) }
            return
        }
        let id = subscribers[subscriber].nextSubscription
        subscribers[subscriber].nextSubscription += 1
        subscribers[subscriber].subscription = id
        let start: TopicSubscribeRequest.Start
        var cursor: UInt64 = 0
        if let saved = subscribers[subscriber].savedCursor, random.chance(3, in: 4) {
            start = .after(TopicCursor(epoch: broker.node.epoch, offset: saved))
            cursor = saved
            subscribers[subscriber].goesOn = true
        } else {
            subscribers[subscriber].goesOn = false
            start = random.chance(1, in: 2) ? .earliest : .latest
        }
        let mask = 1 + random.below((1 << profile.topics) - 1)
        let wants = (0..<profile.topics).map { mask & (1 << $0) != 0 }
        let pattern = announcers.isEmpty && wants.allSatisfy { $0 } ? "*" : wants.indices.filter { wants[$0] }.map { "t\($0)" }.joined(separator: ",")
        let credit = UInt32(random.below(20))
        note("subscriber \(subscriber) wants \(pattern) from \(start) with credit \(credit)")
        oracle.topics.subscribers[subscriber] = .init(wants: wants, cursor: cursor, credit: UInt64(credit), isActive: false)
        send(subscriberClient(subscriber), .topicSubscribe, .subscribe(subscriber: subscriber)) {
            TopicSubscribeRequest(subscriptionID: id, pattern: pattern, start: start, credit: credit).encode(into: &$0)
        }
    }

    func subscribed(_ subscriber: Int, session: UInt64, cursor: UInt64) {
        guard clients[subscriberClient(subscriber)].session == session else { return }
        oracle.topics.subscribers[subscriber].isActive = true
        if !subscribers[subscriber].goesOn {
            oracle.topics.subscribers[subscriber].cursor = cursor
            oracle.topics.beginAtEarliest(subscriber, now: now)
        }
    }

    func credit(_ subscriber: Int) {
        guard oracle.topics.subscribers[subscriber].isActive else { return }
        let client = subscriberClient(subscriber)
        // Only where it arrives at once: credit is not answered, so nobody could tell when it counts.
        guard clients[client].session != 0, clients[client].uplink.isEmpty,
            broker.takesRequests(.init(rawValue: clients[client].session))
        else { return }
        let more = UInt32(1 + random.below(20))
        oracle.topics.subscribers[subscriber].credit += UInt64(more)
        give(subscriber, credit: more)
    }

    func give(_ subscriber: Int, credit: UInt32) {
        let id = subscribers[subscriber].subscription
        var writer = WireWriter()
        TopicCreditRequest(subscriptionID: id, more: credit).encode(into: &writer)
        broker.received(.init(rawValue: clients[subscriberClient(subscriber)].session), .topicCredit, 0, writer.span)
    }

    func pushed(_ session: UInt64, _ header: FrameHeader, _ body: RawSpan) throws(WireError) {
        guard let connection = connections[session], connection.isAlive else { return }
        let subscriber = connection.client - profile.producers - profile.workers
        guard subscriber >= 0, subscriber < subscribers.count else { return }
        if header.opcode == Opcode.topicGap.rawValue {
            let gap = try TopicGapNotice(body)
            note("subscriber \(subscriber) is told of a gap up to \(gap.cursor.offset): \(gap.reason)")
            oracle.topics.gap(subscriber, to: gap.cursor.offset, now: now)
        } else if header.opcode == Opcode.topicEvents.rawValue {
            var reader = WireReader(body)
            let head = try TopicEventsHead(&reader)
            for item in head.items {
                let record = try reader.span(Int(item.recordByteCount), "record")
                guard let (event, crc) = Self.tag(of: record), CRC32C.extend(with: record.extracting(8..<record.byteCount)) == crc else {
                    oracle.fail(10, "the event at \(item.offset) was pushed damaged")
                    continue
                }
                note("event \(event) at \(item.offset) is pushed to subscriber \(subscriber)")
                let topic = Int(item.topic.dropFirst()) ?? -1
                let judged: TopicOracle.Judged = slowReaders.pace[session] != nil ? .nothing : oracle.hasRoomForEnds ? .countsAndAges : .counts
                oracle.topics.pushed(
                    to: subscriber, event: event, topic: topic, offset: item.offset, recordCRC: crc, now: now, retention: judged)
            }
            // It writes down its place only now and then.
            if random.chance(1, in: 3) { subscribers[subscriber].savedCursor = oracle.topics.subscribers[subscriber].cursor }
        }
    }
}
