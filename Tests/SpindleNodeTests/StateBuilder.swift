import SpindleNode
import SpindleQueue
import SpindleWire

/// A state made of log entries that are written by hand: large ones without a log or a disk.
struct StateBuilder {
    static let time: UInt64 = 1_000_000

    private(set) var state: NodeState
    /// Where the next entry's payload lies.
    private var address: UInt64 = 1 << 20

    static func configuration(_ limits: EngineLimits = .standard) -> NodeConfiguration {
        var configuration = NodeConfiguration(serverVersion: "test", serverID: Array(1...16), frameBytesMax: 256 << 10)
        configuration.limits = limits
        return configuration
    }

    init(_ limits: EngineLimits = .standard) { state = NodeState(configuration: Self.configuration(limits)) }

    /// Applies an entry of operations and records.
    mutating func apply(_ operations: (inout WireWriter) throws -> Void, records: [UInt8] = []) throws {
        var payload = WireWriter(capacity: 4096 + records.count)
        payload.u32(0)
        payload.u64(Self.time)
        try operations(&payload)
        payload.patch(u32: UInt32(payload.count), at: 0)
        payload.bytes(records.span.bytes)
        let bytes = payload.array()
        try state.replay(payload: bytes.span.bytes, payloadAddress: address)
        address += UInt64(bytes.count) + 64
    }

    mutating func declare(_ name: String, number: Int, _ policy: QueuePolicyFields = QueuePolicyFields()) throws {
        try apply { writer in
            writer.u8(6)
            writer.u32(UInt32(number))
            writer.string(name)
            let start = writer.count
            writer.u32(0)
            policy.encode(into: &writer)
            writer.patch(u32: UInt32(writer.count - start - 4), at: start)
        }
    }

    /// Declares `count` queues or topics in one entry each hundred.
    mutating func declareTopics(_ count: Int) throws {
        for number in 0..<count {
            try apply { writer in
                writer.u8(7)
                writer.u32(UInt32(number))
                writer.string("topic.\(number)")
            }
        }
    }

    /// Stores `count` messages in queue 0, or events in topic 0, from producer `producer`.
    mutating func publish(_ count: Int, isEvent: Bool = false, producer: UInt64 = 0, sequence: UInt64 = 0, _ record: (Int) -> MessageRecord) throws {
        var first = 0
        while first < count {
            let some = min(WireLimits.messagesPerFrameMax, count - first)
            var records = WireWriter(capacity: 64 * some)
            for index in first..<(first + some) { try record(index).encode(into: &records) }
            try store(records.array(), count: some, isEvent: isEvent, producer: producer, sequence: sequence + UInt64(first))
            first += some
        }
    }

    /// Stores the same records again and again, until there are `count`.
    mutating func publish(_ count: Int, repeating record: MessageRecord) throws {
        var records = WireWriter(capacity: 1 << 20)
        for _ in 0..<WireLimits.messagesPerFrameMax { try record.encode(into: &records) }
        let bytes = records.array()
        let length = bytes.count / WireLimits.messagesPerFrameMax
        var left = count
        while left > 0 {
            let some = min(WireLimits.messagesPerFrameMax, left)
            try store(Array(bytes[..<(some * length)]), count: some)
            left -= some
        }
    }

    private mutating func store(_ records: [UInt8], count: Int, isEvent: Bool = false, producer: UInt64 = 0, sequence: UInt64 = 0) throws {
        try apply({ writer in
            writer.u8(isEvent ? 8 : 1)
            writer.u32(0)
            writer.u64(producer)
            writer.u64(sequence)
            writer.u32(UInt32(count))
            writer.u32(0)
            writer.u32(UInt32(records.count))
        }, records: records)
    }

    /// The state as a checkpoint holds it.
    static func encoded(_ state: NodeState) -> [UInt8] {
        var writer = WireWriter(capacity: 1 << 20)
        state.encodeCheckpoint(into: &writer)
        return writer.array()
    }

    /// The same state by its checkpoint, read within `limits`.
    static func restored(_ bytes: [UInt8], _ limits: EngineLimits = .standard) throws -> NodeState {
        var state = NodeState(configuration: configuration(limits))
        try state.restore(checkpoint: bytes.span.bytes)
        return state
    }
}
