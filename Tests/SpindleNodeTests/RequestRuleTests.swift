import SpindleNode
import SpindleWire
import Testing

/// Which error comes first, and what correlation ids mean. Source: `protocol/connection.md`, "Which error comes first".
@Suite struct RequestRuleTests {
    private static let nobody = Principal(name: "nobody")

    private static func error(_ broker: TestBroker, _ session: SessionID) throws -> ErrorReply? {
        try broker.frames(session).first { $0.header.flags.contains(.error) }.map { try ErrorReply($0.body.span.bytes) }
    }

    private static func code(
        _ opcode: Opcode, _ body: [UInt8], as principal: Principal = TestBroker.everything, isDraining: Bool = false, isPaused: Bool = false
    ) throws -> ErrorCode? {
        let broker = try TestBroker()
        try broker.configure("q", QueuePolicyFields())
        let session = broker.connect(principal)
        if isPaused {
            let admin = broker.connect()
            _ = broker.ask(admin, .pause) { PauseRequest(queue: "q", what: .publishes, reason: "").encode(into: &$0) }
        }
        if isDraining {
            broker.drain()
            _ = broker.frames(session)
        }
        broker.raw(session, opcode.rawValue, body: body)
        broker.turn()
        return try error(broker, session).flatMap { ErrorCode(rawValue: $0.code) }
    }

    private static func body(_ encode: (inout WireWriter) -> Void) -> [UInt8] {
        var writer = WireWriter()
        encode(&writer)
        return writer.array()
    }

    private static func frame(_ opcode: Opcode, correlationID: UInt32, _ body: [UInt8]) -> [UInt8] {
        Self.body { writer in
            let start = writer.beginFrame(opcode, correlationID: correlationID)
            writer.bytes(body)
            writer.endFrame(start)
        }
    }

    private static func lease(_ queue: String, leaseMilliseconds: UInt32 = 0) -> [UInt8] {
        body { LeaseRequest(queue: queue, messagesMax: 1, bytesMax: 1, leaseMilliseconds: leaseMilliseconds, waitMilliseconds: 0).encode(into: &$0) }
    }

