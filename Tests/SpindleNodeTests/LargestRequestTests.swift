import SpindleNode
import SpindleWire
import Testing

/// Whatever a frame may carry is logged, or refused in words that say what to do.
@Suite struct LargestRequestTests {
    /// Of ``TestBroker``.
    private static let frameBytes = 256 << 10

    /// A broker with `count` messages leased from `q`, whose ends are remembered: that takes the most room in the log.
    private static func leased(_ count: Int) throws -> (broker: TestBroker, session: SessionID, tokens: [DeliveryToken]) {
        let broker = try TestBroker()
        let session = broker.connect()
        var policy = QueuePolicyFields()
        policy.resultRetentionMilliseconds = 60_000
        policy.attemptsMax = 1
        _ = broker.ask(session, .declare) { DeclareRequest(queue: "q", policy: policy).encode(into: &$0) }
        var left = count
        while left > 0 {
            let some = min(4096, left)
            var records = WireWriter()
            for _ in 0..<some { try MessageRecord(body: [1]).encode(into: &records) }
            let bytes = records.array()
            _ = broker.ask(session, .publish) { writer in
                PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: "q", count: some, recordsByteCount: bytes.count, into: &writer)
                writer.bytes(bytes.span.bytes)
            }
            left -= some
        }
        var tokens: [DeliveryToken] = []
        while tokens.count < count {
            let frame = broker.ask(session, .lease) {
                LeaseRequest(queue: "q", messagesMax: 1024, bytesMax: 1 << 17, leaseMilliseconds: 60_000, waitMilliseconds: 0).encode(into: &$0)
            }
            let body = try #require(frame).body
            var reader = WireReader(body.span.bytes)
            tokens += try LeaseReplyHead(&reader).items.map(\.token)
        }
        return (broker, session, tokens)
    }

    private static func statuses(_ frame: TestBroker.Frame?, count: Int) throws -> [ItemStatus: UInt32] {
        let frame = try #require(frame)
        if let error = frame.error { return [ItemStatus(rawValue: error.code): UInt32(count)] }
        return try StatusReply(frame.body.span.bytes).runs.reduce(into: [:]) { $0[$1.status, default: 0] += $1.count }
    }

    @Test func allOfALargeNackIsLogged() throws {
        // A frame full of the longest reasons: twice that in the log.
        let count = 120
        let (broker, session, tokens) = try Self.leased(count)
        let reason = String(repeating: "r", count: WireLimits.sentenceBytesMax)
        let frame = broker.ask(session, .nack) {
            NackRequest(items: tokens.map { .init(token: $0, disposition: .dead, delayMilliseconds: 0, reason: reason) }).encode(into: &$0)
        }
        #expect(try Self.statuses(frame, count: count) == [.ok: UInt32(count)])
        #expect(try broker.recoveredState() == broker.encodedState())
    }

    @Test func allOfALargeAckIsLogged() throws {
        let count = 20_000
        let (broker, session, tokens) = try Self.leased(count)
        let frame = broker.ask(session, .ack) { AckRequest(tokens: tokens).encode(into: &$0) }
        #expect(try Self.statuses(frame, count: count) == [.ok: UInt32(count)])
        #expect(broker.node.state.liveRecords == 0)
        #expect(try broker.recoveredState() == broker.encodedState())
    }

    @Test func allOfALargeExtendIsLogged() throws {
        let count = 16_000
        let (broker, session, tokens) = try Self.leased(count)
        let frame = try #require(broker.ask(session, .extend) {
            ExtendRequest(leaseMilliseconds: 90_000, items: tokens.map { .init(token: $0, percent: 255, note: "") }).encode(into: &$0)
        })
        let items = try ExtendReply(frame.body.span.bytes).items
        #expect(items.count == count && items.allSatisfy { $0.status == .ok })
        #expect(try broker.recoveredState() == broker.encodedState())
    }

    /// A SETTLE happens whole or not at all: one that no entry can hold is refused for what it is, and its parts are taken.
    @Test func aSettleThatNoEntryHoldsIsRefusedInWordsThatHelp() throws {
        let count = 20_000
        let (broker, session, tokens) = try Self.leased(count)
        func settle(_ tokens: ArraySlice<DeliveryToken>) -> TestBroker.Frame? {
            broker.ask(session, .settle) { writer in
                writer.u32(UInt32(tokens.count))
                for token in tokens { token.encode(into: &writer) }
                writer.u32(0)
                writer.u16(0)
            }
        }
        let whole = try #require(settle(tokens[...]))
        let error = try #require(whole.error)
        #expect(error.code == ErrorCode.invalidArgument.rawValue)
        #expect(error.message.contains("send fewer"), "\(error.message)")
        #expect(!error.isRetryable)
        for part in stride(from: 0, to: count, by: 4000) { #expect(settle(tokens[part..<part + 4000])?.isError == false) }
        #expect(broker.node.state.liveRecords == 0)
    }

    /// The same for operators' lists of messages.
    @Test func aListThatNoEntryHoldsIsRefusedInWordsThatHelp() throws {
        let (broker, session, _) = try Self.leased(1)
        let ids = Array(UInt64(1)...UInt64(30_000))
        let cancelled = try #require(broker.ask(session, .cancel) { CancelRequest(queue: "q", reason: "", ids: ids).encode(into: &$0) })
        #expect(cancelled.error?.code == ErrorCode.invalidArgument.rawValue)
        #expect(cancelled.error?.message.contains("send fewer") == true)
        let rescheduled = try #require(broker.ask(session, .reschedule) {
            RescheduleRequest(queue: "q", delayMilliseconds: 0, ids: ids).encode(into: &$0)
        })
        #expect(rescheduled.isError == false, "twelve bytes each do fit")
    }

    /// A disk that is not full is not blamed.
    @Test func aStalledDiskIsToldFromAFullOne() throws {
        let (broker, session, tokens) = try Self.leased(4000)
        broker.isDiskStalled = true
        let reason = String(repeating: "r", count: WireLimits.sentenceBytesMax)
        for part in stride(from: 0, to: 4000, by: 100) {
            let items = tokens[part..<part + 100].map { NackItem(token: $0, disposition: .dead, delayMilliseconds: 0, reason: reason) }
            broker.request(session, .nack) { NackRequest(items: items).encode(into: &$0) }
        }
        broker.isDiskStalled = false
        broker.turn()
        let refused = try #require(broker.frames(session).compactMap(\.error).first)
        #expect(refused.code == ErrorCode.noSpace.rawValue)
        #expect(!refused.message.contains("free"), "\(refused.message)")
    }
}
