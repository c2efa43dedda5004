// TOPIC_DECLARE and TOPIC_STATS. Source: `protocol/topics.md`.

/// How much history topics keep. `u16 tag · u32 length · u64 value` each; a setting that is not named keeps its value, and
/// is without limit at first.
package struct TopicRetentionFields: Equatable, Sendable {
    /// 0: without limit.
    package var ageMillisecondsMax: UInt64?
    /// Bytes of records per topic; 0: without limit.
    package var bytesMax: UInt64?
    /// Events per topic; 0: without limit.
    package var eventsMax: UInt64?

    package init(ageMillisecondsMax: UInt64? = nil, bytesMax: UInt64? = nil, eventsMax: UInt64? = nil) {
        self.ageMillisecondsMax = ageMillisecondsMax
        self.bytesMax = bytesMax
        self.eventsMax = eventsMax
    }

    private static let ageTag: UInt16 = 1
    private static let bytesTag: UInt16 = 2
    private static let eventsTag: UInt16 = 3

    package func encode(into writer: inout WireWriter) {
        if let ageMillisecondsMax { writer.tag(Self.ageTag, u64: ageMillisecondsMax) }
        if let bytesMax { writer.tag(Self.bytesTag, u64: bytesMax) }
        if let eventsMax { writer.tag(Self.eventsTag, u64: eventsMax) }
    }

    package init(_ tags: RawSpan) throws(WireError) {
        for field in try TaggedTail.fields(in: tags, known: [Self.ageTag, Self.bytesTag, Self.eventsTag]) {
            var reader = WireReader(tags.extracting(field.range))
            let value = field.tag == Self.ageTag ? try reader.durationMilliseconds("retention's age") : try reader.u64("retention's value")
            try reader.expectEnd("retention's value")
            guard value <= WireLimits.policyNumberMax else {
                throw WireError(.invalidArgument, "retention tag \(field.tag) is \(value): at most \(WireLimits.policyNumberMax) is allowed")
            }
            switch field.tag {
            case Self.ageTag: ageMillisecondsMax = value
            case Self.bytesTag: bytesMax = value
            default: eventsMax = value
            }
        }
    }
}

/// Retention of every topic, present or future, whose name matches. `string pattern · tags`; reply ``DeclareReply``.
package struct TopicDeclareRequest: Equatable, Sendable {
    package var pattern: String
    package var retention: TopicRetentionFields
    package init(pattern: String, retention: TopicRetentionFields) {
        self.pattern = pattern
        self.retention = retention
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(pattern)
        retention.encode(into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        pattern = try reader.string("pattern")
        guard !pattern.isEmpty else { throw WireError(.invalidArgument, "pattern: it is empty; '*' matches every topic") }
        retention = try TopicRetentionFields(try reader.span(reader.remaining, "retention"))
    }
}

/// `string pattern · string after · u32 max · tail`, like ``StatsRequest``: topics whose names match, in name order, behind `after`.
package typealias TopicStatsRequest = StatsRequest

/// `u64 epoch · u64 earliest offset · u64 latest offset · u32 topics × (string name · u16 values × (u16 tag · u64 value)) ·
/// u8 more follow · tail`
package struct TopicStatsReply: Equatable, Sendable {
    package struct Topic: Equatable, Sendable {
        package var name: String
        package var events: UInt64 = 0
        package var bytes: UInt64 = 0
        package var earliestOffset: UInt64 = 0
        package var latestOffset: UInt64 = 0
        package var published: UInt64 = 0
        package var subscriptions: UInt64 = 0
        package var oldestAgeMilliseconds: UInt64 = 0
        package init(name: String) { self.name = name }

        /// Numbers of the figures.
        package static var figureTags: [UInt16] { values.map(\.tag) }

        static let values: [(tag: UInt16, path: any WritableKeyPath<Topic, UInt64> & Sendable)] = [
            (1, \.events), (2, \.bytes), (3, \.earliestOffset), (4, \.latestOffset), (5, \.published), (6, \.subscriptions),
            (7, \.oldestAgeMilliseconds),
        ]
    }

    package var epoch: UInt64
    package var earliestOffset: UInt64
    package var latestOffset: UInt64
    package var topics: [Topic]
    package var moreFollow: Bool
    package init(epoch: UInt64, earliestOffset: UInt64, latestOffset: UInt64, topics: [Topic], moreFollow: Bool = false) {
        self.epoch = epoch
        self.earliestOffset = earliestOffset
        self.latestOffset = latestOffset
        self.topics = topics
        self.moreFollow = moreFollow
    }

    package func encode(into writer: inout WireWriter) {
        writer.u64(epoch)
        writer.u64(earliestOffset)
        writer.u64(latestOffset)
        writer.u32(UInt32(topics.count))
        for topic in topics {
            writer.name(topic.name)
            writer.u16(UInt16(Topic.values.count))
            for (tag, path) in Topic.values {
                writer.u16(tag)
                writer.u64(topic[keyPath: path])
            }
        }
        writer.u8(moreFollow ? 1 : 0)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        epoch = try reader.u64("epoch")
        earliestOffset = try reader.u64("earliest offset")
        latestOffset = try reader.u64("latest offset")
        let count = try reader.count("topics", itemBytesMin: 4, itemsMax: WireLimits.topicsPerReplyMax)
        topics = []
        for _ in 0..<count {
            var topic = Topic(name: try reader.string("topic"))
            for _ in 0..<(try reader.u16("values")) {
                let tag = try reader.u16("value tag")
                let value = try reader.u64("value")
                if let known = Topic.values.first(where: { $0.tag == tag }) { topic[keyPath: known.path] = value }
            }
            topics.append(topic)
        }
        moreFollow = try reader.u8("more follow") != 0
        try reader.skipTail()
    }
}
