import FakeBroker
import Logging
import NIOCore
import SpindleClient
import SpindleWire
import Synchronization
import Testing

/// Tests of the whole client against scripted peers.
@Suite struct ClientTests {
    static func configuration(_ server: FakeServer, requestTimeout: Duration = .seconds(20)) -> ClientConfiguration {
        ClientConfiguration(
            endpoints: [.init(host: "127.0.0.1", port: server.port)], credential: .token("secret"), clientName: "test",
            connectTimeout: .seconds(2), requestTimeout: requestTimeout, backoff: .init(initial: .milliseconds(1), cap: .milliseconds(20)))
    }

    static func client(_ server: FakeServer, requestTimeout: Duration = .seconds(20)) -> SpindleClient {
        SpindleClient(configuration: configuration(server, requestTimeout: requestTimeout))
    }

    @Test func publishReturnsIDsThatFollowFromRecordSizes() async throws {
        let server = try await FakeServer.start { peer, frame in
            peer.stored(frame, count: frame.publish?.count ?? 0, firstID: 1000)
        }
        let client = Self.client(server)
        let outcomes = try await client.publish([Message(text: "a"), Message(text: "bcd")], to: "q")
        let frame = try await server.frames.wait()[0]
        #expect(frame.publish?.name == "q")
        #expect(frame.publish?.firstSequence == 1)
        #expect(frame.publish?.producerID != 0)
        // One content type header (3 + 10 bytes), 20 fixed bytes, the body.
        #expect(try outcomes.map { try $0.get().rawValue } == [1000, 1000 + 20 + 13 + 1])
        await client.close()
        await server.stop()
    }

    @Test func repeatsAPublishWithTheSameSequenceAfterItsConnectionIsLost() async throws {
        let server = try await FakeServer.start { peer, frame in
            if peer.number == 1 { peer.close() } else { peer.stored(frame, count: 1, firstID: 7, status: .duplicate) }
        }
        let client = Self.client(server)
        let outcomes = try await client.publish([Message(text: "once")], to: "q")
        guard case .duplicate(let id) = outcomes[0] else { Issue.record("\(outcomes)"); return }
        #expect(id.rawValue == 7)
        let frames = try await server.frames.wait(2)
        #expect(frames.map(\.connection) == [1, 2])
        #expect(frames[0].body == frames[1].body)
        await client.close()
        await server.stop()
    }

    @Test func timesOutWhereNothingAnswers() async throws {
        let server = try await FakeServer.start { _, _ in }
        let client = Self.client(server, requestTimeout: .milliseconds(80))
        let error = await #expect(throws: SpindleError.self) { try await client.publish([Message(text: "x")], to: "q") }
        #expect(error?.code == .timedOut)
        await client.close()
        await server.stop()
    }

    @Test func saysWhyNoConnectionCouldBeMade() async throws {
        let server = try await FakeServer.start(.init(authError: WireError(.authenticationFailed, "unknown token"))) { _, _ in }
        let client = Self.client(server)
        let error = await #expect(throws: SpindleError.self) { try await client.publish([Message(text: "x")], to: "q") }
        #expect(error?.code == .authenticationFailed)
        #expect(error?.message == "unknown token")
        await client.close()
        await server.stop()
    }

    @Test func leasesAndSettles() async throws {
        let server = try await FakeServer.start { peer, frame in
            switch frame.opcode {
            case .lease: peer.grant(frame, ["one", "two"], firstID: 5)
            case .ack: peer.reply(frame) {
                StatusReply(runs: [.init(status: .ok, count: 1), .init(status: ItemStatus(.leaseLost), count: 1)]).encode(into: &$0)
            }
            default: peer.refuse(frame, WireError(.unsupported, "not here"))
            }
        }
        let client = Self.client(server)
        let deliveries = try await client.lease(from: "q", max: 2)
        #expect(deliveries.map(\.message.body) == [Array("one".utf8), Array("two".utf8)])
        #expect(deliveries.map(\.token.description) == ["5.1", "6.1"])
        let outcomes = try await client.acknowledge(deliveries.map(\.token))
        #expect(outcomes.count == 2 && outcomes[0].isDone)
        if case .leaseLost = outcomes[1] {} else { Issue.record("\(outcomes[1])") }
        await client.close()
        await server.stop()
    }
}

/// What becomes of requests when connections break.
@Suite struct ReconnectTests {
    /// What a peer may send in place of a reply, and the error that the request ends with if no other connection follows.
    enum Garbage: CaseIterable, Sendable { case oversized, short, unreadableReply, noise }

