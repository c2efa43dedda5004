import FakeBroker
import Foundation
import SpindleClient
import SpindleCluster
import Synchronization
import Testing

/// What a worker saw and settled.
private final class Tally: Sendable {
    private let seen = Mutex<Set<String>>([])
    private let confirmed = Mutex<Set<String>>([])

    func isNew(_ text: String) -> Bool { seen.withLock { $0.insert(text).inserted } }
    func confirm(_ text: String) { confirmed.withLock { _ = $0.insert(text) } }
    func isConfirmed(_ text: String) -> Bool { confirmed.withLock { $0.contains(text) } }
}

/// The client against a real broker.
@Suite(.serialized) struct BrokerTests {
    static let queue = "esprit-gen"

    @Test func everyFieldOfAMessageComesThrough() async throws {
        try await BrokerFixture.run { _, client in
            let message = Message(
                body: Array(String(repeating: "machine this ", count: 10_000).utf8), priority: 7, correlationID: "c", contentType: "text/plain", taskType: "T", group: "g", deduplicationKey: "d",
                userHeaders: [.init(name: "a", value: "1"), .init(name: "a", value: "ä")])
            let id = try await client.publish(message, to: Self.queue)
            guard case .duplicate(let again) = try await client.publish([message], to: Self.queue)[0] else {
                Issue.record("the deduplication key was not honoured")
                return
            }
            #expect(again == id)
            let deliveries = try await client.lease(from: Self.queue, max: 10)
            #expect(deliveries.map(\.token.messageID) == [id])
            #expect(deliveries.first?.message == message)
            #expect(deliveries.first?.attempt == 1)
            #expect(try await client.acknowledge(deliveries.map(\.token)).map(\.isDone) == [true])
            #expect(try await client.lease(from: Self.queue).isEmpty)
            let statistics = try await client.statistics(matching: Self.queue)
            #expect(statistics.map(\.name) == [Self.queue] && statistics[0].acknowledged == 1 && statistics[0].ready == 0)
        }
    }

    @Test func aRefusedItemSaysWhyAndWhenToTryAgain() async throws {
        try await BrokerFixture.run { _, client in
            var policy = QueuePolicy()
            policy.lengthMax = 1
            _ = try await client.declare(queue: "small", policy: policy)
            let outcomes = try await client.publish([Message(text: "one"), Message(text: "two")], to: "small")
            guard case .refused(let error) = outcomes[1] else {
                Issue.record("\(outcomes[1])")
                return
            }
            #expect(error.code == .queueFull && error.isRetryable && error.blastRadius == .item)
            #expect(error.retryAfter == .seconds(1))
            #expect(error.message.contains("the queue 'small' is full: it holds 1 of at most 1 messages"))
            let producer = client.makeProducer(queue: "small")
            guard case .refused(let again) = try await producer.send(Message(text: "three")) else {
                Issue.record("a full queue took a message")
                return
            }
            #expect(again.retryAfter == .seconds(1))
            let lost = try await client.acknowledge([DeliveryToken(messageID: MessageID(rawValue: 7), epoch: 1)])
            guard case .leaseLost(let reason) = lost[0] else {
                Issue.record("\(lost[0])")
                return
            }
            #expect(reason.contains("message 7 has no lease of epoch 1"))
        }
    }

