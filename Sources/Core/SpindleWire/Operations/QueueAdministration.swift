/// The settings of a queue, as tags: a missing one keeps its value, or the default at creation. ``PolicySetting`` says what each is.
/// `u16 tag · u32 length · bytes` each; numbers are u64. Source: `protocol/queues.md`, "Queue policy".
package struct QueuePolicyFields: Equatable, Sendable {
    /// By tag, counted from 1; the places of names, which are no numbers, stay nil.
    private var numbers = [UInt64?](repeating: nil, count: PolicySetting.allCases.count)
    package var deadLetterQueue: String?
    package var deadLetterTopic: String?

    package init() {}

    /// A setting that is a number; nil too for names.
    package subscript(setting: PolicySetting) -> UInt64? {
        get { numbers[Int(setting.rawValue) - 1] }
        set { if !setting.isName { numbers[Int(setting.rawValue) - 1] = newValue } }
    }

    package var leaseMilliseconds: UInt64? { get { self[.lease] } set { self[.lease] = newValue } }
    package var leaseMaxMilliseconds: UInt64? { get { self[.leaseMax] } set { self[.leaseMax] = newValue } }
    package var attemptsMax: UInt64? { get { self[.attemptsMax] } set { self[.attemptsMax] = newValue } }
    package var backoffKind: UInt64? { get { self[.backoffKind] } set { self[.backoffKind] = newValue } }
    package var backoffInitialMilliseconds: UInt64? { get { self[.backoffInitial] } set { self[.backoffInitial] = newValue } }
    package var backoffCapMilliseconds: UInt64? { get { self[.backoffCap] } set { self[.backoffCap] = newValue } }
    package var backoffJitterPercent: UInt64? { get { self[.backoffJitter] } set { self[.backoffJitter] = newValue } }
    package var delayMilliseconds: UInt64? { get { self[.delay] } set { self[.delay] = newValue } }
    package var timeToLiveMilliseconds: UInt64? { get { self[.timeToLive] } set { self[.timeToLive] = newValue } }
    package var lengthMax: UInt64? { get { self[.lengthMax] } set { self[.lengthMax] = newValue } }
    package var bytesMax: UInt64? { get { self[.bytesMax] } set { self[.bytesMax] = newValue } }
    package var deduplicationWindowMilliseconds: UInt64? { get { self[.deduplicationWindow] } set { self[.deduplicationWindow] = newValue } }
    package var orderedGroups: UInt64? { get { self[.orderedGroups] } set { self[.orderedGroups] = newValue } }
    package var concurrency: UInt64? { get { self[.concurrency] } set { self[.concurrency] = newValue } }
    package var concurrencyPerGroup: UInt64? { get { self[.concurrencyPerGroup] } set { self[.concurrencyPerGroup] = newValue } }
    package var ratePerSecond: UInt64? { get { self[.ratePerSecond] } set { self[.ratePerSecond] = newValue } }
    package var priorities: UInt64? { get { self[.priorities] } set { self[.priorities] = newValue } }
    package var resultRetentionMilliseconds: UInt64? { get { self[.resultRetention] } set { self[.resultRetention] = newValue } }
    package var fairGroups: UInt64? { get { self[.fairGroups] } set { self[.fairGroups] = newValue } }
    package var ratePerSecondPerGroup: UInt64? { get { self[.ratePerSecondPerGroup] } set { self[.ratePerSecondPerGroup] = newValue } }

    /// A setting that is a name; nil too for numbers.
    package subscript(name setting: PolicySetting) -> String? {
        get {
            switch setting {
            case .deadLetterQueue: deadLetterQueue
            case .deadLetterTopic: deadLetterTopic
            default: nil
            }
        }
        set {
            switch setting {
            case .deadLetterQueue: deadLetterQueue = newValue
            case .deadLetterTopic: deadLetterTopic = newValue
            default: break
            }
        }
    }

    /// A setting as people read it, a number with its unit; nil where it is not set.
    package func text(of setting: PolicySetting) -> String? {
        if setting.isName { return self[name: setting] }
        guard let value = self[setting] else { return nil }
        switch setting.entry.unit {
        case .milliseconds: return "\(value) ms"
        case .bytes: return "\(value) bytes"
        case .percent: return "\(value) %"
        case .flag: return value == 0 ? "no" : "yes"
        case .words(let words): return value < UInt64(words.count) ? words[Int(value)] : "\(value)"
        case .count, .queueName, .topicName: return "\(value)"
        }
    }

    /// Bytes of the names that are set.
    fileprivate var nameByteCount: Int { (deadLetterQueue?.utf8.count ?? 0) + (deadLetterTopic?.utf8.count ?? 0) }

    /// Every number as the table says it; no dead-letter queue or topic.
    package static var standard: QueuePolicyFields {
        var fields = QueuePolicyFields()
        for setting in PolicySetting.allCases { fields[setting] = setting.entry.standard }
        return fields
    }

    private static let knownTags = Set(PolicySetting.allCases.map(\.rawValue))
    /// Of all settings, without the names.
    fileprivate static let byteCountMax = PolicySetting.allCases.count * 14

    package func encode(into writer: inout WireWriter) {
        for setting in PolicySetting.allCases {
            if let value = self[setting] { writer.tag(setting.rawValue, u64: value) }
        }
        for setting in PolicySetting.allCases where setting.isName {
            if let name = self[name: setting] { writer.tag(setting.rawValue, text: name) }
        }
    }

    package init(_ tags: RawSpan) throws(WireError) {
        for field in try TaggedTail.fields(in: tags, known: Self.knownTags) {
            guard let setting = PolicySetting(rawValue: field.tag) else { continue }
            var reader = WireReader(tags.extracting(field.range))
            if setting.isName {
                let what: StaticString = setting == .deadLetterQueue ? "dead-letter queue" : "dead-letter topic"
                guard field.range.count <= WireLimits.nameBytesMax else {
                    throw WireError(.invalidArgument, "\(what): \(field.range.count) bytes, at most \(WireLimits.nameBytesMax) are allowed")
                }
                if !field.range.isEmpty { try WireReader.checkName(tags.extracting(field.range), what) }
                self[name: setting] = try reader.utf8(field.range.count, what)
            } else {
                let value = try reader.u64("policy value")
                try reader.expectEnd("policy value")
                let most = setting.entry.wireMax
                guard value <= most else {
                    throw WireError(.invalidArgument, "\(setting.name) is \(value): at most \(most) is allowed")
                }
                self[setting] = value
            }
        }
    }
}

