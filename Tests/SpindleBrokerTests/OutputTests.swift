import NIOCore
import SpindleBroker
import SpindleLog
import SpindleNode
import SpindleText
import SpindleWire
import Testing

/// Flow control over real sockets: large output reaches whoever reads, at any pace, and nobody else pays for it.
@Suite("Output", .serialized)
struct OutputTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// The limits of the descriptions that come with Spindle.
    static func shipped(_ configuration: inout BrokerConfiguration) {
        configuration.log.segmentBytes = 64 << 20
        configuration.log.entryBytesMax = 20 << 20
        configuration.limits.frameBytesMax = 16 << 20
        configuration.limits.outputBytesMax = 8 << 20
        // What is tested here is large, and the machine may have much else to do.
        configuration.limits.unauthenticatedMilliseconds = 60_000
        configuration.limits.heartbeatMilliseconds = 120_000
    }

    static func body(_ byteCount: Int) -> [UInt8] {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        return (0..<byteCount).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    static func record(_ body: [UInt8]) throws -> [UInt8] { try TestClient.body { try MessageRecord(body: body).encode(into: &$0) } }

    private func publish(_ client: TestClient, _ queue: String, _ records: [[UInt8]], opcode: Opcode = .publish) async throws {
        for record in records { try await client.request(opcode, TestClient.publishBody(queue, [record])).requireSuccess() }
    }

    @Test("a message larger than the output window is delivered, and browsed as a dead letter")
    func largeMessage() async throws {
        try await TestBroker.run(folder) { Self.shipped(&$0) } _: { running in
            let client = try await running.client()
            let body = Self.body(9_000_000)
            try await publish(client, "esprit-gen", [try Self.record(body)])
            let reply = try await client.request(.lease, TestClient.leaseBody("esprit-gen", max: 1))
            let delivery = try #require(try TestClient.deliveries(reply).first)
            #expect(delivery.attempt == 1)
            #expect(reply.body.count > body.count)
            let nack = NackItem(token: delivery.token, disposition: .dead, delayMilliseconds: 0, reason: "test")
            try await client.request(.nack, TestClient.body { NackRequest(items: [nack]).encode(into: &$0) }).requireSuccess()
            let browse = BrowseRequest(queue: "esprit-gen.dead", after: 0, messagesMax: 10, bytesMax: .max, parts: [.records, .histories])
            let page = try await client.request(.browse, TestClient.body { browse.encode(into: &$0) })
            try page.requireSuccess()
            #expect(page.body.count > body.count)
        }
    }

    @Test("pipelined LEASEs over more than the window are all answered")
    func pipelinedLeases() async throws {
        try await TestBroker.run(folder) { Self.shipped(&$0) } _: { running in
            let client = try await running.client()
            for (count, byteCount) in [(12, 1 << 20), (40, 2 << 20)] {
                let record = try Self.record(Self.body(byteCount))
                try await publish(client, "esprit-gen", Array(repeating: record, count: count))
                let requests = (1...count).flatMap { TestClient.frame(Opcode.lease.rawValue, correlationID: UInt32($0), TestClient.leaseBody("esprit-gen", max: 1)) }
                client.sendLater(requests)
                var tokens: [DeliveryToken] = []
                for _ in 0..<count {
                    let reply = try await client.reply()
                    try reply.requireSuccess()
                    tokens += try TestClient.deliveries(reply).map(\.token)
                }
                #expect(tokens.count == count)
                #expect(try await client.acknowledge(tokens).allSatisfy { $0 == .ok })
            }
        }
    }

    @Test("large events from the earliest on come at the subscriber's pace", arguments: [(16, 1_000_000, 16), (300, 40_000, 1_000)])
    func largeEvents(count: Int, byteCount: Int, credit: Int) async throws {
        try await TestBroker.run(folder) { Self.shipped(&$0) } _: { running in
            let client = try await running.client()
            let record = try Self.record(Self.body(byteCount))
            try await publish(client, "t", Array(repeating: record, count: count), opcode: .topicPublish)
            let subscribe = TopicSubscribeRequest(subscriptionID: 1, pattern: "*", start: .earliest, credit: UInt32(credit))
            try await client.send(TestClient.frame(Opcode.topicSubscribe.rawValue, TestClient.body { subscribe.encode(into: &$0) }))
            var seen = 0
            while seen < count {
                let frame = try #require(try await client.next())
                #expect(!frame.header.flags.contains(.error))
                guard frame.header.opcode == Opcode.topicEvents.rawValue else { continue }
                var reader = WireReader(frame.body.span.bytes)
                seen += try TopicEventsHead(&reader).items.count
            }
            #expect(seen == count)
        }
    }

    @Test("dead letters with long histories are browsed whole")
    func longHistories() async throws {
        try await TestBroker.run(folder) {
            Self.shipped(&$0)
            var policy = QueuePolicyFields()
            policy.attemptsMax = 20
            policy.backoffInitialMilliseconds = 0
            $0.queues = [DeclaredQueue(name: "q", policy: policy)]
        } _: { running in
            let client = try await running.client()
            let records = try (0..<300).map { try TestClient.record("\($0)") }
            try await client.request(.publish, TestClient.publishBody("q", records)).requireSuccess()
            let reason = String(repeating: "r", count: 1_500)
            for _ in 0..<20 {
                var tokens: [DeliveryToken] = []
                while tokens.count < 300 { tokens += try await client.lease("q", max: 300, wait: 5_000).map(\.token) }
                let items = tokens.map { NackItem(token: $0, disposition: .retry, delayMilliseconds: 0, reason: reason) }
                for part in [items.prefix(150), items.dropFirst(150)] {
                    try await client.request(.nack, TestClient.body { NackRequest(items: Array(part)).encode(into: &$0) }).requireSuccess()
                }
            }
            // Asked twelve times at once: none of the answers is lost, and each is a page.
            let browse = BrowseRequest(queue: "q.dead", after: 0, messagesMax: 1_000, bytesMax: .max, parts: [.records, .histories])
            let request = TestClient.frame(Opcode.browse.rawValue, TestClient.body { browse.encode(into: &$0) })
            client.sendLater(Array(repeating: request, count: 12).flatMap(\.self))
            for _ in 0..<12 {
                let reply = try await client.reply()
                try reply.requireSuccess()
                var reader = WireReader(reply.body.span.bytes)
                #expect(try !BrowseReplyHead(&reader).items.isEmpty)
            }
        }
    }

    @Test("silent subscribers stay within the budget of the process, and a good one gets everything")
    func silentSubscribers() async throws {
        try await TestBroker.run(folder) {
            Self.shipped(&$0)
            $0.limits.frameBytesMax = 1 << 20
            $0.limits.outputBytesMax = 1 << 20
            $0.limits.processBytesMax = 16 << 20
            $0.limits.outputStallWhenFullMilliseconds = 1_000
        } _: { running in
            let producer = try await running.client()
            let record = try Self.record(Self.body(100_000))
            try await publish(producer, "t", Array(repeating: record, count: 100), opcode: .topicPublish)
            let subscribe = TestClient.body {
                TopicSubscribeRequest(subscriptionID: 1, pattern: "*", start: .earliest, credit: 1_000).encode(into: &$0)
            }
            let token = try running.token()
            var silent: [TestClient] = []
            for _ in 0..<60 {
                let client = try await running.raw(reads: false)
                client.sendLater(TestClient.frame(Opcode.hello.rawValue, TestClient.body { HelloRequest(clientName: "silent", clientVersion: "1").encode(into: &$0) }))
                client.sendLater(TestClient.frame(Opcode.auth.rawValue, TestClient.body { AuthRequest(method: .token, credential: token).encode(into: &$0) }))
                client.sendLater(TestClient.frame(Opcode.topicSubscribe.rawValue, subscribe))
                silent.append(client)
            }
            let reader = try await running.client()
            try await reader.send(TestClient.frame(Opcode.topicSubscribe.rawValue, subscribe))
            var seen = 0
            while seen < 100 {
                let frame = try #require(try await reader.next())
                guard frame.header.opcode == Opcode.topicEvents.rawValue else { continue }
                var head = WireReader(frame.body.span.bytes)
                seen += try TopicEventsHead(&head).items.count
                #expect(try await running.metric("spindle_output_waiting_bytes") <= 17 << 20)
            }
            for client in silent { client.close() }
        }
    }

    @Test("a reader that takes a little at a time is not cut, one that takes nothing is")
    func slowReaders() async throws {
        try await TestBroker.run(folder) {
            Self.shipped(&$0)
            $0.limits.outputStallMilliseconds = 2_500
        } _: { running in
            let producer = try await running.client()
            try await publish(producer, "esprit-gen", Array(repeating: try Self.record(Self.body(12_000_000)), count: 2))
            let token = try running.token()
            let slow = try await SlowReader.connect(port: running.broker.ports[0])
            let deaf = try await SlowReader.connect(port: running.broker.ports[0])
            for client in [slow, deaf] {
                try await client.send(TestClient.frame(Opcode.hello.rawValue, TestClient.body { HelloRequest(clientName: "slow", clientVersion: "1").encode(into: &$0) }))
                try await client.send(TestClient.frame(Opcode.auth.rawValue, TestClient.body { AuthRequest(method: .token, credential: token).encode(into: &$0) }))
                try await client.send(TestClient.frame(Opcode.lease.rawValue, TestClient.leaseBody("esprit-gen", max: 1)))
            }
            // Some 40 kB a read, several reads within the time after which one that takes nothing is cut, for three times that time.
            let end = ContinuousClock.now + .milliseconds(7_500)
            while ContinuousClock.now < end { try await slow.readOnce(after: .milliseconds(100)) }
            #expect(try await running.metric("spindle_refusals_total{code=\"SLOW_READER\"}") == 1, "the deaf one alone")
            try await slow.readAll(until: 12_000_000)
        }
    }

    private static let contradictions: [(Int, Int, String)] = [
        (65_536, 8_388_608, "too small"), (4_194_304, 1_024, "output buffer"), (4_194_304, 536_870_912, "quarter"),
        (33_554_432, 8_388_608, "protocol"),
    ]

    @Test("limits that can't work together are refused in words", arguments: contradictions)
    func contradiction(frameBytes: Int, window: Int, says: String) async throws {
        let error = await #expect(throws: BrokerStartError.self) {
            try await TestBroker.run(folder) {
                $0.limits.frameBytesMax = frameBytes
                $0.limits.outputBytesMax = window
            } _: { _ in }
        }
        #expect(error?.code == .configuration)
        #expect(error?.message.contains(says) == true)
    }
}
