internal import SpindleNode
internal import SpindleText
internal import SpindleWire

// Queues between which jobs move, redrive, cancel and reschedule messages by filter.
extension Simulation {
    var bulkOperator: Int { administrator + 1 }
    var stranger: Int { administrator + 2 }

    /// What the stranger is allowed.
    static let strangersRights = Principal(
        name: "stranger", publish: [.init("bulk0"), .init("i.*")], lease: [.init("bulk0"), .init("q0"), .init("i.*")],
        admin: [.init("bulk0"), .init("bulk0.dead"), .init("i.*")], topicPublish: [.init("i.*")])

    func isStranger(_ session: UInt64) -> Bool { features.contains(.strangers) && connections[session]?.client == stranger }

    func setUpBulk() {
        guard features.contains(.bulk) else { return }
        for queue in BulkModel.Queue.allCases {
            var policy = QueuePolicyFields()
            policy.attemptsMax = 3
            policy.backoffInitialMilliseconds = 100
            // The stranger's queue is tried with other dead-letter queues later.
            ask(bulkOperator, .declare, .declare) { DeclareRequest(queue: queue.name, policy: policy).encode(into: &$0) }
        }
    }

    func ask(_ client: Int, _ opcode: Opcode, _ ask: BulkAsk, atOnce: Bool = false, _ body: (inout WireWriter) -> Void) {
        send(client, opcode, .bulk(ask), atOnce: atOnce, body)
    }

    func workInBulk() {
        switch random.below(16) {
        case 0...5: publishInBulk(random.pick([.bulk0, .bulk0, .bulk1, .bulk2, .vault]), isStrangers: false)
        case 6: leaseInBulk(random.pick(BulkModel.Place.all), isStrangers: false)
        case 7...8: settleInBulk(isStrangers: false)
        case 9...11: beginJob()
        case 12...13: lookAtJob()
        case _: lookAtEverything()
        }
    }

    func publishInBulk(_ queue: BulkModel.Queue, isStrangers: Bool) {
        let first = bulk.model.messages.count
        records.removeAll()
        for _ in 0..<1 + random.below(6) {
            var record = MessageRecord(body: Self.body(BulkModel.firstTag + bulk.model.messages.count, bytes: random.below(30)))
            if random.chance(1, in: 2) { record.group = "g\(1 + random.below(3))" }
            encodeInBulk(record)
            bulk.model.messages.append(.init(home: queue, isStrangers: isStrangers))
        }
        let tags = first..<bulk.model.messages.count
        note("\(isStrangers ? "the stranger" : "the operator") publishes \(tags) to \(queue.name)")
        let (count, bytes) = (tags.count, records.array())
        ask(isStrangers ? stranger : bulkOperator, .publish, .publish(tags: tags, isStrangers: isStrangers)) {
            PublishRequest.encodeHead(
                producerID: 0, firstSequence: 0, queue: queue.name, count: count, recordsByteCount: bytes.count, into: &$0)
            $0.bytes(bytes)
        }
    }

    func encodeInBulk(_ record: MessageRecord) {
        do throws(WireError) { try record.encode(into: &records) } catch { preconditionFailure("a record of the simulation: \(error.message)") }
    }

    func leaseInBulk(_ place: BulkModel.Place, isStrangers: Bool) {
        ask(isStrangers ? stranger : bulkOperator, .lease, .lease(place, isStrangers: isStrangers)) {
            LeaseRequest(queue: place.name, messagesMax: UInt32(1 + random.below(3)), bytesMax: 60_000, leaseMilliseconds: 2_000, waitMilliseconds: 0)
                .encode(into: &$0)
        }
    }

    func settleInBulk(isStrangers: Bool) {
        let tokens = isStrangers ? bulk.strangersTokens : bulk.operatorsTokens
        guard !tokens.isEmpty else { return }
        if isStrangers { bulk.strangersTokens = [] } else { bulk.operatorsTokens = [] }
        let client = isStrangers ? stranger : bulkOperator
        note("\(tokens.map(\.tag)) are settled by \(isStrangers ? "the stranger" : "the operator")")
        if random.chance(1, in: 3) {
            ask(client, .ack, .acknowledge(tokens)) { AckRequest(tokens: tokens.map(\.token)).encode(into: &$0) }
        } else {
            // From a dead-letter queue there is no further one: such a message would be gone.
            let mayDie = !tokens.contains { $0.place.isDead }
            let disposition: NackItem.Disposition = mayDie && random.chance(2, in: 3) ? .dead : .retry
            ask(client, .nack, .negativeAcknowledge(tokens)) {
                NackRequest(items: tokens.map { NackItem(token: $0.token, disposition: disposition, reason: "simulated") }).encode(into: &$0)
            }
        }
    }

