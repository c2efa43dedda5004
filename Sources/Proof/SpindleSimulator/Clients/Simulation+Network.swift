internal import SpindleLog
internal import SpindleNode
internal import SpindleWire

// The network between clients and node: connections that come and go, frames that wait, answers that are lost.
extension Simulation {
    var administrator: Int { profile.producers + profile.workers + profile.subscribers }
    func producerClient(_ producer: Int) -> Int { producer }
    func workerClient(_ worker: Int) -> Int { profile.producers + worker }
    func subscriberClient(_ subscriber: Int) -> Int { profile.producers + profile.workers + subscriber }

    private func connect(_ client: Int) {
        let session = nextSession
        nextSession += 1
        clients[client].session = session
        connections[session] = (client, true)
        broker.connected(SessionID(rawValue: session))
        choosePace(of: client, session)
        var writer = WireWriter()
        let isStranger = features.contains(.strangers) && client == stranger
        // The longest name that is allowed: what is composed of it must be, too.
        HelloRequest(clientName: isStranger ? String(repeating: "n", count: WireLimits.nameBytesMax) : "c", clientVersion: "1").encode(into: &writer)
        broker.received(SessionID(rawValue: session), .hello, 0, writer.span)
        writer.removeAll()
        AuthRequest(method: .token, credential: "t").encode(into: &writer)
        broker.received(SessionID(rawValue: session), .auth, 0, writer.span)
        broker.turn()
    }

    /// Sends what `body` writes as one request.
    func send(_ client: Int, _ opcode: Opcode, _ kind: PendingRequest.Kind, atOnce: Bool = false, _ body: (inout WireWriter) -> Void) {
        if clients[client].session == 0 { connect(client) }
        let correlation = nextCorrelation
        nextCorrelation += 1
        let session = clients[client].session
        var writer = WireWriter()
        body(&writer)
        let waits = !isCalm && features.contains(.reordering) && random.below(100) < profile.delayedFrames
        if !atOnce, waits || !clients[client].uplink.isEmpty || !broker.takesRequests(SessionID(rawValue: session)) {
            pending[correlation] = PendingRequest(kind: kind, session: session, arrivedAt: nil)
            clients[client].uplink.append((opcode, correlation, writer.array()))
        } else {
            pending[correlation] = PendingRequest(kind: kind, session: session, arrivedAt: now, arrival: oracle.arrived(kind, at: now))
            arrived(kind)
            hand(session, opcode, correlation, writer.span)
        }
    }

    private func arrived(_ kind: PendingRequest.Kind) {
        let tags: Range<Int>
        switch kind {
        case .publish(_, let published, _, false): tags = published
        case .settle(_, _, let published, _, let events):
            tags = published
            for event in events { oracle.topics.arrived(event) }
        case .topicPublish(_, let events, _, false):
            tags = 0..<0
            for event in events { oracle.topics.arrived(event) }
        case .control(let session, _):
            workerControl.arrived(session, oracle.arrivals)
            return
        case _: return
        }
        for tag in tags where oracle.messages[tag].delay > 0 && oracle.messages[tag].notBefore == 0 && oracle.messages[tag].fate == .absent {
            oracle.messages[tag].notBefore = now + oracle.messages[tag].delay
        }
    }

    /// The frame that waited longest comes to the node.
    func deliverOne(_ client: Int) {
        guard !clients[client].uplink.isEmpty, clients[client].session != 0 else { return }
        guard broker.takesRequests(SessionID(rawValue: clients[client].session)) else { return }
        let frame = clients[client].uplink.removeFirst()
        pending[frame.correlationID]?.arrivedAt = now
        if let request = pending[frame.correlationID] {
            pending[frame.correlationID]?.arrival = oracle.arrived(request.kind, at: now)
            arrived(request.kind)
        }
        hand(clients[client].session, frame.opcode, frame.correlationID, frame.body.span.bytes)
    }

