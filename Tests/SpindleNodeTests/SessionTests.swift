import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// Connections, permissions and topics at the level of frames.
@Suite struct SessionTests {
    private static func code(_ frame: TestBroker.Frame?) -> ErrorCode? { frame?.error.flatMap { ErrorCode(rawValue: $0.code) } }

    private static func record(_ text: String) throws -> [UInt8] {
        var writer = WireWriter()
        try MessageRecord(body: Array(text.utf8)).encode(into: &writer)
        return writer.array()
    }

    private static func publish(_ broker: TestBroker, _ session: SessionID, _ opcode: Opcode, _ name: String, _ text: String) throws -> TestBroker.Frame? {
        let record = try record(text)
        return broker.ask(session, opcode) {
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: name, count: 1, recordsByteCount: record.count, into: &$0)
            $0.bytes(record)
        }
    }

    @Test func theFirstFrameMustBeHello() throws {
        let broker = try TestBroker()
        let session = broker.connectOnly()
        let reply = broker.ask(session, .ping) { _ in }
        #expect(Self.code(reply) == .helloRequired)
        #expect(reply?.error?.blastRadius == .connection)
        #expect(broker.closed.contains(session))
    }

    @Test func anUnknownTokenClosesTheConnection() throws {
        let broker = try TestBroker()
        let session = broker.connectOnly()
        broker.request(session, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
        broker.request(session, .auth) { AuthRequest(method: .token, credential: "wrong").encode(into: &$0) }
        broker.turn(authenticateAs: nil)
        #expect(Self.code(broker.frames(session).last) == .authenticationFailed)
        #expect(broker.closed.contains(session))
    }

    @Test func aVersionFromTheFutureIsToldTheWindow() throws {
        let broker = try TestBroker()
        let session = broker.connectOnly()
        let reply = broker.ask(session, .hello) { HelloRequest(versionMin: 7, versionMax: 9, clientName: "c", clientVersion: "1").encode(into: &$0) }
        #expect(Self.code(reply) == .unsupportedVersion)
        #expect(reply?.error?.message.contains("1 to 1") == true)
    }

    @Test func whateverIsWrongWithARequestTheConnectionGoesOn() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        for (opcode, body) in [(0x0010, []), (0x0011, [1]), (0x0012, [255, 255, 255, 255]), (0x00EE, []), (0x0021, []), (0x0001, [])] as [(UInt16, [UInt8])] {
            broker.raw(session, opcode, body: body)
            broker.turn()
            let frame = broker.frames(session).last
            #expect(frame?.isError == true, "\(opcode)")
            #expect(frame?.error?.blastRadius == .request, "\(opcode)")
        }
        #expect(!broker.closed.contains(session))
        #expect(broker.ask(session, .ping) { _ in }?.isError == false)
    }

    @Test func aPrincipalMayDoWhatItsPatternsSayAndNothingElse() throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        for queue in ["esprit-gen", "addin-result"] {
            #expect(broker.ask(admin, .declare) { DeclareRequest(queue: queue, policy: .init()).encode(into: &$0) }?.isError == false)
        }
        let addin = broker.connect(Principal(name: "addin", publish: [.init("addin-result")], lease: [.init("esprit-*")]))
        #expect(try Self.publish(broker, addin, .publish, "addin-result", "x")?.isError == false)
        #expect(Self.code(try Self.publish(broker, addin, .publish, "esprit-gen", "x")) == .permissionDenied)
        #expect(Self.code(try Self.publish(broker, addin, .topicPublish, "t", "x")) == .permissionDenied)
        let lease = { (queue: String) in
            broker.ask(addin, .lease) { LeaseRequest(queue: queue, messagesMax: 1, bytesMax: 1, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0) }
        }
        #expect(lease("esprit-gen")?.isError == false)
        #expect(Self.code(lease("addin-result")) == .permissionDenied)
        #expect(Self.code(broker.ask(addin, .declare) { DeclareRequest(queue: "mine", policy: .init()).encode(into: &$0) }) == .permissionDenied)
        let subscribe = broker.ask(addin, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: 1, pattern: "*", start: .latest, credit: 1).encode(into: &$0) }
        #expect(Self.code(subscribe) == .permissionDenied)
    }

    @Test func aSettleThatFailsDoesNothing() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        _ = broker.ask(session, .declare) { DeclareRequest(queue: "q", policy: .init()).encode(into: &$0) }
        let record = try Self.record("next")
        let reply = broker.ask(session, .settle) {
            SettleRequest.encode(acks: [.init(messageID: 12_345, epoch: 1)], nacks: [], groupCount: 1, into: &$0)
            SettleRequest.encodeGroup(.queue, name: "q", count: 1, records: record.span.bytes, into: &$0)
        }
        #expect(Self.code(reply) == .leaseLost)
        let stats = try #require(broker.ask(session, .stats) { StatsRequest(pattern: "q").encode(into: &$0) })
        #expect(try StatsReply(stats.body.span.bytes).queues.first?.ready == 0)
    }

    // MARK: Topics

    private static func texts(_ frames: [TestBroker.Frame]) throws -> [String] {
        try frames.flatMap { frame -> [String] in
            if frame.header.opcode == Opcode.topicGap.rawValue { return ["gap"] }
            guard frame.header.opcode == Opcode.topicEvents.rawValue else { return [] }
            let bytes = frame.body.span.bytes
            var reader = WireReader(bytes)
            let head = try TopicEventsHead(&reader)
            var texts: [String] = []
            for item in head.items {
                let record = try RecordView.decode(try reader.span(Int(item.recordByteCount), "record"))
                texts.append("\(item.topic):\(String(decoding: record.body, as: UTF8.self))")
            }
            return texts
        }
    }

    private static func subscribe(
        _ broker: TestBroker, _ session: SessionID, _ pattern: String, _ start: TopicSubscribeRequest.Start, credit: UInt32 = 100, id: UInt32 = 1
    ) throws -> (cursor: TopicCursor, texts: [String]) {
        broker.request(session, .topicSubscribe) { TopicSubscribeRequest(subscriptionID: id, pattern: pattern, start: start, credit: credit).encode(into: &$0) }
        broker.turn()
        let frames = broker.frames(session)
        let reply = try #require(frames.first { $0.header.opcode == Opcode.topicSubscribe.rawValue })
        return (try TopicSubscribeReply(reply.body.span.bytes).cursor, try texts(frames))
    }

    @Test func oneCursorServesEveryPattern() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        for (topic, text) in [("a.x", "1"), ("b", "2"), ("a.y", "3")] { _ = try Self.publish(broker, session, .topicPublish, topic, text) }
        #expect(try Self.subscribe(broker, session, "a.*", .earliest).texts == ["a.x:1", "a.y:3"])
        let all = try Self.subscribe(broker, session, "*", .earliest, id: 2)
        #expect(all.texts == ["a.x:1", "b:2", "a.y:3"])
        _ = try Self.publish(broker, session, .topicPublish, "b", "4")
        let resumed = broker.connect()
        let latest = try Self.subscribe(broker, resumed, "a.*,b", .latest)
        #expect(latest.texts.isEmpty)
        try broker.restart(crash: true)
        let after = broker.connect()
        #expect(try Self.subscribe(broker, after, "b", .after(all.cursor)).texts == ["b:2", "b:4"])
        #expect(try Self.subscribe(broker, after, "b", .after(latest.cursor), id: 2).texts.isEmpty)
    }

    @Test func creditBoundsWhatIsPushed() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        for text in ["1", "2", "3"] { _ = try Self.publish(broker, session, .topicPublish, "t", text) }
        #expect(try Self.subscribe(broker, session, "t", .earliest, credit: 2).texts == ["t:1", "t:2"])
        broker.request(session, .topicCredit) { TopicCreditRequest(subscriptionID: 1, more: 5).encode(into: &$0) }
        broker.turn()
        #expect(try Self.texts(broker.frames(session)) == ["t:3"])
    }

    @Test func whatIsGoneIsToldAsAGap() throws {
        let broker = try TestBroker(configuration: NodeConfiguration(serverVersion: "t", serverID: Array(1...16), frameBytesMax: 256 << 10, topicEventsMax: 2))
        let session = broker.connect()
        _ = try Self.publish(broker, session, .topicPublish, "t", "0")
        let start = try Self.subscribe(broker, session, "t", .latest, credit: 0, id: 9).cursor
        for text in ["1", "2", "3"] { _ = try Self.publish(broker, session, .topicPublish, "t", text) }
        #expect(try Self.subscribe(broker, session, "t", .after(start)).texts == ["gap", "t:2", "t:3"])
        #expect(try Self.subscribe(broker, session, "t", .earliest, id: 2).texts == ["t:2", "t:3"])
        let foreign = TopicCursor(epoch: 1, offset: 5)
        #expect(try Self.subscribe(broker, session, "t", .after(foreign), id: 3).texts == ["gap"])
        let future = TopicCursor(epoch: start.epoch, offset: .max)
        #expect(try Self.subscribe(broker, session, "t", .after(future), id: 4).texts == ["gap"])
        // The one that never had credit: its gap comes with the first of it.
        broker.request(session, .topicCredit) { TopicCreditRequest(subscriptionID: 9, more: 5).encode(into: &$0) }
        broker.turn()
        #expect(try Self.texts(broker.frames(session)) == ["gap", "t:2", "t:3"])
    }

    @Test func aDrainingBrokerTakesWhatEndsWorkAndNothingNew() throws {
        let broker = try TestBroker()
        let session = broker.connect()
        _ = broker.ask(session, .declare) { DeclareRequest(queue: "q", policy: .init()).encode(into: &$0) }
        broker.drain()
        #expect(broker.frames(session).contains { $0.header.opcode == Opcode.goingAway.rawValue })
        #expect(Self.code(try Self.publish(broker, session, .publish, "q", "x")) == .goingAway)
        let ack = broker.ask(session, .ack) { AckRequest(tokens: [.init(messageID: 1, epoch: 1)]).encode(into: &$0) }
        #expect(ack?.isError == false)
    }

    // MARK: Patterns

    @Test(arguments: [
        ("*", "anything", true), ("a.*", "a.b.c", true), ("a.*", "a", false), ("*.dead", "q.dead", true), ("a*b*c", "aXXbYYc", true),
        ("a*b*c", "aXXbYY", false), ("", "", true), ("", "x", false), ("a", "A", false), ("**", "x", true), ("*a*a*a*a*b", String(repeating: "a", count: 200), false),
    ])
    func namesMatchPatterns(_ pattern: String, _ name: String, _ expected: Bool) {
        #expect(NamePattern(pattern).matches(name) == expected)
    }
}
