import ArgumentParser
import SpindleClient
import SpindleCluster
import SpindleWire

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
        for (label, value) in view.policy.lines { Output.line("  \(label.padded(to: 26)) \(value)") }
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

/// A queue's policy as scripts read it: the table's names. Durations in milliseconds; what the broker does not tell is left out.
struct PolicyView: Encodable {
    private let policy: QueuePolicyFields

    init(_ policy: QueuePolicy) { self.policy = policy.wire }

    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int? = nil

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        for setting in PolicySetting.allCases where setting.isName {
            try values.encodeIfPresent(policy[name: setting], forKey: Key(stringValue: setting.name))
        }
        for setting in PolicySetting.allCases {
            guard let value = policy[setting] else { continue }
            switch setting.entry.unit {
            case .milliseconds: try values.encode(value, forKey: Key(stringValue: setting.name + "Ms"))
            case .percent: try values.encode(value, forKey: Key(stringValue: setting.name + "Percent"))
            case .count, .bytes, .queueName, .topicName: try values.encode(value, forKey: Key(stringValue: setting.name))
            case .flag: try values.encode(value != 0, forKey: Key(stringValue: setting.name))
            case .words: try values.encode(setting.text(value), forKey: Key(stringValue: setting.name))
            }
        }
    }

    /// For people: names as `queue declare` takes them.
    var lines: [(String, String)] {
        PolicySetting.allCases.compactMap { setting in
            if setting == .deadLetterQueue {
                return policy.deadLetterQueue.map { (setting.option, $0.isEmpty ? "none, dead messages are dropped" : $0) }
            }
            if setting == .deadLetterTopic { return policy.deadLetterTopic.map { (setting.option, $0.isEmpty ? "none" : $0) } }
            guard let value = policy[setting] else { return nil }
            return (setting.option, setting.entry.unit == .percent ? "\(value) %" : setting.text(value))
        }
    }
}
