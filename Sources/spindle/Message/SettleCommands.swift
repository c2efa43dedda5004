public import ArgumentParser
public import SpindleClient

extension DeliveryToken: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

/// What became of each token that a command settled.
struct SettleReport {
    private struct Line: Encodable {
        let token: String
        let outcome: String
        let message: String?
    }

    private var lines: [Line] = []
    private var failures = 0

    mutating func add(_ token: DeliveryToken, done: String) {
        lines.append(Line(token: "\(token)", outcome: done, message: nil))
    }

    mutating func addLost(_ token: DeliveryToken, _ reason: String) {
        failures += 1
        lines.append(Line(token: "\(token)", outcome: "lease_lost", message: reason))
    }

    mutating func add(_ token: DeliveryToken, failed error: SpindleError) {
        failures += 1
        lines.append(Line(token: "\(token)", outcome: "failed", message: "\(error)"))
    }

    mutating func add(_ token: DeliveryToken, _ outcome: SettleOutcome, done: String) {
        switch outcome {
        case .done: add(token, done: done)
        case .leaseLost(let reason): addLost(token, reason)
        case .failed(let error): add(token, failed: error)
        }
    }

    /// Exits with 1 when one of them was not settled.
    func finish(json: Bool) throws {
        for line in lines {
            if json { try Output.json(line) } else { Output.line("\(line.token)  \(line.message ?? line.outcome)") }
        }
        if failures > 0 { throw ExitCode.failure }
    }
}

struct MessageAcknowledgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ack", abstract: "Acknowledge leased messages: they are done, and gone.",
        discussion: """
            Example:
              spindle message ack 10000000200.1
              spindle message ack 10000000200.1 --result '{"rows":17}'
            """)

    @Argument(help: "Tokens, as `spindle message lease` prints them.")
    var tokens: [DeliveryToken]

    @Option(help: ArgumentHelp("What the message leaves behind for `message await`, 4,096 bytes at most; with one token only.", valueName: "text"))
    var result: String?

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if let result {
            if tokens.count != 1 { throw ValidationError("--result belongs to one message: give one token.") }
            if result.utf8.count > 4096 { throw ValidationError("--result has \(result.utf8.count) bytes: 4096 at most are kept.") }
        }
    }

    func run() async throws {
        let outcomes = try await options.withClient { client in
            if let result { return [try await client.acknowledge(tokens[0], result: Array(result.utf8))] }
            return try await client.acknowledge(tokens)
        }
        var report = SettleReport()
        for (token, outcome) in zip(tokens, outcomes) { report.add(token, outcome, done: "acknowledged") }
        try report.finish(json: options.json)
    }
}

struct MessageNegativeAcknowledgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nack", abstract: "Give leased messages back, for another attempt or to the dead-letter queue.",
        discussion: """
            Example:
              spindle message nack 10000000200.1 --delay 30s --reason 'the share is not mounted'
              spindle message nack 10000000200.2 --dead --reason 'no such routing'
            """)

    @Argument(help: "Tokens, as `spindle message lease` prints them.")
    var tokens: [DeliveryToken]

    @Option(help: "Kept in the message's history.")
    var reason = ""

    @Option(help: "Until the next attempt; without it the queue's back-off decides.", transform: DurationArgument.parse)
    var delay: DurationArgument?

    @Flag(help: "To the dead-letter queue at once.")
    var dead = false

    @Flag(help: "As if it had never been leased: the attempt does not count.")
    var release = false

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if dead && release { throw ValidationError("--dead and --release exclude each other.") }
        if dead && delay != nil { throw ValidationError("--delay has no meaning with --dead.") }
    }

    func run() async throws {
        let disposition: NegativeAcknowledgement.Disposition = dead ? .dead : release ? .release : .retry
        let items = tokens.map { NegativeAcknowledgement(token: $0, disposition: disposition, delay: delay?.duration, reason: reason) }
        let outcomes = try await options.withClient { try await $0.negativeAcknowledge(items) }
        var report = SettleReport()
        for (token, outcome) in zip(tokens, outcomes) { report.add(token, outcome, done: "given back") }
        try report.finish(json: options.json)
    }
}

struct MessageExtendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extend", abstract: "Hold leased messages longer, and say how far the work is.",
        discussion: """
            Example:
              spindle message extend 10000000200.1 --lease 5m --percent 40 --note 'roughing'
            """)

    @Argument(help: "Tokens, as `spindle message lease` prints them.")
    var tokens: [DeliveryToken]

    @Option(help: "How long from now; without it as long as the queue says.", transform: DurationArgument.parse)
    var lease: DurationArgument?

    @Option(help: ArgumentHelp("How far the work is, 0 to 100.", valueName: "n"))
    var percent: Int?

    @Option(help: "What is being done.")
    var note = ""

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if let percent, !(0...100).contains(percent) { throw ValidationError("--percent must be from 0 to 100.") }
    }

    func run() async throws {
        let items = tokens.map { LeaseExtension(token: $0, percent: percent, note: note) }
        let outcomes = try await options.withClient { try await $0.extend(items, by: lease?.duration) }
        var report = SettleReport()
        for (token, outcome) in zip(tokens, outcomes) {
            switch outcome {
            case .extended(let cancelled): report.add(token, done: cancelled ? "cancelled" : "extended")
            case .leaseLost(let reason): report.addLost(token, reason)
            case .failed(let error): report.add(token, failed: error)
            }
        }
        try report.finish(json: options.json)
    }
}