    @Test(arguments: Garbage.allCases) func garbageEndsTheConnectionAndTheNextOneServes(garbage: Garbage) async throws {
        let server = try await FakeServer.start { peer, frame in
            guard peer.number == 1 else { return peer.status(frame, count: 1) }
            switch garbage {
            case .oversized: peer.raw([0xFF, 0xFF, 0xFF, 0x7F] + [UInt8](repeating: 0, count: 8))
            case .short: peer.raw([3, 0, 0, 0] + [UInt8](repeating: 0, count: 8))
            case .noise: peer.raw(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
            case .unreadableReply: peer.reply(frame) { $0.u8(9) }
            }
        }
        let client = ClientTests.client(server)
        let token = ClientToken(messageID: MessageID(rawValue: 1), epoch: 1)
        if garbage == .unreadableReply {
            // Its frame was sound, so the request has had its answer; the connection is not trusted any further.
            let error = await #expect(throws: SpindleError.self) { try await client.acknowledge([token]) }
            #expect(error?.code == .malformedFrame)
        }
        #expect(try await client.acknowledge([token]).map(\.isDone) == [true])
        #expect(server.connectionCount == 2)
        await client.close()
        await server.stop()
    }

    @Test func manyPublishesKeepTheirOrderAcrossALostConnection() async throws {
        let server = try await FakeServer.start { peer, frame in
            let first = frame.publish?.firstSequence ?? 0
            // The first connection answers three and dies at the fourth.
            if peer.number == 1, first >= 4 { return peer.close() }
            peer.stored(frame, count: 1, firstID: first * 100)
        }
        let client = ClientTests.client(server)
        let producer = client.makeProducer(queue: "q", configuration: .init(batchMessagesMax: 1, windowMax: 4))
        let ids = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for number in 0..<20 { group.addTask { try await producer.send(Message(text: "\(number)")).get().rawValue } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ids.sorted() == (1...20).map { $0 * 100 })
        let onSecond = server.frames.all.filter { $0.connection == 2 }.compactMap { $0.publish?.firstSequence }
        #expect(onSecond == onSecond.sorted() && Set(onSecond).count == onSecond.count && onSecond.last == 20)
        await client.close()
        await server.stop()
    }

    @Test func waitsForABrokerThatStartsLater() async throws {
        let first = try await FakeServer.start { _, _ in }
        let port = first.port
        let client = ClientTests.client(first)
        await first.stop()
        let outcome = Task { try await client.publish(Message(text: "early"), to: "q") }
        let second = try await FakeServer.start(port: port) { peer, frame in peer.stored(frame, count: 1, firstID: 3) }
        #expect(try await outcome.value.rawValue == 3)
        await client.close()
        await second.stop()
    }

    @Test func goesToAnotherConnectionWhenTheBrokerGoesAway() async throws {
        let server = try await FakeServer.start { peer, frame in
            guard peer.number == 1 else { return peer.stored(frame, count: 1, firstID: 2) }
            peer.refuse(frame, WireError(.goingAway, "restarting"))
        }
        let client = ClientTests.client(server)
        #expect(try await client.publish(Message(text: "x"), to: "q").rawValue == 2)
        let frames = server.frames.all
        #expect(frames.map(\.connection) == [1, 2] && frames[0].body == frames[1].body)
        await client.close()
        await server.stop()
    }

    @Test func aSettlementIsRepeatedOnceAndSaysWhenNobodyCanKnow() async throws {
        let server = try await FakeServer.start { peer, frame in
            if peer.number == 1 { peer.close() } else { peer.refuse(frame, WireError(.leaseLost, "message 1 is not held")) }
        }
        let client = ClientTests.client(server)
        let settlement = Settlement(
            acknowledgements: [.init(messageID: MessageID(rawValue: 1), epoch: 1)], publishes: [.init(name: "next", messages: [Message(text: "m")])])
        let unknown = await #expect(throws: SpindleError.self) { try await client.settle(settlement) }
        #expect(unknown?.code == .outcomeUnknown)
        // The connection is good now, so the same answer is certain.
        let certain = await #expect(throws: SpindleError.self) { try await client.settle(settlement) }
        #expect(certain?.code == .leaseLost)
        await client.close()
        await server.stop()
    }

    @Test func aSettlementIsRepeatedUnderItsNameUntilItIsAnswered() async throws {
        var opening = FakeServer.Opening()
        opening.capabilities = [.lz4, .settleIdentity]
        let server = try await FakeServer.start(opening) { peer, frame in
            if peer.number < 3 { peer.close() } else { peer.reply(frame) { SettleReply(firstIDs: [7]).encode(into: &$0) } }
        }
        let client = ClientTests.client(server)
        try await client.settle(Settlement(publishes: [.init(name: "next", messages: [Message(text: "m")])]))
        try await client.settle(Settlement(publishes: [.init(name: "next", messages: [Message(text: "n")])]))
        let names = try server.frames.all.filter { $0.opcode == .settle }.map { frame in
            try frame.read { span throws(WireError) in try SettleRequest(span).identity }
        }
        #expect(names.count == 4 && names[0] != nil && names[0] == names[1] && names[1] == names[2])
        #expect(names[3].map { $0.settler } == names[0].map { $0.settler } && names[3] != names[0])
        await client.close()
        await server.stop()
    }

    @Test func aNamedSettlementThatFindsItsLeasesGoneWasNotDone() async throws {
        var opening = FakeServer.Opening()
        opening.capabilities = [.lz4, .settleIdentity]
        let server = try await FakeServer.start(opening) { peer, frame in
            if peer.number == 1 { peer.close() } else { peer.refuse(frame, WireError(.leaseLost, "message 1 is not held")) }
        }
        let client = ClientTests.client(server)
        let settlement = Settlement(acknowledgements: [.init(messageID: MessageID(rawValue: 1), epoch: 1)])
        let error = await #expect(throws: SpindleError.self) { try await client.settle(settlement) }
        #expect(error?.code == .leaseLost)
        await client.close()
        await server.stop()
    }

    @Test func nothingIsRepeatedToABrokerWithOtherData() async throws {
        let first = try await FakeServer.start { peer, _ in peer.close() }
        let client = ClientTests.client(first)
        let outcome = Task { try await client.publish(Message(text: "x"), to: "q") }
        try await first.frames.wait()
        let port = first.port
        await first.stop()
        let second = try await FakeServer.start(.init(serverID: [UInt8](repeating: 9, count: 16)), port: port) { peer, frame in
            peer.stored(frame, count: 1, firstID: 1)
        }
        let error = await #expect(throws: SpindleError.self) { try await outcome.value }
        #expect(error?.code == .connectionLost)
        #expect(second.frames.all.isEmpty)
        #expect(try await client.publish(Message(text: "y"), to: "q").rawValue == 1)
        await client.close()
        await second.stop()
    }

    @Test func aSilentBrokerIsGivenUp() async throws {
        let server = try await FakeServer.start(.init(heartbeatMilliseconds: 60, answersPings: false)) { peer, frame in
            if peer.number > 1 { peer.status(frame, count: 1) }
        }
        let client = ClientTests.client(server)
        let token = ClientToken(messageID: MessageID(rawValue: 1), epoch: 1)
        #expect(try await client.acknowledge([token]).map(\.isDone) == [true])
        #expect(server.service.all.contains { $0.opcode == .ping && $0.connection == 1 })
        await client.close()
        await server.stop()
    }

    @Test func closingFailsWhatIsUnderWay() async throws {
        let server = try await FakeServer.start { _, _ in }
        let client = ClientTests.client(server)
        let outcome = Task { try await client.publish(Message(text: "x"), to: "q") }
        try await server.frames.wait()
        await client.close()
        let error = await #expect(throws: SpindleError.self) { try await outcome.value }
        #expect(error?.code == .clientClosed)
        let after = await #expect(throws: SpindleError.self) { try await client.publish(Message(text: "x"), to: "q") }
        #expect(after?.code == .clientClosed)
        await server.stop()
    }

    @Test func whatACancelledLeaseBringsIsHandedBack() async throws {
        let held = Recorder<(FakePeer, FakeFrame)>()
        let server = try await FakeServer.start { peer, frame in
            if frame.opcode == .lease { held.record((peer, frame)) } else { peer.status(frame, count: 1) }
        }
        let client = ClientTests.client(server)
        let lease = Task { try await client.lease(from: "q", wait: .seconds(10)) }
        let (peer, frame) = try await held.wait()[0]
        lease.cancel()
        await #expect(throws: CancellationError.self) { try await lease.value }
        peer.grant(frame, ["late"], firstID: 77)
        let nack = try await server.frames.wait { $0.opcode == .nack }[0]
        let items = try nack.read { span throws(WireError) in try NackRequest(span).items }
        #expect(items.map(\.token.messageID) == [77] && items.map(\.disposition) == [.release])
        await client.close()
        await server.stop()
    }

    @Test func aCancelledLeaseIsWithdrawnOnce() async throws {
        let server = try await FakeServer.start { peer, frame in
            guard frame.opcode == .withdraw else { return }
            peer.reply(frame) { WithdrawReply(outcome: .withdrawn).encode(into: &$0) }
        }
        let client = ClientTests.client(server)
        let lease = Task { try await client.lease(from: "q", wait: .seconds(10)) }
        let asked = try await server.frames.wait { $0.opcode == .lease }[0]
        let awaiting = Task { try await client.result(of: MessageID(rawValue: 1), in: "q", wait: .seconds(10)) }
        let awaited = try await server.frames.wait { $0.opcode == .await }[0]
        lease.cancel()
        let first = try await server.frames.wait { $0.opcode == .withdraw }[0]
        awaiting.cancel()
        let both = try await server.frames.wait(2) { $0.opcode == .withdraw }
        #expect(try first.read { span throws(WireError) in try WithdrawRequest(span).correlationID } == asked.correlationID)
        #expect(try both[1].read { span throws(WireError) in try WithdrawRequest(span).correlationID } == awaited.correlationID)
        await #expect(throws: CancellationError.self) { try await lease.value }
        await #expect(throws: CancellationError.self) { try await awaiting.value }
        await client.close()
        await server.stop()
    }
}
