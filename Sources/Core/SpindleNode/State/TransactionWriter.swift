internal import SpindleQueue
internal import SpindleWire

/// Writes the head of a log entry's payload. The layout is ``OperationKind``'s.
struct TransactionWriter: ~Copyable {
    /// Bytes before the operations: the head's length and the time.
    static let prefixByteCount = 12
    var writer = WireWriter(capacity: 4096)

    mutating func begin(now: UInt64) {
        writer.removeAll()
        writer.u32(0)
        writer.u64(now)
    }

    /// Call before the bytes are used.
    mutating func finish() { writer.patch(u32: UInt32(writer.count), at: 0) }

    var isEmpty: Bool { writer.count <= Self.prefixByteCount }

    mutating func publish(
        _ kind: OperationKind, target: UInt32, producer: UInt64, firstSequence: UInt64, count: Int, offset: Int, byteCount: Int
    ) {
        writer.u8(kind.rawValue)
        writer.u32(target)
        writer.u64(producer)
        writer.u64(firstSequence)
        writer.u32(UInt32(count))
        writer.u32(UInt32(offset))
        writer.u32(UInt32(byteCount))
    }

    /// Begins a grant; returns where the count is to be patched when the ids have been written.
    mutating func beginGrant(queue: UInt32, duration: UInt64, holder: String) -> Int {
        writer.u8(OperationKind.grant.rawValue)
        writer.u32(queue)
        writer.u64(duration)
        writer.string(holder)
        writer.u32(0)
        return writer.count - 4
    }

    /// The same for messages of groups: ``message(_:group:)`` for each.
    mutating func beginGrantFromGroups(queue: UInt32, duration: UInt64, holder: String) -> Int {
        writer.u8(OperationKind.grantFromGroups.rawValue)
        writer.u32(queue)
        writer.u64(duration)
        writer.string(holder)
        return beginMessages()
    }

    mutating func beginAcknowledge() -> Int {
        writer.u8(OperationKind.acknowledge.rawValue)
        writer.u32(0)
        return writer.count - 4
    }

    mutating func beginExtend(duration: UInt64) -> Int {
        writer.u8(OperationKind.extend.rawValue)
        writer.u64(duration)
        writer.u32(0)
        return writer.count - 4
    }

    mutating func end(_ id: UInt64, _ ending: QueueEngine.Ending, next: QueueEngine.Next, reason: String) {
        writer.u8(OperationKind.end.rawValue)
        writer.u64(id)
        writer.u8(ending.rawValue)
        switch next {
        case .ready: writer.u8(0); writer.u64(0)
        case .delayed(let until): writer.u8(1); writer.u64(until)
        case .dead(let queue): writer.u8(2); writer.u64(UInt64(queue))
        case .dropped: writer.u8(3); writer.u64(0)
        case .removed: writer.u8(4); writer.u64(0)
        }
        writer.string(reason)
    }

    mutating func declare(queue: UInt32, name: String, policy: QueuePolicyFields) {
        writer.u8(OperationKind.declare.rawValue)
        writer.u32(queue)
        writer.string(name)
        let start = writer.count
        writer.u32(0)
        policy.encode(into: &writer)
        writer.patch(u32: UInt32(writer.count - start - 4), at: start)
    }

    mutating func declareTopic(_ topic: UInt32, name: String) {
        writer.u8(OperationKind.topicDeclare.rawValue)
        writer.u32(topic)
        writer.string(name)
    }

    // MARK: Administration

    mutating func pause(_ queue: UInt32, deliveries: Bool, publishes: Bool, reason: String) {
        writer.u8(OperationKind.pause.rawValue)
        writer.u32(queue)
        writer.u8((deliveries ? 1 : 0) | (publishes ? 2 : 0))
        writer.sentence(reason)
    }

    mutating func purge(_ queue: UInt32, ready: Bool, delayed: Bool) {
        writer.u8(OperationKind.purge.rawValue)
        writer.u32(queue)
        writer.u8((ready ? 1 : 0) | (delayed ? 2 : 0))
    }

    mutating func delete(_ queue: UInt32) {
        writer.u8(OperationKind.delete.rawValue)
        writer.u32(queue)
    }

    /// Operations on messages: begun, ``message(_:group:)`` for each, and the count patched in where this says.
    mutating func beginCancel(in queue: UInt32, reason: String) -> Int {
        writer.u8(OperationKind.cancel.rawValue)
        writer.u32(queue)
        writer.sentence(reason)
        return beginMessages()
    }

    /// `until` nil: at once.
    mutating func beginReschedule(in queue: UInt32, until: UInt64?) -> Int {
        writer.u8(OperationKind.reschedule.rawValue)
        writer.u32(queue)
        writer.u64(until ?? 0)
        return beginMessages()
    }

    mutating func beginMove(from queue: UInt32, to target: UInt32, resetsAttempts: Bool) -> Int {
        writer.u8(OperationKind.move.rawValue)
        writer.u32(queue)
        writer.u32(target)
        writer.u8(resetsAttempts ? 1 : 0)
        return beginMessages()
    }

    /// `next`: dead or dropped.
    mutating func beginExpire(in queue: UInt32, next: QueueEngine.Next) -> Int {
        writer.u8(OperationKind.expire.rawValue)
        writer.u32(queue)
        if case .dead(let target) = next {
            writer.u8(2)
            writer.u32(target)
        } else {
            writer.u8(3)
            writer.u32(0)
        }
        return beginMessages()
    }

    private mutating func beginMessages() -> Int {
        writer.u32(0)
        return writer.count - 4
    }

    mutating func message(_ id: UInt64, group: UInt32) {
        writer.u32(group)
        writer.u64(id)
    }

    /// The record of `id` lies among the entry's records now, at `offset`.
    mutating func relocate(_ id: UInt64, in queue: UInt32, group: UInt32, from address: UInt64, offset: Int, byteCount: UInt32) {
        writer.u8(OperationKind.relocate.rawValue)
        writer.u32(queue)
        writer.u32(group)
        writer.u64(id)
        writer.u64(address)
        writer.u32(UInt32(offset))
        writer.u32(byteCount)
    }
}