    /// MOVE goes from bulk0 to bulk1 and bulk2 and back, REDRIVE from a dead-letter queue to its own queue or another.
    private func beginJob() {
        let action: BulkRequest.Action = random.pick([.move, .move, .redrive, .cancel, .reschedule])
        let queue: BulkModel.Queue = random.pick([.bulk0, .bulk1, .bulk2])
        var from = BulkModel.Place(queue: queue, isDead: action == .redrive)
        var to: BulkModel.Queue?
        switch action {
        case .move: to = random.pick([.bulk0, .bulk1, .bulk2].filter { $0 != queue })
        case .redrive: if random.chance(1, in: 3) { to = random.pick([.bulk0, .bulk1, .bulk2]) }
        case _: from.isDead = random.chance(1, in: 4)
        }
        var filter = MessageFilter()
        // A leased one that is cancelled goes later, and not by the job.
        if action == .cancel { filter.states = [.ready, .delayed] }
        if random.chance(1, in: 3) { filter.group = "g\(1 + random.below(3))" }
        if random.chance(1, in: 4) { filter.attemptsMin = 1 }
        if random.chance(1, in: 4) {
            filter.ids = (0..<4).compactMap { _ in
                guard !bulk.model.messages.isEmpty else { return nil }
                let id = bulk.model.messages[random.below(bulk.model.messages.count)].id
                return id == 0 ? nil : id
            }
        }
        let rate = random.chance(1, in: 3) ? UInt32(random.pick([1, 10, 100])) : 0
        let max = random.chance(1, in: 3) ? UInt32(1 + random.below(5)) : 0
        let job = BulkModel.Job(action: action, from: from, to: to, beganBefore: now, ratePerSecond: rate, last: JobReply(job: 0, state: .running))
        note("a job is to \(action) messages of \(from.name)\(to.map { " to \($0.name)" } ?? "")\(rate > 0 ? ", \(rate) a second" : "")")
        if action == .cancel { bulk.model.mayCancel(at: from) }
        bulk.model.mayMove(from: from, to: to)
        ask(bulkOperator, .bulk, .begin(job)) {
            BulkRequest(
                action, queue: from.name, target: to?.name ?? "", delayMilliseconds: action == .reschedule ? UInt64(random.below(3_000)) : 0,
                messagesMax: max, ratePerSecond: rate, reason: "simulated", filter: filter
            ).encode(into: &$0)
        }
    }

    func look(at job: UInt64, stops: Bool = false) {
        guard let known = bulk.model.jobs[job] else { return }
        ask(bulkOperator, .bulk, .look(job)) {
            BulkRequest(stops ? .stop : .look, job: job, queue: known.from.name).encode(into: &$0)
        }
    }

    private func lookAtJob() {
        guard let job = bulk.model.running.last else { return }
        look(at: job, stops: random.chance(1, in: 6))
    }

    // MARK: Everything

    /// Lets the jobs end, and looks at every message. Where the broker dies meanwhile nothing is judged.
    func lookAtEverything() {
        guard features.contains(.bulk) else { return }
        settleDown()
        var rounds = 0
        while broker.isAlive, !bulk.model.running.isEmpty, rounds < 400 {
            rounds += 1
            now = max(now + 1, min(broker.node.nextDeadline ?? now + 50, now + 200))
            if rounds.isMultiple(of: 8) { for job in bulk.model.running { look(at: job) } }
            settleDown()
        }
        guard broker.isAlive, bulk.model.running.isEmpty else {
            if isCalm, oracle.violation == nil { oracle.fail(9, "jobs \(bulk.model.running) do not end") }
            return
        }
        // One of which no answer came may still run, for all anybody knows: what it does not is judged all the same.
        guard !pending.values.contains(where: { if case .bulk = $0.kind { true } else { false } }), bulk.model.problem == nil, broker.node.jobsRunning == 0 else { return }
        note("everything in the queues of jobs is looked at")
        bulk.isShown = true
        bulk.model.sightings = [:]
        for place in BulkModel.Place.all { show(place, after: 0) }
        settleDown()
        guard broker.isAlive, bulk.isShown, bulk.unseen.isEmpty else {
            bulk.unseen = []
            return
        }
        bulk.model.judge()
    }

