internal import DequeModule
internal import OrderedCollections
internal import SpindleQueue
package import SpindleWire

// A node's state as bytes: what a checkpoint holds. Little-endian, written and read with the wire's own writer and reader; the
// file around it has the checksum. Source: `docs/decisions/0002-transactions.md`.
extension NodeState {
    private static let version: UInt16 = 1

    /// Appends the state. Valid for the log position at which it is taken: entries from there on are replayed over it.
    package func encodeCheckpoint(into writer: inout WireWriter) {
        writer.u16(Self.version)
        writer.u64(time)
        writer.u32(UInt32(engine.queues.count))
        for queue in engine.queues { Self.encode(queue, into: &writer) }
        let held = engine.held.all
        writer.u64(UInt64(held.count))
        for message in held { encode(message, into: &writer) }
        writer.u32(UInt32(topics.topics.count))
        for topic in topics.topics {
            writer.string(topic.name)
            writer.u64(topic.lastDropped)
            writer.u64(topic.published)
            Self.encode(topic.producers, into: &writer)
        }
        let events = topics.events
        writer.u64(UInt64(events.count))
        for event in events {
            writer.u64(event.offset)
            writer.u64(event.storedAt)
            writer.u32(event.byteCount)
            writer.u32(event.topic)
        }
    }

    /// Takes over the state that ``encodeCheckpoint(into:)`` wrote; `self` must be fresh.
    package mutating func restore(checkpoint: RawSpan) throws(NodeRestoreError) {
        do throws(WireError) {
            var reader = WireReader(checkpoint)
            let version = try reader.u16("checkpoint version")
            guard version == Self.version else { throw .malformed("version \(version): this program reads version \(Self.version)") }
            time = try reader.u64("time")
            for _ in 0..<(try reader.u32("queues")) { try restoreQueue(&reader) }
            for _ in 0..<(try reader.u64("held messages")) { try restoreHeld(&reader) }
            for _ in 0..<(try reader.u32("topics")) {
                let number = topics.declare(try reader.string("topic"))
                let dropped = try reader.u64("last dropped")
                let published = try reader.u64("published")
                topics.restore(lastDropped: dropped, published: published, producers: try Self.producers(&reader), of: number)
            }
            for _ in 0..<(try reader.u64("events")) {
                let event = TopicStore.Event(
                    offset: try reader.u64("offset"), storedAt: try reader.u64("stored at"), byteCount: try reader.u32("bytes"),
                    topic: try reader.u32("topic"))
                guard topics.restore(event) else { throw .malformed("topic event at \(event.offset)") }
            }
            try reader.expectEnd("checkpoint")
        } catch {
            throw NodeRestoreError("the checkpoint's state: \(error.message)")
        }
    }

    // MARK: Queues

    private static func encode(_ queue: QueueState, into writer: inout WireWriter) {
        writer.string(queue.name)
        let start = writer.count
        writer.u32(0)
        queue.policy.fields.encode(into: &writer)
        writer.patch(u32: UInt32(writer.count - start - 4), at: start)
        let totals = queue.totals
        for value in [
            totals.published, totals.delivered, totals.acknowledged, totals.nacked, totals.expired, totals.dead,
        ] { writer.u64(value) }
        let packed = queue.packed.snapshot
        writer.u64(queue.packed.byteCount)
        writer.u64(packed.headOffset)
        writer.u64(packed.headEnd)
        writer.u64(packed.headTime)
        writer.u32(UInt32(packed.chunks.count))
        for chunk in packed.chunks {
            writer.u32(UInt32(chunk.count))
            writer.bytes(chunk)
        }
        writer.u32(UInt32(queue.deduplication.entries.count))
        for entry in queue.deduplication.entries {
            writer.string(entry.key)
            writer.u64(entry.id)
            writer.u64(entry.at)
        }
        encode(queue.producers, into: &writer)
    }

    private mutating func restoreQueue(_ reader: inout WireReader) throws(WireError) {
        let name = try reader.string("queue")
        let fields = try QueuePolicyFields(try reader.span(Int(clamping: try reader.u32("policy bytes")), "policy"))
        let number = engine.declare(name, policy: try QueuePolicy().applying(fields))
        var totals = QueueState.Totals()
        totals.published = try reader.u64("published")
        totals.delivered = try reader.u64("delivered")
        totals.acknowledged = try reader.u64("acknowledged")
        totals.nacked = try reader.u64("nacked")
        totals.expired = try reader.u64("expired")
        totals.dead = try reader.u64("dead")
        let bytes = try reader.u64("packed bytes")
        var snapshot = PackedMessages.Snapshot(
            chunks: [], headOffset: try reader.u64("head offset"), headEnd: try reader.u64("head end"), headTime: try reader.u64("head time"))
        for _ in 0..<(try reader.count("chunks", itemBytesMin: 4)) {
            snapshot.chunks.append(try reader.array(Int(clamping: try reader.u32("chunk bytes")), "chunk"))
        }
        guard engine.restore(packed: snapshot, bytes: bytes, of: number) else { throw .malformed("the waiting messages of '\(name)'") }
        var window = DeduplicationWindow()
        for _ in 0..<(try reader.count("deduplication keys", itemBytesMin: 18)) {
            let key = try reader.string("key", bytesMax: Int(UInt16.max))
            window.restore(.init(key: key, id: try reader.u64("id"), at: try reader.u64("at")))
        }
        engine.restore(totals: totals, deduplication: window, producers: try Self.producers(&reader), of: number)
    }

