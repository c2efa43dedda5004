internal import SpindleLog
internal import SpindleNode
internal import SpindleWire

/// What one seed met.
package struct SimulationResult: Sendable {
    package var seed: UInt64
    package var operations = 0
    package var checks: UInt64 = 0
    package var messages = 0
    package var events = 0
    package var crashes = 0
    package var crashesInRecovery = 0
    package var kills = 0
    package var faults = 0
    package var recoveries = 0
    package var stateComparisons = 0
    package var damages = 0
    package var damagesDetected = 0
    package var inputOutputs = 0
    /// Records that were moved in the log.
    package var moved = 0
    package var violation: Violation?

    package init(seed: UInt64) { self.seed = seed }
}

/// One run: clients, network, clock and disk around a broker, everything decided by one seed.
package final class Simulation {
    let features: Features
    let profile: Profile
    var random: SeededGenerator
    var oracle = Oracle()
    var result: SimulationResult
    package var trace: ((String) -> Void)?

    let configuration: NodeConfiguration
    var storage: SimulatedDisk
    var broker: SimulatedBroker
    /// Node time: the broker's is the same.
    var now: UInt64 = 1_000_000 {
        didSet { broker.now = now }
    }
    /// Steps for which the clock stands still.
    var frozen = 0
    /// What was told to those who awaited messages, and is to be judged.
    var awaited: [(tag: Int, item: AwaitReply.Item, arrival: Arrival)] = []
    /// Queues that were paused last.
    var pausedQueues: Set<Int> = []
    /// State, as a checkpoint would hold it, and position at a moment when all was durable, to compare with what a recovery makes of it.
    var snapshot: (state: [UInt8], lsn: LSN)?
    /// The sync of a start failed, and the process began again: what that start discarded is gone from the cache and may still be on the
    /// disk. After a loss of power it is found again, and discarded again. The segment in which that is; nil: there is no such one.
    var cachedTail: UInt64?
    /// Faults are over: the end of the run.
    var isCalm = false

    // Network.
    var pending: [UInt32: PendingRequest] = [:]
    var connections: [UInt64: (client: Int, isAlive: Bool)] = [:]
    var zombies: [UInt64] = []
    var slowReaders: SlowReaders
    var nextCorrelation: UInt32 = 1
    var nextSession: UInt64 = 1
    var greedy = GreedyState()

    // Clients: producers, workers, subscribers, one administrator, in this order.
    var clients: [Client]
    var producers: [ProducerState]
    var workers: [WorkerState]
    var subscribers: [SubscriberState]
    var lastStatistics: [StatsReply.Queue] = []
    var bulk = BulkClients()
    var workerControl = WorkerControl()
    var withdrawals = Withdrawals()
    var deaths = DeathWitness()
    var plannedFault = 0
    var records = WireWriter(capacity: 4096)

    static let topicRetentionMilliseconds: UInt64 = 3_600_000

    package init(seed: UInt64, features: Features = .all) throws {
        self.features = features
        random = SeededGenerator(seed: seed)
        profile = Profile(&random, features)
        result = SimulationResult(seed: seed)
        slowReaders = SlowReaders(seed: seed)
        configuration = SimulatedBroker.nodeConfiguration(
            topicEventsMax: profile.topicEventsMax, topicRetentionMilliseconds: Self.topicRetentionMilliseconds,
            outputWindowBytes: features.contains(.slowReaders) ? slowReaders.windowBytes : 64 << 10)
        storage = SimulatedDisk()
        storage.recordsTrace = false
        broker = SimulatedBroker(
            try SimulatedBroker.start(storage, configuration), storage: storage, configuration: configuration, now: now,
            checkpointIntervalBytes: profile.checkpointIntervalBytes)
        // Behind the administrator: the operator of jobs, and the stranger.
        let others = features.contains(.bulk) || features.contains(.strangers) ? 3 : 1
        clients = Array(repeating: Client(), count: profile.producers + profile.workers + profile.subscribers + others)
        producers = (0..<profile.producers).map { ProducerState(id: $0 == 0 ? 0 : UInt64($0)) }
        workers = Array(repeating: WorkerState(), count: profile.workers)
        subscribers = Array(repeating: SubscriberState(), count: profile.subscribers)
        oracle.topics = TopicOracle(
            topics: profile.topics, eventsMax: profile.topicEventsMax, milliseconds: Self.topicRetentionMilliseconds)
        oracle.topics.subscribers = Array(repeating: .init(wants: Array(repeating: false, count: profile.topics)), count: profile.subscribers)
        oracle.queues = profile.queues.map(QueueModel.init)
        attach()
    }

    func attach() {
        storage.betweenCalls = features.contains(.interleaving) ? { [unowned self] in self.betweenCalls() } : nil
        broker.principal = { [unowned self] session in
            self.isGreedy(session.rawValue) ? Self.greedyPrincipal : self.isStranger(session.rawValue) ? Self.strangersRights : SimulatedBroker.everything
        }
        broker.onFrame = { [unowned self] session, header, body in self.received(session.rawValue, header, body) }
        broker.onClose = { [unowned self] session in self.closedByBroker(session.rawValue) }
    }

    func note(_ text: @autoclosure () -> String) { trace?("step \(oracle.step), \(now) ms: \(text())") }

    // MARK: The run

    package func run(operations: Int) -> SimulationResult {
        setUp()
        if profile.capacity < .max { storage.disk.capacity = profile.capacity }
        planFault()
        while oracle.step < operations, oracle.violation == nil {
            step()
            oracle.step += 1
        }
        result.operations = oracle.step
        if oracle.violation == nil { drain() }
        result.messages = oracle.messages.count
        result.events = oracle.topics.events.count
        result.checks = oracle.checks
        result.inputOutputs += storage.operations
        result.violation = oracle.violation
        return result
    }

    /// Declares the queues, without faults.
    private func setUp() {
        while broker.needsPreparing { _ = broker.prepare() }
        for index in profile.queues.indices { declare(index) }
        declareGreedyQueue()
        for (topic, retention) in profile.topicRetentions.enumerated() {
            if let retention { declareRetention(topic, retention) }
        }
        setUpBulk()
        watchDeaths()
        settleDown()
    }

    /// Turns and commits until nothing is open.
    func settleDown() {
        var rounds = 0
        repeat {
            flushUplinks()
            broker.turn()
            broker.beginCommit()
            broker.finishCommit()
            while broker.needsPreparing, case .done = broker.prepare() {}
            rounds += 1
        } while broker.isAlive && (isCalm && readOn() || !broker.isQuiet && rounds < 100)
    }

    private func step() {
        watchDeaths()
        readSlowly()
        if frozen > 0 { frozen -= 1 } else { now += UInt64(random.below(12)) }
        let action = profile.table[random.below(profile.table.count)]
        perform(action)
        broker.turn()
        if broker.isAlive, !broker.node.log.canAppend(payloadCount: SimulatedBroker.logConfiguration.entryBytesMax) { oracle.lackedRoomAt = oracle.step }
        commitSometimes()
        checkIdles()
        if !awaited.isEmpty { judgeAwaited() }
        if !broker.isAlive {
            restart(losesPower: storage.isDown)
        } else if storage.operations > plannedFault {
            planFault()
        } else if features.contains(.kill), random.chance(1, in: profile.faultDistance * 8) {
            result.kills += 1
            restart(losesPower: false)
        }
        if let bytes = broker.largestFrameBytes { oracle.fail(10, "the node made a frame of \(bytes) bytes: at most \(configuration.frameBytesMax) are allowed") }
        judgeDeaths()
        if let problem = oracle.topics.takeProblem() ?? bulk.model.takeProblem() { oracle.fail(problem.promise, problem.text) }
    }

    private func commitSometimes() {
        if broker.isCommitting {
            if random.chance(profile.commitEagerness, in: 5) { broker.finishCommit() }
        } else if broker.hasOpenBatch, random.chance(profile.commitEagerness, in: 5) {
            broker.beginCommit()
            if random.chance(1, in: 2) { broker.finishCommit() }
        }
        if broker.isQuiet, broker.isAlive, random.chance(1, in: 64) { snapshot = (broker.encodedState(), broker.node.log.durable) }
    }

    /// Turns that one moment may take, at most.
    static let turnsPerMomentMax = 1_000

    /// What is due at one moment is done after some turns: else the broker's loop would go round for ever, and do nothing.
    private func checkIdles() {
        guard oracle.step.isMultiple(of: 8) else { return }
        var turns = 0
        while broker.isAlive, let deadline = broker.node.nextDeadline, deadline <= now {
            turns += 1
            guard turns <= Self.turnsPerMomentMax else {
                oracle.fail(9, "after \(turns) turns at \(now) the node still asks for one at \(deadline)")
                return
            }
            broker.turn()
        }
    }

    private func perform(_ action: Profile.Action) {
        switch action {
        case .publish: publish(random.below(producers.count))
        case .repeatPublish: repeatPublish(random.below(producers.count))
        case .lease: lease(random.below(workers.count), isDead: false)
        case .leaseDead: lease(random.below(workers.count), isDead: true)
        case .acknowledge: acknowledge(random.below(workers.count))
        case .nack: negativeAcknowledge(random.below(workers.count))
        case .extend: extend(random.below(workers.count))
        case .settle: settle(random.below(workers.count))
        case .die: die(random.below(workers.count))
        case .topicPublish: publishEvents(random.below(producers.count))
        case .subscribe: subscribe(random.below(subscribers.count))
        case .credit: credit(random.below(subscribers.count))
        case .declare: declareChange()
        case .stats: stats()
        case .time: now += UInt64(random.below(400))
        case .jump: jump()
        case .expiry: goToExpiry()
        case .commit:
            broker.beginCommit()
            broker.finishCommit()
        case .network: deliverOne(random.below(clients.count))
        case .loseConnection: loseConnection(random.below(clients.count), isHalfOpen: false)
        case .halfOpen: loseConnection(random.below(clients.count), isHalfOpen: true)
        case .prepare: background()
        case .checkpoint: checkpoint()
        case .mark: broker.mark()
        case .pause: pause(random.below(profile.queues.count))
        case .purge: purge(random.below(profile.queues.count))
        case .cancel: cancel(random.below(profile.queues.count))
        case .reschedule: reschedule(random.below(profile.queues.count))
        case .redrive: redrive(random.below(profile.queues.count))
        case .delete: delete(random.below(profile.queues.count))
        case .relocate: relocate()
        case .awaits: awaitMessages(random.below(profile.queues.count))
        case .browse: look(random.below(profile.queues.count))
        case .greedy: beGreedy()
        case .retention: declareRetention(random.below(profile.topics), Profile.retention(&random))
        case .bulk: workInBulk()
        case .trespass: trespass()
        case .control: control()
        case .withdraw: withdraw()
        case .repeatSettle: repeatSettle(random.below(workers.count))
        case .why: askWhy()
        }
    }

    // MARK: Time

    private func jump() {
        switch random.below(12) {
        case 0: now += 86_400_000
        case 1: frozen = 50
        case let kind: now += UInt64(kind * random.below(6_000))
        }
        note("time jumps")
    }

    /// One tick before, at or behind the next thing that time does.
    private func goToExpiry() {
        guard let deadline = broker.node.nextDeadline else { return }
        now = max(now, deadline + UInt64(random.below(3)) - min(1, deadline))
        note("time goes to the next deadline")
    }

    // MARK: Background work

    func background() {
        if broker.needsPreparing { noteWork(broker.prepare()) }
        broker.freeSpace()
    }

    func checkpoint() {
        if broker.checkpointIsDue { broker.beginCheckpoint() }
        guard broker.canWriteCheckpoint else { return }
        note("checkpoint")
        let work = broker.writeCheckpoint()
        noteWork(work)
        if case .done = work { checkDiskUsage() }
    }

    /// Reads what lies furthest back, or has it moved: other things happen in between.
    private func relocate() {
        if broker.isMoving {
            result.moved += broker.finishMove()
        } else if !broker.beginMove(below: random.chance(1, in: 2) ? .max : random.next() % max(1, broker.node.log.durable.rawValue), max: 1 + random.below(12)) {
            oracle.fail(10, "a stored record could not be read to be moved, or is damaged")
        }
    }

    private func noteWork(_ work: SimulatedBroker.Work) {
        switch work {
        case .failed: result.faults += 1
        case .nothing, .done, .diskFull: break
        }
    }

    private func checkDiskUsage() {
        guard let bound = broker.diskBytesMax, storage.usedBytes > bound else { return }
        let files = ((try? storage.list()) ?? []).map { "\($0.name): \($0.size)" }.sorted()
        oracle.fail(11, "the disk holds \(storage.usedBytes) bytes after reclaiming; what is needed allows \(bound). \(files.joined(separator: ", "))")
    }
}