    /// The node gets a frame.
    private func hand(_ session: UInt64, _ opcode: Opcode, _ correlation: UInt32, _ body: RawSpan) {
        if case .lease(var ask)? = pending[correlation]?.kind, ask.queues.count > 1 {
            ask.surelyAt = surelyReadyPlace(of: ask, correlation)
            pending[correlation]?.kind = .lease(ask)
        }
        let end = broker.node.log.end
        // A LEASE ends the times to live that are over before it looks for a message.
        let endsTimes = opcode == .lease && broker.node.nextDeadline.map { $0 <= now } ?? false
        broker.received(SessionID(rawValue: session), opcode, correlation, body)
        if broker.node.log.end != end, !endsTimes { pending[correlation]?.wroteLog = true }
    }

    func flushUplinks() {
        for client in clients.indices {
            while let session = clients[client].uplink.isEmpty ? nil : clients[client].session, broker.takesRequests(SessionID(rawValue: session)) {
                deliverOne(client)
            }
        }
    }

    /// The connection breaks. Half open: the node does not notice for a while, and talks to nobody.
    func loseConnection(_ client: Int, isHalfOpen: Bool) {
        guard clients[client].session != 0 else {
            noticeZombie()
            return
        }
        let session = clients[client].session
        note("connection \(session) of client \(client) breaks\(isHalfOpen ? ", unnoticed by the node" : "")")
        result.faults += 1
        drop(client)
        if isHalfOpen {
            zombies.append(session)
            if zombies.count > 3 { noticeZombie() }
        } else {
            gone(session)
        }
    }

    /// The client's side of a connection ends; frames on their way are lost.
    private func drop(_ client: Int) {
        let session = clients[client].session
        for frame in clients[client].uplink { pending[frame.correlationID] = nil }
        clients[client].uplink.removeAll()
        clients[client].session = 0
        slowReaders.forget(session)
        connections[session]?.isAlive = false
        forgetAnswers(client)
    }

    /// Whatever the client waits for will not come.
    private func forgetAnswers(_ client: Int) {
        if client < profile.producers {
            producers[client].isWaiting = false
            // Without a producer id it can't ask again.
            if producers[client].id == 0 { producers[client].batch = nil }
        } else if client < profile.producers + profile.workers {
            workers[client - profile.producers].waits = 0
        } else if client < administrator {
            let subscriber = client - profile.producers - profile.workers
            subscribers[subscriber].subscription = 0
            oracle.topics.subscribers[subscriber].isActive = false
        }
    }

    private func noticeZombie() {
        guard !zombies.isEmpty else { return }
        gone(zombies.removeFirst())
    }

    /// The node learns that a connection is gone.
    private func gone(_ session: UInt64) {
        broker.disconnected(SessionID(rawValue: session))
        forgetPending { $0.session == session }
        connections[session] = nil
        workerControl.forget(session)
    }

    func forgetPending(_ isLost: (PendingRequest) -> Bool) {
        let lost = pending.filter { isLost($0.value) }.keys.sorted()
        for correlation in lost {
            guard let request = pending.removeValue(forKey: correlation) else { continue }
            oracle.unknown(request, now: now)
            if case .bulk(let ask) = request.kind, request.arrivedAt != nil { bulkLost(ask) }
        }
    }

    /// The broker died: every connection is gone, and nobody knows what became of what was under way.
    func loseEverything() {
        for client in clients.indices { drop(client) }
        forgetPending { _ in true }
        connections.removeAll()
        zombies.removeAll()
        withdrawals.restarted()
        deaths.restarted()
        greedy = GreedyState()
    }

    func closedByBroker(_ session: UInt64) {
        oracle.fail(8, "the broker closed connection \(session), which did nothing wrong")
    }

    // MARK: Answers