    private static func encode(_ table: ProducerTable, into writer: inout WireWriter) {
        writer.u32(UInt32(table.producers.count))
        for (id, producer) in table.producers {
            writer.u64(id)
            writer.u64(producer.judgedFrom)
            writer.u32(UInt32(producer.runs.count))
            for run in producer.runs {
                writer.u64(run.firstSequence)
                writer.u32(run.count)
                writer.u64(run.firstID)
            }
        }
    }

    private static func producers(_ reader: inout WireReader) throws(WireError) -> ProducerTable {
        var table = ProducerTable()
        for _ in 0..<(try reader.count("producers", itemBytesMin: 20)) {
            let id = try reader.u64("producer")
            var producer = ProducerTable.Producer()
            producer.judgedFrom = try reader.u64("judged from")
            for _ in 0..<(try reader.count("runs", itemBytesMin: 20)) {
                producer.runs.append(.init(
                    firstSequence: try reader.u64("sequence"), count: try reader.u32("count"), firstID: try reader.u64("id")))
            }
            table.restore(id, producer)
        }
        return table
    }

    // MARK: Held messages

    private func encode(_ message: HeldMessage, into writer: inout WireWriter) {
        writer.u64(message.id)
        writer.u32(message.byteCount)
        writer.u32(message.queue)
        writer.u64(message.storedAt)
        writer.u8(message.priority)
        writer.u32(message.epoch)
        writer.u32(message.attempts)
        switch message.state {
        case .ready: writer.u8(0)
        case .delayed(let until):
            writer.u8(1)
            writer.u64(until)
        case .leased(let lease):
            writer.u8(2)
            writer.u64(lease.deadline)
            writer.u64(lease.duration)
            writer.u64(lease.leasedAt)
            writer.string(lease.holder)
        }
        guard let history = engine.history(of: message.id) else {
            writer.u8(0)
            return
        }
        writer.u8(history.death == nil ? 1 : 2)
        if let death = history.death {
            writer.string(death.originQueue)
            writer.string(death.reason)
            writer.u64(death.at)
        }
        writer.u32(UInt32(history.attempts.count))
        for attempt in history.attempts {
            writer.u32(attempt.number)
            writer.u64(attempt.leasedAt)
            writer.u64(attempt.endedAt)
            writer.string(attempt.holder)
            writer.u8(attempt.outcome.rawValue)
            writer.string(attempt.reason)
        }
    }

    private mutating func restoreHeld(_ reader: inout WireReader) throws(WireError) {
        var message = HeldMessage(
            id: try reader.u64("id"), byteCount: try reader.u32("bytes"), queue: try reader.u32("queue"), storedAt: try reader.u64("stored at"),
            priority: try reader.u8("priority"), state: .ready)
        message.epoch = try reader.u32("epoch")
        message.attempts = try reader.u32("attempts")
        switch try reader.u8("state") {
        case 0: break
        case 1: message.state = .delayed(until: try reader.u64("until"))
        case 2:
            let deadline = try reader.u64("deadline")
            let duration = try reader.u64("duration")
            let leasedAt = try reader.u64("leased at")
            let holder = try reader.string("holder", bytesMax: WireLimits.sentenceBytesMax)
            message.state = .leased(.init(deadline: deadline, duration: duration, leasedAt: leasedAt, holder: holder))
        case let state: throw .malformed("state \(state) of message \(message.id)")
        }
        let history = try Self.history(&reader)
        guard engine.restore(message, history: history) else { throw .malformed("held message \(message.id)") }
    }

    private static func history(_ reader: inout WireReader) throws(WireError) -> MessageHistory? {
        let kind = try reader.u8("history")
        guard kind > 0 else { return nil }
        var history = MessageHistory()
        if kind == 2 {
            let origin = try reader.string("origin queue")
            let reason = try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)
            history.death = .init(originQueue: origin, reason: reason, at: try reader.u64("dead at"))
        }
        for _ in 0..<(try reader.count("attempts", itemBytesMin: 25)) {
            let number = try reader.u32("attempt")
            let leasedAt = try reader.u64("leased at")
            let endedAt = try reader.u64("ended at")
            let holder = try reader.string("holder", bytesMax: WireLimits.sentenceBytesMax)
            let outcome = AttemptRecord.Outcome(rawValue: try reader.u8("outcome")) ?? .expired
            history.attempts.append(.init(
                number: number, leasedAt: leasedAt, endedAt: endedAt, holder: holder, outcome: outcome,
                reason: try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)))
        }
        return history
    }
}