    func show(_ place: BulkModel.Place, after: UInt64) {
        bulk.unseen.append(place)
        ask(bulkOperator, .browse, .browse(place)) {
            BrowseRequest(queue: place.name, after: after, messagesMax: 1_000, bytesMax: 60_000, parts: .records, filter: MessageFilter()).encode(into: &$0)
        }
    }

    // MARK: Answers

    func bulkAnswered(_ ask: BulkAsk, _ body: RawSpan, client: Int?) throws(WireError) {
        switch ask {
        case .declare: _ = try DeclareReply(body)
        case .publish(let tags, _):
            var statuses: [(ItemStatus, UInt64)] = []
            for run in try PublishReply(body).runs {
                for index in 0..<run.count { statuses.append((run.status, index == 0 ? run.firstID : 0)) }
            }
            guard statuses.count == tags.count else { return oracle.fail(10, "an answer for \(statuses.count) of \(tags.count) items") }
            bulk.model.published(tags) { statuses[$0 - tags.lowerBound] }
        case .lease(let place, let isStrangers): try leasedInBulk(place, isStrangers, body, isHeld: client != nil)
        case .acknowledge(let tokens):
            let statuses = try StatusReply(body).statuses(expected: tokens.count)
            for (token, status) in zip(tokens, statuses) { bulk.model.acknowledged(token.tag, accepted: status == .ok, at: token.place) }
        case .negativeAcknowledge(let tokens): _ = try StatusReply(body).statuses(expected: tokens.count)
        case .begin(var job):
            job.last = try JobReply(body)
            bulk.model.begun(job.last, job)
            if job.last.state != .running { bulk.model.told(job.last, now: now) }
        case .look: bulk.model.told(try JobReply(body), now: now)
        case .browse(let place): try shown(place, body)
        case .trespass(let what): oracle.fail(13, "the stranger was allowed to \(what)")
        case .theft(let count):
            let statuses = try StatusReply(body).statuses(expected: count)
            if statuses.contains(.ok) { oracle.fail(13, "the stranger settled with another's token") }
        }
    }

    private func leasedInBulk(_ place: BulkModel.Place, _ isStrangers: Bool, _ body: RawSpan, isHeld: Bool) throws(WireError) {
        var reader = WireReader(body)
        let head = try LeaseReplyHead(&reader)
        for item in head.items {
            let record = try reader.span(Int(item.recordByteCount), "record")
            guard let (tag, _) = Self.tag(of: record) else { return oracle.fail(10, "message \(item.token.messageID) was delivered damaged") }
            let index = tag - BulkModel.firstTag
            bulk.model.delivered(index, id: item.token.messageID, from: place)
            guard isHeld, bulk.model.messages.indices.contains(index) else { continue }
            let token = BulkToken(tag: index, token: item.token, place: place)
            if isStrangers { bulk.strangersTokens.append(token) } else { bulk.operatorsTokens.append(token) }
        }
    }

    private func shown(_ place: BulkModel.Place, _ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let head = try BrowseReplyHead(&reader)
        bulk.unseen.removeAll { $0 == place }
        for item in head.items {
            guard item.recordByteCount > 0 else { return bulk.isShown = false }
            let record = try reader.span(Int(item.recordByteCount), "record")
            guard let (tag, _) = Self.tag(of: record) else { return oracle.fail(10, "message \(item.id) is shown damaged") }
            bulk.model.seen(tag - BulkModel.firstTag, id: item.id, at: place)
        }
        if head.next > 0 { show(place, after: head.next) }
    }

    func bulkRefused(_ ask: BulkAsk, _ error: ErrorReply) {
        switch ask {
        case .look(let job): if error.code == ErrorCode.invalidArgument.rawValue { bulk.model.forgotten(job) }
        case .browse: bulk.isShown = false
        case .publish(let tags, _): bulk.model.published(tags) { _ in (ItemStatus(.queueFull), 0) }
        case .declare, .lease, .acknowledge, .negativeAcknowledge, .begin, .trespass, .theft: break
        }
    }

    /// The answer will not come.
    func bulkLost(_ ask: BulkAsk) {
        switch ask {
        case .publish(let tags, _): bulk.model.maybePublished(tags)
        case .acknowledge(let tokens): for token in tokens { bulk.model.maybeAcknowledged(token.tag, at: token.place) }
        case .begin(let job): bulk.model.maybeBegun(from: job.from, to: job.to)
        case .browse: bulk.isShown = false
        case .declare, .lease, .negativeAcknowledge, .look, .trespass, .theft: break
        }
    }
}
