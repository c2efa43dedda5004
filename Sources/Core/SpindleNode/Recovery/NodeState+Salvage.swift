internal import SpindleQueue
internal import SpindleWire

/// What a replay came across that cannot be, because entries between are missing.
struct SalvageNotes: Sendable {
    /// Operations that were left out, or were mended.
    var leftOut: UInt64 = 0
    var mended: UInt64 = 0
    /// The first of those left out, in words.
    var reasons: [String] = []

    static let reasonsMax = 100

    mutating func leaveOut(_ reason: String) {
        leftOut += 1
        if reasons.count < Self.reasonsMax { reasons.append(reason) }
    }
}

// Replay over missing entries: what an operation says of a message happened, so the message is brought to where it must have been
// before. A message is let go of only where an entry says that it was acknowledged, dropped, purged or cancelled.
extension NodeState {
    /// Applies what can be applied of an entry. What it names and is not there any more is left out.
    mutating func salvage(payload: RawSpan, payloadAddress: UInt64) {
        if salvaging == nil { salvaging = SalvageNotes() }
        do throws(NodeRestoreError) {
            try replay(payload: payload, payloadAddress: payloadAddress)
        } catch {
            salvaging?.leaveOut(error.description)
        }
    }

    /// An operation names what is not there: fails the entry, or only leaves out the operation when salvaging.
    mutating func missing(_ message: String) throws(WireError) {
        guard salvaging != nil else { throw .malformed(message) }
        salvaging?.leaveOut(message)
    }

    /// Whether salvaging could do it after all.
    private mutating func mended(_ isDone: Bool) -> Bool {
        if isDone { salvaging?.mended += 1 }
        return isDone
    }

    /// The queue and group that `id` is in, whichever they are.
    private func locate(_ id: UInt64) -> MessageView? {
        for queue in engine.queues.indices where !engine.queues[queue].isDeleted {
            if let view = engine.view(id, in: UInt32(queue)) { return view }
        }
        return nil
    }

    /// A lease whose end is missing must have ended before the next one.
    mutating func mendGrant(_ id: UInt64, queue: UInt32, duration: UInt64, holder: String) -> Bool {
        guard salvaging != nil, let view = locate(id) else { return false }
        if case .leased = view.state {
            guard engine.end(id, .expired, reason: "how this attempt ended is lost", next: .ready, now: time) else { return false }
        }
        if view.queue != queue {
            guard engine.move(id, from: view.queue, to: queue, group: view.group, resetsAttempts: false, now: time) else { return false }
        }
        return mended(engine.grant(queue: queue, id: id, duration: duration, holder: holder, now: time) != nil)
    }

    /// Whatever the message seems to be, its holder is done with it.
    mutating func mendAcknowledge(_ id: UInt64) -> Bool {
        guard salvaging != nil, let view = locate(id) else { return false }
        guard case .removed? = engine.cancel(id, in: view.queue, group: view.group, reason: "it was acknowledged") else { return false }
        return mended(true)
    }

    /// The lease that ended must have been granted.
    mutating func mendEnd(_ id: UInt64, _ ending: QueueEngine.Ending, reason: String, next: QueueEngine.Next) -> Bool {
        guard salvaging != nil, let view = locate(id) else { return false }
        guard engine.grant(queue: view.queue, id: id, group: view.group, duration: 1, holder: "unknown", now: time) != nil else { return false }
        return mended(engine.end(id, ending, reason: reason, next: next, now: time))
    }

    /// An earlier move is missing: where the record lies now is said here.
    mutating func mendRelocate(_ id: UInt64, to address: UInt64) -> Bool {
        guard salvaging != nil, let view = locate(id) else { return false }
        return mended(engine.relocate(id, in: view.queue, group: view.group, from: view.address, to: address))
    }

    /// A queue whose declaration is missing gets a name that says so, and the standard policy.
    mutating func mendQueue(_ number: UInt32) -> Bool {
        guard salvaging != nil, Int(number) < min(engine.queues.count + 10_000, engine.limits.queues) else { return false }
        while engine.queues.count <= Int(number) {
            let next = UInt32(engine.queues.count)
            engine.declare(Self.salvaged(next) { engine.number(of: $0) == nil }, policy: QueuePolicy(), number: next)
        }
        return mended(!engine.queues[Int(number)].isDeleted)
    }

    /// A name that says what happened, and that no other has: a second one of that name would make the next checkpoint unreadable.
    private static func salvaged(_ number: UInt32, isFree: (String) -> Bool) -> String {
        var name = "salvaged.\(number)"
        while !isFree(name) { name += "-" }
        return name
    }

    mutating func mendTopic(_ number: UInt32) -> Bool {
        guard salvaging != nil, Int(number) < min(topics.topics.count + 10_000, topics.limits.topics) else { return false }
        while topics.topics.count <= Int(number) {
            topics.declare(Self.salvaged(UInt32(topics.topics.count)) { topics.number(of: $0) == nil })
        }
        return mended(true)
    }
}
