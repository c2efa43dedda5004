internal import DequeModule
internal import OrderedCollections
internal import SpindleQueue
internal import SpindleWire

// The topics' part of a checkpoint.
extension NodeState {
    /// `u8 standard is logged · retention · u32 rules × (string pattern · retention) · u32 topics × topic · u64 forgotten through ·
    /// u64 entries × (u64 offset · u64 stored at · u32 bytes · u32 topic) · u64 moved × (u64 offset · u64 address)`
    ///
    /// retention: `u64 age ms · u64 bytes · u64 events`; topic: `string name · u64 last dropped · u64 published · producers`. An entry of
    /// 0 bytes is a hole, of topic 2³²−1 where events of several topics were there.
    func encodeTopics(into writer: inout WireWriter) {
        writer.u8(topics.isStandardLogged ? 1 : 0)
        Self.encode(topics.rules.standard, into: &writer)
        writer.u32(UInt32(topics.rules.rules.count))
        for rule in topics.rules.rules {
            writer.string(rule.pattern)
            Self.encode(rule.retention, into: &writer)
        }
        writer.u32(UInt32(topics.topics.count))
        for topic in topics.topics {
            writer.string(topic.name)
            writer.u64(topic.lastDropped)
            writer.u64(topic.published)
            Self.encode(topic.producers, into: &writer)
        }
        let history = topics.history
        writer.u64(history.forgottenThrough)
        writer.u64(UInt64(history.entries.count))
        for entry in history.entries {
            writer.u64(entry.offset)
            writer.u64(entry.isHole ? 0 : entry.storedAt)
            writer.u32(entry.byteCount)
            writer.u32(entry.topic)
        }
        let relocations = history.relocations
        writer.u64(UInt64(relocations.count))
        for relocation in relocations {
            writer.u64(relocation.offset)
            writer.u64(relocation.address)
        }
    }

    mutating func restoreTopics(_ reader: inout WireReader) throws(WireError) {
        let isLogged = try reader.u8("standard is logged") != 0
        let standard = try Self.retention(&reader)
        if isLogged { topics.restore(standard, for: "") }
        for _ in 0..<(try reader.count("rules", itemBytesMin: 26, itemsMax: topics.limits.topicRules)) {
            let pattern = try reader.string("pattern")
            guard !pattern.isEmpty else { throw .malformed("a retention for an empty pattern") }
            topics.restore(try Self.retention(&reader), for: pattern)
        }
        for _ in 0..<(try reader.count("topics", itemBytesMin: 22, itemsMax: topics.limits.topics)) { try restoreTopic(&reader) }
        topics.restore(forgottenThrough: try reader.u64("forgotten through"))
        let entriesMax = TopicHistory.entriesMax(events: topics.limits.events)
        for _ in 0..<(try reader.count64("entries", itemBytesMin: 24, itemsMax: entriesMax)) { try restoreEvent(&reader) }
        for _ in 0..<(try reader.count64("moved", itemBytesMin: 16, itemsMax: topics.limits.events)) {
            let relocation = TopicHistory.Relocation(offset: try reader.u64("offset"), address: try reader.u64("address"))
            guard topics.restore(relocation) else { throw .malformed("the moved event at \(relocation.offset)") }
        }
    }

    /// What a checkpoint of version 1 held: `u32 topics × topic · u64 events × event`, and no holes.
    mutating func restoreTopicsOfVersion1(_ reader: inout WireReader) throws(WireError) {
        for _ in 0..<(try reader.count("topics", itemBytesMin: 22, itemsMax: topics.limits.topics)) { try restoreTopic(&reader) }
        for _ in 0..<(try reader.count64("events", itemBytesMin: 24, itemsMax: topics.limits.events)) { try restoreEvent(&reader) }
        topics.restoreHoles()
    }

    private mutating func restoreTopic(_ reader: inout WireReader) throws(WireError) {
        let number = topics.declare(try reader.string("topic"))
        let dropped = try reader.u64("last dropped")
        let published = try reader.rising("published")
        topics.restore(lastDropped: dropped, published: published, producers: try Self.producers(&reader), of: number)
    }

    private mutating func restoreEvent(_ reader: inout WireReader) throws(WireError) {
        let entry = TopicHistory.Entry(
            offset: try reader.u64("offset"), storedAt: try reader.u64("stored at"), byteCount: try reader.recordByteCount(),
            topic: try reader.u32("topic"))
        guard topics.restore(entry) else { throw .malformed("topic event at \(entry.offset)") }
    }

    private static func encode(_ retention: TopicRetention, into writer: inout WireWriter) {
        writer.u64(retention.milliseconds)
        writer.u64(retention.bytesMax)
        writer.u64(retention.eventsMax)
    }

    private static func retention(_ reader: inout WireReader) throws(WireError) -> TopicRetention {
        TopicRetention(milliseconds: try reader.u64("age"), bytesMax: try reader.u64("bytes"), eventsMax: try reader.u64("events"))
    }

    // MARK: Producers' tables, which queues have as well

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
        for _ in 0..<(try reader.count("producers", itemBytesMin: 20, itemsMax: ProducerTable.producersMax)) {
            let id = try reader.u64("producer")
            var producer = ProducerTable.Producer()
            producer.judgedFrom = try reader.u64("judged from")
            for _ in 0..<(try reader.count("runs", itemBytesMin: 20, itemsMax: ProducerTable.runsMax)) {
                producer.runs.append(.init(
                    firstSequence: try reader.u64("sequence"), count: try reader.u32("count"), firstID: try reader.u64("id")))
            }
            table.restore(id, producer)
        }
        return table
    }
}
