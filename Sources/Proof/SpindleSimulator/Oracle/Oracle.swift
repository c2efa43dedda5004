internal import SpindleWire

/// Watches the frames between clients and node, and says when a promise is broken. Knows nothing of the node's inside.
///
/// It stands at the node's edge: requests are told to it when they arrive, answers when they leave. Answers to what changes the log
/// leave in the log's order, so each message's history can be followed by itself, by an automaton of its own
/// (``MessageModel``), in constant time per answer. A request of which no answer comes has happened or not: both stay possible until something tells.
struct Oracle {
    var messages: [MessageModel] = []
    var queues: [QueueModel] = []
    var topics = TopicOracle()
    private let failure = Failure()
    var violation: Violation? { failure.violation }
    var step = 0
    /// The highest id that was confirmed: ids only rise.
    var idMax: UInt64 = 0
    /// SETTLEs of which no answer came: what hangs together.
    private(set) var settles: [(acknowledged: [Int], published: Range<Int>, events: Range<Int>)] = [([], 0..<0, 0..<0)]
    var checks: UInt64 = 0
    /// The step in which the log was last found without room for what time demands.
    var lackedRoomAt: Int?
    /// Requests that came to the node.
    var arrivals: UInt32 = 0
    /// LEASEs of which no answer came, and which may have leased anything.
    private(set) var losses: UInt32 = 0

    /// Apart from the rest, so that a sentence about the rest can be made while it changes.
    private final class Failure {
        var violation: Violation?
    }

    /// The first violation counts.
    func fail(_ promise: Int, _ text: @autoclosure () -> String) {
        guard failure.violation == nil else { return }
        failure.violation = Violation(promise: promise, step: step, text: text())
    }

    func name(_ tag: Int) -> String { "message \(tag) of q\(messages[tag].queue)" }

    // MARK: Deliveries

    struct Delivery {
        var id: UInt64
        var epoch: UInt32
        var attempt: UInt32
        var isDead: Bool
        var queue: Int
        var recordCRC: UInt32
        var recordByteCount: UInt32
        /// Earliest and latest time at which the lease can have begun.
        var from: UInt64
        var until: UInt64
        var duration: UInt64
        /// Of the LEASE.
        var arrival: Arrival
    }

    mutating func delivered(_ tag: Int, _ delivery: Delivery) {
        checks += 1
        guard tag >= 0, tag < messages.count else {
            fail(10, "a message was delivered that nobody published: \(tag)")
            return
        }
        let model = messages[tag]
        if Int(model.queue) != delivery.queue { fail(1, "\(name(tag)) was delivered from q\(delivery.queue)") }
        if model.recordCRC != delivery.recordCRC || model.recordByteCount != delivery.recordByteCount {
            fail(10, "\(name(tag)) was delivered with other bytes than were published")
        }
        let place: MessageModel.Fate = delivery.isDead ? .dead : .home
        if model.fate.isDisjoint(with: .present) {
            if model.fate == .absent { fail(8, "\(name(tag)) was delivered, and its publish was refused") }
            fail(3, "\(name(tag)) was delivered after its acknowledgement was confirmed (attempt \(delivery.attempt), epoch \(delivery.epoch))")
        }
        if !delivery.isDead, model.fate == .dead { fail(1, "\(name(tag)) was delivered from its queue, and it is dead") }
        if model.id != 0, model.id != delivery.id { fail(1, "\(name(tag)) is there twice: as \(model.id) and \(delivery.id)") }
        if delivery.epoch <= model.epoch { fail(2, "\(name(tag)) was delivered with epoch \(delivery.epoch) after \(model.epoch)") }
        if case .held(let from, _) = model.lease, delivery.until < from {
            fail(2, "\(name(tag)) was delivered with epoch \(delivery.epoch) while the lease \(model.epoch) holds for \(from - delivery.until) ms")
        }
        if model.isCancelled { fail(3, "\(name(tag)) was delivered after it was cancelled (epoch \(delivery.epoch))") }
        checkLimits(tag, delivery)
        let isEnded = delivery.isDead && mayBeOver(tag, at: delivery.until)
        if delivery.until < model.notBefore, !isEnded { fail(8, "\(name(tag)) was delivered \(model.notBefore - delivery.until) ms before its delay was over") }
        checkAttempts(tag, delivery, place)
        resolveSettle(tag, happened: !model.isAcknowledgedBySettle)
        var seen = messages[tag]
        seen.id = delivery.id
        seen.fate = place
        if delivery.isDead, model.mayBeRedriven { seen.fate.insert(.home) }
        if mayBeRemoved(tag, isDead: delivery.isDead, after: delivery.arrival) { seen.fate.insert(.gone) }
        if !delivery.isDead {
            seen.mayBeRedriven = false
            if queues[delivery.queue].lastRedrive > delivery.arrival.order { redriven(&seen) }
            queues[delivery.queue].leased.append(tag)
        }
        seen.epoch = delivery.epoch
        seen.lease = .held(from: delivery.from + delivery.duration, until: delivery.until + delivery.duration)
        seen.attemptsLow = delivery.attempt
        seen.attemptsHigh = delivery.attempt
        seen.lossesBefore = delivery.arrival.losses
        seen.notBefore = 0
        seen.maybeKilled = false
        messages[tag] = seen
    }

