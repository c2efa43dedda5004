import SpindleClient
import Testing

/// A client that compresses and one that declined LZ4, at one broker.
@Suite struct CompressionTests {
    private static let queue = "esprit-gen"
    private static let large = Message(text: String(repeating: "machine this ", count: 10_000))

    /// `body` gets a client that compresses, and one that declined.
    private func run(_ body: (SpindleClient, SpindleClient) async throws -> Void) async throws {
        try await BrokerFixture.run { fixture, client in
            var configuration = try fixture.configuration()
            configuration.acceptsCompression = false
            let declining = SpindleClient(configuration: configuration)
            do { try await body(client, declining) } catch {
                await declining.close()
                throw error
            }
            await declining.close()
        }
    }

    @Test func aLeasedMessageThatCannotBeReadIsTriedAgainElsewhere() async throws {
        try await run { client, declining in
            var policy = QueuePolicy()
            policy.backoffInitial = .zero
            _ = try await client.declare(queue: Self.queue, policy: policy)
            let ids = try await client.publish([Self.large, Message(text: "small")], to: Self.queue).map { try $0.get() }
            let seen = try await declining.lease(from: Self.queue, max: 10)
            #expect(seen.map(\.token.messageID) == [ids[1]], "only the plain one is handed on")
            let again = try await client.lease(from: Self.queue, max: 10, wait: .seconds(10))
            #expect(again.map(\.message) == [Self.large])
            #expect(again.first?.attempt == 2)
        }
    }

    @Test func whoLooksSeesWhy() async throws {
        try await run { client, declining in
            let id = try await client.publish(Self.large, to: Self.queue)
            let page = try await declining.browsePage(Self.queue, parts: .messages)
            #expect(page.messages.map(\.id) == [id])
            #expect(page.messages.first?.unreadable?.code == .recordCompressed)
            #expect(page.messages.first?.unreadable?.message.contains("capability bit 0") == true)
        }
    }

    @Test func anEventThatCannotBeReadIsAGap() async throws {
        try await run { client, declining in
            _ = try await client.publish(events: [Self.large, Message(text: "small")], toTopic: "t")
            var events = try await declining.subscribe(to: "t", from: .earliest).makeAsyncIterator()
            guard case .gap(_, let reason) = try await events.next() else {
                Issue.record("no gap")
                return
            }
            #expect(reason.contains("compressed"))
            guard case .event(let event) = try await events.next() else {
                Issue.record("no event after the gap")
                return
            }
            #expect(String(decoding: event.message.body, as: UTF8.self) == "small")
        }
    }

    /// A client that declined does not compress, whatever its threshold is: the broker would take none of it.
    @Test func whoDeclinedPublishesPlain() async throws {
        try await run { _, declining in
            _ = try await declining.publish(Self.large, to: Self.queue)
            #expect(try await declining.lease(from: Self.queue).map(\.message) == [Self.large])
        }
    }
}
