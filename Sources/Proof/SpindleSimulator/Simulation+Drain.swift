internal import SpindleLog
internal import SpindleNode
internal import SpindleWire

// The end of a run: faults stop, and everything must come out in bounded time.
extension Simulation {
    func drain() {
        note("faults are over")
        isCalm = true
        frozen = 0
        storage.faults = [:]
        storage.disk.capacity = .max
        settleDown()
        judgeAwaited()
        if !broker.isAlive { restart(losesPower: storage.isDown) }
        if !broker.isQuiet { oracle.fail(9, "the broker neither serves nor stops") }
        guard oracle.violation == nil else { return }
        for worker in workers.indices { die(worker) }
        for producer in producers.indices { producers[producer].batch = nil }
        restart(losesPower: false)
        guard oracle.violation == nil else { return }
        settleDown()
        for queue in profile.queues.indices {
            declare(queue)
            resume(queue)
        }
        settleDown()
        // With a rate one comes at a time, and time goes on in between.
        let roundsMax = 200 + 3 * oracle.messages.count
        var rounds = 0
        while !isEmpty(), oracle.violation == nil {
            rounds += 1
            guard rounds <= roundsMax else {
                oracle.fail(9, "after \(rounds) rounds without faults there are still messages: \(lastStatistics.map { "\($0.name) \($0.ready)+\($0.leased)+\($0.delayed)" })")
                return
            }
            if !drainOnce() {
                // What a rate holds back nobody waits for: no deadline tells when it may go.
                let hasRates = profile.queues.contains { $0.ratePerSecond > 0 || $0.ratePerGroup > 0 }
                now = max(now + (hasRates ? 500 : 1), broker.node.nextDeadline ?? now + 60_000)
                settleDown()
            }
            guard rounds < 20 || rounds.isMultiple(of: 20) else { continue }
            broker.beginCheckpoint()
            settleDown()
            checkpoint()
        }
        if let problem = oracle.topics.takeProblem() { oracle.fail(problem.promise, problem.text) }
        guard oracle.violation == nil else { return }
        oracle.drained()
        readTopics()
        checkDeathsAreTold()
        lookAtEverything()
        restart(losesPower: false)
        lookAtEverything()
        checkDeathsAreTold()
        if let problem = bulk.model.takeProblem() { oracle.fail(problem.promise, problem.text) }
        verify()
    }

    /// Leases all there is, and acknowledges it. Whether there was any.
    private func drainOnce() -> Bool {
        for queue in profile.queues.indices {
            for isDead in [false, true] {
                send(workerClient(0), .lease, .lease(.init(queues: [queue], isDead: isDead, messagesMax: 1000, waits: false, worker: 0))) {
                    LeaseRequest(
                        queue: isDead ? "q\(queue).dead" : "q\(queue)", messagesMax: 1000, bytesMax: 60_000, leaseMilliseconds: 60_000,
                        waitMilliseconds: 0
                    ).encode(into: &$0)
                }
            }
        }
        settleDown()
        let held = workers[0].tokens
        guard !held.isEmpty else { return false }
        workers[0].tokens = []
        send(workerClient(0), .ack, .acknowledge(held)) {
            AckRequest(tokens: held.map { DeliveryToken(messageID: $0.id, epoch: $0.epoch) }).encode(into: &$0)
        }
        settleDown()
        return true
    }

    private func isEmpty() -> Bool {
        lastStatistics = []
        stats()
        settleDown()
        let own = lastStatistics.filter { $0.name.utf8.first == UInt8(ascii: "q") }
        return !own.isEmpty && own.allSatisfy { $0.ready + $0.leased + $0.delayed == 0 && $0.bytes == 0 }
    }

    /// Every subscriber reads on from where it was, to the end.
    private func readTopics() {
        for subscriber in subscribers.indices {
            subscribe(subscriber)
            settleDown()
            oracle.topics.subscribers[subscriber].credit += 1_000_000
            give(subscriber, credit: 1_000_000)
            settleDown()
            oracle.topics.checkCaughtUp(subscriber)
        }
        if let problem = oracle.topics.takeProblem() { oracle.fail(problem.promise, problem.text) }
    }

    private func verify() {
        guard oracle.violation == nil else { return }
        do throws(LogStorageError) {
            let found = try LogInspector(storage: storage).verifyState()
            if let problem = found.problems.first { oracle.fail(10, "at the end the log is damaged: \(problem)") }
        } catch {
            oracle.fail(10, "at the end the log can't be read: \(error)")
        }
    }
}
