import ArgumentParser
import SpindleClient

struct TopicCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topic", abstract: "Topics: publish events and follow them, list topics, say how much history they keep.",
        subcommands: [TopicListCommand.self, TopicPublishCommand.self, TopicSubscribeCommand.self, TopicDeclareCommand.self])
}

struct TopicPublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish", abstract: "Publish one event, and print its cursor.",
        discussion: """
            Example:
              spindle topic publish notification.alert --content-type application/json \\
                --text '{"type":"note","title":"Hello","message":"from the command line","severity":"info"}'
            """)

    @Argument(help: "The topic.")
    var topic: String

    @OptionGroup(title: "Body") var body: BodyOptions
    @Option(help: "Joins everything that one cause led to.") var correlationId: String?
    @OptionGroup var options: ClientOptions

    private struct Answer: Encodable {
        let topic: String
        let cursor: String
    }

    func run() async throws {
        let event = Message(body: try body.read(), correlationID: correlationId, contentType: body.contentType)
        let cursors = try await options.withClient { try await $0.publish(events: [event], toTopic: topic) }
        guard let cursor = cursors.first else { throw CommandFailure("the broker gave no answer.") }
        if options.json { return try Output.json(Answer(topic: topic, cursor: "\(cursor)")) }
        Output.line("\(cursor)")
    }
}

struct TopicSubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe", abstract: "Print the events of topics as they come, until Ctrl-C.",
        discussion: """
            A line begins with the event's cursor; `--from CURSOR` goes on behind it.

            Example:
              spindle topic subscribe 'addin.job.*,notification.alert'
              spindle topic subscribe '*' --from earliest --count 10 --json
            """)

    enum Start: ExpressibleByArgument {
        case latest, earliest
        case after(TopicCursor)

        init?(argument: String) {
            switch argument {
            case "latest": self = .latest
            case "earliest": self = .earliest
            case let text:
                guard let cursor = TopicCursor(text) else { return nil }
                self = .after(cursor)
            }
        }

        var start: SubscriptionStart {
            switch self {
            case .latest: .latest
            case .earliest: .earliest
            case .after(let cursor): .after(cursor)
            }
        }
    }

    @Argument(help: "Topics: * stands for any characters, commas separate several.")
    var pattern: String

    @Option(help: ArgumentHelp("Where to begin: latest, earliest, or behind a cursor.", valueName: "where"))
    var from: Start?

    @Option(help: ArgumentHelp("End after so many events.", valueName: "n"))
    var count: Int?

    @Flag(help: "Show bodies as they are, also what a terminal obeys.")
    var raw = false

    @OptionGroup var options: ClientOptions

    private struct Line: Encodable {
        let cursor: String
        let topic: String?
        let storedAtMs: Int64?
        let correlationId: String?
        let body: String?
        let bodyBase64: String?
        /// Why what lay before the cursor is missing.
        let gap: String?
    }

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count must be at least 1.") }
    }

    func run() async throws {
        try await options.withClient { client in
            let subscription = try await client.subscribe(to: pattern, from: from?.start ?? .latest)
            var left = count ?? .max
            for try await element in subscription {
                switch element {
                case .gap(let cursor, let reason):
                    if options.json {
                        try Output.json(
                            Line(cursor: "\(cursor)", topic: nil, storedAtMs: nil, correlationId: nil, body: nil, bodyBase64: nil, gap: reason))
                    } else {
                        Output.line("\(cursor)  (events are missing before this: \(reason))")
                    }
                case .event(let event):
                    try show(event)
                    left -= 1
                    if left == 0 { return }
                }
            }
        }
    }

    private func show(_ event: TopicEvent) throws {
        let text = BodyText(event.message.body)
        guard options.json else {
            return Output.inline("\(event.cursor)  \(event.topic)  ", body: text.text, isRaw: raw)
        }
        try Output.json(
            Line(
                cursor: "\(event.cursor)", topic: event.topic, storedAtMs: event.storedAtMilliseconds, correlationId: event.message.correlationID,
                body: text.body, bodyBase64: text.bodyBase64, gap: nil))
    }
}