    private mutating func checkAttempts(_ tag: Int, _ delivery: Delivery, _ place: MessageModel.Fate) {
        let model = messages[tag]
        let queue = queues[delivery.queue]
        var low = model.attemptsLow
        var high = model.attemptsHigh
        let unseen: UInt32
        if model.mayBeRedriven {
            low = 0
            unseen = queue.lostLeases(after: 0, isDead: true) + queue.lostLeases(after: 0, isDead: false)
        } else if delivery.isDead, model.fate.contains(.home) {
            // It died since it was last seen.
            let unseenHome = queue.lostLeases(after: model.lossesBefore, isDead: false)
            let mayBeDead = model.fate.contains(.dead) || mayBeOver(tag, at: delivery.until)
            if !mayBeDead, !model.maybeKilled, queue.attemptsLeast == 0 || high + unseenHome < queue.attemptsLeast {
                fail(5, "\(name(tag)) is dead after \(high) of \(queue.attemptsLeast) attempts")
            }
            if !mayBeDead, !model.maybeKilled, unseenHome == 0, case .held(let from, _) = model.lease, delivery.until < from {
                fail(2, "\(name(tag)) died while its lease held")
            }
            low = 0
            high = 0
            unseen = queue.lostLeases(after: 0, isDead: true)
        } else {
            unseen = queue.lostLeases(after: model.lossesBefore, isDead: delivery.isDead)
        }
        if delivery.attempt < low + 1 || delivery.attempt > high + 1 + unseen {
            fail(5, "\(name(tag)) was delivered as attempt \(delivery.attempt), after \(low)…\(high) counted ones and \(unseen) unseen requests")
        }
        if !delivery.isDead, queue.attemptsMost > 0, delivery.attempt > queue.attemptsMost {
            fail(5, "\(name(tag)) was delivered for the \(delivery.attempt)th time: its queue allows \(queue.attemptsMost)")
        }
    }

    // MARK: Settling

    /// Whether the token surely counts at `time`.
    private func holdsSurely(_ token: HeldToken, at time: UInt64) -> Bool {
        let model = messages[token.tag]
        guard model.epoch == token.epoch, model.id == token.id, model.fate.isCertain, model.settle == 0 else { return false }
        if case .held(let from, _) = model.lease { return time < from }
        return false
    }

    /// Whether the token may count.
    func mayHold(_ token: HeldToken) -> Bool {
        let model = messages[token.tag]
        guard model.epoch == token.epoch, model.id == token.id, !model.fate.isDisjoint(with: .present) else { return false }
        if case .over = model.lease { return false }
        return true
    }

    /// The answer to a token, whatever was asked: `accepted` or LEASE_LOST. Returns whether the lease is known to have been good.
    private mutating func judge(_ token: HeldToken, accepted: Bool, at time: UInt64, _ what: StaticString) -> Bool {
        checks += 1
        if accepted {
            if !mayHold(token) {
                let model = messages[token.tag]
                fail(2, "\(what) of \(name(token.tag)) with epoch \(token.epoch) was accepted: it is at epoch \(model.epoch), \(model.lease), \(model.fate)")
            }
            resolveSettle(token.tag, happened: !messages[token.tag].isAcknowledgedBySettle)
            return true
        }
        if holdsSurely(token, at: time) { fail(2, "\(what) of \(name(token.tag)) with epoch \(token.epoch) was refused while its lease held") }
        if messages[token.tag].epoch == token.epoch { messages[token.tag].lease = .over }
        return false
    }

    mutating func acknowledged(_ token: HeldToken, accepted: Bool, at time: UInt64, leavesResult: Bool = false) {
        guard judge(token, accepted: accepted, at: time, "the ack") else { return }
        if !token.isDead, queues[Int(messages[token.tag].queue)].resultRetention > 0 {
            messages[token.tag].acknowledgedBefore = arrivals + 1
            messages[token.tag].acknowledgedFrom = time
            messages[token.tag].leftResult = leavesResult
        }
        messages[token.tag].fate = .gone
        messages[token.tag].lease = .over
    }

