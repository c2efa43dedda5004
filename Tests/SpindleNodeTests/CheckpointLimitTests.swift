import SpindleNode
import SpindleQueue
import SpindleSimulator
import SpindleWire
import Testing

/// Whatever the broker writes it can read: each count of a checkpoint at its limit and beyond.
@Suite struct CheckpointLimitTests {
    /// A count of the engine: how a state comes to have `count` of it.
    struct Count: Sendable, CustomTestStringConvertible {
        var name: String
        /// What a reader calls it that refuses more.
        var field: String
        var limit: @Sendable (inout EngineLimits, Int) -> Void
        var make: @Sendable (Int, EngineLimits) throws -> StateBuilder
        var testDescription: String { name }
    }

    private static let keyed: QueuePolicyFields = {
        var fields = QueuePolicyFields()
        fields.fairGroups = 1
        return fields
    }()

    private static func grouped(_ index: Int) -> MessageRecord {
        var record = MessageRecord(body: [])
        record.group = "g\(index)"
        return record
    }

    private static func withKey(_ index: Int) -> MessageRecord {
        var record = MessageRecord(body: [])
        record.deduplicationKey = "key-\(index)"
        return record
    }

    static let counts: [Count] = [
        Count(name: "queues", field: "queues", limit: { $0.queues = $1 }) { count, limits in
            var builder = StateBuilder(limits)
            for number in 0..<count { try builder.declare("q\(number)", number: number) }
            return builder
        },
        Count(name: "messages that wait for a time", field: "held messages", limit: { $0.messages = $1 }) { count, limits in
            var builder = StateBuilder(limits)
            try builder.declare("q", number: 0)
            try builder.publish(count) { _ in
                var record = MessageRecord(body: [])
                record.delayMilliseconds = 60_000
                return record
            }
            return builder
        },
        Count(name: "groups", field: "groups", limit: { $0.groupsPerQueue = $1 - 1 }) { count, limits in
            var builder = StateBuilder(limits)
            try builder.declare("q", number: 0, keyed)
            // Number 0 is the one without a key.
            try builder.publish(count - 1, grouped)
            return builder
        },
        Count(name: "deduplication keys", field: "deduplication keys", limit: { $0.keysPerQueue = $1 }) { count, limits in
            var builder = StateBuilder(limits)
            try builder.declare("q", number: 0)
            try builder.publish(count, withKey)
            return builder
        },
        Count(name: "topics", field: "topics", limit: { $0.topics = $1 }) { count, limits in
            var builder = StateBuilder(limits)
            try builder.declareTopics(count)
            return builder
        },
        Count(name: "retention rules", field: "rules", limit: { $0.topicRules = $1 }) { count, limits in
            var builder = StateBuilder(limits)
            for number in 0..<count {
                try builder.apply { writer in
                    writer.u8(25)
                    writer.string("pattern.\(number).*")
                    for _ in 0..<3 { writer.u64(7) }
                }
            }
            return builder
        },
        Count(name: "results", field: "results", limit: { $0.results = $1 }) { count, limits in
            var builder = StateBuilder(limits)
            try builder.declare("q", number: 0)
            for number in 0..<count {
                try builder.apply { writer in
                    writer.u8(27)
                    writer.u64(UInt64(number + 1))
                    writer.u32(0)
                    writer.u8(2)
                    writer.u64(1 << 40)
                    writer.u32(0)
                    writer.u32(0)
                }
            }
            return builder
        },
    ]

    /// At a limit a state survives; a reader whose limit is one less names what there is too much of.
    @Test(arguments: counts) func aStateAtALimitIsReadAndOneBeyondIsNamed(count: Count) throws {
        var limits = EngineLimits()
        count.limit(&limits, 300)
        let bytes = StateBuilder.encoded(try count.make(300, limits).state)
        #expect(StateBuilder.encoded(try StateBuilder.restored(bytes, limits)) == bytes)
        count.limit(&limits, 299)
        let error = #expect(throws: NodeRestoreError.self) { try StateBuilder.restored(bytes, limits) }
        #expect(error?.description.contains("\(count.field): 300 items, at most 299") == true, "\(error?.description ?? "")")
    }

    /// The limits of frames are not those of checkpoints.
    @Test(arguments: counts.filter { $0.name != "retention rules" }) func moreThanAFrameMayCarrySurvives(count: Count) throws {
        let bytes = StateBuilder.encoded(try count.make(65_537, .standard).state)
        #expect(StateBuilder.encoded(try StateBuilder.restored(bytes)) == bytes)
    }

    // MARK: The limits of a broker

