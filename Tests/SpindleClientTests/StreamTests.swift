import FakeBroker
import SpindleClient
import SpindleWire
import Synchronization
import Testing

/// Consumers and subscriptions against scripted peers.
@Suite struct ConsumerTests {
    @Test func extendsWhatIsHeldAndTellsOfCancellation() async throws {
        let granted = Mutex(false)
        let server = try await FakeServer.start { peer, frame in
            switch frame.opcode {
            case .lease where granted.withLock({ let isFirst = !$0; $0 = true; return isFirst }):
                peer.grant(frame, ["work"], firstID: 1, leaseMilliseconds: 90)
            case .extend:
                peer.reply(frame) {
                    ExtendReply(leaseMilliseconds: 90, items: [.init(status: .ok, isCancelled: true)]).encode(into: &$0)
                }
            case .ack: peer.status(frame, count: 1)
            default: break
            }
        }
        let client = ClientTests.client(server)
        let consumer = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 1))
        var iterator = consumer.makeAsyncIterator()
        let delivery = try #require(try await iterator.next())
        let ends = Recorder<LeaseEnd>()
        delivery.onEnd { ends.record($0) }
        #expect(try await ends.wait() == [.cancelled])
        #expect(delivery.isCancelled && !delivery.isLeaseLost)
        try await server.frames.wait(2) { $0.opcode == .extend }
        #expect(await consumer.acknowledge(delivery).isDone)
        consumer.stop()
        #expect(try await iterator.next() == nil)
        await client.close()
        await server.stop()
    }

    /// The machine is suspended past the lease: the loop's timers have not moved, and the holder must hear of it right after the resume.
    @Test func aLeaseThatEndedDuringASuspendIsFoundToBeLostSoonAfterIt() async throws {
        let granted = Mutex(false)
        let server = try await FakeServer.start { peer, frame in
            switch frame.opcode {
            case .lease where granted.withLock({ let isFirst = !$0; $0 = true; return isFirst }):
                peer.grant(frame, ["work"], firstID: 1, leaseMilliseconds: 3_600_000)
            case .extend:
                peer.reply(frame) {
                    ExtendReply(leaseMilliseconds: 3_600_000, items: [.init(status: ItemStatus(.leaseLost), isCancelled: false)]).encode(into: &$0)
                }
            default: break
            }
        }
        let boot = Mutex<UInt64>(1_000_000_000)
        var configuration = ClientTests.configuration(server)
        configuration.bootNanoseconds = { boot.withLock { $0 } }
        let client = SpindleClient(configuration: configuration)
        let consumer = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 1))
        var iterator = consumer.makeAsyncIterator()
        let delivery = try #require(try await iterator.next())
        let ends = Recorder<LeaseEnd>()
        delivery.onEnd { ends.record($0) }
        boot.withLock { $0 += 8 * 3600 * 1_000_000_000 }
        #expect(try await ends.wait() == [.lost])
        #expect(delivery.isLeaseLost)
        consumer.stop()
        await client.close()
        await server.stop()
    }

    @Test func stoppingHandsBackWhatNobodyTook() async throws {
        let server = try await FakeServer.start { peer, frame in
            switch frame.opcode {
            case .lease where Self.isFirst(frame): peer.grant(frame, ["a", "b", "c"], firstID: 1)
            case .nack: peer.status(frame, count: 2)
            case .ack: peer.status(frame, count: 1)
            default: break
            }
        }
        let client = ClientTests.client(server)
        let consumer = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 3))
        var iterator = consumer.makeAsyncIterator()
        let delivery = try #require(try await iterator.next())
        consumer.stop()
        let nack = try await server.frames.wait { $0.opcode == .nack }[0]
        let items = try nack.read { span throws(WireError) in try NackRequest(span).items }
        #expect(items.map(\.token.messageID) == [2, 3] && items.allSatisfy { $0.disposition == .release })
        #expect(await consumer.acknowledge(delivery).isDone) // what was taken may still be settled
        #expect(try await iterator.next() == nil)
        await client.close()
        await server.stop()
    }

    /// The first LEASE of a script asks for everything; later ones ask for less.
    private static func isFirst(_ frame: FakeFrame) -> Bool {
        (try? frame.read { span throws(WireError) in try LeaseRequest(span).messagesMax }) == 3
    }

    @Test func aCorruptRecordGoesToTheDeadLettersAndTheNextIsDelivered() async throws {
        let server = try await FakeServer.start { peer, frame in
            switch frame.opcode {
            case .lease where Self.isFirst(frame): peer.grant(frame, ["bad", "good"], firstID: 1, corrupt: 0)
            case .nack, .ack: peer.status(frame, count: 1)
            default: break
            }
        }
        let client = ClientTests.client(server)
        let consumer = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 3))
        var iterator = consumer.makeAsyncIterator()
        let delivery = try #require(try await iterator.next())
        #expect(delivery.message.body == Array("good".utf8))
        let nack = try await server.frames.wait { $0.opcode == .nack }[0]
        let items = try nack.read { span throws(WireError) in try NackRequest(span).items }
        #expect(items.map(\.disposition) == [.dead] && items[0].reason.hasPrefix("RECORD_CORRUPT"))
        await client.close()
        await server.stop()
    }

    /// The connection goes on, and the disk may read it at a later attempt.
    @Test func aDamagedRecordIsTriedAgainAndTheNextIsDelivered() async throws {
        let server = try await FakeServer.start { peer, frame in
            switch frame.opcode {
            case .lease where Self.isFirst(frame): peer.grant(frame, ["lost", "good"], firstID: 1, damaged: 0)
            case .nack, .ack: peer.status(frame, count: 1)
            default: break
            }
        }
        let client = ClientTests.client(server)
        let consumer = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 3))
        var iterator = consumer.makeAsyncIterator()
        let delivery = try #require(try await iterator.next())
        #expect(delivery.message.body == Array("good".utf8))
        let nack = try await server.frames.wait { $0.opcode == .nack }[0]
        let items = try nack.read { span throws(WireError) in try NackRequest(span).items }
        #expect(items.map(\.disposition) == [.retry] && items[0].reason.hasPrefix("RECORD_DAMAGED"))
        #expect(items[0].delayMilliseconds == NackItem.delayByPolicy)
        await client.close()
        await server.stop()
    }

    @Test func aRefusalForGoodEndsTheSequence() async throws {
        let server = try await FakeServer.start { peer, frame in peer.refuse(frame, WireError(.noSuchQueue, "no queue 'q'")) }
        let client = ClientTests.client(server)
        let error = await #expect(throws: SpindleError.self) {
            for try await _ in client.makeConsumer(queue: "q") {}
        }
        #expect(error?.code == .noSuchQueue)
        await client.close()
        await server.stop()
    }

    @Test func aPassingRefusalIsAskedAgain() async throws {
        let refused = Mutex(false)
        let server = try await FakeServer.start { peer, frame in
            let isFirst = refused.withLock { refused in
                defer { refused = true }
                return !refused
            }
            if isFirst {
                peer.refuse(frame, WireError(.noSpace, "disk", retryAfterMilliseconds: 1))
            } else if frame.opcode == .lease {
                peer.grant(frame, ["x"], firstID: 1)
            }
        }
        let client = ClientTests.client(server)
        var iterator = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 1)).makeAsyncIterator()
        #expect(try await iterator.next()?.message.body == Array("x".utf8))
        await client.close()
        await server.stop()
    }
}

