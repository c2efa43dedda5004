import ArgumentParser
import SpindleClient

struct QueueDeclareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "declare", abstract: "Make a queue, or change the named settings of one that is there.",
        discussion: """
            Settings that are not given stay as they are; a new queue has the broker's defaults for them. A limit of 0 is none.

            Example:
              spindle queue declare reports --attempts 5 --lease 2m --dead-letter-retention 30d
              spindle queue declare esprit-gen --ordered-groups --concurrency-per-group 1 --rate 5
            """)

    enum Backoff: String, ExpressibleByArgument, CaseIterable { case fixed, exponential }

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup(title: "Policy") var policy: Policy

    @Option(help: "How long dead letters of this queue are kept: the time to live of its dead-letter queue.")
    var deadLetterRetention: DurationArgument?

    @OptionGroup var options: ClientOptions

    struct Policy: ParsableArguments {
        @Option(help: "The lease that a message gets when the worker names none.") var lease: DurationArgument?
        @Option(help: "The longest lease that a worker may ask for.") var leaseMax: DurationArgument?
        @Option(help: "Deliveries before a message is dead.") var attempts: Int?
        @Option(help: "How the wait before another delivery grows.") var backoff: Backoff?
        @Option(help: "The wait after the first failure.") var backoffInitial: DurationArgument?
        @Option(help: "The longest wait.") var backoffCap: DurationArgument?
        @Option(help: ArgumentHelp("The share of the wait that is chance.", valueName: "percent")) var jitter: Int?
        @Option(help: ArgumentHelp("Where dead messages go.", valueName: "queue")) var deadLetterQueue: String?
        @Option(help: "How long every message stays invisible at first.") var delay: DurationArgument?
        @Option(help: "How long a message may wait.") var ttl: DurationArgument?
        @Option(help: "Messages from which on publishes are refused.") var lengthMax: Int?
        @Option(help: ArgumentHelp("Size from which on publishes are refused, such as 16MiB.", valueName: "size")) var bytesMax: SizeArgument?
        @Option(help: "How long a deduplication key is remembered.") var dedupWindow: DurationArgument?
        @Flag(inversion: .prefixedNo, help: "Messages of one group one at a time, in order.") var orderedGroups: Bool?
        @Flag(inversion: .prefixedNo, help: "Messages of higher priority first.") var priorities: Bool?
        @Option(help: "Leases held at once.") var concurrency: Int?
        @Option(help: "Leases held at once per group.") var concurrencyPerGroup: Int?
        @Option(help: ArgumentHelp("Deliveries a second.", valueName: "n")) var rate: Int?
        @Option(help: ArgumentHelp("Deliveries a second of each group.", valueName: "n")) var ratePerGroup: Int?
        @Flag(inversion: .prefixedNo, help: "The groups that can deliver take turns.") var fairGroups: Bool?
        @Option(help: "How long the results of acknowledged messages are kept, for `message await`.") var resultRetention: DurationArgument?

        func validate() throws {
            let numbers = [
                ("--attempts", attempts), ("--length-max", lengthMax), ("--concurrency", concurrency), ("--concurrency-per-group", concurrencyPerGroup),
                ("--rate", rate), ("--rate-per-group", ratePerGroup),
            ]
            for (name, value) in numbers { if let value, value < 0 { throw ValidationError("\(name) must not be below 0.") } }
            if let jitter, !(0...100).contains(jitter) { throw ValidationError("--jitter must be from 0 to 100.") }
        }

        var queuePolicy: QueuePolicy {
            var policy = QueuePolicy()
            policy.lease = lease?.duration
            policy.leaseMax = leaseMax?.duration
            policy.attemptsMax = attempts
            policy.backoffKind = backoff.map { $0 == .fixed ? .fixed : .exponential }
            policy.backoffInitial = backoffInitial?.duration
            policy.backoffCap = backoffCap?.duration
            policy.backoffJitterPercent = jitter
            policy.deadLetterQueue = deadLetterQueue
            policy.delay = delay?.duration
            policy.timeToLive = ttl?.duration
            policy.lengthMax = lengthMax
            policy.bytesMax = bytesMax?.bytes
            policy.deduplicationWindow = dedupWindow?.duration
            policy.orderedGroups = orderedGroups
            policy.priorities = priorities
            policy.concurrencyMax = concurrency
            policy.concurrencyPerGroupMax = concurrencyPerGroup
            policy.ratePerSecondMax = rate
            policy.ratePerSecondPerGroupMax = ratePerGroup
            policy.fairGroups = fairGroups
            policy.resultRetention = resultRetention?.duration
            return policy
        }
    }

    private struct Answer: Encodable {
        let queue: String
        let outcome: String
    }

    func run() async throws {
        let outcome = try await options.withClient { client in
            let outcome = try await client.declare(queue: name, policy: policy.queuePolicy)
            if let deadLetterRetention { try await keepDeadLetters(deadLetterRetention.duration, client) }
            return outcome
        }
        let text =
            switch outcome {
            case .created: "created"
            case .changed: "changed"
            case .unchanged: "unchanged"
            }
        if options.json { return try Output.json(Answer(queue: name, outcome: text)) }
        Output.line("\(name): \(text)")
    }

    private func keepDeadLetters(_ retention: Duration, _ client: SpindleClient) async throws {
        let queue = try await client.statistics(matching: name).first { $0.name == name }
        guard let deadLetters = queue?.policy.deadLetterQueue, !deadLetters.isEmpty else {
            throw CommandFailure(
                "\(name) has no dead-letter queue, so there is nothing to keep.", advice: "Give it one with --dead-letter-queue, or leave --dead-letter-retention out.")
        }
        var policy = QueuePolicy()
        policy.timeToLive = retention
        try await client.declare(queue: deadLetters, policy: policy)
    }
}