    @Test func overTLS() async throws {
        try await BrokerFixture.run(secure: true) { fixture, client in
            _ = try await client.publish(Message(text: "secret"), to: Self.queue)
            #expect(try await client.lease(from: Self.queue).count == 1)
            // Without the authority the broker is not believed.
            var configuration = try fixture.configuration()
            configuration.tls?.caFile = nil
            let error = await #expect(throws: SpindleError.self) {
                _ = try await SpindleClient.connect(configuration: configuration)
            }
            #expect(error?.code == .tlsFailed)
        }
    }

    @Test func anExpiredCertificateIsNamedAsTheCause() async throws {
        let fixture = try BrokerFixture(secure: true, expired: true)
        try await fixture.start()
        var configuration = try fixture.configuration()
        configuration.connectTimeout = .seconds(5)
        let error = await #expect(throws: SpindleError.self) { _ = try await SpindleClient.connect(configuration: configuration) }
        #expect(error?.code == .tlsFailed)
        #expect(error?.message.contains("the broker's certificate expired on 20") == true, "\(String(describing: error))")
        // The client's own.
        let certificates = CertificateFiles(directory: fixture.folder + "/certificates")
        let own = try certificates.issueClient("admin", now: Date(timeIntervalSinceNow: -900 * 86_400))
        configuration.tls?.certificateFile = own.certificatePath
        configuration.tls?.keyFile = own.keyPath
        let mine = await #expect(throws: SpindleError.self) { _ = try await SpindleClient.connect(configuration: configuration) }
        #expect(mine?.code == .tlsFailed && mine?.message.contains("the client's certificate \(own.certificatePath) expired on 20") == true, "\(String(describing: mine))")
        await fixture.stop()
    }

    @Test func aWrongTokenIsSaidAtOnce() async throws {
        try await BrokerFixture.run { fixture, _ in
            var configuration = try fixture.configuration()
            configuration.credential = .token("wrong")
            let error = await #expect(throws: SpindleError.self) { _ = try await SpindleClient.connect(configuration: configuration) }
            #expect(error?.code == .authenticationFailed)
        }
    }

    @Test func manyMessagesInFewFramesAndBack() async throws {
        try await BrokerFixture.run { _, client in
            let messages = (0..<5000).map { Message(body: Array("message \($0) ".utf8) + [UInt8](repeating: 120, count: 1000)) }
            let outcomes = try await client.publish(messages, to: Self.queue)
            let ids = try outcomes.map { try $0.get() }
            #expect(ids.count == 5000 && ids == ids.sorted())
            var seen: [MessageID] = []
            while seen.count < 5000 {
                let deliveries = try await client.lease(from: Self.queue, max: 1000, wait: .seconds(5))
                try #require(!deliveries.isEmpty)
                seen += deliveries.map(\.token.messageID)
                let outcomes = try await client.acknowledge(deliveries.map(\.token))
                #expect(outcomes.allSatisfy { $0.isDone })
            }
            // What the client computed from record sizes is what the broker gives out.
            #expect(seen == ids)
        }
    }

    @Test func aSettlementHandsOnTheNextStepOrDoesNothing() async throws {
        try await BrokerFixture.run { _, client in
            let subscription = try await client.subscribe(to: "addin.*")
            _ = try await client.publish(Message(text: "first"), to: Self.queue)
            let delivery = try #require(try await client.lease(from: Self.queue).first)
            let settlement = Settlement(
                acknowledgements: [delivery.token], publishes: [.init(name: "addin-result", messages: [Message(text: "second")])],
                events: [.init(name: "addin.job.updated", messages: [Message(text: "told")])])
            try await client.settle(settlement)
            let again = await #expect(throws: SpindleError.self) { try await client.settle(settlement) }
            #expect(again?.code == .leaseLost)
            #expect(try await client.lease(from: "addin-result", max: 10).map(\.message.body) == [Array("second".utf8)])
            var events = subscription.makeAsyncIterator()
            guard case .event(let event) = try await events.next() else { Issue.record("no event"); return }
            #expect(event.topic == "addin.job.updated" && event.message.body == Array("told".utf8))
        }
    }

    @Test func aNegativeAcknowledgementBringsTheMessageBackAndThenToTheDeadLetters() async throws {
        try await BrokerFixture.run { _, client in
            var policy = QueuePolicy()
            policy.deadLetterQueue = "once.dead"
            #expect(try await client.declare(queue: "once", policy: policy) == .created)
            _ = try await client.publish(Message(text: "x"), to: "once")
            let first = try #require(try await client.lease(from: "once").first)
            #expect(try await client.negativeAcknowledge([.init(token: first.token, delay: .zero, reason: "not yet")])[0].isDone)
            let second = try #require(try await client.lease(from: "once", wait: .seconds(5)).first)
            #expect(second.attempt == 2)
            #expect(try await client.negativeAcknowledge([.init(token: second.token, disposition: .dead, reason: "never")])[0].isDone)
            let dead = try #require(try await client.lease(from: "once.dead", wait: .seconds(5)).first)
            #expect(dead.deadLetter?.originQueue == "once")
            #expect(dead.deadLetter?.attempts.map(\.reason) == ["not yet", "never"])
        }
    }

    /// Publishes, works and subscribes while the broker is stopped and started again.
    @Test func nothingIsLostOrDoubledAcrossRestarts() async throws {
        let total = 300
        try await BrokerFixture.run { fixture, client in
            let subscription = try await client.subscribe(to: "told", credit: 16)
            let seen = Recorder<String>() // each message at its first delivery
            let tally = Tally()
            let consumer = client.makeConsumer(queue: Self.queue, configuration: .init(inFlightMax: 8, wait: .seconds(2)))
            let work = Task {
                for try await delivery in consumer {
                    let text = String(decoding: delivery.message.body, as: UTF8.self)
                    if tally.isConfirmed(text) { Issue.record("\(text): a confirmed acknowledgement was delivered again") }
                    if tally.isNew(text) { seen.record(text) }
                    if await consumer.acknowledge(delivery).isDone { tally.confirm(text) }
                }
            }
            let told = Recorder<String>()
            let listen = Task {
                for try await element in subscription {
                    switch element {
                    case .event(let event): told.record(String(decoding: event.message.body, as: UTF8.self))
                    case .gap(_, let reason): told.record("gap \(reason)")
                    }
                }
            }
            let producer = client.makeProducer(queue: Self.queue)
            let publish = Task {
                for number in 0..<total {
                    _ = try await producer.send(Message(text: "\(number)")).get()
                    _ = try await client.publish(events: [Message(text: "\(number)")], toTopic: "told")
                }
            }
            for round in 1...3 {
                try await seen.wait(round * 50)
                await fixture.stop()
                try await fixture.start()
            }
            try await publish.value
            try await told.wait(total, within: .seconds(30))
            #expect(told.all == (0..<total).map { "\($0)" }) // in order, once, without a gap
            try await seen.wait(total, within: .seconds(30))
            #expect(Set(seen.all) == Set((0..<total).map { "\($0)" }))
            consumer.stop()
            subscription.cancel()
            _ = try await work.value
            _ = try await listen.value
            let statistics = try await client.statistics(matching: Self.queue)
            #expect(statistics[0].ready == 0 && statistics[0].leased == 0 && statistics[0].published == total)
        }
    }

    /// Waits until so many LEASEs wait at the broker.
    private static func waiters(_ count: Int, _ client: SpindleClient) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await client.statistics(matching: queue)[0].waiters != count {
            try #require(ContinuousClock.now < deadline, "there are never \(count) LEASEs that wait")
        }
    }

    @Test func cancelledLeasesAndPausedConsumersWaitAtTheBrokerNoMore() async throws {
        try await BrokerFixture.run { _, client in
            let leases = (0..<20).map { _ in Task { try await client.lease(from: Self.queue, wait: .seconds(600)) } }
            try await Self.waiters(20, client)
            for lease in leases { lease.cancel() }
            try await Self.waiters(0, client)
            let consumer = client.makeConsumer(queue: Self.queue, configuration: .init(inFlightMax: 1, wait: .seconds(600)))
            let work = Task { try await consumer.first { _ in true } }
            try await Self.waiters(1, client)
            consumer.pause()
            try await Self.waiters(0, client)
            consumer.resume()
            try await Self.waiters(1, client)
            _ = try await client.publish(Message(text: "x"), to: Self.queue)
            let delivery = try #require(try await work.value)
            #expect(delivery.attempt == 1)
            #expect(await consumer.acknowledge(delivery).isDone)
            consumer.stop()
            try await Self.waiters(0, client)
        }
    }

    @Test func theFirstOfSeveralQueuesGives() async throws {
        try await BrokerFixture.run { _, client in
            let queues = ["addin-result", Self.queue]
            _ = try await client.publish(Message(text: "later"), to: Self.queue)
            let first = try await client.lease(fromFirstOf: queues, max: 10)
            #expect(first.map(\.queue) == [Self.queue])
            let waiting = Task { try await client.lease(fromFirstOf: queues, wait: .seconds(600)) }
            try await Self.waiters(1, client)
            _ = try await client.publish(Message(text: "sooner"), to: "addin-result")
            let second = try await waiting.value
            #expect(second.map(\.queue) == ["addin-result"])
            try await Self.waiters(0, client)
            #expect(try await client.acknowledge((first + second).map(\.token)).map(\.isDone) == [true, true])
            await #expect(throws: SpindleError.self) { try await client.lease(fromFirstOf: []) }
        }
    }

    @Test func rawConnectionsPublishLeaseAndAcknowledge() async throws {
        try await BrokerFixture.run { fixture, _ in
            let batch = try MessageBatch((0..<100).map { Message(text: "\($0)") }, compressionThreshold: nil)
            let counts = Mutex((stored: 0, frames: 0, done: 0))
            let finished = Recorder<Int>()
            let connection = try await RawConnection.connect(configuration: try fixture.configuration()) { sender, event in
                switch event {
                case .published(_, let stored, _):
                    let frames = counts.withLock { counts in
                        counts.stored += stored
                        counts.frames += 1
                        return counts.frames
                    }
                    if frames <= 40 { sender.publish(batch, to: Self.queue, context: 0) }
                    if frames == 50 { sender.lease(from: Self.queue, max: 1000, bytesMax: 1 << 20, wait: .zero, context: 1) }
                case .leased(_, let tokens, _):
                    if tokens.isEmpty { finished.record(counts.withLock { $0.done }) } else { sender.acknowledge(tokens, context: 2) }
                case .acknowledged(_, let done, _):
                    counts.withLock { $0.done += done }
                    sender.lease(from: Self.queue, max: 1000, bytesMax: 1 << 20, wait: .zero, context: 1)
                case .refused(_, let error), .ended(let error):
                    if error.code != .clientClosed { Issue.record("\(error)") }
                }
            }
            connection.run { sender in for _ in 0..<10 { sender.publish(batch, to: Self.queue, context: 0) } }
            #expect(try await finished.wait() == [5000])
            #expect(counts.withLock { $0.stored } == 5000)
            await connection.close()
        }
    }
}
