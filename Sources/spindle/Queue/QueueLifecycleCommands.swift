import ArgumentParser
import SpindleClient

private struct RemovedAnswer: Encodable {
    let queue: String
    let messagesRemoved: Int
}

struct QueueDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a queue.",
        discussion: """
            A queue that still has messages is refused, unless --with-messages says that they may go too.

            Example:
              spindle queue delete reports-old --yes
            """)

    @Argument(help: "The queue.")
    var name: String

    @Flag(help: "Also the messages that it has.")
    var withMessages = false

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try confirmation.confirm(withMessages ? "removes the queue \(name) and every message in it" : "removes the queue \(name)")
        let (removed, deadLetters) = try await options.withClient { client in
            // Asked before the queue is gone: its policy says where they are.
            let target = try await client.statistics(matching: name).first?.policy.deadLetterQueue ?? ""
            do {
                let removed = try await client.delete(queue: name, withMessages: withMessages)
                return (removed, target.isEmpty ? nil : try? await client.statistics(matching: target).first)
            } catch let error as SpindleError where error.code == .conflict {
                throw CommandFailure("\(error)", advice: "Let the messages be worked off, or remove them too with --with-messages.")
            }
        }
        if options.json { return try Output.json(RemovedAnswer(queue: name, messagesRemoved: removed)) }
        Output.line("\(name): removed, with \(removed) messages")
        if let deadLetters {
            let count = deadLetters.ready + deadLetters.leased + deadLetters.delayed
            let option = count > 0 ? " --with-messages" : ""
            Output.error("Its dead-letter queue \(deadLetters.name) stays, with \(count) messages: `spindle queue delete \(deadLetters.name)\(option)` removes it.")
        }
    }
}

struct QueuePurgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge", abstract: "Remove the messages of a queue that nobody works on.",
        discussion: """
            Leased messages stay. What is removed is gone: it does not become a dead letter.

            Example:
              spindle queue purge reports.dead --yes
            """)

    enum What: String, ExpressibleByArgument, CaseIterable { case ready, delayed, both }

    @Argument(help: "The queue.")
    var name: String

    @Option(help: ArgumentHelp("Which messages.", valueName: "ready|delayed|both"))
    var what = What.both

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let which =
            switch what {
            case .ready: "every ready message"
            case .delayed: "every delayed message"
            case .both: "every ready and every delayed message"
            }
        try confirmation.confirm("removes \(which) of \(name)")
        let removed = try await options.withClient {
            try await $0.purge(queue: name, ready: what != .delayed, delayed: what != .ready)
        }
        if options.json { return try Output.json(RemovedAnswer(queue: name, messagesRemoved: removed)) }
        Output.line("\(name): \(removed) messages removed")
    }
}

private struct PauseAnswer: Encodable {
    let queue: String
    let deliveriesPaused: Bool
    let publishesPaused: Bool
}

struct QueuePauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Stop the deliveries of a queue, its publishes, or both.",
        discussion: """
            It holds until `queue resume`, also over restarts. Workers that hold messages may finish them.

            Example:
              spindle queue pause esprit-gen --reason 'the CAM server is being serviced'
              spindle queue pause esprit-gen --what both
            """)

    enum What: String, ExpressibleByArgument, CaseIterable { case deliveries, publishes, both }

    @Argument(help: "The queue.")
    var name: String

    @Option(help: ArgumentHelp("What stops.", valueName: "deliveries|publishes|both"))
    var what = What.deliveries

    @Option(help: "Shown to whoever looks at the queue.")
    var reason = ""

    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient {
            try await $0.pause(queue: name, deliveries: what != .publishes, publishes: what != .deliveries, reason: reason)
        }
        if options.json {
            return try Output.json(PauseAnswer(queue: name, deliveriesPaused: what != .publishes, publishesPaused: what != .deliveries))
        }
        Output.line("\(name): \(what == .both ? "deliveries and publishes are" : "\(what.rawValue) are") paused")
    }
}

struct QueueResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "End a pause.",
        discussion: """
            Example:
              spindle queue resume esprit-gen
            """)

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient { try await $0.resume(queue: name) }
        if options.json { return try Output.json(PauseAnswer(queue: name, deliveriesPaused: false, publishesPaused: false)) }
        Output.line("\(name): resumed")
    }
}