@Suite struct SubscriptionTests {
    struct Subscribed: Sendable, Equatable {
        var start: TopicSubscribeRequest.Start
        var credit: UInt32
        init(_ frame: FakeFrame) throws {
            let request = try frame.read { span throws(WireError) in try TopicSubscribeRequest(span) }
            start = request.start
            credit = request.credit
        }
    }

    static func id(_ frame: FakeFrame) -> UInt32 {
        (try? frame.read { span throws(WireError) in try TopicSubscribeRequest(span).subscriptionID }) ?? 0
    }

    static func describe(_ element: TopicElement?) -> String {
        switch element {
        case .event(let event): "event \(event.topic) \(event.cursor) \(String(decoding: event.message.body, as: UTF8.self))"
        case .gap(let cursor, let reason): "gap \(cursor) \(reason)"
        case nil: "end"
        }
    }

    @Test func resumesBehindItsLastEventAndReportsGaps() async throws {
        let server = try await FakeServer.start { peer, frame in
            guard frame.opcode == .topicSubscribe else { return }
            let id = Self.id(frame)
            if peer.number == 1 {
                peer.accept(frame, epoch: 1, offset: 0x10)
                peer.events(id, epoch: 1, [(0x11, "t.a", "one"), (0x12, "t.b", "two")])
                peer.close()
            } else {
                peer.accept(frame, epoch: 1, offset: 0x12)
                peer.push(.topicGap) {
                    TopicGapNotice(subscriptionID: id, cursor: .init(epoch: 1, offset: 0x20), reason: "cut").encode(into: &$0)
                }
                peer.events(id, epoch: 1, [(0x21, "t.a", "three")])
            }
        }
        let client = ClientTests.client(server)
        let subscription = try await client.subscribe(to: "t.*", from: .earliest, credit: 10)
        #expect(subscription.startCursor.description == "1:10")
        var iterator = subscription.makeAsyncIterator()
        var seen: [String] = []
        for _ in 0..<4 { seen.append(Self.describe(try await iterator.next())) }
        #expect(seen == ["event t.a 1:11 one", "event t.b 1:12 two", "gap 1:20 cut", "event t.a 1:21 three"])
        let starts = try server.frames.all.filter { $0.opcode == .topicSubscribe }.map { try Subscribed($0).start }
        #expect(starts == [.earliest, .after(.init(epoch: 1, offset: 0x12))])
        subscription.cancel()
        #expect(Self.describe(try await iterator.next()) == "end")
        try await server.frames.wait { $0.opcode == .topicUnsubscribe }
        await client.close()
        await server.stop()
    }