    private static func publish(_ queue: String) throws -> [UInt8] {
        var record = WireWriter()
        try MessageRecord(body: [1]).encode(into: &record)
        let bytes = record.array()
        return body {
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: queue, count: 1, recordsByteCount: bytes.count, into: &$0)
            $0.bytes(bytes)
        }
    }

    @Test func theBodyComesBeforeThePermission() throws {
        #expect(try Self.code(.lease, Array(Self.lease("q").dropLast()), as: Self.nobody) == .malformedFrame)
        #expect(try Self.code(.lease, Self.lease("not a name"), as: Self.nobody) == .invalidArgument)
        #expect(try Self.code(.lease, Self.lease("q") + [99, 0x80, 0, 0, 0, 0], as: Self.nobody) == .unknownCriticalTag)
    }

    @Test func thePermissionComesBeforeTheQueue() throws {
        #expect(try Self.code(.lease, Self.lease("absent"), as: Self.nobody) == .permissionDenied)
        #expect(try Self.code(.publish, try Self.publish("absent"), as: Self.nobody) == .permissionDenied)
        #expect(try Self.code(.delete, Self.body { DeleteRequest(queue: "absent", mode: .ifEmpty).encode(into: &$0) }, as: Self.nobody) == .permissionDenied)
        #expect(try Self.code(.get, Self.body { GetRequest(queue: "absent", id: 1, parts: []).encode(into: &$0) }, as: Self.nobody) == .permissionDenied)
        #expect(try Self.code(.why, Self.body { WhyRequest(queue: "absent", id: 1).encode(into: &$0) }, as: Self.nobody) == .permissionDenied)
        #expect(
            try Self.code(.await, Self.body { AwaitRequest(queue: "absent", ids: [1], waitMilliseconds: 0).encode(into: &$0) }, as: Self.nobody)
                == .permissionDenied)
    }

    @Test func theQueueComesBeforeItsState() throws {
        #expect(try Self.code(.publish, try Self.publish("absent"), isPaused: true) == .noSuchQueue)
        #expect(try Self.code(.publish, try Self.publish("q"), isPaused: true) == .queuePaused)
        #expect(try Self.code(.lease, Self.lease("absent", leaseMilliseconds: .max)) == .noSuchQueue)
        #expect(try Self.code(.lease, Self.lease("q", leaseMilliseconds: .max)) == .invalidArgument)
    }

    @Test func goingAwayComesBeforeThePublishAndAfterTheQueueOfALease() throws {
        #expect(try Self.code(.publish, [], isDraining: true) == .goingAway)
        #expect(try Self.code(.topicPublish, [], isDraining: true) == .goingAway)
        #expect(try Self.code(.lease, Self.lease("absent"), isDraining: true) == .noSuchQueue)
        #expect(try Self.code(.lease, Self.lease("q"), isDraining: true) == .goingAway)
    }

    @Test func aCreditMayHaveNoCorrelationID() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        let body = Self.body { TopicCreditRequest(subscriptionID: 1, more: 1).encode(into: &$0) }
        broker.raw(session, frame: Self.frame(.topicCredit, correlationID: 0, body))
        broker.turn()
        #expect(!broker.closed.contains(session))
        #expect(broker.frames(session).isEmpty)
    }

    @Test func twoRequestsOfOneCorrelationIDAreBothAnswered() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        try broker.configure("q", QueuePolicyFields())
        let waiting = Self.body { LeaseRequest(queue: "q", messagesMax: 1, bytesMax: 1, leaseMilliseconds: 0, waitMilliseconds: 1000).encode(into: &$0) }
        for body in [waiting, Self.lease("q")] { broker.raw(session, frame: Self.frame(.lease, correlationID: 77, body)) }
        broker.turn()
        broker.advance(1001)
        #expect(broker.frames(session).map(\.header.correlationID) == [77, 77])
    }

    /// Results for which a small frame has no room are asked for again.
    @Test func anAwaitOfAThousandFitsTheSmallestFrame() throws {
        let configuration = NodeConfiguration(serverVersion: "test", serverID: Array(1...16), frameBytesMax: NodeConfiguration.frameBytesMin)
        let broker = try TestBroker(configuration: configuration)
        let session = broker.connect()
        var policy = QueuePolicyFields()
        policy.resultRetentionMilliseconds = 60_000
        try broker.configure("q", policy)
        var ids: [UInt64] = []
        for _ in 0..<40 {
            let body = try Self.publish("q")
            broker.raw(session, Opcode.publish.rawValue, body: body)
            broker.turn()
            let published = try #require(broker.frames(session).first)
            ids.append(try #require(try PublishReply(published.body.span.bytes).runs.first).firstID)
            let leased = try #require(broker.ask(session, .lease) { $0.bytes(Self.lease("q")) })
            var reader = WireReader(leased.body.span.bytes)
            let token = try #require(try LeaseReplyHead(&reader).items.first).token
            let result = AckResult(index: 0, bytes: [UInt8](repeating: 9, count: WireLimits.resultBytesMax))
            _ = broker.ask(session, .ack) { AckRequest(tokens: [token], results: [result]).encode(into: &$0) }
        }
        var wanted = ids + (0..<960).map { UInt64($0) + 1 }
        var received: Set<UInt64> = []
        while !wanted.isEmpty {
            let frame = try #require(broker.ask(session, .await) { AwaitRequest(queue: "q", ids: wanted, waitMilliseconds: 0).encode(into: &$0) })
            #expect(!frame.header.flags.contains(.error))
            let items = try AwaitReply(frame.body.span.bytes).items
            #expect(items.count == wanted.count)
            var left: [UInt64] = []
            for (id, item) in zip(wanted, items) {
                if item.status == ItemStatus(.recordTooLarge) { left.append(id) }
                if !item.result.isEmpty { received.insert(id) }
            }
            #expect(left.count < wanted.count, "each answer brings something")
            wanted = left
        }
        #expect(received == Set(ids))
    }
}
