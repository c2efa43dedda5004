internal import SpindleLog
internal import SpindleNode
internal import SpindleWire

// Asking why messages are where they are, and letting time go to what is told to come next.
extension Simulation {
    /// Messages that are asked for at once.
    private static let askedMax = 12
    /// Time is not let go further than this, milliseconds.
    private static let foresightMax: UInt64 = 120_000

    func askWhy() {
        guard broker.isAlive else { return }
        broker.turn()
        // What is under way is written, and answered.
        for _ in 0..<2 where broker.isAlive {
            broker.finishCommit()
            broker.beginCommit()
        }
        broker.finishCommit()
        guard broker.isAlive, broker.isQuiet, isEverythingAnswered else { return }
        let known = oracle.messages.indices.filter { oracle.messages[$0].id != 0 && !oracle.messages[$0].fate.isDisjoint(with: .present) }
        guard !known.isEmpty else { return }
        for _ in 0..<min(Self.askedMax, known.count) {
            let (tag, isDead) = pick(known)
            let explained = explanation(of: tag, isDead: isDead)
            note("message \(tag) is explained: \(explained.map { "\($0.state) \($0.cause) \($0.next)" } ?? "it is not there")")
            oracle.explained(tag, isDead: isDead, explained, now: now)
        }
        foresee(known)
    }

    /// No request has come to the node whose answer may say what the observer does not know yet.
    private var isEverythingAnswered: Bool {
        guard !broker.hasUntaken else { return false }
        return pending.values.allSatisfy { request in
            guard request.arrivedAt != nil else { return true }
            switch request.kind {
            case .lease(let ask): return ask.waits
            case .connect, .awaits, .stats, .browse, .subscribe, .control, .workers, .withdraw, .declareRetention, .topicPublish: return true
            case .publish, .acknowledge, .negativeAcknowledge, .extend, .settle, .settleAgain, .declare, .pause, .purge, .delete, .cancel, .reschedule,
                .redrive, .bulk:
                return false
            }
        }
    }

    private var hasRoomForAnything: Bool { broker.node.log.canAppend(payloadCount: SimulatedBroker.logConfiguration.entryBytesMax) }

    private func pick(_ known: [Int]) -> (tag: Int, isDead: Bool) {
        let tag = random.pick(known)
        let fate = oracle.messages[tag].fate
        return (tag, fate.contains(.dead) && (!fate.contains(.home) || random.chance(1, in: 2)))
    }

    private func explanation(of tag: Int, isDead: Bool) -> WhyReply? {
        broker.explain(oracle.messages[tag].id, in: name(Int(oracle.messages[tag].queue), isDead))
    }

    /// What is told to come next has come when its time is there.
    private func foresee(_ known: [Int]) {
        // Without room in the log ends are logged later.
        guard frozen == 0, oracle.violation == nil, oracle.hasRoomForEnds, hasRoomForAnything else { return }
        let (tag, isDead) = pick(known)
        guard let before = explanation(of: tag, isDead: isDead), before.next != .none, before.nextAtMilliseconds > now,
            before.nextAtMilliseconds - now <= Self.foresightMax
        else { return }
        note("time goes to what is told of message \(tag): \(before.next)")
        now = before.nextAtMilliseconds
        broker.turn()
        // One turn ends so many leases and times to live as one entry of the log holds.
        var turns = 1
        while broker.isAlive, turns < Self.turnsPerMomentMax, let deadline = broker.node.nextDeadline, deadline <= now {
            broker.turn()
            turns += 1
        }
        guard broker.isAlive, hasRoomForAnything, !broker.node.hasWorkLeft else { return }
        oracle.foretold(tag, before, after: explanation(of: tag, isDead: isDead))
    }
}
