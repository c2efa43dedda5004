import SpindleNode
import SpindleWire
import Testing

/// WITHDRAW: what waits is taken back, and a grant that was not sent yet is returned.
@Suite struct WithdrawTests {
    @Test(arguments: [
        ("a LEASE that waits is answered and gets nothing", """
            queue q
            lease w q 1 30s 60s    -> wait
            withdraw w             -> !CANCELLED withdrawn
            publish q a            -> a
            take w                 -> wait
            lease v q 1 30s        -> a#1
            withdraw w             -> answered
            """),
        ("the next in line is served", """
            queue q
            lease w q 1 30s 60s    -> wait
            lease v q 1 30s 60s    -> wait
            withdraw w             -> !CANCELLED withdrawn
            publish q a            -> a
            take v                 -> a#1
            """),
        ("a LEASE that is parked is taken back too", """
            queue q
            control quiet w        -> 1
            lease w q 1 30s 60s    -> wait
            withdraw w             -> !CANCELLED withdrawn
            control resume w       -> 1
            publish q a            -> a
            take w                 -> wait
            """),
        ("a grant that waits for the disk is returned without an attempt", """
            queue q attempts=1
            publish q a b          -> a b
            stall on
            lease w q 2 30s        -> wait
            withdraw w             -> wait
            stall off
            withdrawn w            -> !CANCELLED withdrawn
            lease v q 2 30s        -> a#1 b#1
            """),
        ("a grant that came in the end of a wait is returned to the next in line", """
            queue q
            lease w q 1 30s 60s    -> wait
            lease v q 1 30s 60s    -> wait
            stall on
            publish q a
            withdraw w             -> wait
            stall off
            withdrawn w            -> !CANCELLED withdrawn
            take v                 -> a#1
            """),
        ("a returned grant is the first of its queue again", """
            queue q
            publish q a b          -> a b
            stall on
            lease w q 1 30s        -> wait
            withdraw w
            stall off
            lease v q 2 30s        -> a#1 b#1
            """),
        ("what was delivered stays leased", """
            queue q
            publish q a            -> a
            lease w q 1 30s        -> a#1
            withdraw w             -> answered
            stats q                -> ready=0 leased=1 delayed=0
            """),
        ("an AWAIT that waits is answered, and leaves nothing behind", """
            queue q results=1m
            publish q a            -> a
            await w q 60s a        -> wait
            withdraw w await       -> !CANCELLED withdrawn
            lease v q 1 30s        -> a#1
            ack v a                -> ok
            taken w                -> wait
            withdraw w await       -> answered
            """),
        ("one connection does not reach another's", """
            queue q
            lease w q 1 30s 60s    -> wait
            withdraw v of w        -> answered
            publish q a            -> a
            take w                 -> a#1
            """),
        ("a returned grant survives a restart", """
            queue q attempts=1
            publish q a            -> a
            stall on
            lease w q 1 30s        -> wait
            withdraw w
            stall off
            crash
            lease v q 1 30s        -> a#1
            """),
    ]) func script(name: String, text: String) throws { try Script.run(text) }

    private static func lease(_ broker: TestBroker, _ session: SessionID, wait: UInt32) -> UInt32 {
        broker.request(session, .lease) {
            LeaseRequest(queue: "q", messagesMax: 1, bytesMax: 1 << 20, leaseMilliseconds: 30_000, waitMilliseconds: wait).encode(into: &$0)
        }
    }

    private static func broker(inFlightMax: Int = 100) throws -> (TestBroker, admin: SessionID) {
        let broker = try TestBroker(configuration: NodeConfiguration(
            serverVersion: "test", serverID: Array(1...16), frameBytesMax: 256 << 10, inFlightMax: inFlightMax))
        let admin = broker.connect()
        _ = broker.ask(admin, .declare) { DeclareRequest(queue: "q", policy: .init()).encode(into: &$0) }
        return (broker, admin)
    }

    private static func publish(_ broker: TestBroker, _ session: SessionID, byteCount: Int) throws -> UInt64 {
        var record = WireWriter()
        try MessageRecord(body: [UInt8](repeating: 1, count: byteCount)).encode(into: &record)
        let reply = try #require(broker.ask(session, .publish) { writer in
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 1, recordsByteCount: record.count, into: &writer)
            writer.bytes(record.span)
        })
        return try #require(PublishReply(reply.body.span.bytes).runs.first).firstID
    }

    @Test func aConnectionWithAllItsRequestsInFlightCanWithdrawThem() throws {
        let (broker, _) = try Self.broker(inFlightMax: 3)
        let session = broker.connect()
        let waiting = (0..<3).map { _ in Self.lease(broker, session, wait: 60_000) }
        broker.turn()
        let refused = try #require(broker.ask(session, .ping) { _ in })
        #expect(refused.error?.code == ErrorCode.tooManyInFlight.rawValue)
        for id in waiting {
            let reply = try #require(broker.ask(session, .withdraw) { WithdrawRequest(correlationID: id).encode(into: &$0) })
            #expect(try WithdrawReply(reply.body.span.bytes).outcome == .withdrawn)
        }
        #expect(try #require(broker.ask(session, .ping) { _ in }).isError == false, "nothing of them is in flight any more")
    }

    @Test func aGetThatWaitsForRoomIsTakenBack() throws {
        let (broker, admin) = try Self.broker()
        let id = try Self.publish(broker, admin, byteCount: 150_000)
        let reader = broker.connect()
        broker.slow(reader)
        let gets = (0..<60).map { _ in
            broker.request(reader, .get) { GetRequest(queue: "q", id: id, parts: .records).encode(into: &$0) }
        }
        broker.turn()
        let answered = Set(broker.frames(reader).map(\.header.correlationID))
        let waiting = try #require(gets.last)
        #expect(!answered.contains(waiting))
        let reply = try #require(broker.ask(reader, .withdraw) { WithdrawRequest(correlationID: waiting).encode(into: &$0) })
        #expect(try WithdrawReply(reply.body.span.bytes).outcome == .withdrawn)
        while broker.take(reader, 1 << 20) {}
        #expect(!broker.frames(reader).contains { $0.header.correlationID == waiting })
    }

    @Test func aGrantOfAConnectionThatIsBeingClosedIsReturnedWithItsEnd() throws {
        let (broker, admin) = try Self.broker()
        _ = try Self.publish(broker, admin, byteCount: 10)
        let closing = broker.connect()
        broker.isDiskStalled = true
        _ = Self.lease(broker, closing, wait: 0)
        broker.turn()
        broker.cutForTest(closing)
        broker.isDiskStalled = false
        broker.turn()
        broker.disconnect(closing)
        broker.turn()
        let next = broker.connect()
        let asked = Self.lease(broker, next, wait: 0)
        broker.turn()
        let frame = try #require(broker.frames(next).first { $0.header.correlationID == asked })
        var reader = WireReader(frame.body.span.bytes)
        #expect(try LeaseReplyHead(&reader).items.map(\.attempt) == [1])
        #expect(try broker.recoveredState() == broker.encodedState(), "replay equals live state")
    }
}