    @Test func tenMillionMessagesSurvive() throws {
        var builder = StateBuilder()
        try builder.declare("q", number: 0)
        try builder.publish(10_000_000, repeating: MessageRecord(body: [1]))
        let bytes = StateBuilder.encoded(builder.state)
        let restored = try StateBuilder.restored(bytes)
        #expect(restored.liveRecords == 10_000_000)
        #expect(StateBuilder.encoded(restored) == bytes)
    }

    @Test func aQueueFullOfKeysSurvivesAndTakesNoFurtherOne() throws {
        let limits = EngineLimits.standard
        var builder = StateBuilder()
        try builder.declare("q", number: 0)
        try builder.publish(limits.keysPerQueue, Self.withKey)
        let bytes = StateBuilder.encoded(builder.state)
        let restored = try StateBuilder.restored(bytes)
        #expect(StateBuilder.encoded(restored) == bytes)

        let broker = try TestBroker(configuration: StateBuilder.configuration(), state: restored)
        #expect(try Self.publish(broker, Self.withKey(limits.keysPerQueue)) == "QUEUE_FULL")
        #expect(try Self.publish(broker, Self.withKey(0)) == "duplicate")
        #expect(try Self.publish(broker, Self.withKey(limits.keysPerQueue - 1)) == "duplicate")
        #expect(try Self.publish(broker, MessageRecord(body: [])) == "stored")
        broker.advance(600_000)
        #expect(try Self.publish(broker, Self.withKey(limits.keysPerQueue)) == "stored")
        #expect(try Self.publish(broker, Self.withKey(0)) == "stored", "its window is over")
    }

    @Test func aQueueFullOfGroupsSurvivesAndBeginsNoFurtherOne() throws {
        let limits = EngineLimits.standard
        var builder = StateBuilder()
        try builder.declare("q", number: 0, Self.keyed)
        try builder.publish(limits.groupsPerQueue, Self.grouped)
        let bytes = StateBuilder.encoded(builder.state)
        let restored = try StateBuilder.restored(bytes)
        #expect(StateBuilder.encoded(restored) == bytes)
        let broker = try TestBroker(configuration: StateBuilder.configuration(), state: restored)
        #expect(try Self.publish(broker, Self.grouped(limits.groupsPerQueue)) == "QUEUE_FULL")
        #expect(try Self.publish(broker, Self.grouped(17)) == "stored")
        #expect(try Self.publish(broker, MessageRecord(body: [])) == "stored")
    }

    @Test func allQueuesAndTopicsSurvive() throws {
        for name in ["queues", "topics"] {
            let count = try #require(Self.counts.first { $0.name == name })
            let bytes = StateBuilder.encoded(try count.make(100_000, .standard).state)
            #expect(StateBuilder.encoded(try StateBuilder.restored(bytes)) == bytes, "\(name)")
        }
    }

    @Test func aMillionResultsSurvive() throws {
        let count = try #require(Self.counts.first { $0.name == "results" })
        // One more than there may be: the next to expire goes.
        let bytes = StateBuilder.encoded(try count.make(1_000_001, .standard).state)
        #expect(StateBuilder.encoded(try StateBuilder.restored(bytes)) == bytes)
    }

    /// Of producers, their batches and a message's attempts the types themselves keep the limit, whatever the log says.
    @Test func whatTheTypesLimitSurvives() throws {
        var builder = StateBuilder()
        try builder.declare("q", number: 0)
        for producer in UInt64(1)...UInt64(ProducerTable.producersMax + 10) {
            try builder.publish(1, producer: producer) { _ in MessageRecord(body: []) }
        }
        for batch in UInt64(0)..<UInt64(ProducerTable.runsMax + 10) {
            try builder.publish(1, producer: 1 << 40, sequence: 10 * batch) { _ in MessageRecord(body: []) }
        }
        let bytes = StateBuilder.encoded(builder.state)
        #expect(StateBuilder.encoded(try StateBuilder.restored(bytes)) == bytes)
    }

    // MARK: Live

    private static func name(_ error: ErrorReply) -> String { ErrorCode(rawValue: error.code)?.name ?? "\(error.code)" }

