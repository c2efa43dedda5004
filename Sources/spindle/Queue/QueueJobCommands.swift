public import ArgumentParser
public import SpindleClient

extension Job.ID: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

/// How a change of many messages is made, and shown.
struct JobOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Change so many at most; 0: all that match.", valueName: "n"))
    var max = 0

    @Option(help: ArgumentHelp("So many messages a second; 0: as fast as the broker likes.", valueName: "n"))
    var rate = 0

    /// Most changes are over at once: that is waited for unasked.
    private static let glances = 10
    private static let glanceInterval = Duration.milliseconds(50)

    @Flag(help: "Wait until it is done, however long. Without it the broker goes on by itself.")
    var wait = false

    func validate() throws {
        if max < 0 || max > Int(UInt32.max) { throw ValidationError("--max must be from 0 to \(UInt32.max).") }
        if rate < 0 || rate > Int(UInt32.max) { throw ValidationError("--rate must be from 0 to \(UInt32.max).") }
    }

    /// Waits where that was asked for, and says how it stands. Exits with 1 where messages could not be changed.
    func follow(_ job: Job, json: Bool) async throws {
        var progress = wait ? try await job.ended() : job.begun
        for _ in 0..<Self.glances where progress.state == .running {
            try await Task.sleep(for: Self.glanceInterval)
            progress = try await job.progress()
        }
        try JobReport(queue: job.queue, job: job.id, progress).show(json: json)
    }
}

/// How a job stands.
struct JobReport {
    private struct Answer: Encodable {
        let job: String
        let queue: String
        let state: String
        let matched: Int
        let done: Int
        let failed: Int
        let lastFailure: String?
    }

    let queue: String
    let job: Job.ID
    let progress: JobProgress

    init(queue: String, job: Job.ID, _ progress: JobProgress) {
        self.queue = queue
        self.job = job
        self.progress = progress
    }

    func show(json: Bool) throws {
        if json {
            try Output.json(Answer(
                job: "\(job)", queue: queue, state: "\(progress.state)", matched: progress.matched, done: progress.done, failed: progress.failed,
                lastFailure: progress.lastFailure))
        } else {
            Output.line("job \(job): \(progress.state), \(progress.done) of \(progress.matched) messages changed, \(progress.failed) could not be")
            if let reason = progress.lastFailure { Output.line("  the last of those: \(reason)") }
            if progress.state == .running { Output.line("  `spindle queue job \(queue) \(job)` shows how it goes on") }
        }
        if progress.failed > 0 { throw ExitCode.failure }
    }
}

struct QueueRedriveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive", abstract: "Put dead letters back to where they came from.",
        discussion: """
            Their attempts count from 0 again; the history stays with them. Each is in exactly one of the two queues at any time.

            Example:
              spindle queue redrive esprit-gen.dead --wait
              spindle queue redrive esprit-gen.dead --reason-contains 'W:' --rate 5 --to esprit-gen-2
            """)

    @Argument(help: "The dead-letter queue.")
    var name: String

    @Option(help: ArgumentHelp("Another queue than the one that they came from.", valueName: "queue"))
    var to: String?

    @OptionGroup(title: "Which messages") var filter: FilterOptions
    @OptionGroup(title: "How") var how: JobOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { client in
            let job = try await client.redrive(name, to: to, where: filter.filter, max: how.max, ratePerSecond: how.rate)
            try await how.follow(job, json: options.json)
        }
    }
}

/// Which messages, where all of them must be said in as many words.
struct ChosenOptions: ParsableArguments {
    @OptionGroup var filter: FilterOptions

    @Flag(help: "Every message of the queue.")
    var all = false

    func validate() throws {
        if all == !filter.filter.isEmpty {
            throw ValidationError(
                all ? "--all and a condition exclude each other." : "say which messages are meant, with --header, --older-than and the like, or --all.")
        }
    }

