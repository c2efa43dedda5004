import Foundation
import ServiceLifecycle
import SpindleBroker
import SpindleNode
import SpindleWire
import Testing

@Suite("Serving")
struct ServingTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Neighbours in the log are read at once: only the compressed one of them is withheld, and only from those who declined.
    @Test func aCompressedBodyIsGivenToThoseWhoCanExpandIt() async throws {
        try await TestBroker.run(folder) { running in
            let producer = try await running.client("admin", .lz4)
            var compressed = MessageRecord(body: Array("block".utf8))
            compressed.flags = .lz4
            compressed.expandedByteCount = 100
            let block = try TestClient.body { try compressed.encode(into: &$0) }
            let records = [try TestClient.record("one"), block, try TestClient.record("two")]
            #expect(try await producer.request(.publish, TestClient.publishBody("addin-result", records)).published() == [.ok])
            for (capabilities, expected) in [(Capabilities.lz4, ["one", "block", "two"]), ([], ["one", "RECORD_COMPRESSED", "two"])] {
                let reader = try await running.client("admin", capabilities)
                let reply = try await reader.request(.browse, TestClient.body {
                    BrowseRequest(queue: "addin-result", after: 0, messagesMax: 10, bytesMax: 1 << 16, parts: .records).encode(into: &$0)
                })
                try reply.requireSuccess()
                let bytes = reply.body
                var place = WireReader(bytes.span.bytes)
                var texts: [String] = []
                for item in try BrowseReplyHead(&place).items {
                    let record = try place.span(Int(item.recordByteCount), "record")
                    do throws(WireError) { texts.append(String(decoding: try RecordView.decode(record).body, as: UTF8.self)) } catch { texts.append(error.code.name) }
                }
                #expect(texts == expected)
            }
        }
    }

    @Test func queuesOfTheConfigurationExistFromTheFirstStart() async throws {
        let queues = ["one", "two", "three"]
        try await TestBroker.run(folder, change: { $0.queues = queues.map { DeclaredQueue(name: $0) } }) { running in
            #expect(running.broker.createdTokens == ["admin", "reader"])
            for queue in queues { try await running.expectServes(queue: queue) }
        }
    }

    /// Both ways of committing, and both at once.
    @Test("many messages through many frames", arguments: [0, 64 << 10])
    func manyMessages(inlineBytesMax: Int) async throws {
        try await TestBroker.run(folder) {
            $0.commit.inlineBytesMax = inlineBytesMax
        } _: { running in
            let client = try await running.client()
            let count = 2_000
            for index in 0..<count {
                let body = TestClient.publishBody("esprit-gen", [try TestClient.record("message \(index)")])
                client.sendLater(TestClient.frame(Opcode.publish.rawValue, correlationID: UInt32(index + 1), body))
            }
            for index in 0..<count {
                let reply = try await client.reply()
                #expect(reply.header.correlationID == UInt32(index + 1), "publishes of one connection are answered in order")
                #expect(try reply.published() == [.ok])
            }
            var texts: [String] = []
            while texts.count < count {
                let deliveries = try await client.lease("esprit-gen", max: 500)
                try #require(!deliveries.isEmpty)
                texts += deliveries.map(\.text)
                #expect(try await client.acknowledge(deliveries.map(\.token)).allSatisfy { $0 == .ok })
            }
            #expect(texts == (0..<count).map { "message \($0)" })
            #expect(try await client.lease("esprit-gen").isEmpty)
        }
    }

    @Test func aFrameInPiecesAndManyFramesInOne() async throws {
        try await TestBroker.run(folder) { running in
            let client = try await running.client()
            let text = String(repeating: "long ", count: 200_000)
            let frame = TestClient.frame(Opcode.publish.rawValue, TestClient.publishBody("esprit-gen", [try TestClient.record(text)]))
            let cuts = [0, 1, 4, 11, 12, 1_012, 66_548, 132_085, frame.count]
            for (start, end) in zip(cuts, cuts.dropFirst()) { try await client.send(Array(frame[start..<end])) }
            #expect(try await client.reply().published() == [.ok])
            let together = (1...100).flatMap { TestClient.frame(Opcode.ping.rawValue, correlationID: UInt32($0)) }
            try await client.send(together)
            for id in 1...100 {
                let answered = try await client.reply().header.correlationID
                #expect(answered == UInt32(id))
            }
            #expect(try await client.lease("esprit-gen").map(\.text) == [text])
        }
    }

    @Test func helloAndAuthenticationInOneWrite() async throws {
        try await TestBroker.run(folder) { running in
            let client = try await running.raw()
            let hello = TestClient.body { HelloRequest(clientName: "eager", clientVersion: "1").encode(into: &$0) }
            let token = try running.token()
            let auth = TestClient.body { AuthRequest(method: .token, credential: token).encode(into: &$0) }
            try await client.send(
                TestClient.frame(Opcode.hello.rawValue, hello) + TestClient.frame(Opcode.auth.rawValue, auth)
                    + TestClient.frame(Opcode.publish.rawValue, TestClient.publishBody("esprit-gen", [try TestClient.record("at once")])))
            #expect(try await client.reply().header.opcode == Opcode.hello.rawValue)
            #expect(try await client.reply().principal() == "admin")
            #expect(try await client.reply().published() == [.ok])
        }
    }

    @Test func aWaitingLeaseIsAnsweredByAPublish() async throws {
        try await TestBroker.run(folder) { running in
            let worker = try await running.client()
            let producer = try await running.client()
            worker.sendLater(TestClient.frame(Opcode.lease.rawValue, correlationID: 9, TestClient.leaseBody("esprit-gen", wait: 60_000)))
            _ = try await producer.publish("esprit-gen", "wake up")
            let reply = try await worker.reply()
            #expect(reply.header.correlationID == 9)
            #expect(try TestClient.deliveries(reply).map(\.text) == ["wake up"])
        }
    }

    @Test func aLeaseThatExpiresIsGivenAgain() async throws {
        try await TestBroker.run(folder) {
            var policy = QueuePolicyFields()
            policy.backoffKind = 0
            policy.backoffInitialMilliseconds = 0
            $0.queues = [DeclaredQueue(name: "q", policy: policy)]
        } _: { running in
            let client = try await running.client()
            _ = try await client.publish("q", "again")
            let first = try await client.lease("q", leaseMilliseconds: 1_000)
            #expect(first.map(\.attempt) == [1])
            let second = try await client.lease("q", wait: 10_000)
            #expect(second.map(\.attempt) == [2])
            #expect(try await client.acknowledge(first.map(\.token)) == [ItemStatus(.leaseLost)])
            #expect(try await client.acknowledge(second.map(\.token)) == [.ok])
        }
    }

    @Test("a restart keeps messages, leases and deduplication", arguments: [1, 3])
    func restart(restarts: Int) async throws {
        var serverID: [UInt8] = []
        var held: [TestClient.Delivery] = []
        try await TestBroker.run(folder) { running in
            let client = try await running.client()
            serverID = try await running.raw().hello().serverID
            _ = try await client.publish("esprit-gen", "acked", "leased", "ready", producer: 7, sequence: 1)
            held = try await client.lease("esprit-gen", max: 2)
            #expect(held.map(\.text) == ["acked", "leased"])
            #expect(try await client.acknowledge([held[0].token]) == [.ok])
        }
        for _ in 1..<restarts { try await TestBroker.run(folder) { _ in } }
        try await TestBroker.run(folder) { running in
            #expect(running.broker.createdTokens.isEmpty)
            let client = try await running.client()
            let sameID = try await running.raw().hello().serverID
            #expect(sameID == serverID)
            let again = try await client.publish("esprit-gen", "acked", "leased", "ready", producer: 7, sequence: 1)
            #expect(again.runs.map(\.status) == [.duplicate])
            #expect(try await client.lease("esprit-gen").map(\.text) == ["ready"], "what is leased is not given twice")
            #expect(try await client.acknowledge([held[0].token]) == [ItemStatus(.leaseLost)])
            #expect(try await client.acknowledge([held[1].token]) == [.ok], "the worker did not notice")
        }
    }

    @Test func aSecondBrokerOnTheDirectoryIsRefused() async throws {
        try await TestBroker.run(folder) { _ in
            let error = await #expect(throws: BrokerStartError.self) {
                _ = try await Broker.start(configuration: TestBroker.configuration(folder), logger: TestBroker.logger)
            }
            #expect(error?.code == .log)
        }
    }

    @Test func plaintextOnOtherAddressesIsRefusedUnlessAllowed() async throws {
        var configuration = TestBroker.configuration(folder)
        configuration.listeners = [BrokerListener(host: "0.0.0.0", port: 0)]
        let error = await #expect(throws: BrokerStartError.self) {
            _ = try await Broker.start(configuration: configuration, logger: TestBroker.logger)
        }
        #expect(error?.code == .listen)
        try await TestBroker.run(folder) {
            $0.listeners = [BrokerListener(host: "0.0.0.0", port: 0, allowPlaintext: true)]
        } _: { try await $0.expectServes() }
    }

    @Test func aStopTellsClientsAndLeavesACheckpoint() async throws {
        var configuration = TestBroker.configuration(folder)
        configuration.shutdownGraceMilliseconds = 60_000
        let broker = try await Broker.start(configuration: configuration, logger: TestBroker.logger)
        let running = RunningBroker(broker: broker)
        let client = try await running.client()
        _ = try await client.publish("esprit-gen", "kept")
        async let stopped: Void = broker.shutdown()
        let notice = try #require(try await client.next())
        #expect(notice.header.opcode == Opcode.goingAway.rawValue)
        #expect(notice.header.flags == .push)
        #expect(try GoingAwayNotice(notice.body.span.bytes).graceMilliseconds == 60_000)
        // The stop ends when the last client is gone, long before the grace is over.
        client.close()
        await stopped
        let names = try FileManager.default.contentsOfDirectory(atPath: configuration.logDirectory)
        #expect(names.contains { $0.hasSuffix(".checkpoint") })
        try await TestBroker.run(folder) { running in
            let texts = try await running.client().lease("esprit-gen").map(\.text)
            #expect(texts == ["kept"])
        }
    }

    @Test func runsAsAServiceUntilTheGroupShutsDown() async throws {
        let broker = try await Broker.start(configuration: TestBroker.configuration(folder), logger: TestBroker.logger)
        let running = RunningBroker(broker: broker)
        let group = ServiceGroup(configuration: .init(services: [broker], logger: TestBroker.logger))
        async let ended: Void = group.run()
        let client = try await running.client()
        await group.triggerGracefulShutdown()
        let notice = try #require(try await client.next())
        #expect(notice.header.opcode == Opcode.goingAway.rawValue)
        client.close()
        try await ended
        #expect(broker.notReady == "the broker has stopped")
    }

    @Test func segmentsAreReclaimedAsWorkIsDone() async throws {
        try await TestBroker.run(folder) {
            $0.checkpointIntervalBytes = 4 << 20
        } _: { running in
            let client = try await running.client()
            let text = String(repeating: "x", count: 1 << 20)
            for _ in 0..<60 {
                _ = try await client.publish("esprit-gen", text)
                let deliveries = try await client.lease("esprit-gen")
                _ = try await client.acknowledge(deliveries.map(\.token))
            }
            try await waitUntil { try await running.metric("spindle_log_segments_reclaimed_total") > 2 }
            _ = try await client.publish("esprit-gen", "after")
        }
        try await TestBroker.run(folder) { running in
            let texts = try await running.client().lease("esprit-gen").map(\.text)
            #expect(texts == ["after"])
        }
    }
}