    /// A SETTLE was refused: nothing of it happened. A refusal leaves at once, so what came before it may not be answered yet: it is judged
    /// where no such request names its messages.
    mutating func settleRefused(_ tokens: [HeldToken], isLeaseLost: Bool, isAlone: Bool, at time: UInt64) {
        checks += 1
        if isLeaseLost, isAlone, tokens.allSatisfy({ holdsSurely($0, at: time) }) {
            fail(2, "a SETTLE of \(tokens.map { name($0.tag) }) was refused as LEASE_LOST while all its leases held")
        }
    }

    mutating func negativelyAcknowledged(_ token: HeldToken, _ nack: PendingRequest.Nack, accepted: Bool, at time: UInt64, _ arrival: Arrival) {
        guard judge(token, accepted: accepted, at: time, "the nack") else { return }
        end(token, nack, at: time, arrival)
    }

    /// `arrival` nil: nobody knows what became of the request.
    private mutating func end(_ token: HeldToken, _ nack: PendingRequest.Nack, at time: UInt64, _ arrival: Arrival?) {
        let isCertain = arrival != nil
        var model = messages[token.tag]
        let queue = queues[Int(model.queue)]
        model.lease = isCertain ? .over : .maybe
        switch nack {
        case .dead:
            let next: MessageModel.Fate = token.isDead ? .gone : .dead
            model.fate = isCertain ? next : model.fate.union(next)
            model.maybeKilled = model.maybeKilled || !isCertain
            if isCertain, !token.isDead { died(&model, arrival) }
        case .release(let delay):
            model.attemptsLow -= min(model.attemptsLow, 1)
            if isCertain {
                model.attemptsHigh -= min(model.attemptsHigh, 1)
                model.notBefore = delay > 0 ? time + delay : 0
            }
        case .retry, .retryByPolicy:
            if isCertain, case .retry(let delay) = nack { model.notBefore = delay > 0 ? time + delay : 0 }
            guard !token.isDead else { break }
            if queue.attemptsLow > 0, model.attemptsHigh >= queue.attemptsLow {
                // At the limit it dies; while the limit changes it may.
                if isCertain, queue.attemptsLow == queue.attemptsHigh, model.attemptsLow >= queue.attemptsHigh {
                    model.fate = .dead
                    model.notBefore = 0
                    died(&model, arrival)
                } else {
                    model.fate.insert(.dead)
                    model.notBefore = 0
                }
            }
        }
        // It may be dead, be it because its time was over, and a REDRIVE may have found it so.
        if !token.isDead, model.fate.contains(.dead) || queue.redrivenAt.map({ mayBeOver(token.tag, at: $0) }) ?? false {
            let mayBeBefore = queue.redrivenAt.map { time <= $0 } ?? false
            if mayBeBefore || arrival.map({ queue.lastRedrive > $0.order }) ?? false { redriven(&model) }
        }
        if let arrival, model.lastReschedule > arrival.order { model.notBefore = 0 }
        if model.isCancelled, isCertain { model.fate = .gone }
        // A CANCEL without an answer may have come before.
        if model.lastRemoval > 0 { model.fate.insert(.gone) }
        messages[token.tag] = model
    }

    private func died(_ model: inout MessageModel, _ arrival: Arrival?) {
        model.attemptsLow = 0
        model.attemptsHigh = 0
        model.lossesBefore = arrival?.losses ?? model.lossesBefore
    }

    mutating func extended(_ token: HeldToken, duration: UInt64, accepted: Bool, isCancelled: Bool, at time: UInt64) {
        guard judge(token, accepted: accepted, at: time, "the extension") else { return }
        if messages[token.tag].isCancelled, !isCancelled { fail(8, "the holder of \(name(token.tag)) was not told that it is cancelled") }
        messages[token.tag].lease = .held(from: time + duration, until: time + duration)
    }

    // MARK: What nobody knows

    /// A LEASE of the queue may lease messages without anybody being told: its answer is lost, or it is taken back in the meantime.
    mutating func mayGrantUnseen(_ queue: Int, isDead: Bool) {
        losses += 1
        queues[queue].lost(losses, isDead: isDead)
    }

