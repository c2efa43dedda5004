internal import DequeModule
internal import OrderedCollections
internal import SpindleQueue
internal import SpindleWire

// The section of queues.
extension NodeState {
    func encodeQueues(into writer: inout WireWriter) {
        writer.u32(UInt32(engine.queues.count))
        for index in engine.queues.indices { Self.encode(engine.queues[index], at: time, into: &writer) }
    }

    /// `u8 is there`; if it is: `string name · policy · u8 pause · string reason · u64 rate time · u16 counters × u64 · groups · keys · producers`
    /// Keys that expired at `time` are left out.
    private static func encode(_ queue: QueueState, at time: UInt64, into writer: inout WireWriter) {
        writer.u8(queue.isDeleted ? 0 : 1)
        guard !queue.isDeleted else { return }
        writer.string(queue.name)
        var policy = WireWriter()
        queue.policy.fields.encode(into: &policy)
        writer.u32(UInt32(policy.count))
        writer.bytes(policy.span)
        writer.u8((queue.pause.deliveries ? 1 : 0) | (queue.pause.publishes ? 2 : 0))
        writer.sentence(queue.pause.reason)
        writer.u64(queue.rateTime)
        let totals = [
            queue.totals.published, queue.totals.delivered, queue.totals.acknowledged, queue.totals.nacked, queue.totals.expired,
            queue.totals.dead, queue.totals.removed,
        ]
        writer.u16(UInt16(totals.count))
        for total in totals { writer.u64(total) }
        encode(queue.groups, into: &writer)
        let window = queue.policy.deduplicationWindowMilliseconds
        writer.u32(UInt32(queue.deduplication.living(now: time, window: window).count))
        queue.deduplication.forEachLiving(now: time, window: window) { entry in
            writer.string(entry.key)
            writer.u64(entry.id)
            writer.u64(entry.at)
        }
        encode(queue.producers, into: &writer)
    }