    func received(_ session: UInt64, _ header: FrameHeader, _ body: RawSpan) {
        do throws(WireError) {
            if isGreedy(session) { return try receivedGreedy(header, body) }
            if isWitness(session) { return try witnessed(header, body) }
            if header.flags.contains(.push) {
                try pushed(session, header, body)
                return
            }
            withdrawals.check(header.correlationID, &oracle)
            if case .lease(let ask)? = pending[header.correlationID]?.kind, ask.queues.count > 1 { withdrawals.end(header.correlationID) }
            guard let request = pending.removeValue(forKey: header.correlationID) else { return }
            let connection = connections[session]
            let client = connection?.isAlive == true ? connection?.client : nil
            if header.flags.contains(.error) {
                let error = try ErrorReply(body)
                note("answer \(header.correlationID): error \(error.code) \(error.message)")
                refused(request, header.correlationID, error, client: client)
            } else {
                try answered(request, header.correlationID, body, client: client)
            }
        } catch {
            oracle.fail(10, "an answer that can't be read: \(error.message)")
        }
    }

    /// The whole request was refused: it changed nothing.
    private func refused(_ request: PendingRequest, _ correlation: UInt32, _ error: ErrorReply, client: Int?) {
        if isWithdrawn(request, correlation, error) {
            note("answer \(correlation): it was withdrawn")
        } else if request.wroteLog { oracle.fail(8, "a request was refused (\(error.message)), and the log was written for it") }
        switch request.kind {
        case .topicPublish(_, let events, _, _), .settle(_, _, _, _, let events):
            for event in events { oracle.topics.notStored(event) }
        case _: break
        }
        switch request.kind {
        case .publish(_, _, let producer, let isRepeated), .topicPublish(_, _, let producer, let isRepeated):
            guard let client, client == producerClient(producer), !isRepeated else { return }
            producers[producer].isWaiting = false
            // What is not retried was never stored, unless it was sent before.
            if !error.isRetryable || producers[producer].id == 0 { producers[producer].batch = nil }
        case .lease(let ask):
            let worker = ask.worker
            if client != nil { workers[worker].waits -= min(1, workers[worker].waits) }
        case .settle(let tokens, _, _, _, _):
            let isAlone = !pending.values.contains { other in other.arrivedAt != nil && tokens.contains { concerns(other, $0) } }
            oracle.settleRefused(
                tokens, isLeaseLost: error.code == ErrorCode.leaseLost.rawValue, isAlone: isAlone, at: request.arrivedAt ?? now)
            for index in workers.indices { workers[index].settles.remove(correlation) }
            guard let client else { return }
            for token in tokens { workers[client - profile.producers].discard(token) }
        case .settleAgain(let sent, let worker): repeatedSettleRefused(sent, worker, error)
        case .acknowledge(let tokens), .negativeAcknowledge(let tokens, _), .extend(let tokens, _):
            guard let client else { return }
            for token in tokens { workers[client - profile.producers].discard(token) }
        case .browse(let isDead, let sight):
            // A refusal leaves at once: what took the message away may not be answered yet.
            let isAlone = !pending.values.contains { $0.arrivedAt != nil && $0.mayTakeAway }
            if isAlone, error.code == ErrorCode.noSuchMessage.rawValue { oracle.looked(sight, isDead: isDead, [], next: 0, now: now) }
        case .connect, .declare, .declareRetention, .subscribe, .stats, .pause, .purge, .delete, .cancel, .reschedule, .redrive, .awaits, .control, .workers, .withdraw: break
        case .bulk(let ask): bulkRefused(ask, error)
        }
    }

    /// Whether the request may end the lease.
    private func concerns(_ request: PendingRequest, _ token: HeldToken) -> Bool {
        if case .delete(let queue) = request.kind { return queue == Int(oracle.messages[token.tag].queue) }
        return request.tokens.contains { $0.tag == token.tag }
    }

