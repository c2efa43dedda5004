import ArgumentParser
import SpindleClient
import SpindleCluster

struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Queues: list, declare, pause and remove them; look at their messages and change many at once.",
        groupedSubcommands: [
            CommandGroup(name: "Queues:", subcommands: [
                QueueListCommand.self, QueueStatisticsCommand.self, QueueDeclareCommand.self, QueuePauseCommand.self, QueueResumeCommand.self,
                QueuePurgeCommand.self, QueueDeleteCommand.self,
            ]),
            CommandGroup(name: "Their messages:", subcommands: [
                QueueBrowseCommand.self, QueueRedriveCommand.self, QueueMoveCommand.self, QueueRescheduleCommand.self, QueueCancelCommand.self,
                QueueJobCommand.self,
            ]),
        ])
}

struct QueueListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "The queues, and what waits in them.",
        discussion: """
            Example:
              spindle queue ls
              spindle queue ls 'esprit-*' --json
            """)

    @Argument(help: "Only queues with such names; * stands for any characters.")
    var pattern = "*"

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let queues = try await options.withClient { try await $0.statistics(matching: pattern) }
        if options.json { return try Output.json(queues.map { QueueView($0) }) }
        if queues.isEmpty { return Output.line("no queue matches “\(pattern)”") }
        Output.table(
            ["QUEUE", "READY", "LEASED", "DELAYED", "OLDEST", "BYTES", "PUBLISHED", "ACKED", "DEAD"],
            queues.map { queue in
                [
                    queue.name + Self.pause(queue), "\(queue.ready)", "\(queue.leased)", "\(queue.delayed)",
                    queue.ready == 0 ? "-" : Units.text(.seconds(queue.oldestAge.components.seconds)), "\(queue.bytes)", "\(queue.published)",
                    "\(queue.acknowledged)", "\(queue.dead)",
                ]
            })
    }

    /// Behind a name.
    static func pause(_ queue: QueueStatistics) -> String {
        switch (queue.isDeliveryPaused, queue.isPublishPaused) {
        case (false, false): ""
        case (true, false): " (paused)"
        case (false, true): " (publishes paused)"
        case (true, true): " (all paused)"
        }
    }
}

struct QueueStatisticsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Everything about one queue: what it holds, what it has done, its policy.",
        discussion: """
            Example:
              spindle queue stats esprit-gen
            """)

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let queues = try await options.withClient { try await $0.statistics(matching: name) }
        guard let queue = queues.first(where: { $0.name == name }) else {
            throw CommandFailure("there is no queue “\(name)”.", advice: "`spindle queue ls` shows what there is; `spindle queue declare \(name)` makes it.")
        }
        let view = QueueView(queue)
        if options.json { return try Output.json(view) }
        let counts = [
            ("ready", queue.ready), ("leased", queue.leased), ("delayed", queue.delayed), ("bytes", queue.bytes), ("waiting workers", queue.waiters),
            ("published", queue.published), ("delivered", queue.delivered), ("acknowledged", queue.acknowledged), ("given back", queue.nacked),
            ("leases expired", queue.expired), ("dead", queue.dead), ("duplicates", queue.duplicates),
        ]
        Output.line("\(queue.name)\(QueueListCommand.pause(queue))\(queue.pauseReason.isEmpty ? "" : ": \(queue.pauseReason)")")
        for (label, value) in counts { Output.line("  \(label.padded(to: 18)) \(value)") }
        Output.line("  \("oldest ready".padded(to: 18)) \(Units.text(queue.oldestAge))")
        Output.line("policy")
        for (label, value) in view.policy.lines { Output.line("  \(label.padded(to: 18)) \(value)") }
    }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

/// A queue's figures as scripts read them. Durations in milliseconds.
struct QueueView: Encodable {
    let name: String
    let isPaused: Bool
    let deliveriesPaused: Bool
    let publishesPaused: Bool
    let pauseReason: String?
    let ready: Int
    let leased: Int
    let delayed: Int
    let bytes: Int
    let oldestAgeMs: Int
    let published: Int
    let delivered: Int
    let acknowledged: Int
    let nacked: Int
    let expired: Int
    let dead: Int
    let duplicates: Int
    let waiters: Int
    let policy: PolicyView

