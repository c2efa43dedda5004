internal import SpindleNode
internal import SpindleWire

// Workers: lease, acknowledge, give back, extend, settle, die, and come back late with tokens that count no more.
extension Simulation {
    private static let durations: [UInt32] = [1_000, 5_000, 30_000]

    func lease(_ worker: Int, isDead: Bool) {
        guard workers[worker].waits < 2 else { return }
        let queue = random.below(profile.queues.count)
        let max = 1 + random.below(4)
        let duration = random.pick(Self.durations)
        let wait = random.chance(1, in: 4) ? UInt32(1 + random.below(4_000)) : 0
        workers[worker].waits += 1
        let correlation = nextCorrelation
        let queues = isDead ? [queue] : [queue] + furtherQueues(behind: queue)
        note("worker \(worker) asks (\(correlation)) for \(max) of q\(queues)\(isDead ? ".dead" : ""), lease \(duration) ms, wait \(wait) ms")
        send(workerClient(worker), .lease, .lease(.init(queues: queues, isDead: isDead, messagesMax: max, waits: wait > 0, worker: worker))) {
            LeaseRequest(
                queue: isDead ? "q\(queue).dead" : "q\(queue)", messagesMax: UInt32(max), bytesMax: 60_000, leaseMilliseconds: duration,
                waitMilliseconds: wait, others: queues.dropFirst().map { "q\($0)" }
            ).encode(into: &$0)
        }
    }

    func leased(_ ask: PendingRequest.LeaseAsk, from: UInt64, until: UInt64, _ arrival: Arrival, _ body: RawSpan, client: Int?) throws(WireError) {
        let (isDead, max, worker) = (ask.isDead, ask.messagesMax, ask.worker)
        var reader = WireReader(body)
        let head = try LeaseReplyHead(&reader)
        let queue = try queue(of: head, ask, body)
        if client != nil { workers[worker].waits -= min(1, workers[worker].waits) }
        if head.items.count > max { oracle.fail(2, "\(head.items.count) messages were leased to a request for \(max): more than its credit") }
        for item in head.items {
            let record = try reader.span(Int(item.recordByteCount), "record")
            guard let (tag, crc) = Self.tag(of: record), CRC32C.extend(with: record.extracting(8..<record.byteCount)) == crc else {
                oracle.fail(10, "message \(item.token.messageID) of q\(queue) was delivered damaged")
                continue
            }
            note("delivery of message \(tag) from q\(queue)\(isDead ? ".dead" : "") to worker \(worker): epoch \(item.token.epoch), attempt \(item.attempt)")
            oracle.delivered(
                tag,
                .init(
                    id: item.token.messageID, epoch: item.token.epoch, attempt: item.attempt, isDead: isDead, queue: queue, recordCRC: crc,
                    recordByteCount: item.recordByteCount, from: from, until: until, duration: UInt64(head.leaseMilliseconds),
                    arrival: arrival))
            if isDead { deaths.oracle.died(tag) } else { deaths.oracle.wasAtHome(tag) }
            guard client != nil, oracle.violation == nil else { continue }
            workers[worker].tokens.append(
                HeldToken(tag: tag, id: item.token.messageID, epoch: item.token.epoch, duration: UInt64(head.leaseMilliseconds), isDead: isDead))
        }
    }

    /// Takes up to `max` tokens out of the worker's hands; now and then one that is stale.
    private func take(_ worker: Int, max: Int, keeps: Bool = false) -> [HeldToken] {
        var taken: [HeldToken] = []
        if random.chance(1, in: 8), !workers[worker].stale.isEmpty { taken.append(workers[worker].stale.removeFirst()) }
        while taken.count < max, !workers[worker].tokens.isEmpty {
            let index = random.below(workers[worker].tokens.count)
            let token = keeps ? workers[worker].tokens[index] : workers[worker].tokens.remove(at: index)
            // The same message twice in one request is not what this is about.
            if !taken.contains(where: { $0.tag == token.tag }) { taken.append(token) }
            if keeps, taken.count >= workers[worker].tokens.count { break }
            if keeps, random.chance(1, in: 3) { break }
        }
        return taken
    }

