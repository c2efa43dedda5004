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
    private(set) var idMax: UInt64 = 0
    /// SETTLEs of which no answer came: what hangs together.
    private var settles: [(acknowledged: [Int], published: Range<Int>, events: Range<Int>)] = [([], 0..<0, 0..<0)]
    private(set) var checks: UInt64 = 0
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

    private func name(_ tag: Int) -> String { "message \(tag) of q\(messages[tag].queue)" }

    // MARK: Publishing

    /// The message was confirmed, at `now` at the latest.
    mutating func stored(_ tag: Int, id: UInt64, arrivedAt: UInt64, now: UInt64) {
        checks += 1
        if id <= idMax { fail(5, "\(name(tag)) got the id \(id), and \(idMax) was given out before: ids must rise") }
        idMax = max(idMax, id)
        if messages[tag].id != 0, messages[tag].id != id, messages[tag].fate != .absent, !messages[tag].fate.contains(.absent) {
            fail(6, "\(name(tag)) was stored twice, as \(messages[tag].id) and \(id)")
        }
        checkKey(tag, at: arrivedAt)
        resolveSettle(tag, happened: true)
        messages[tag].id = id
        messages[tag].fate = .home
        messages[tag].storedFrom = arrivedAt
        messages[tag].storedUntil = now
    }

    /// A message with a deduplication key was accepted: no other may have it within the window.
    private mutating func checkKey(_ tag: Int, at: UInt64) {
        let key = messages[tag].key
        guard key != 0 else { return }
        let queue = Int(messages[tag].queue)
        var holders = queues[queue].holdersByKey[key] ?? []
        for holder in holders where holder != tag && !messages[holder].fate.contains(.absent) && messages[holder].id != 0 {
            let window = queues[queue].windowLow
            if window > 0, at < messages[holder].storedFrom + window {
                fail(6, "\(name(tag)) was accepted, and \(name(holder)) has its deduplication key since \(at - min(at, messages[holder].storedFrom)) ms")
            }
        }
        holders.removeAll { $0 == tag || (messages[$0].id != 0 && messages[$0].storedUntil + queues[queue].windowHigh <= at) }
        holders.append(tag)
        queues[queue].holdersByKey[key] = holders
    }

    /// This item of a publish was refused: it is not there, and was not before.
    mutating func refused(_ tag: Int) {
        checks += 1
        if !messages[tag].fate.contains(.absent) { fail(6, "\(name(tag)) was refused when it was sent again, and it had been stored") }
        messages[tag].fate = .absent
        resolveSettle(tag, happened: false)
    }

    /// Answered as a duplicate of `id` (0: of one that is not named).
    mutating func duplicate(_ tag: Int, id: UInt64, arrivedAt: UInt64) {
        checks += 1
        let key = messages[tag].key
        let queue = Int(messages[tag].queue)
        let holders = key == 0 ? [] : queues[queue].holdersByKey[key] ?? []
        let isOthers = id != 0 && holders.contains { $0 != tag && messages[$0].id == id }
        if messages[tag].fate != .absent, !isOthers {
            // The same batch again; or one of another, of whose publish no answer came either.
            if messages[tag].fate.contains(.absent), key != 0, !maybeHolders(of: key, queue, id, at: arrivedAt, except: tag).isEmpty { return }
            if messages[tag].fate.contains(.absent), id != 0, id <= messages[tag].idsBefore {
                fail(6, "\(name(tag)) was answered as a duplicate of \(id), which is older, and nobody's who has its key")
            }
            if messages[tag].fate.contains(.absent) {
                confirm(tag, id: id)
            } else if id != 0, messages[tag].id != id {
                fail(6, "\(name(tag)) has the id \(messages[tag].id), and was answered as a duplicate of \(id)")
            }
            return
        }
        guard key != 0 else {
            fail(6, "\(name(tag)) was answered as a duplicate of \(id), and it was never stored")
            return
        }
        if !messages[tag].fate.contains(.absent) { fail(6, "\(name(tag)) was stored, and then answered as a duplicate of another, \(id)") }
        messages[tag].fate = .absent
        let window = queues[queue].windowHigh
        // The one with this id, if it is known.
        if let holder = holders.last(where: { $0 != tag && messages[$0].id == id && id != 0 && messages[$0].fate != .absent }) {
            if arrivedAt >= messages[holder].storedUntil + window {
                fail(6, "\(name(tag)) was refused as a duplicate of \(name(holder)), whose window is over")
            }
            if messages[holder].fate.contains(.absent) { confirm(holder, id: id) }
            return
        }
        // Else one of those of whose publish no answer came.
        let candidates = maybeHolders(of: key, queue, id, at: arrivedAt, except: tag)
        if candidates.isEmpty { fail(6, "\(name(tag)) was answered as a duplicate of \(id), and no message whose window is open has its key") }
        if candidates.count == 1 { confirm(candidates[0], id: id) }
    }

    /// Messages with the deduplication key of whose publish no answer came, and that may be `id`.
    private func maybeHolders(of key: UInt16, _ queue: Int, _ id: UInt64, at time: UInt64, except tag: Int) -> [Int] {
        (queues[queue].holdersByKey[key] ?? []).filter {
            $0 != tag && messages[$0].id == 0 && messages[$0].fate != .absent && (id == 0 || id > messages[$0].idsBefore)
                && time < messages[$0].storedUntil + queues[queue].windowHigh
        }
    }

    /// It is known now that the message was stored.
    private mutating func confirm(_ tag: Int, id: UInt64) {
        if messages[tag].id != 0, id != 0, messages[tag].id != id { fail(1, "\(name(tag)) has the ids \(messages[tag].id) and \(id)") }
        if id != 0 { messages[tag].id = id }
        messages[tag].fate.remove(.absent)
        resolveSettle(tag, happened: true)
    }

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
        /// LEASEs that were lost before this one came to the node.
        var lossesBefore: UInt32
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
        if delivery.until < model.notBefore { fail(8, "\(name(tag)) was delivered \(model.notBefore - delivery.until) ms before its delay was over") }
        checkAttempts(tag, delivery, place)
        resolveSettle(tag, happened: !model.isAcknowledgedBySettle)
        var seen = messages[tag]
        seen.id = delivery.id
        seen.fate = place
        seen.epoch = delivery.epoch
        seen.lease = .held(from: delivery.from + delivery.duration, until: delivery.until + delivery.duration)
        seen.attemptsLow = delivery.attempt
        seen.attemptsHigh = delivery.attempt
        seen.lossesBefore = delivery.lossesBefore
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
        if delivery.isDead, model.fate.contains(.home) {
            // It died since it was last seen.
            let unseenHome = queue.lostLeases(after: model.lossesBefore, isDead: false)
            let mayBeDead = model.fate.contains(.dead)
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
    private func mayHold(_ token: HeldToken) -> Bool {
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

    mutating func acknowledged(_ token: HeldToken, accepted: Bool, at time: UInt64) {
        guard judge(token, accepted: accepted, at: time, "the ack") else { return }
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

    mutating func negativelyAcknowledged(_ token: HeldToken, _ nack: PendingRequest.Nack, accepted: Bool, at time: UInt64, lossesBefore: UInt32) {
        guard judge(token, accepted: accepted, at: time, "the nack") else { return }
        end(token, nack, at: time, lossesBefore: lossesBefore)
    }

    /// `lossesBefore`: LEASEs that were lost before the request came to the node; nil: nobody knows what became of it.
    private mutating func end(_ token: HeldToken, _ nack: PendingRequest.Nack, at time: UInt64, lossesBefore: UInt32?) {
        let isCertain = lossesBefore != nil
        var model = messages[token.tag]
        let queue = queues[Int(model.queue)]
        model.lease = isCertain ? .over : .maybe
        switch nack {
        case .dead:
            let next: MessageModel.Fate = token.isDead ? .gone : .dead
            model.fate = isCertain ? next : model.fate.union(next)
            model.maybeKilled = model.maybeKilled || !isCertain
            if isCertain, !token.isDead { died(&model, lossesBefore) }
        case .release(let delay):
            model.attemptsLow -= min(model.attemptsLow, 1)
            if isCertain {
                model.attemptsHigh = model.attemptsLow
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
                    died(&model, lossesBefore)
                } else {
                    model.fate.insert(.dead)
                    model.notBefore = 0
                }
            }
        }
        messages[token.tag] = model
    }

    private func died(_ model: inout MessageModel, _ lossesBefore: UInt32?) {
        model.attemptsLow = 0
        model.attemptsHigh = 0
        model.lossesBefore = lossesBefore ?? model.lossesBefore
    }

    mutating func extended(_ token: HeldToken, duration: UInt64, accepted: Bool, at time: UInt64) {
        guard judge(token, accepted: accepted, at: time, "the extension") else { return }
        messages[token.tag].lease = .held(from: time + duration, until: time + duration)
    }

    // MARK: What nobody knows

    /// The answer to a request that arrived will never be seen.
    mutating func unknown(_ request: PendingRequest) {
        guard let time = request.arrivedAt else { return }
        switch request.kind {
        case .connect, .stats, .subscribe: break
        case .publish(_, let tags, _, _):
            for tag in tags { maybeStored(tag, at: time) }
        case .lease(let queue, let isDead, _, _, _):
            losses += 1
            queues[queue].lost(losses, isDead: isDead)
        case .acknowledge(let tokens):
            for token in tokens where mayHold(token) {
                messages[token.tag].fate.insert(.gone)
                messages[token.tag].lease = .maybe
            }
        case .negativeAcknowledge(let tokens, let nack):
            for token in tokens where mayHold(token) { end(token, nack, at: time, lossesBefore: nil) }
        case .extend(let tokens, let duration):
            for token in tokens where mayHold(token) {
                if case .held(let from, let until) = messages[token.tag].lease {
                    messages[token.tag].lease = .held(from: min(from, time + duration), until: max(until, time + duration))
                }
            }
        case .settle(let tokens, _, let tags, _, let events):
            maybeSettled(tokens, tags, events, at: time)
        case .declare(let queue, let attempts): queues[queue].maybeSetAttempts(attempts)
        case .topicPublish(_, let events, _, _):
            for event in events { topics.maybeStored(event) }
        }
    }

    mutating func declared(_ queue: Int, attemptsMax: UInt32) { queues[queue].setAttempts(attemptsMax) }

    private mutating func maybeStored(_ tag: Int, at time: UInt64) {
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

    private mutating func maybeSettled(_ tokens: [HeldToken], _ tags: Range<Int>, _ events: Range<Int>, at time: UInt64) {
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
            maybeStored(tag, at: time)
            messages[tag].settle = number
            messages[tag].isAcknowledgedBySettle = false
        }
        for event in events { topics.maybeStored(event) }
    }

    /// One part of a SETTLE was seen to have happened or not: so it is with the others.
    private mutating func resolveSettle(_ tag: Int, happened: Bool) {
        let number = Int(messages[tag].settle)
        guard number != 0 else { return }
        let settle = settles[number]
        for other in settle.acknowledged where messages[other].settle == Int32(number) {
            messages[other].settle = 0
            if happened { messages[other].fate = .gone } else { messages[other].fate.remove(.gone) }
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
        for tag in messages.indices where messages[tag].fate.isCertain {
            fail(1, "\(name(tag)) (id \(messages[tag].id)) is lost: it was confirmed, never acknowledged, and is not there")
        }
    }
}
