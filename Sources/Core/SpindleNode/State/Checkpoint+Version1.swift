internal import SpindleQueue
internal import SpindleWire

// What the first version wrote: no groups, and every record where it was first stored.
extension NodeState {
    mutating func restoreVersion1(_ reader: inout WireReader) throws(WireError) {
        for _ in 0..<(try reader.count("queues", itemBytesMin: 1, itemsMax: engine.limits.queues)) { try restoreQueueVersion1(&reader) }
        for _ in 0..<(try reader.count64("held messages", itemBytesMin: 35, itemsMax: engine.limits.messages)) { try restoreHeldVersion1(&reader) }
        try restoreTopicsOfVersion1(&reader)
    }

    private mutating func restoreQueueVersion1(_ reader: inout WireReader) throws(WireError) {
        let name = try reader.string("queue")
        let fields = try QueuePolicyFields(try reader.span(Int(clamping: try reader.u32("policy bytes")), "policy"))
        guard engine.number(of: name) == nil else { throw .malformed("queue '\(name)' comes twice") }
        let number = engine.declare(name, policy: try QueuePolicy().applying(fields))
        var totals = QueueState.Totals()
        totals.published = try reader.rising("published")
        totals.delivered = try reader.rising("delivered")
        totals.acknowledged = try reader.rising("acknowledged")
        totals.nacked = try reader.rising("nacked")
        totals.expired = try reader.rising("expired")
        totals.dead = try reader.rising("dead")
        let bytes = try reader.u64("packed bytes")
        let headOffset = try reader.u64("head offset")
        let headEnd = try reader.u64("head end")
        let headTime = try reader.u64("head time")
        var chunks: [[UInt8]] = []
        for _ in 0..<(try reader.count("chunks", itemBytesMin: 4, itemsMax: engine.limits.messages)) {
            chunks.append(try reader.array(Int(clamping: try reader.u32("chunk bytes")), "chunk"))
        }
        guard let packed = PackedMessages(version1: chunks, headOffset: headOffset, headEnd: headEnd, headTime: headTime, byteCountMax: WireReader.recordByteCountMax),
            packed.byteCount == bytes,
            engine.restore(packed: packed, of: number, group: 0, priority: QueueEngine.priorityDefault)
        else { throw .malformed("the waiting messages of '\(name)'") }
        let window = try deduplicationWindow(&reader)
        engine.restore(totals: totals, deduplication: window, producers: try Self.producers(&reader), of: number)
    }

    private mutating func restoreHeldVersion1(_ reader: inout WireReader) throws(WireError) {
        var message = HeldMessage(
            id: try reader.u64("id"), byteCount: try reader.recordByteCount(), queue: try reader.u32("queue"),
            storedAt: try reader.u64("stored at"), priority: try reader.u8("priority"), state: .ready)
        message.epoch = try reader.u32("epoch")
        message.attempts = try reader.u32("attempts")
        switch try reader.u8("state") {
        case 0: break
        case 1:
            message.readyAt = try reader.rising("until")
            message.state = .delayed(until: message.readyAt)
            if message.attempts == 0 { message.liveFrom = message.readyAt }
        case 2: message.state = .leased(try Self.lease(&reader))
        case let state: throw .malformed("state \(state) of message \(message.id)")
        }
        let history = try Self.history(&reader, version: 1)
        if let death = history?.death { message.liveFrom = death.at }
        guard engine.restore(message, history: history) else { throw .malformed("held message \(message.id)") }
    }
}
