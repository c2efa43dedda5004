import SpindleLog
import SpindleNode
import SpindleSimulator
import SpindleWire
import Testing

/// An epoch is 32 bits: a message that was leased as often as these can count dies, live and in replay.
@Suite struct LeaseEpochTests {
    /// A broker whose one message, in `q`, is leased for the time before the last.
    private static func broker(deadLetterQueue: String) throws -> (broker: TestBroker, id: UInt64) {
        let broker = try TestBroker()
        let session = broker.connect()
        var policy = QueuePolicyFields()
        policy.deadLetterQueue = deadLetterQueue
        policy.attemptsMax = 0
        policy.backoffInitialMilliseconds = 0
        _ = broker.ask(session, .declare) { DeclareRequest(queue: "q", policy: policy).encode(into: &$0) }
        var records = WireWriter()
        try MessageRecord(body: [1]).encode(into: &records)
        let record = records.array()
        let published = broker.ask(session, .publish) { writer in
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 1, recordsByteCount: record.count, into: &writer)
            writer.bytes(record.span.bytes)
        }
        let body = try #require(published).body
        let runs = try PublishReply(body.span.bytes).runs
        let id = try #require(runs.first).firstID
        let leased = try lease(broker, session, "q")
        let token = try #require(leased.first)
        _ = try nack(broker, session, token)
        // What four billion leases would have made of it: the epoch stands after id, address and what else there is of a held message.
        var state = broker.encodedState()
        let mark = withUnsafeBytes(of: (id.littleEndian, id.littleEndian)) { Array($0) }
        let at = try #require(state.indices.first { $0 + 60 < state.count && Array(state[$0..<$0 + 16]) == mark })
        state.replaceSubrange((at + 54)..<(at + 58), with: withUnsafeBytes(of: (UInt32.max - 1).littleEndian) { Array($0) })
        let end = broker.node.log.durable
        try LogCheckpointer(storage: broker.storage, log: LogID(high: 1, low: 2)).write(state.span.bytes, at: end, durable: end, readBack: NodeState.check)
        try broker.restart()
        return (broker, id)
    }

    private static func lease(_ broker: TestBroker, _ session: SessionID, _ queue: String) throws -> [DeliveryToken] {
        let frame = broker.ask(session, .lease) {
            LeaseRequest(queue: queue, messagesMax: 1, bytesMax: 1 << 16, leaseMilliseconds: 10_000, waitMilliseconds: 0).encode(into: &$0)
        }
        let body = try #require(frame).body
        var reader = WireReader(body.span.bytes)
        return try LeaseReplyHead(&reader).items.map(\.token)
    }

    private static func nack(_ broker: TestBroker, _ session: SessionID, _ token: DeliveryToken, release: Bool = false) throws -> ItemStatus {
        let frame = broker.ask(session, .nack) {
            NackRequest(items: [.init(token: token, disposition: release ? .release : .retry, delayMilliseconds: 0, reason: "again")]).encode(into: &$0)
        }
        let body = try #require(frame).body
        let runs = try StatusReply(body.span.bytes).runs
        return try #require(runs.first).status
    }

    private static func history(_ broker: TestBroker, _ session: SessionID, _ queue: String, _ id: UInt64) throws -> DeadLetterNote {
        let frame = broker.ask(session, .get) { GetRequest(queue: queue, id: id, parts: .histories).encode(into: &$0) }
        let body = try #require(frame).body
        var reader = WireReader(body.span.bytes)
        _ = try BrowseReplyHead(&reader)
        _ = try reader.u16("tag")
        _ = try reader.u32("length")
        return try DeadLetterNote(&reader)
    }

    enum End: CaseIterable { case givenBack, released, expired }

    @Test(arguments: End.allCases) func theLastLeaseEndsInTheDeadLetters(end: End) throws {
        let (broker, id) = try Self.broker(deadLetterQueue: "q.dead")
        let session = broker.connect()
        let leased = try Self.lease(broker, session, "q")
        let token = try #require(leased.first)
        #expect(token.epoch == .max)
        switch end {
        case .givenBack: #expect(try Self.nack(broker, session, token) == .ok)
        case .released: #expect(try Self.nack(broker, session, token, release: true) == .ok)
        case .expired: broker.advance(20_000)
        }
        #expect(try Self.lease(broker, session, "q").isEmpty)
        #expect(try Self.history(broker, session, "q.dead", id).reason == "lease epochs used up")
        #expect(try broker.recoveredState() == broker.encodedState())
        try broker.restart()
        let again = broker.connect()
        let letters = try Self.lease(broker, again, "q.dead")
        let dead = try #require(letters.first)
        #expect(dead.messageID == id)
        let acknowledged = try #require(broker.ask(again, .ack) { AckRequest(tokens: [dead]).encode(into: &$0) })
        #expect(try StatusReply(acknowledged.body.span.bytes).runs.first?.status == .ok)
    }

    @Test func whereThereIsNoDeadLetterQueueItIsDropped() throws {
        let (broker, _) = try Self.broker(deadLetterQueue: "")
        let session = broker.connect()
        let leased = try Self.lease(broker, session, "q")
        let token = try #require(leased.first)
        #expect(try Self.nack(broker, session, token) == .ok)
        #expect(broker.node.state.liveRecords == 0)
        #expect(try broker.recoveredState() == broker.encodedState())
    }

    @Test func theLastLeaseCanBeAcknowledged() throws {
        let (broker, _) = try Self.broker(deadLetterQueue: "q.dead")
        let session = broker.connect()
        let leased = try Self.lease(broker, session, "q")
        let token = try #require(leased.first)
        _ = broker.ask(session, .ack) { AckRequest(tokens: [token]).encode(into: &$0) }
        #expect(broker.node.state.liveRecords == 0)
    }
}
