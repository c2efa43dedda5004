internal import DequeModule
internal import OrderedCollections
internal import SpindleQueue
internal import SpindleWire

// The section of topics, and the producers' tables that queues and topics both have.
extension NodeState {
    func encodeTopics(into writer: inout WireWriter) {
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

    mutating func restoreTopics(_ reader: inout WireReader) throws(WireError) {
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
    }

    static func encode(_ table: ProducerTable, into writer: inout WireWriter) {
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

    static func producers(_ reader: inout WireReader) throws(WireError) -> ProducerTable {
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
}
