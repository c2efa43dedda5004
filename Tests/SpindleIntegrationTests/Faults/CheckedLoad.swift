import Foundation
import SpindleClient
import Synchronization
import Testing

/// Producers and workers on one queue, whose every answer a ``ConfirmationChecker`` sees, while somebody mistreats the broker.
final class CheckedLoad: Sendable {
    static let queue = "load"
    static let deadQueue = "load.dead"
    static let lease = Duration.seconds(2)

    struct Options: Sendable {
        var hands = 3
        /// Messages that are published at once.
        var batch = 1...30
        /// Bytes of a body, at random.
        var bodyBytes = 0...300
        /// Messages that may wait; above it, hands work instead of publishing.
        var backlogMax = 4_000
        /// Refused publishes are expected, such as on a full disk.
        var allowsRefusals = false
        var allowsLateDeliveries = false
        var requestTimeout = Duration.seconds(60)
        var heartbeat = Duration.seconds(10)
    }

    let checker: ConfirmationChecker
    private let options: Options
    private let endpoint: ClientConfiguration.Endpoint
    private let token: String
    private let brokerState: @Sendable () -> String
    private let phase = Mutex(Phase.publishing)
    private let lastError = Mutex("none")
    private static let filler = (0..<1 << 16).map { _ in UInt8.random(in: 33...126) }

    private enum Phase { case publishing, draining, ended }

    /// `brokerState`: what a failure tells of the broker.
    init(host: String = "127.0.0.1", port: Int, token: String, options: Options = Options(), brokerState: @escaping @Sendable () -> String) {
        self.brokerState = brokerState
        endpoint = .init(host: host, port: port)
        self.token = token
        self.options = options
        checker = ConfirmationChecker(allowsLateDeliveries: options.allowsLateDeliveries)
    }

    /// Runs the load while `faults` runs, drains what is left, and expects that the checker has nothing to say. Returns what it counted.
    @discardableResult
    func run(during faults: () async throws -> Void) async throws -> ConfirmationChecker.Totals {
        let verdict = try await verdict(during: faults)
        #expect(verdict.isEmpty, "\(verdict.joined(separator: "\n"))")
        let totals = checker.totals
        #expect(totals.confirmed > 0 && totals.acknowledged > 0)
        #expect(totals.refused == 0 || options.allowsRefusals, "\(totals.refused) publishes were refused")
        return totals
    }