/// `string queue · policy tags`. Creates the queue, or changes the named settings of one that is there.
package struct DeclareRequest: Equatable, Sendable {
    package var queue: String
    package var policy: QueuePolicyFields
    package init(queue: String, policy: QueuePolicyFields) {
        self.queue = queue
        self.policy = policy
    }
    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        policy.encode(into: &writer)
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        policy = try QueuePolicyFields(try reader.span(reader.remaining, "policy"))
    }
}

/// `u8 outcome · tail`
package struct DeclareReply: Equatable, Sendable {
    package enum Outcome: UInt8, Sendable {
        case unchanged = 0
        case created = 1
        case changed = 2
    }
    package var outcome: Outcome
    package init(outcome: Outcome) { self.outcome = outcome }
    package func encode(into writer: inout WireWriter) { writer.u8(outcome.rawValue) }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        outcome = Outcome(rawValue: try reader.u8("outcome")) ?? .changed
        try reader.skipTail()
    }
}

/// `string name pattern · string after · u32 max · tail`: queues whose names match, in name order, behind `after`.
/// `*` in a pattern stands for any run of characters.
package struct StatsRequest: Equatable, Sendable {
    package var pattern: String
    package var after: String
    package var max: UInt32
    package init(pattern: String = "*", after: String = "", max: UInt32 = 1000) {
        self.pattern = pattern
        self.after = after
        self.max = max
    }
    package func encode(into writer: inout WireWriter) {
        writer.string(pattern)
        writer.string(after)
        writer.u32(max)
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        pattern = try reader.string("pattern")
        after = try reader.string("after")
        max = try reader.u32("max")
        guard max > 0 else { throw WireError(.invalidArgument, "max is 0: ask for at least one") }
        try reader.skipTail()
    }
}

