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
}