    private static func publish(_ broker: TestBroker, to queue: String = "q", _ record: MessageRecord, opcode: Opcode = .publish) throws -> String {
        var records = WireWriter()
        try record.encode(into: &records)
        let bytes = records.array()
        let frame = try #require(broker.ask(broker.connect(), opcode) { writer in
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: queue, count: 1, recordsByteCount: bytes.count, into: &writer)
            writer.bytes(bytes.span.bytes)
        })
        if let error = frame.error { return Self.name(error) }
        let runs = opcode == .publish ? try PublishReply(frame.body.span.bytes).runs : try TopicPublishReply(frame.body.span.bytes).runs
        let status = try #require(runs.first).status
        return status == .ok ? "stored" : status == .duplicate ? "duplicate" : status.error?.name ?? "\(status)"
    }

    private static func declare(_ broker: TestBroker, _ queue: String, _ policy: QueuePolicyFields = QueuePolicyFields()) throws -> String {
        let frame = try #require(broker.ask(broker.connect(), .declare) { DeclareRequest(queue: queue, policy: policy).encode(into: &$0) })
        return frame.error.map(Self.name) ?? "ok"
    }

    /// What would go beyond a limit is refused before it is logged, so that the broker starts again.
    @Test func aLiveBrokerKeepsItsLimits() throws {
        var limits = EngineLimits()
        limits.queues = 4
        limits.messages = 6
        limits.groupsPerQueue = 2
        limits.keysPerQueue = 2
        limits.topics = 2
        limits.events = 3
        limits.topicRules = 1
        let broker = try TestBroker(configuration: StateBuilder.configuration(limits))
        #expect(try Self.declare(broker, "q", Self.keyed) == "ok") // and its dead-letter queue
        #expect(try Self.declare(broker, "r") == "ok")
        #expect(try Self.declare(broker, "s") == "INVALID_ARGUMENT")
        #expect(try Self.publish(broker, Self.grouped(1)) == "stored")
        #expect(try Self.publish(broker, Self.grouped(2)) == "stored")
        #expect(try Self.publish(broker, Self.grouped(3)) == "QUEUE_FULL")
        #expect(try Self.publish(broker, to: "r", Self.withKey(1)) == "stored")
        #expect(try Self.publish(broker, to: "r", Self.withKey(2)) == "stored")
        #expect(try Self.publish(broker, to: "r", Self.withKey(3)) == "QUEUE_FULL")
        #expect(try Self.publish(broker, to: "r", MessageRecord(body: [])) == "stored")
        #expect(try Self.publish(broker, to: "r", MessageRecord(body: [])) == "stored")
        #expect(try Self.publish(broker, to: "r", MessageRecord(body: [])) == "QUEUE_FULL")
        for _ in 0..<3 { #expect(try Self.publish(broker, to: "t", MessageRecord(body: []), opcode: .topicPublish) == "stored") }
        #expect(try Self.publish(broker, to: "u", MessageRecord(body: []), opcode: .topicPublish) == "stored")
        #expect(try Self.publish(broker, to: "v", MessageRecord(body: []), opcode: .topicPublish) == "INVALID_ARGUMENT")
        for (pattern, expected) in [("a.*", "ok"), ("b.*", "INVALID_ARGUMENT"), ("a.*", "ok")] {
            let frame = broker.ask(broker.connect(), .topicDeclare) {
                TopicDeclareRequest(pattern: pattern, retention: .init(eventsMax: 9)).encode(into: &$0)
            }
            let answer = try #require(frame)
            #expect((answer.error.map(Self.name) ?? "ok") == expected)
        }
        #expect(broker.node.state.liveRecords == 6 + 3, "the oldest event went")
        #expect(try broker.recoveredState() == broker.encodedState())
        try broker.checkpoint()
        let before = broker.encodedState()
        try broker.restart()
        #expect(broker.encodedState() == before)
    }

    /// A message that operators move to a queue that is full of groups arrives, and is in none.
    @Test func aMovedMessageBeginsNoGroupBeyondTheLimit() throws {
        var limits = EngineLimits()
        limits.groupsPerQueue = 1
        let broker = try TestBroker(configuration: StateBuilder.configuration(limits))
        #expect(try Self.declare(broker, "q") == "ok")
        #expect(try Self.declare(broker, "target", Self.keyed) == "ok")
        #expect(try Self.publish(broker, to: "target", Self.grouped(1)) == "stored")
        #expect(try Self.publish(broker, Self.grouped(2)) == "stored")
        let admin = broker.connect()
        _ = broker.ask(admin, .bulk) { BulkRequest(.move, queue: "q", target: "target").encode(into: &$0) }
        for _ in 0..<5 { broker.advance(10) }
        let stats = try #require(broker.ask(admin, .stats) { StatsRequest(pattern: "target").encode(into: &$0) })
        #expect(try StatsReply(stats.body.span.bytes).queues.map(\.ready) == [2])
        #expect(try broker.recoveredState() == broker.encodedState())
    }
}