    mutating func restoreQueue(_ reader: inout WireReader) throws(WireError) {
        guard try reader.u8("queue is there") != 0 else {
            engine.restoreDeleted()
            return
        }
        let name = try reader.string("queue")
        let fields = try QueuePolicyFields(try reader.span(Int(clamping: try reader.u32("policy bytes")), "policy"))
        guard engine.number(of: name) == nil else { throw .malformed("queue '\(name)' comes twice") }
        let number = engine.declare(name, policy: try QueuePolicy().applying(fields), number: UInt32(engine.queues.count))
        let what = try reader.u8("pause")
        var pause = QueueState.Pause()
        pause.deliveries = what & 1 != 0
        pause.publishes = what & 2 != 0
        pause.reason = try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)
        engine.restore(pause: pause, rateTime: try reader.u64("rate time"), of: number)
        var values: [UInt64] = []
        for _ in 0..<(try reader.u16("counters")) { values.append(try reader.rising("counter")) }
        guard values.count == 7 else { throw .malformed("\(values.count) counters of '\(name)': 7 are known") }
        var totals = QueueState.Totals()
        totals.published = values[0]
        totals.delivered = values[1]
        totals.acknowledged = values[2]
        totals.nacked = values[3]
        totals.expired = values[4]
        totals.dead = values[5]
        totals.removed = values[6]
        try restoreGroups(&reader, of: number)
        let window = try deduplicationWindow(&reader)
        engine.restore(totals: totals, deduplication: window, producers: try Self.producers(&reader), of: number)
    }

    func deduplicationWindow(_ reader: inout WireReader) throws(WireError) -> DeduplicationWindow {
        var window = DeduplicationWindow()
        for _ in 0..<(try reader.count("deduplication keys", itemBytesMin: 18, itemsMax: engine.limits.keysPerQueue)) {
            let key = try reader.string("key", bytesMax: Int(UInt16.max))
            let entry = DeduplicationWindow.Entry(key: key, id: try reader.u64("id"), at: try reader.rising("at"))
            guard window.restore(entry, limits: engine.limits) else {
                throw .malformed("deduplication keys out of order, or of more than \(engine.limits.keyBytesPerQueue) bytes")
            }
        }
        return window
    }

    // MARK: Groups

    /// `u64 turns · u32 free × u32 number · u32 groups × (u32 number · string key · u64 turn · u64 rate time · u8 lanes × lane)`,
    /// a lane `u8 priority · u64 id · u64 address · u32 bytes · u64 stored at`, its first message, `· u32 chunks × (u64 end · u64 time · u64 shift · u8 moved · u32 used · u32 messages · u32 bytes · bytes)`.
    private static func encode(_ groups: GroupTable, into writer: inout WireWriter) {
        writer.u64(groups.turns)
        writer.u32(UInt32(groups.free.count))
        for number in groups.free { writer.u32(number) }
        writer.u32(UInt32(groups.slots.count - groups.free.count))
        for number in groups.slots.indices where groups.slots[number].isUsed {
            let group = groups.slots[number]
            writer.u32(UInt32(number))
            writer.string(group.key)
            writer.u64(group.turn)
            writer.u64(group.rateTime)
            writer.u8(UInt8(group.lanes.count { !$0.packed.isEmpty }))
            for lane in group.lanes where !lane.packed.isEmpty { encode(lane, into: &writer) }
        }
    }

    private static func encode(_ lane: Lane, into writer: inout WireWriter) {
        guard let first = lane.packed.first else { return }
        writer.u8(lane.priority)
        writer.u64(first.id)
        writer.u64(first.address)
        writer.u32(first.byteCount)
        writer.u64(first.storedAt)
        let chunks = lane.packed.rest
        writer.u32(UInt32(chunks.count))
        for chunk in chunks {
            writer.u64(chunk.base.end)
            writer.u64(chunk.base.time)
            writer.u64(chunk.base.shift)
            writer.u8(chunk.isMoved ? 1 : 0)
            writer.u32(UInt32(chunk.used))
            writer.u32(UInt32(chunk.count))
            let bytes = chunk.remaining
            writer.u32(UInt32(bytes.count))
            writer.bytes(bytes.span.bytes)
        }
    }

    private mutating func restoreGroups(_ reader: inout WireReader, of queue: UInt32) throws(WireError) {
        var table = GroupTable()
        let turns = try reader.rising("turns")
        var free: [UInt32] = []
        for _ in 0..<(try reader.count("free group numbers", itemBytesMin: 4, itemsMax: engine.limits.groupsPerQueue)) { free.append(try reader.u32("group")) }
        var lanes: [(group: UInt32, priority: UInt8, packed: PackedMessages)] = []
        for _ in 0..<(try reader.count("groups", itemBytesMin: 23, itemsMax: engine.limits.groupsPerQueue + 1)) {
            let number = try reader.u32("group")
            let key = try reader.string("group key")
            let turn = try reader.rising("turn")
            let rateTime = try reader.u64("rate time")
            guard table.restore(number, key: key, turn: turn, rateTime: rateTime, numberMax: free.count) else {
                throw .malformed("group \(number) of queue \(queue)")
            }
            for _ in 0..<(try reader.u8("lanes")) { lanes.append((number, try reader.u8("priority"), try packed(&reader))) }
        }
        guard table.restore(turns: turns, free: free) else { throw .malformed("the groups of queue \(queue)") }
        engine.restore(groups: table, of: queue)
        for lane in lanes {
            guard engine.restore(packed: lane.packed, of: queue, group: lane.group, priority: lane.priority) else {
                throw .malformed("the waiting messages of group \(lane.group) of queue \(queue)")
            }
        }
    }

    private func packed(_ reader: inout WireReader) throws(WireError) -> PackedMessages {
        let first = PackedMessages.Message(
            id: try reader.u64("id"), address: try reader.u64("address"), byteCount: try reader.recordByteCount(),
            storedAt: try reader.u64("stored at"))
        var chunks: [PackedChunk] = []
        for _ in 0..<(try reader.count("chunks", itemBytesMin: 37, itemsMax: engine.limits.messages)) {
            let base = PackedChunk.Position(end: try reader.u64("end"), time: try reader.u64("time"), shift: try reader.u64("shift"))
            let isMoved = try reader.u8("moved") != 0
            let used = Int(try reader.u32("used"))
            let count = Int(try reader.u32("messages"))
            let bytes = try reader.array(Int(clamping: try reader.u32("chunk bytes")), "chunk")
            guard let chunk = PackedChunk(base: base, isMoved: isMoved, used: used, count: count, bytes: bytes) else {
                throw .malformed("\(count) waiting messages in \(bytes.count) bytes")
            }
            chunks.append(chunk)
        }
        guard let packed = PackedMessages(first: first, rest: chunks, byteCountMax: WireReader.recordByteCountMax) else {
            throw .malformed("waiting messages out of order, or larger than any")
        }
        return packed
    }
}