    @Test func givesCreditAsEventsAreTaken() async throws {
        let server = try await FakeServer.start { peer, frame in
            guard frame.opcode == .topicSubscribe else { return }
            peer.accept(frame, epoch: 1, offset: 0)
            peer.events(Self.id(frame), epoch: 1, (1...4).map { ($0, "t", "e") })
        }
        let client = ClientTests.client(server)
        let subscription = try await client.subscribe(to: "t", credit: 4)
        var iterator = subscription.makeAsyncIterator()
        for _ in 0..<4 { _ = try await iterator.next() }
        let credits = try await server.frames.wait(2) { $0.opcode == .topicCredit }
            .map { try $0.read { span throws(WireError) in try TopicCreditRequest(span).more } }
        #expect(credits == [2, 2])
        await client.close()
        #expect(Self.describe(try await iterator.next()) == "end")
        await server.stop()
    }

    @Test func moreEventsThanCreditEndTheConnection() async throws {
        let server = try await FakeServer.start { peer, frame in
            guard frame.opcode == .topicSubscribe else { return }
            peer.accept(frame, epoch: 1, offset: 0)
            if peer.number == 1 { peer.events(Self.id(frame), epoch: 1, (1...3).map { ($0, "t", "e") }) }
        }
        let client = ClientTests.client(server)
        let subscription = try await client.subscribe(to: "t", credit: 2)
        try await server.frames.wait(2) { $0.opcode == .topicSubscribe }
        #expect(server.connectionCount == 2)
        subscription.cancel()
        await client.close()
        await server.stop()
    }

    @Test func aRefusalIsThrown() async throws {
        let server = try await FakeServer.start { peer, frame in peer.refuse(frame, WireError(.permissionDenied, "not for you")) }
        let client = ClientTests.client(server)
        let error = await #expect(throws: SpindleError.self) { try await client.subscribe(to: "t") }
        #expect(error?.code == .permissionDenied)
        await client.close()
        await server.stop()
    }
}
