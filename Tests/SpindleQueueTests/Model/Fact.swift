import SpindleQueue

/// What a log can say of queues and messages, to be applied to the engine, to the model, and again to a fresh engine.
enum Fact {
    case declare(String, QueuePolicy, UInt32)
    case policy(UInt32, QueuePolicy)
    case store(UInt32, id: UInt64, byteCount: UInt32, priority: UInt8, delay: UInt64, timeToLive: UInt64, group: String?)
    case grant(UInt32, id: UInt64, group: UInt32, duration: UInt64)
    case acknowledge(UInt64)
    case extend(UInt64, duration: UInt64)
    case end(UInt64, QueueEngine.Ending, QueueEngine.Next)
    case pause(UInt32, deliveries: Bool, publishes: Bool)
    case purge(UInt32, ready: Bool, delayed: Bool)
    case delete(UInt32)
    case cancel(UInt64, UInt32, group: UInt32)
    case reschedule(UInt64, UInt32, group: UInt32, until: UInt64?)
    case move(UInt64, from: UInt32, to: UInt32, group: UInt32, resets: Bool)
    case expire(UInt64, UInt32, group: UInt32, QueueEngine.Next)
    case relocate([Relocation])

    /// Applies it; the answer in words, to be compared.
    func apply(to engine: inout QueueEngine, now: UInt64) -> String {
        engine.time = max(engine.time, now)
        switch self {
        case .declare(let name, let policy, let number): return "\(engine.declare(name, policy: policy, number: number))"
        case .policy(let queue, let policy):
            engine.setPolicy(policy, of: queue)
            return ""
        case .store(let queue, let id, let byteCount, let priority, let delay, let timeToLive, let group):
            engine.store(
                queue: queue, id: id, byteCount: byteCount, priority: priority, delay: delay, timeToLive: timeToLive, group: group, now: now)
            return ""
        case .grant(let queue, let id, let group, let duration):
            guard let granted = engine.grant(queue: queue, id: id, group: group, duration: duration, holder: "w", now: now) else { return "nil" }
            return "\(granted.id) \(granted.address) \(granted.epoch) \(granted.attempt) \(granted.storedAt) \(granted.byteCount)"
        case .acknowledge(let id): return "\(engine.acknowledge(id))"
        case .extend(let id, let duration): return "\(engine.extend(id, duration: duration, now: now))"
        case .end(let id, let ending, let next): return "\(engine.end(id, ending, reason: "no", next: next, now: now))"
        case .pause(let queue, let deliveries, let publishes):
            engine.pause(queue, deliveries: deliveries, publishes: publishes, reason: "why")
            return ""
        case .purge(let queue, let ready, let delayed): return "\(engine.purge(queue, ready: ready, delayed: delayed, now: now))"
        case .delete(let queue): return "\(engine.delete(queue))"
        case .cancel(let id, let queue, let group):
            switch engine.cancel(id, in: queue, group: group, reason: "enough") {
            case .removed(let wasDelayed): return "removed \(wasDelayed)"
            case .flagged(let view): return "flagged \(view.id)"
            case nil: return "nil"
            }
        case .reschedule(let id, let queue, let group, let until):
            return "\(engine.reschedule(id, in: queue, group: group, until: until, now: now))"
        case .move(let id, let from, let to, let group, let resets):
            return "\(engine.move(id, from: from, to: to, group: group, resetsAttempts: resets, now: now))"
        case .expire(let id, let queue, let group, let next): return "\(engine.expire(id, in: queue, group: group, next: next, now: now))"
        case .relocate(let relocations): return "\(engine.relocate(relocations).map(\.id).sorted())"
        }
    }
}