    private func answered(_ request: PendingRequest, _ correlation: UInt32, _ body: RawSpan, client: Int?) throws(WireError) {
        let at = request.arrivedAt ?? now
        switch request.kind {
        case .connect: break
        case .publish(_, let tags, let producer, let isRepeated):
            let runs = try PublishReply(body).runs
            published(tags, runs, isRepeated: isRepeated, at: at, request.arrival)
            note("answer \(correlation): messages \(tags) \(runs.map { "\($0.status.rawValue)×\($0.count)" })")
            if client != nil, !isRepeated { finishBatch(producer) }
        case .topicPublish(_, let events, let producer, let isRepeated):
            let runs = try TopicPublishReply(body).runs
            publishedEvents(events, runs)
            if client != nil, !isRepeated { finishBatch(producer) }
        case .lease(let ask):
            try checkQuiet(request, body)
            let isSlow = slowReaders.windowBytes < 64 << 10
            try leased(ask, from: at, until: ask.waits || isSlow ? now : at, request.arrival, body, client: client)
        case .acknowledge(let tokens):
            let statuses = try StatusReply(body).statuses(expected: tokens.count)
            note("answer \(correlation): acks of \(tokens.map(\.tag)) \(statuses.map(\.rawValue))")
            for (token, status) in zip(tokens, statuses) { oracle.acknowledged(token, accepted: status == .ok, at: at, leavesResult: leavesResult(token)) }
            if client != nil { for token in tokens { workers[worker(client)].discard(token) } }
        case .negativeAcknowledge(let tokens, let nack):
            let statuses = try StatusReply(body).statuses(expected: tokens.count)
            note("answer \(correlation): nacks (\(nack)) of \(tokens.map(\.tag)) \(statuses.map(\.rawValue))")
            for (token, status) in zip(tokens, statuses) {
                oracle.negativelyAcknowledged(token, nack, accepted: status == .ok, at: at, request.arrival)
                if case .dead = nack, status == .ok, !token.isDead { deaths.oracle.died(token.tag) }
            }
            if client != nil { for token in tokens { workers[worker(client)].discard(token) } }
        case .extend(let tokens, let duration):
            let reply = try ExtendReply(body)
            let granted = reply.leaseMilliseconds > 0 ? UInt64(reply.leaseMilliseconds) : duration
            for (token, item) in zip(tokens, reply.items) { 
                oracle.extended(token, duration: granted, accepted: item.status == .ok, isCancelled: item.isCancelled, at: at)
            }
        case .settle(let tokens, _, let tags, _, let events):
            let ids = try SettleReply(body).firstIDs
            note("answer \(correlation): settled \(tokens.map(\.tag)) and stored \(tags), events \(events)")
            settled(tokens, tags, events, ids, at: at, request.arrival)
            for index in workers.indices { workers[index].settles.answered(correlation, ids) }
            if client != nil { for token in tokens { workers[worker(client)].discard(token) } }
        case .settleAgain(let sent, let worker): settledAgain(sent, worker, try SettleReply(body).firstIDs, at: at, request.arrival)
        case .declare(let queue, let settings):
            _ = try DeclareReply(body)
            oracle.declared(queue, settings, request.arrival)
        case .declareRetention(let topic, let retention):
            _ = try DeclareReply(body)
            oracle.topics.declared(retention, of: topic, request.arrival.order)
        case .subscribe(let subscriber):
            let cursor = try TopicSubscribeReply(body).cursor
            subscribed(subscriber, session: request.session, cursor: cursor.offset)
        case .stats: lastStatistics = try StatsReply(body).queues
        case .pause, .purge, .delete, .cancel, .reschedule, .redrive, .awaits: try operated(request, correlation, body)
        case .browse(let isDead, let sight): try looked(isDead, sight, correlation, body)
        case .bulk(let ask): try bulkAnswered(ask, body, client: client)
        case .control(let session, let isQuiet): try controlled(session, isQuiet: isQuiet, request.arrival, body)
        case .workers: try shownWorkers(body)
        case .withdraw(let asked): try withdrawn(asked, body)
        }
    }

    private func worker(_ client: Int?) -> Int { (client ?? 0) - profile.producers }
}