    /// The same; returns what the checker found to be wrong.
    func verdict(during faults: () async throws -> Void) async throws -> [String] {
        let first = try await connect()
        _ = try await first.declare(queue: Self.deadQueue, policy: Self.deadPolicy)
        _ = try await first.declare(queue: Self.queue, policy: Self.policy)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<options.hands { group.addTask { try await self.hand() } }
            do { try await faults() } catch {
                phase.withLock { $0 = .ended }
                throw error
            }
            phase.withLock { $0 = .draining }
            try await drain(first)
            phase.withLock { $0 = .ended }
            try await group.waitForAll()
        }
        await first.close()
        return checker.verdict()
    }

    /// Waits until more was confirmed than now.
    func progress(by count: Int = 1, within deadline: Duration = .seconds(60)) async throws {
        let wanted = checker.totals.confirmed + count
        let end = ContinuousClock.now + deadline
        while checker.totals.confirmed < wanted {
            guard ContinuousClock.now < end else {
                let missing = wanted - checker.totals.confirmed
                throw NoProgress(description: "\(missing) of \(count) publishes were not confirmed within \(deadline); \(state)")
            }
            // The load is others' work: it is looked at until the deadline.
            try await Task.sleep(for: .milliseconds(3))
        }
    }

    /// The exit code of a broker that ends of itself because of what the load makes it do.
    func end(of broker: LoneBroker, within deadline: Duration = .seconds(60)) async throws -> Int32 {
        do { return try await broker.end(within: deadline) } catch {
            throw NoProgress(description: "\(error)\n\(state)")
        }
    }

    /// Where the load and the broker stand.
    private var state: String {
        "backlog \(checker.backlog), refused \(checker.totals.refused), last error: \(lastError.withLock { $0 })\n\(brokerState())"
    }

    struct NoProgress: Error, CustomStringConvertible { let description: String }

    func connect() async throws -> SpindleClient {
        try await SpindleClient.connect(
            configuration: ClientConfiguration(
                endpoints: [endpoint], credential: .token(token), heartbeat: options.heartbeat, connectTimeout: .seconds(2),
                requestTimeout: options.requestTimeout, backoff: .init(initial: .milliseconds(5), cap: .milliseconds(20))))
    }

    private static var policy: QueuePolicy {
        var policy = QueuePolicy()
        policy.lease = lease
        policy.attemptsMax = 0
        policy.backoffInitial = .milliseconds(10)
        policy.backoffCap = .milliseconds(50)
        policy.deadLetterQueue = deadQueue
        policy.deduplicationWindow = .seconds(600)
        return policy
    }

    private static var deadPolicy: QueuePolicy {
        var policy = QueuePolicy()
        policy.attemptsMax = 0
        policy.lease = lease
        return policy
    }

    // MARK: One hand

    /// Publishes while the backlog allows it and works otherwise, one request after the other, over a connection of its own.
    private func hand() async throws {
        let client = try await connect()
        while true {
            let now = phase.withLock { $0 }
            guard now != .ended else { break }
            do {
                if now == .publishing, checker.backlog < options.backlogMax, Int.random(in: 0..<3) > 0 {
                    try await publish(client)
                } else {
                    // Dead letters hold the log's segments as all messages do.
                    if Int.random(in: 0..<4) == 0 { try await bury(client) }
                    try await work(client, wait: now == .publishing ? .zero : .milliseconds(100))
                }
            } catch let error as SpindleError where error.isRetryable || error.code == .timedOut || error.code == .outcomeUnknown {
                // No answer in time: nobody knows, and the checker was told nothing.
                lastError.withLock { $0 = "\(error)" }
                if error.code == .noSpace { checker.refused() }
            } catch {
                lastError.withLock { $0 = "a hand ended: \(error)" }
                throw error
            }
        }
        await client.close()
    }

    private func publish(_ client: SpindleClient) async throws {
        let numbers = checker.issue(Int.random(in: options.batch))
        var items = numbers.map { (number: $0, copy: 0) }
        // One in fifty has a key; a second copy of it follows at once or later in the same batch.
        for number in numbers where Self.isKeyed(number) { items.append((number, 1)) }
        let outcomes = try await client.publish(items.map { message($0.number, copy: $0.copy) }, to: Self.queue)
        for (item, outcome) in zip(items, outcomes) { checker.published(item.number, copy: item.copy, outcome) }
    }

    private static func isKeyed(_ number: Int) -> Bool { number % 50 == 7 }

    private func message(_ number: Int, copy: Int) -> Message {
        var body = Array("\(number) \(copy) ".utf8)
        let count = Int.random(in: options.bodyBytes)
        body += Self.filler[..<min(count, Self.filler.count)]
        var message = Message(body: body)
        if Self.isKeyed(number) { message.deduplicationKey = "k\(number)" }
        return message
    }

    private static func parse(_ body: [UInt8]) throws -> (number: Int, copy: Int) {
        let words = body.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        let number = try #require(words.count == 3 ? Int(String(decoding: words[0], as: UTF8.self)) : nil)
        return (number, try #require(Int(String(decoding: words[1], as: UTF8.self))))
    }

    private func work(_ client: SpindleClient, wait: Duration) async throws {
        let deliveries = try await client.lease(from: Self.queue, max: 200, duration: Self.lease, wait: wait)
        var acks: [(Int, DeliveryToken)] = []
        var nacks: [(Int, NegativeAcknowledgement)] = []
        var settled: [(Int, DeliveryToken)] = []
        for delivery in deliveries {
            let (number, copy) = try Self.parse(delivery.message.body)
            checker.delivered(number, copy: copy, delivery)
            switch Int.random(in: 0..<100) {
            case 0: break // forgotten: the lease runs out
            case 1..<4: nacks.append((number, NegativeAcknowledgement(token: delivery.token, disposition: .retry, reason: "again")))
            case 4..<6: nacks.append((number, NegativeAcknowledgement(token: delivery.token, disposition: .dead, reason: "enough")))
            case 6..<8: nacks.append((number, NegativeAcknowledgement(token: delivery.token, disposition: .release, reason: "not me")))
            case 8: settled.append((number, delivery.token))
            default: acks.append((number, delivery.token))
            }
        }
        if !acks.isEmpty { try await acknowledge(acks, client) }
        if !nacks.isEmpty { try await negativeAcknowledge(nacks, client) }
        for (number, token) in settled.prefix(3) { try await settle(number, token, client) }
    }

    private func acknowledge(_ items: [(number: Int, token: DeliveryToken)], _ client: SpindleClient) async throws {
        do {
            let outcomes = try await client.acknowledge(items.map(\.token))
            for (item, outcome) in zip(items, outcomes) {
                if outcome.isDone { checker.acknowledged(item.number) } else { checker.maybeSettled(item.number) }
            }
        } catch {
            for item in items { checker.maybeSettled(item.number) }
            throw error
        }
    }

    private func negativeAcknowledge(_ items: [(number: Int, nack: NegativeAcknowledgement)], _ client: SpindleClient) async throws {
        // Before the answer: the message may be delivered to another hand as soon as the broker has it.
        for item in items {
            switch item.nack.disposition {
            case .release: checker.released(item.number)
            case .dead: checker.condemned(item.number)
            case .retry: break
            }
        }
        do {
            let outcomes = try await client.negativeAcknowledge(items.map(\.nack))
            for (item, outcome) in zip(items, outcomes) where item.nack.disposition == .dead {
                if outcome.isDone { checker.died(item.number) } else { checker.maybeSettled(item.number) }
            }
        } catch {
            for item in items where item.nack.disposition == .dead { checker.maybeSettled(item.number) }
            throw error
        }
    }

    /// Acknowledges one message and publishes another, in one.
    private func settle(_ number: Int, _ token: DeliveryToken, _ client: SpindleClient) async throws {
        guard phase.withLock({ $0 }) == .publishing else { return try await acknowledge([(number, token)], client) }
        let published = checker.issue(1).lowerBound
        do {
            try await client.settle(Settlement(acknowledgements: [token], publishes: [.init(name: Self.queue, messages: [message(published, copy: 0)])]))
            checker.published(published)
            checker.acknowledged(number)
        } catch let error as SpindleError where error.code == .leaseLost {
            return // nothing happened
        } catch {
            checker.maybeSettled(number, epoch: token.epoch, publishing: published)
            throw error
        }
    }

    // MARK: The end

    /// The hands work until nothing is left, in the queue and in that of its dead letters.
    private func drain(_ client: SpindleClient) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while true {
            let figures = try await client.statistics(matching: Self.queue + "*")
            if figures.allSatisfy({ $0.ready + $0.leased + $0.delayed == 0 }) { break }
            try #require(ContinuousClock.now < end, "the queues do not drain: \(figures); \(state)")
            // The hands' work is looked at until the deadline.
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Looks at some dead letters, and acknowledges them. False: there were none.
    @discardableResult
    private func bury(_ client: SpindleClient) async throws -> Bool {
        let deliveries = try await client.lease(from: Self.deadQueue, max: 500)
        guard !deliveries.isEmpty else { return false }
        let numbers = try deliveries.map { delivery in
            #expect(delivery.deadLetter?.originQueue == Self.queue)
            return try Self.parse(delivery.message.body).number
        }
        for number in numbers { checker.foundDead(number) }
        for (number, outcome) in zip(numbers, try await client.acknowledge(deliveries.map(\.token))) where outcome.isDone { checker.buried(number) }
        return true
    }
}
