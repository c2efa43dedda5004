import ArgumentParser
import SpindleClient
import SpindleCluster
import SpindleWire

struct QueueDeclareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "declare", abstract: "Make a queue, or change the named settings of one that is there.",
        discussion: """
            Settings that are not given stay as they are; a new queue has the description's defaults for them. A limit of 0 is none.

            Example:
              spindle queue declare reports --attempts-max 5 --lease 2m --dead-letter-retention 30d
              spindle queue declare esprit-gen --ordered-groups --concurrency-per-group 1 --rate-per-second 5
            """)

    enum Backoff: String, ExpressibleByArgument, CaseIterable {
        case fixed, exponential

        var number: UInt64 { self == .fixed ? 0 : 1 }
    }

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup(title: "Policy") var policy: Policy

    @Option(help: "How long dead letters of this queue are kept: the time to live of its dead-letter queue.", transform: DurationArgument.parse)
    var deadLetterRetention: DurationArgument?

    @OptionGroup var options: ClientOptions

    /// Names and help are the table's. ArgumentParser wants each option written out; `values` names all of them, which `validate` checks.
    struct Policy: ParsableArguments {
        @Option(name: .setting(.lease), help: .setting(.lease), transform: DurationArgument.parse) var lease: DurationArgument?
        @Option(name: .setting(.leaseMax), help: .setting(.leaseMax), transform: DurationArgument.parse) var leaseMax: DurationArgument?
        @Option(name: .setting(.attemptsMax), help: .setting(.attemptsMax)) var attemptsMax: Int?
        @Option(name: .setting(.backoffKind), help: .setting(.backoffKind)) var backoffKind: Backoff?
        @Option(name: .setting(.backoffInitial), help: .setting(.backoffInitial), transform: DurationArgument.parse) var backoffInitial: DurationArgument?
        @Option(name: .setting(.backoffCap), help: .setting(.backoffCap), transform: DurationArgument.parse) var backoffCap: DurationArgument?
        @Option(name: .setting(.backoffJitter), help: .setting(.backoffJitter)) var backoffJitter: Int?
        @Option(name: .setting(.deadLetterQueue), help: .setting(.deadLetterQueue)) var deadLetterQueue: String?
        @Option(name: .setting(.deadLetterTopic), help: .setting(.deadLetterTopic)) var deadLetterTopic: String?
        @Option(name: .setting(.delay), help: .setting(.delay), transform: DurationArgument.parse) var delay: DurationArgument?
        @Option(name: .setting(.timeToLive), help: .setting(.timeToLive), transform: DurationArgument.parse) var timeToLive: DurationArgument?
        @Option(name: .setting(.lengthMax), help: .setting(.lengthMax)) var lengthMax: Int?
        @Option(name: .setting(.bytesMax), help: .setting(.bytesMax)) var bytesMax: SizeArgument?
        @Option(name: .setting(.deduplicationWindow), help: .setting(.deduplicationWindow), transform: DurationArgument.parse) var deduplicationWindow: DurationArgument?
        @Flag(name: .setting(.orderedGroups), inversion: .prefixedNo, help: .setting(.orderedGroups)) var orderedGroups: Bool?
        @Flag(name: .setting(.priorities), inversion: .prefixedNo, help: .setting(.priorities)) var priorities: Bool?
        @Flag(name: .setting(.fairGroups), inversion: .prefixedNo, help: .setting(.fairGroups)) var fairGroups: Bool?
        @Option(name: .setting(.concurrency), help: .setting(.concurrency)) var concurrency: Int?
        @Option(name: .setting(.concurrencyPerGroup), help: .setting(.concurrencyPerGroup)) var concurrencyPerGroup: Int?
        @Option(name: .setting(.ratePerSecond), help: .setting(.ratePerSecond)) var ratePerSecond: Int?
        @Option(name: .setting(.ratePerSecondPerGroup), help: .setting(.ratePerSecondPerGroup)) var ratePerSecondPerGroup: Int?
        @Option(name: .setting(.resultRetention), help: .setting(.resultRetention), transform: DurationArgument.parse) var resultRetention: DurationArgument?

        private var values: [(setting: PolicySetting, value: UInt64?)] {
            [
                (.lease, lease?.milliseconds),
                (.leaseMax, leaseMax?.milliseconds),
                (.attemptsMax, Self.number(attemptsMax)),
                (.backoffKind, backoffKind?.number),
                (.backoffInitial, backoffInitial?.milliseconds),
                (.backoffCap, backoffCap?.milliseconds),
                (.backoffJitter, Self.number(backoffJitter)),
                (.delay, delay?.milliseconds),
                (.timeToLive, timeToLive?.milliseconds),
                (.lengthMax, Self.number(lengthMax)),
                (.bytesMax, Self.number(bytesMax?.bytes)),
                (.deduplicationWindow, deduplicationWindow?.milliseconds),
                (.orderedGroups, Self.flag(orderedGroups)),
                (.priorities, Self.flag(priorities)),
                (.fairGroups, Self.flag(fairGroups)),
                (.concurrency, Self.number(concurrency)),
                (.concurrencyPerGroup, Self.number(concurrencyPerGroup)),
                (.ratePerSecond, Self.number(ratePerSecond)),
                (.ratePerSecondPerGroup, Self.number(ratePerSecondPerGroup)),
                (.resultRetention, resultRetention?.milliseconds),
            ]
        }

        /// A negative number is one that no setting may be.
        private static func number(_ value: Int?) -> UInt64? { value.map { UInt64(exactly: $0) ?? .max } }
        private static func flag(_ value: Bool?) -> UInt64? { value.map { $0 ? 1 : 0 } }

        func validate() throws {
            for case (let setting, let value?) in values {
                do { try setting.check(value) } catch { throw ValidationError("--\(setting.option) must be \(setting.optionValues).") }
            }
        }

        var queuePolicy: QueuePolicy {
            var policy = QueuePolicy()
            for (setting, value) in values { policy.wire[setting] = value }
            policy.deadLetterQueue = deadLetterQueue
            policy.deadLetterTopic = deadLetterTopic
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

extension NameSpecification {
    fileprivate static func setting(_ setting: PolicySetting) -> NameSpecification { .customLong(setting.option) }
}

extension ArgumentHelp {
    fileprivate static func setting(_ setting: PolicySetting) -> ArgumentHelp {
        ArgumentHelp("\(setting.entry.summary)", discussion: "", valueName: setting.valueName)
    }
}

extension PolicySetting {
    /// What the option takes, which knows a limit that is off as 0, and percent.
    fileprivate var optionValues: String {
        guard entry.unit != .percent else { return "\(entry.range.lowerBound) to \(entry.range.upperBound)" }
        return allowedText.replacing(", none", with: ", or 0 for none")
    }

    /// What stands for the value in help.
    fileprivate var valueName: String {
        switch entry.unit {
        case .milliseconds: "duration"
        case .count: "n"
        case .bytes: "size"
        case .percent: "percent"
        case .flag: "flag"
        case .words(let words): words.joined(separator: "|")
        case .queueName: "queue"
        case .topicName: "topic"
        }
    }
}
