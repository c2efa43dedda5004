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
