import ArgumentParser
import SpindleClient
import SpindleCluster

struct TopicListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "The topics, and how much history each of them holds.",
        discussion: """
            Example:
              spindle topic ls
              spindle topic ls 'addin.*' --json
            """)

    @Argument(help: "Only topics with such names; * stands for any characters.")
    var pattern = "*"

    @OptionGroup var options: ClientOptions

    private struct View: Encodable {
        let name: String
        let events: Int
        let bytes: Int
        let earliest: String
        let latest: String
        let published: Int
        let subscriptions: Int
        let oldestAgeMs: Int
    }

    func run() async throws {
        let topics = try await options.withClient { try await $0.topicStatistics(matching: pattern) }
        if options.json {
            return try Output.json(topics.map { topic in
                View(
                    name: topic.name, events: topic.events, bytes: topic.bytes, earliest: "\(topic.earliest)", latest: "\(topic.latest)",
                    published: topic.published, subscriptions: topic.subscriptions, oldestAgeMs: Int(topic.oldestAge.milliseconds))
            })
        }
        if topics.isEmpty { return Output.line("no topic matches “\(pattern)”") }
        Output.table(
            ["TOPIC", "EVENTS", "BYTES", "OLDEST", "PUBLISHED", "SUBSCRIBERS", "LATEST"],
            topics.map { topic in
                [
                    topic.name, "\(topic.events)", "\(topic.bytes)", topic.events == 0 ? "-" : Units.text(.seconds(topic.oldestAge.components.seconds)),
                    "\(topic.published)", "\(topic.subscriptions)", topic.events == 0 ? "-" : "\(topic.latest)",
                ]
            })
    }
}

struct TopicDeclareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "declare", abstract: "Say how much history topics keep.",
        discussion: """
            For every topic, present or future, whose name matches; of several declarations the one with the most characters besides '*' holds. Settings
            that are not given stay as they are. A limit of 0 is none.

            Example:
              spindle topic declare 'addin.*' --age 7d --events 100000
            """)

    @Argument(help: "The topics; * stands for any characters.")
    var pattern: String

    @Option(help: "Events older than this are dropped.", transform: DurationArgument.parse) var age: DurationArgument?
    @Option(help: ArgumentHelp("Of each topic the newest so many bytes are kept, such as 256MiB.", valueName: "size")) var bytes: SizeArgument?
    @Option(help: ArgumentHelp("Of each topic the newest so many events are kept.", valueName: "n")) var events: Int?

    @OptionGroup var options: ClientOptions

    private struct Answer: Encodable {
        let pattern: String
        let outcome: String
    }

    func validate() throws {
        if age == nil, bytes == nil, events == nil { throw ValidationError("say what is kept: with --age, --bytes or --events.") }
        if let events, events < 0 { throw ValidationError("--events must not be below 0.") }
    }

    func run() async throws {
        let retention = TopicRetention(ageMax: age?.duration, bytesMax: bytes?.bytes, eventsMax: events)
        let outcome = try await options.withClient { try await $0.declareTopics(matching: pattern, retention: retention) }
        if options.json { return try Output.json(Answer(pattern: pattern, outcome: "\(outcome)")) }
        Output.line("\(pattern): \(outcome)")
    }
}