    /// The answer to a request that arrived will never be seen.
    mutating func unknown(_ request: PendingRequest, now: UInt64) {
        guard let time = request.arrivedAt else { return }
        switch request.kind {
        case .connect, .stats, .subscribe, .awaits, .browse, .bulk, .control, .workers, .withdraw: break
        case .publish(_, let tags, _, _):
            for tag in tags { maybeStored(tag, at: time, request.arrival) }
        case .lease(let ask):
            for queue in ask.queues {
                mayGrantUnseen(queue, isDead: ask.isDead)
                // What it leased may have died of that before a REDRIVE came.
                if let redrivenAt = queues[queue].redrivenAt, queues[queue].lastRedrive > request.arrival.order {
                    mayRedrive(queue, at: redrivenAt)
                }
            }
        case .settleAgain(let sent, _):
            maybeSettled(sent.tokens, sent.tags, sent.events, at: time, request.arrival)
        case .acknowledge(let tokens):
            for token in tokens where mayHold(token) {
                messages[token.tag].fate.insert(.gone)
                messages[token.tag].lease = .maybe
            }
        case .negativeAcknowledge(let tokens, let nack):
            for token in tokens where mayHold(token) { end(token, nack, at: time, nil) }
        case .extend(let tokens, let duration):
            for token in tokens where mayHold(token) {
                if case .held(let from, let until) = messages[token.tag].lease {
                    messages[token.tag].lease = .held(from: min(from, time + duration), until: max(until, time + duration))
                }
            }
        case .settle(let tokens, _, let tags, _, let events):
            maybeSettled(tokens, tags, events, at: time, request.arrival)
        case .declare(let queue, let settings): queues[queue].maybeSetAttempts(settings.attemptsMax)
        case .declareRetention: break // taken for possible from when it came
        case .pause, .redrive: break // what they may do is taken for possible from when they came
        case .purge(let queue, let isDead, _, _): maybePurged(queue, isDead: isDead, at: now)
        case .delete(let queue): maybeDeleted(queue, at: now)
        case .cancel(_, _, let tags): maybeCancelled(tags)
        case .reschedule(_, _, let tags, _): maybeRescheduled(tags)
        case .topicPublish(_, let events, _, _):
            for event in events { topics.maybeStored(event) }
        }
    }

    mutating func declared(_ queue: Int, _ settings: QueueSettings, _ arrival: Arrival) {
        queues[queue].setAttempts(settings.attemptsMax)
        queues[queue].declared(settings.limits, arrival.order)
    }

    mutating func maybeStored(_ tag: Int, at time: UInt64, _ arrival: Arrival) {
        messages[tag].publishedBy = arrival.order
        guard messages[tag].fate == .absent else {
            // Sent again, and again without an answer: each time may have been the one.
            if messages[tag].fate.contains(.absent) { messages[tag].storedUntil = max(messages[tag].storedUntil, time) }
            return
        }
        messages[tag].fate = [.absent, .home]
        messages[tag].storedFrom = time
        messages[tag].storedUntil = time
        guard messages[tag].key != 0 else { return }
        queues[Int(messages[tag].queue)].holdersByKey[messages[tag].key, default: []].append(tag)
    }

    mutating func maybeSettled(_ tokens: [HeldToken], _ tags: Range<Int>, _ events: Range<Int>, at time: UInt64, _ arrival: Arrival) {
        // All or nothing: with one token that can't hold, nothing of it happened.
        guard tokens.allSatisfy(mayHold) else { return }
        let number = Int32(settles.count)
        settles.append((tokens.map(\.tag), tags, events))
        for token in tokens {
            messages[token.tag].fate.insert(.gone)
            messages[token.tag].lease = .maybe
            messages[token.tag].settle = number
            messages[token.tag].isAcknowledgedBySettle = true
        }
        for tag in tags {
            maybeStored(tag, at: time, arrival)
            messages[tag].settle = number
            messages[tag].isAcknowledgedBySettle = false
        }
        for event in events { topics.maybeStored(event) }
    }

    /// One part of a SETTLE was seen to have happened or not: so it is with the others.
    mutating func resolveSettle(_ tag: Int, happened: Bool) {
        let number = Int(messages[tag].settle)
        guard number != 0 else { return }
        let settle = settles[number]
        for other in settle.acknowledged where messages[other].settle == Int32(number) {
            messages[other].settle = 0
            if happened { messages[other].fate = .gone } else if !mayBeRemoved(other) { messages[other].fate.remove(.gone) }
            if messages[other].fate.isEmpty { fail(1, "\(name(other)) was acknowledged by half a SETTLE") }
        }
        for other in settle.published where messages[other].settle == Int32(number) {
            messages[other].settle = 0
            if happened { messages[other].fate.remove(.absent) } else { messages[other].fate.remove([.home, .dead]) }
            if messages[other].fate.isEmpty { fail(1, "\(name(other)) was published by half a SETTLE") }
        }
        for event in settle.events { topics.resolve(event, happened: happened) }
    }

    // MARK: The end

    /// Everything was drained: nothing that must be there may be missing.
    mutating func drained() {
        for tag in messages.indices where messages[tag].fate.isCertain && !messages[tag].isCancelled {
            fail(1, "\(name(tag)) (id \(messages[tag].id)) is lost: it was confirmed, never acknowledged, and is not there")
        }
    }
}