    init(_ queue: QueueStatistics) {
        name = queue.name
        isPaused = queue.isPaused
        deliveriesPaused = queue.isDeliveryPaused
        publishesPaused = queue.isPublishPaused
        pauseReason = queue.pauseReason.isEmpty ? nil : queue.pauseReason
        ready = queue.ready
        leased = queue.leased
        delayed = queue.delayed
        bytes = queue.bytes
        oldestAgeMs = Int(queue.oldestAge.milliseconds)
        published = queue.published
        delivered = queue.delivered
        acknowledged = queue.acknowledged
        nacked = queue.nacked
        expired = queue.expired
        dead = queue.dead
        duplicates = queue.duplicates
        waiters = queue.waiters
        policy = PolicyView(queue.policy)
    }
}

/// A queue's policy as scripts read it. Durations in milliseconds; what the broker does not tell is left out.
struct PolicyView: Encodable {
    var leaseMs: Int?
    var leaseMaxMs: Int?
    var attemptsMax: Int?
    var backoff: String?
    var backoffInitialMs: Int?
    var backoffCapMs: Int?
    var backoffJitterPercent: Int?
    var deadLetterQueue: String?
    var delayMs: Int?
    var timeToLiveMs: Int?
    var lengthMax: Int?
    var bytesMax: Int?
    var dedupWindowMs: Int?
    var orderedGroups: Bool?
    var priorities: Bool?
    var concurrencyMax: Int?
    var concurrencyPerGroupMax: Int?
    var ratePerSecondMax: Int?
    var ratePerSecondPerGroupMax: Int?
    var fairGroups: Bool?
    var resultRetentionMs: Int?

    init(_ policy: QueuePolicy) {
        func milliseconds(_ duration: Duration?) -> Int? { duration.map { Int($0.milliseconds) } }
        leaseMs = milliseconds(policy.lease)
        leaseMaxMs = milliseconds(policy.leaseMax)
        attemptsMax = policy.attemptsMax
        backoff = policy.backoffKind.map { $0 == .fixed ? "fixed" : "exponential" }
        backoffInitialMs = milliseconds(policy.backoffInitial)
        backoffCapMs = milliseconds(policy.backoffCap)
        backoffJitterPercent = policy.backoffJitterPercent
        deadLetterQueue = policy.deadLetterQueue
        delayMs = milliseconds(policy.delay)
        timeToLiveMs = milliseconds(policy.timeToLive)
        lengthMax = policy.lengthMax
        bytesMax = policy.bytesMax
        dedupWindowMs = milliseconds(policy.deduplicationWindow)
        orderedGroups = policy.orderedGroups
        priorities = policy.priorities
        concurrencyMax = policy.concurrencyMax
        concurrencyPerGroupMax = policy.concurrencyPerGroupMax
        ratePerSecondMax = policy.ratePerSecondMax
        ratePerSecondPerGroupMax = policy.ratePerSecondPerGroupMax
        fairGroups = policy.fairGroups
        resultRetentionMs = milliseconds(policy.resultRetention)
    }

    /// For people: names as `queue declare` takes them.
    var lines: [(String, String)] {
        func time(_ label: String, _ milliseconds: Int?) -> (String, String)? { milliseconds.map { (label, Units.text(.milliseconds($0))) } }
        func number(_ label: String, _ value: Int?) -> (String, String)? { value.map { (label, $0 == 0 ? "no limit" : "\($0)") } }
        func choice(_ label: String, _ value: Bool?) -> (String, String)? { value.map { (label, $0 ? "yes" : "no") } }
        let lines: [(String, String)?] = [
            time("lease", leaseMs), time("lease-max", leaseMaxMs), number("attempts", attemptsMax), backoff.map { ("backoff", $0) },
            time("backoff-initial", backoffInitialMs), time("backoff-cap", backoffCapMs), backoffJitterPercent.map { ("jitter", "\($0) %") },
            deadLetterQueue.map { ("dead-letter-queue", $0.isEmpty ? "none, dead messages are dropped" : $0) }, time("delay", delayMs),
            timeToLiveMs.map { ("ttl", $0 == 0 ? "no limit" : Units.text(.milliseconds($0))) }, number("length-max", lengthMax),
            number("bytes-max", bytesMax), time("dedup-window", dedupWindowMs), choice("ordered-groups", orderedGroups),
            choice("priorities", priorities), number("concurrency", concurrencyMax), number("concurrency-per-group", concurrencyPerGroupMax),
            number("rate", ratePerSecondMax), number("rate-per-group", ratePerSecondPerGroupMax), choice("fair-groups", fairGroups),
            resultRetentionMs.map { ("result-retention", $0 == 0 ? "none are kept" : Units.text(.milliseconds($0))) },
        ]
        return lines.compactMap(\.self)
    }
}
