import SpindleNode
import SpindleWire
import Testing

/// What one principal may have in use over all its connections: at the limit, one beyond, and when it is freed.
@Suite struct QuotaTests {
    private let broker: TestBroker
    private let admin: SessionID

    init() throws {
        broker = try TestBroker()
        admin = broker.connect()
        var policy = QueuePolicyFields()
        policy.resultRetentionMilliseconds = 3_600_000
        policy.leaseMilliseconds = 30_000
        _ = broker.ask(admin, .declare) { DeclareRequest(queue: "q", policy: policy).encode(into: &$0) }
    }

    private func principal(_ name: String = "p", _ change: (inout PrincipalQuota) -> Void) -> Principal {
        var principal = TestBroker.everything
        principal.name = name
        change(&principal.quota)
        return principal
    }

    private static func code(_ frame: TestBroker.Frame?) -> String {
        guard let frame else { return "waits" }
        guard let error = frame.error else { return "ok" }
        return ErrorCode(rawValue: error.code)?.name ?? "?"
    }

    private func publish(_ count: Int) throws -> [UInt64] {
        var records = WireWriter()
        for index in 0..<count { try MessageRecord(body: [UInt8(index)]).encode(into: &records) }
        let reply = try #require(broker.ask(admin, .publish) { writer in
            PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: count, recordsByteCount: records.count, into: &writer)
            writer.bytes(records.span)
        })
        let first = try #require(try PublishReply(reply.body.span.bytes).runs.first).firstID
        return (0..<count).map { first + UInt64($0 * records.count / count) }
    }

    private func lease(_ session: SessionID, _ queue: String = "q", max: UInt32 = 1, wait: UInt32 = 0) -> TestBroker.Frame? {
        broker.ask(session, .lease) {
            LeaseRequest(queue: queue, messagesMax: max, bytesMax: 1 << 20, leaseMilliseconds: 0, waitMilliseconds: wait).encode(into: &$0)
        }
    }

    private func tokens(_ frame: TestBroker.Frame?) throws -> [DeliveryToken] {
        let body = try #require(frame).body
        var reader = WireReader(body.span.bytes)
        return try LeaseReplyHead(&reader).items.map(\.token)
    }

    private func awaiting(_ session: SessionID, _ ids: [UInt64]) -> TestBroker.Frame? {
        broker.ask(session, .await) { AwaitRequest(queue: "q", ids: ids, waitMilliseconds: 60_000).encode(into: &$0) }
    }

    private func acknowledge(_ session: SessionID, _ tokens: [DeliveryToken]) -> TestBroker.Frame? {
        broker.ask(session, .ack) { AckRequest(tokens: tokens).encode(into: &$0) }
    }

    @Test func waitsOfAllConnectionsCountTogether() throws {
        let ids = try publish(2)
        _ = broker.ask(admin, .declare) { DeclareRequest(queue: "empty", policy: .init()).encode(into: &$0) }
        let one = broker.connect(principal { $0.waits = 4 })
        let two = broker.connect(principal { $0.waits = 4 })
        #expect(Self.code(lease(one, "empty", wait: 60_000)) == "waits")
        #expect(Self.code(lease(two, "empty", wait: 60_000)) == "waits")
        #expect(Self.code(awaiting(two, ids)) == "waits")
        let refused = lease(one, "empty", wait: 60_000)
        #expect(Self.code(refused) == "TOO_MANY_IN_FLIGHT")
        #expect(refused?.error?.message.contains("'p' has 4") == true)
        #expect(refused?.error?.retryAfterMilliseconds == 1000)
        #expect(Self.code(awaiting(one, [ids[0]])) == "TOO_MANY_IN_FLIGHT")
        #expect(Self.code(lease(one, "empty")) == "ok", "one that does not wait takes no room")
        let other = broker.connect(principal("other") { $0.waits = 4 })
        #expect(Self.code(lease(other, "empty", wait: 60_000)) == "waits")
        // The connection goes, and its waits with it: one LEASE and two messages.
        broker.disconnect(two)
        for _ in 0..<3 { #expect(Self.code(lease(one, "empty", wait: 60_000)) == "waits") }
        #expect(Self.code(lease(one, "empty", wait: 60_000)) == "TOO_MANY_IN_FLIGHT")
        // The waits end, and free their room.
        broker.advance(60_001)
        #expect(broker.frames(one).count == 4)
        #expect(Self.code(awaiting(one, ids)) == "waits")
    }

    @Test func leasesCountUntilTheyEndAlsoWithoutTheirConnection() throws {
        _ = try publish(8)
        let one = broker.connect(principal { $0.leases = 3 })
        let two = broker.connect(principal { $0.leases = 3 })
        let first = try tokens(lease(one, max: 2))
        #expect(first.count == 2)
        #expect(try tokens(lease(two, max: 5)).count == 1, "as many as there is room for")
        #expect(Self.code(lease(two)) == "TOO_MANY_IN_FLIGHT")
        #expect(Self.code(lease(one, wait: 1_000)) == "TOO_MANY_IN_FLIGHT")
        let other = broker.connect(principal("other") { $0.leases = 3 })
        #expect(try tokens(lease(other)).count == 1)
        #expect(Self.code(acknowledge(one, [first[0]])) == "ok")
        #expect(try tokens(lease(two, max: 5)).count == 1)
        // Whoever connects anew has not got rid of what it holds.
        broker.disconnect(two)
        let three = broker.connect(principal { $0.leases = 3 })
        #expect(Self.code(lease(three)) == "TOO_MANY_IN_FLIGHT")
        broker.advance(40_000)
        #expect(try tokens(lease(three, max: 5)).count == 3)
    }

    /// Its principal's quota is used up by another connection while it waits: it is told, and those after it are served.
    @Test func aWaiterWhosePrincipalIsAtItsQuotaHoldsNobodyUp() throws {
        let greedy = principal { $0.leases = 1 }
        let waiting = broker.connect(greedy)
        #expect(Self.code(lease(waiting, wait: 60_000)) == "waits")
        _ = broker.ask(admin, .declare) { DeclareRequest(queue: "other", policy: .init()).encode(into: &$0) }
        let other = broker.connect(principal("other") { _ in })
        #expect(Self.code(lease(other, wait: 60_000)) == "waits")
        let second = broker.connect(greedy)
        #expect(Self.code(lease(second, wait: 60_000)) == "waits")
        _ = try publish(2)
        #expect(try tokens(broker.frames(waiting).last).count == 1)
        #expect(try tokens(broker.frames(other).last).count == 1)
        #expect(Self.code(broker.frames(second).last) == "TOO_MANY_IN_FLIGHT", "its turn came")
        _ = try publish(1)
        #expect(try tokens(lease(other)).count == 1)
    }

    @Test func subscriptionsOfAllConnectionsCountTogether() throws {
        let one = broker.connect(principal { $0.subscriptions = 2 })
        let two = broker.connect(principal { $0.subscriptions = 2 })
        func subscribe(_ session: SessionID, _ id: UInt32) -> String {
            Self.code(broker.ask(session, .topicSubscribe) {
                TopicSubscribeRequest(subscriptionID: id, pattern: "t", start: .latest, credit: 1).encode(into: &$0)
            })
        }
        #expect(subscribe(one, 1) == "ok")
        #expect(subscribe(two, 1) == "ok")
        #expect(subscribe(one, 2) == "TOO_MANY_IN_FLIGHT")
        let unsubscribed = broker.ask(one, .topicUnsubscribe) { TopicUnsubscribeRequest(subscriptionID: 1).encode(into: &$0) }
        #expect(Self.code(unsubscribed) == "ok")
        #expect(subscribe(one, 2) == "ok")
        #expect(subscribe(one, 3) == "TOO_MANY_IN_FLIGHT")
        broker.cutForTest(two)
        #expect(subscribe(one, 3) == "ok")
        broker.disconnect(two)
        #expect(subscribe(one, 4) == "TOO_MANY_IN_FLIGHT", "what was freed is freed once")
    }

    @Test func requestsAndTheirBytesCountUntilTheyAreAnswered() throws {
        broker.isDiskStalled = true
        let one = broker.connect(principal { $0.requests = 3; $0.bytesInFlight = 300 })
        let two = broker.connect(principal { $0.requests = 3; $0.bytesInFlight = 300 })
        func publish(_ session: SessionID, bytes: Int) throws -> String {
            var record = WireWriter()
            try MessageRecord(body: [UInt8](repeating: 7, count: bytes)).encode(into: &record)
            return Self.code(broker.ask(session, .publish) { writer in
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: 1, recordsByteCount: record.count, into: &writer)
                writer.bytes(record.span)
            })
        }
        #expect(try publish(one, bytes: 1_000) == "waits", "one goes, however large it is")
        #expect(try publish(two, bytes: 10) == "TOO_MANY_IN_FLIGHT")
        broker.isDiskStalled = false
        broker.turn()
        broker.isDiskStalled = true
        _ = broker.frames(one)
        for session in [one, two, one] { #expect(try publish(session, bytes: 10) == "waits") }
        #expect(try publish(two, bytes: 10) == "TOO_MANY_IN_FLIGHT", "the fourth request")
        #expect(Self.code(acknowledge(two, [.init(messageID: 1, epoch: 1)])) == "waits", "what ends work is always taken")
        #expect(Self.code(broker.ask(two, .ping) { _ in }) == "ok")
        // The connection goes while the disk has not answered: its requests are nobody's.
        broker.disconnect(one)
        #expect(try publish(two, bytes: 10) == "waits")
        #expect(try publish(two, bytes: 10) == "TOO_MANY_IN_FLIGHT")
        broker.isDiskStalled = false
        broker.turn()
        #expect(broker.frames(two).count == 3)
        broker.isDiskStalled = true
        for _ in 0..<3 { #expect(try publish(two, bytes: 10) == "waits") }
        #expect(try publish(two, bytes: 10) == "TOO_MANY_IN_FLIGHT")
    }
}