    /// For a question.
    var words: String { all ? "every message" : "every message that meets the conditions" }
}

struct QueueCancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Remove the messages that meet some conditions, whatever their state.",
        discussion: """
            The holders of leased messages are told to stop, and those are gone with the end of their leases.

            Example:
              spindle queue cancel esprit-gen --header routing=17 --reason 'the order was withdrawn' --yes
            """)

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup(title: "Which messages") var chosen: ChosenOptions

    @Option(help: "Told to the workers that hold some of them.")
    var reason = ""

    @OptionGroup(title: "How") var how: JobOptions
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try confirmation.confirm("removes \(chosen.words) of \(name)")
        try await options.withClient { client in
            let job = try await client.change(
                .cancel(reason: reason), in: name, where: chosen.filter.filter, max: how.max, ratePerSecond: how.rate)
            try await how.follow(job, json: options.json)
        }
    }
}

struct QueueMoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Move messages that nobody works on to another queue.",
        discussion: """
            Attempts are kept. Leased messages stay, and are counted as failed.

            Example:
              spindle queue move esprit-gen --to esprit-gen-2 --group routing-17 --wait
            """)

    @Argument(help: "The queue.")
    var name: String

    @Option(help: ArgumentHelp("Where they go.", valueName: "queue"))
    var to: String

    @OptionGroup(title: "Which messages") var chosen: ChosenOptions
    @OptionGroup(title: "How") var how: JobOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { client in
            let job = try await client.change(.move(target: to), in: name, where: chosen.filter.filter, max: how.max, ratePerSecond: how.rate)
            try await how.follow(job, json: options.json)
        }
    }
}

/// When messages shall become ready.
struct ReadyOptions: ParsableArguments {
    @Option(help: "Ready so long from now.", transform: DurationArgument.parse)
    var delay: DurationArgument?

    @Flag(help: "Ready at once.")
    var now = false

    func validate() throws {
        if now == (delay != nil) { throw ValidationError("say when they shall be ready: with --delay DURATION, or --now.") }
    }

    var duration: Duration { delay?.duration ?? .zero }
}

struct QueueRescheduleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reschedule", abstract: "Change when the messages that meet some conditions become ready.",
        discussion: """
            Example:
              spindle queue reschedule esprit-gen --state delayed --now
              spindle queue reschedule reports --all --delay 2h
            """)

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup(title: "When") var ready: ReadyOptions
    @OptionGroup(title: "Which messages") var chosen: ChosenOptions
    @OptionGroup(title: "How") var how: JobOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { client in
            let job = try await client.change(
                .reschedule(delay: ready.duration), in: name, where: chosen.filter.filter, max: how.max, ratePerSecond: how.rate)
            try await how.follow(job, json: options.json)
        }
    }
}

struct QueueJobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "Look at a change that goes on at the broker, or stop it.",
        discussion: """
            Changes that ended are remembered for a day. Exits with 1 where messages could not be changed.

            Example:
              spindle queue job esprit-gen.dead 1f
              spindle queue job esprit-gen.dead 1f --stop
            """)

    @Argument(help: "The queue whose messages it changes.")
    var name: String

    @Argument(help: "Its number, as the command that began it printed it.")
    var job: Job.ID

    @Flag(help: "Stop it; what was changed stays changed.")
    var stop = false

    @Flag(help: "Wait until it is done.")
    var wait = false

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if stop && wait { throw ValidationError("--stop and --wait exclude each other.") }
    }

    func run() async throws {
        let progress = try await options.withClient { client in
            if stop { return try await client.stop(job: job, in: name) }
            var progress = try await client.progress(ofJob: job, in: name)
            while wait, progress.state == .running {
                try await Task.sleep(for: .milliseconds(500))
                progress = try await client.progress(ofJob: job, in: name)
            }
            return progress
        }
        try JobReport(queue: name, job: job, progress).show(json: options.json)
    }
}