    private func tokens(_ held: [HeldToken]) -> [DeliveryToken] { held.map { DeliveryToken(messageID: $0.id, epoch: $0.epoch) } }

    func acknowledge(_ worker: Int) {
        let taken = take(worker, max: 1 + random.below(3))
        guard !taken.isEmpty else { return }
        note("worker \(worker) acknowledges \(taken.map { "\($0.tag)#\($0.epoch)" })")
        send(workerClient(worker), .ack, .acknowledge(taken)) {
            let results = taken.indices.filter { leavesResult(taken[$0]) }.map { AckResult(index: UInt32($0), bytes: Self.result(taken[$0].tag)) }
            AckRequest(tokens: tokens(taken), results: results).encode(into: &$0)
        }
    }

    /// What the ack of every second message leaves for those who await it, where its queue keeps results.
    func leavesResult(_ token: HeldToken) -> Bool {
        !isCalm && !token.isDead && token.tag.isMultiple(of: 2) && profile.queues[Int(oracle.messages[token.tag].queue)].resultRetention > 0
    }

    static func result(_ tag: Int) -> [UInt8] { body(tag, bytes: tag % 50) }

    func negativeAcknowledge(_ worker: Int) {
        let taken = take(worker, max: 1 + random.below(2))
        guard !taken.isEmpty else { return }
        let nack: PendingRequest.Nack
        switch random.below(8) {
        case 0: nack = .dead
        case 1: nack = .release(delay: random.chance(1, in: 2) ? 0 : UInt64(random.below(3_000)))
        case 2: nack = .retryByPolicy
        case _: nack = .retry(delay: random.chance(1, in: 2) ? 0 : UInt64(random.below(3_000)))
        }
        note("worker \(worker) gives back \(taken.map { "\($0.tag)#\($0.epoch)" }): \(nack)")
        send(workerClient(worker), .nack, .negativeAcknowledge(taken, nack)) {
            NackRequest(items: taken.map { Self.item($0, nack) }).encode(into: &$0)
        }
    }

    private static func item(_ token: HeldToken, _ nack: PendingRequest.Nack) -> NackItem {
        let delivery = DeliveryToken(messageID: token.id, epoch: token.epoch)
        return switch nack {
        case .dead: NackItem(token: delivery, disposition: .dead, reason: "dead")
        case .release(let delay): NackItem(token: delivery, disposition: .release, delayMilliseconds: delay, reason: "")
        case .retryByPolicy: NackItem(token: delivery, reason: "later")
        case .retry(let delay): NackItem(token: delivery, delayMilliseconds: delay, reason: "later")
        }
    }

    func extend(_ worker: Int) {
        let taken = take(worker, max: 2, keeps: true)
        guard !taken.isEmpty else { return }
        let duration = random.pick(Self.durations)
        note("worker \(worker) extends \(taken.map { "\($0.tag)#\($0.epoch)" }) by \(duration) ms")
        send(workerClient(worker), .extend, .extend(taken, duration: UInt64(duration))) {
            ExtendRequest(leaseMilliseconds: duration, items: tokens(taken).map { .init(token: $0) }).encode(into: &$0)
        }
    }

    /// Acknowledges, and publishes what comes of it, in one.
    func settle(_ worker: Int) {
        let taken = take(worker, max: 1 + random.below(2))
        guard !taken.isEmpty else { return }
        let queue = random.below(profile.queues.count)
        let topic = random.below(profile.topics)
        let tags = random.chance(2, in: 3) ? makeSettleMessages(1 + random.below(2), queue: queue) : 0..<0
        let messageBytes = tags.isEmpty ? [] : records.array()
        let events = features.contains(.topics) && random.chance(1, in: 2) ? makeSettleEvents(1, topic: topic) : 0..<0
        let eventBytes = events.isEmpty ? [] : records.array()
        note("worker \(worker) settles \(taken.map { "\($0.tag)#\($0.epoch)" }) and publishes \(tags) to q\(queue), events \(events) to t\(topic)")
        var sent = SentSettle(sequence: workers[worker].settles.nextSequence, tokens: taken, tags: tags, events: events, sentAt: now)
        let correlation = nextCorrelation
        send(workerClient(worker), .settle, .settle(acknowledged: taken, queue: queue, tags: tags, topic: topic, events: events)) {
            SettleRequest.encode(acks: tokens(taken), nacks: [], groupCount: (tags.isEmpty ? 0 : 1) + (events.isEmpty ? 0 : 1), into: &$0)
            if !tags.isEmpty { SettleRequest.encodeGroup(.queue, name: "q\(queue)", count: tags.count, records: messageBytes.span.bytes, into: &$0) }
            if !events.isEmpty { SettleRequest.encodeGroup(.topic, name: "t\(topic)", count: events.count, records: eventBytes.span.bytes, into: &$0) }
            guard features.contains(.repeatedSettles) else { return }
            SettleIdentity(settler: UInt64(worker + 1), sequence: sent.sequence).encode(into: &$0)
            sent.body = $0.array()
            workers[worker].settles.add(sent, correlation)
        }
    }

    /// The worker stops working on what it holds, and may wake up later.
    func die(_ worker: Int) {
        guard !workers[worker].tokens.isEmpty else { return }
        note("worker \(worker) dies with \(workers[worker].tokens.map(\.tag))")
        for token in workers[worker].tokens { workers[worker].discard(token) }
        workers[worker].tokens.removeAll(keepingCapacity: true)
    }

    // MARK: The administrator

    private func policy(_ queue: Int, _ settings: QueueSettings) -> QueuePolicyFields {
        var fields = QueuePolicyFields()
        let profile = profile.queues[queue]
        fields.attemptsMax = UInt64(settings.attemptsMax)
        fields.deduplicationWindowMilliseconds = settings.window
        fields.lengthMax = profile.lengthMax
        fields.delayMilliseconds = profile.delay
        fields.backoffInitialMilliseconds = profile.backoff
        fields.timeToLiveMilliseconds = settings.timeToLive
        fields.orderedGroups = profile.isOrdered ? 1 : 0
        fields.fairGroups = profile.isFair ? 1 : 0
        fields.resultRetentionMilliseconds = profile.resultRetention
        fields.concurrency = UInt64(settings.limits.concurrencyMax)
        fields.concurrencyPerGroup = UInt64(settings.limits.concurrencyPerGroupMax)
        fields.ratePerSecond = UInt64(settings.limits.ratePerSecond)
        fields.deadLetterTopic = profile.announcesDeaths ? DeathWitness.topic : nil
        fields.ratePerSecondPerGroup = UInt64(settings.limits.ratePerGroup)
        return fields
    }

    func declare(_ queue: Int, atOnce: Bool = false) { declare(queue, QueueSettings(profile.queues[queue]), atOnce: atOnce) }

    private func declare(_ queue: Int, _ settings: QueueSettings, atOnce: Bool = false) {
        send(administrator, .declare, .declare(queue: queue, settings), atOnce: atOnce) {
            DeclareRequest(queue: "q\(queue)", policy: policy(queue, settings)).encode(into: &$0)
        }
    }

    /// What is kept of a topic.
    func declareRetention(_ topic: Int, _ retention: TopicRetentionFields) {
        note("t\(topic) is declared to keep \(retention.eventsMax ?? 0) events for \(retention.ageMillisecondsMax ?? 0) ms")
        send(administrator, .topicDeclare, .declareRetention(topic: topic, retention)) {
            TopicDeclareRequest(pattern: "t\(topic)", retention: retention).encode(into: &$0)
        }
    }

    func declareChange() {
        let queue = random.below(profile.queues.count)
        var settings = QueueSettings(profile.queues[queue])
        if random.chance(1, in: 4) { settings.attemptsMax = UInt32(random.pick([1, 2, 4, 0])) }
        if profile.queues[queue].changes, random.chance(1, in: 2) { settings.change(of: profile.queues[queue], &random, features) }
        note("q\(queue) is declared: \(settings)")
        declare(queue, settings)
    }

    func stats() {
        send(administrator, .stats, .stats) { StatsRequest(pattern: "*").encode(into: &$0) }
    }
}