/// `u32 queues × (string name · u16 values × (u16 tag · u64 value) · u32 policy bytes · policy tags) · u8 more follow · tail`;
/// tail tag 1, repeated: why a queue is paused, `u32 queue index · sentence reason`.
package struct StatsReply: Equatable, Sendable {
    package struct Queue: Equatable, Sendable {
        package var name: String
        package var ready: UInt64 = 0
        package var leased: UInt64 = 0
        package var delayed: UInt64 = 0
        package var bytes: UInt64 = 0
        package var oldestAgeMilliseconds: UInt64 = 0
        package var published: UInt64 = 0
        package var delivered: UInt64 = 0
        package var acknowledged: UInt64 = 0
        package var nacked: UInt64 = 0
        package var expired: UInt64 = 0
        package var dead: UInt64 = 0
        package var duplicates: UInt64 = 0
        package var waiters: UInt64 = 0
        /// Bits of ``QueuePause``.
        package var paused: UInt64 = 0
        package var policy = QueuePolicyFields()
        /// Why it is paused, in the words of who paused it; in the tail.
        package var pauseReason: String = ""
        package init(name: String) { self.name = name }

        /// What it takes of a frame at most, bytes: its name, figures, policy and pause reason with their tags.
        package var byteCountMax: Int {
            let figures = 2 + Self.values.count * 10
            let settings = 4 + QueuePolicyFields.byteCountMax + policy.nameByteCount
            return 2 + name.utf8.count + figures + settings + (pauseReason.isEmpty ? 0 : 16 + pauseReason.utf8.count)
        }

        /// Numbers of the figures.
        package static var figureTags: [UInt16] { values.map(\.tag) }

        static let values: [(tag: UInt16, path: any WritableKeyPath<Queue, UInt64> & Sendable)] = [
            (1, \.ready), (2, \.leased), (3, \.delayed), (4, \.bytes), (5, \.oldestAgeMilliseconds), (6, \.published), (7, \.delivered),
            (8, \.acknowledged), (9, \.nacked), (10, \.expired), (11, \.dead), (12, \.duplicates), (13, \.waiters), (14, \.paused),
        ]
    }

    private static let pauseReasonTag: UInt16 = 1

    package var queues: [Queue]
    package var moreFollow: Bool
    package init(queues: [Queue], moreFollow: Bool = false) {
        self.queues = queues
        self.moreFollow = moreFollow
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(queues.count))
        for queue in queues {
            writer.name(queue.name)
            writer.u16(UInt16(Queue.values.count))
            for (tag, path) in Queue.values {
                writer.u16(tag)
                writer.u64(queue[keyPath: path])
            }
            let start = writer.count
            writer.u32(0)
            queue.policy.encode(into: &writer)
            writer.patch(u32: UInt32(writer.count - start - 4), at: start)
        }
        writer.u8(moreFollow ? 1 : 0)
        for (index, queue) in queues.enumerated() where !queue.pauseReason.isEmpty {
            let field = writer.beginTag(Self.pauseReasonTag)
            writer.u32(UInt32(index))
            writer.sentence(queue.pauseReason)
            writer.endTag(field)
        }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("queues", itemBytesMin: 8, itemsMax: WireLimits.queuesPerReplyMax)
        queues = []
        for _ in 0..<count {
            var queue = Queue(name: try reader.string("queue"))
            for _ in 0..<(try reader.u16("values")) {
                let tag = try reader.u16("value tag")
                let value = try reader.u64("value")
                if let known = Queue.values.first(where: { $0.tag == tag }) { queue[keyPath: known.path] = value }
            }
            queue.policy = try QueuePolicyFields(try reader.span(Int(clamping: try reader.u32("policy bytes")), "policy"))
            queues.append(queue)
        }
        moreFollow = try reader.u8("more follow") != 0
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [Self.pauseReasonTag]) {
            var note = WireReader(tail.extracting(field.range))
            let index = Int(try note.u32("queue index"))
            guard index < count else { throw .malformed("a pause's reason for queue \(index): there are \(count), counted from 0") }
            queues[index].pauseReason = try note.sentence("pause's reason")
        }
    }
}
