import SpindleNode
import SpindleWire
import Testing

/// A session that was told its last word may be there for a second yet: nothing more is given to it.
@Suite struct ClosingSessionTests {
    private func leaseAndWait(_ broker: TestBroker, _ session: SessionID) {
        broker.request(session, .lease) {
            LeaseRequest(queue: "q", messagesMax: 1, bytesMax: 1 << 20, leaseMilliseconds: 30_000, waitMilliseconds: 60_000).encode(into: &$0)
        }
    }

    @Test func aWaiterThatIsClosingIsGivenNothing() throws {
        let broker = try TestBroker()
        let admin = broker.connect()
        _ = broker.ask(admin, .declare) { DeclareRequest(queue: "q", policy: .init()).encode(into: &$0) }
        let closing = broker.connect()
        let other = broker.connect()
        leaseAndWait(broker, closing)
        leaseAndWait(broker, other)
        broker.turn()
        broker.cutForTest(closing)
        broker.turn()
        #expect(broker.closed.contains(closing))
        _ = broker.frames(closing)

        var record = WireWriter()
        try MessageRecord(body: [1]).encode(into: &record)
        _ = broker.ask(admin, .publish) { writer in
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 1, recordsByteCount: record.count, into: &writer)
            writer.bytes(record.span)
        }
        let delivered = try #require(broker.frames(other).first { $0.header.opcode == Opcode.lease.rawValue })
        var reader = WireReader(delivered.body.span.bytes)
        let head = try LeaseReplyHead(&reader)
        #expect(head.items.map(\.attempt) == [1], "the first who can take it gets it, and as its first attempt")
        #expect(broker.frames(closing).isEmpty)
    }
}
