import ArgumentParser
import Foundation
import SpindleClient
import SpindleCluster

struct MessageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "message", abstract: "Single messages: publish, lease and settle them, look at them, cancel them, wait for their results.",
        subcommands: [
            MessagePublishCommand.self, MessageLeaseCommand.self, MessageAcknowledgeCommand.self, MessageNegativeAcknowledgeCommand.self,
            MessageExtendCommand.self, MessageGetCommand.self, MessageCancelCommand.self, MessageRescheduleCommand.self, MessageAwaitCommand.self,
        ])
}

/// Where a message's body comes from.
struct BodyOptions: ParsableArguments {
    /// As much as a broker's frame can hold by default.
    private static let bytesMax = 16 << 20

    @Option(name: .shortAndLong, help: ArgumentHelp("The file with the body; - is standard input.", valueName: "file"))
    var file: String?

    @Option(name: .shortAndLong, parsing: .unconditional, help: ArgumentHelp("The body itself.", valueName: "text"))
    var text: String?

    @Option(help: ArgumentHelp("The body's media type.", valueName: "type"))
    var contentType: String?

    func validate() throws {
        if (file == nil) == (text == nil) { throw ValidationError("give the body with --file FILE (- for standard input) or --text TEXT.") }
    }

    func read() throws -> [UInt8] {
        if let text { return Array(text.utf8) }
        guard let file else { return [] }
        let data: Data
        do {
            let handle = file == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            data = try handle.readUpTo(Self.bytesMax + 1)
        } catch {
            throw CommandFailure("\(file) cannot be read: \(FileProblem.sentence(error))")
        }
        guard data.count <= Self.bytesMax else { throw CommandFailure("\(file) has more than \(Self.bytesMax) bytes, the most that a message can hold.") }
        return [UInt8](data)
    }
}

extension FileHandle {
    /// `read(upToCount:)` may return less than there is.
    fileprivate func readUpTo(_ count: Int) throws -> Data {
        var data = Data()
        while data.count < count, let part = try read(upToCount: count - data.count), !part.isEmpty { data += part }
        return data
    }
}

struct MessagePublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish", abstract: "Publish one message, and print its id when it is on the broker's disk.",
        discussion: """
            Example:
              spindle message publish reports --text 'hello' --content-type text/plain
              echo '{"taskType":"Report"}' | spindle message publish reports --file - --task-type Report
            """)

    @Argument(help: "The queue.")
    var queue: String

    @OptionGroup(title: "Body") var body: BodyOptions
    @OptionGroup(title: "Headers") var headers: HeaderOptions
    @OptionGroup var options: ClientOptions

    private struct Answer: Encodable {
        let queue: String
        let id: String
        let outcome: String
    }

    func run() async throws {
        let message = try headers.message(body: try body.read(), contentType: body.contentType)
        let (id, outcome) = try await options.withClient { client -> (MessageID, String) in
            guard let outcome = try await client.publish([message], to: queue).first else { throw CommandFailure("the broker gave no answer.") }
            switch outcome {
            case .stored(let id): return (id, "stored")
            case .duplicate(let id): return (id, "duplicate")
            case .refused(let error): throw error
            }
        }
        if options.json { return try Output.json(Answer(queue: queue, id: "\(id)", outcome: outcome)) }
        Output.line(outcome == "duplicate" ? "\(id) (was stored before: a message with this key is known)" : "\(id)")
    }
}

/// A message's headers.
struct HeaderOptions: ParsableArguments {
    @Option(help: "By what a worker chooses its handler.") var taskType: String?
    @Option(help: "Joins everything that one cause led to.") var correlationId: String?
    @Option(help: "Messages of one group are delivered in order, where the queue's policy says so.") var group: String?
    @Option(help: ArgumentHelp("One message with this key is accepted within the queue's window.", valueName: "key")) var dedupKey: String?
    @Option(help: ArgumentHelp("0 (last) to 9 (first).", valueName: "n")) var priority: Int = Int(Message.priorityDefault)
    @Option(help: "How long the message stays invisible.", transform: DurationArgument.parse) var delay: DurationArgument?
    @Option(help: "How long the message may wait.", transform: DurationArgument.parse) var ttl: DurationArgument?
    @Option(name: .customLong("header"), help: ArgumentHelp("A header of your own; may be repeated.", valueName: "name=value"))
    var userHeaders: [HeaderArgument] = []

    func validate() throws {
        guard (0...9).contains(priority) else { throw ValidationError("--priority must be from 0 to 9.") }
    }

    func message(body: [UInt8], contentType: String?) throws -> Message {
        Message(
            body: body, priority: UInt8(clamping: priority), delay: delay?.duration ?? .zero, timeToLive: ttl?.duration,
            correlationID: correlationId, contentType: contentType, taskType: taskType, group: group, deduplicationKey: dedupKey,
            userHeaders: userHeaders.map { Message.UserHeader(name: $0.name, value: $0.value) })
    }
}

struct MessageLeaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease", abstract: "Take messages for a time, and print them with their tokens.",
        discussion: """
            Every message must then be settled by its token, with `ack`, `nack` or `extend`; otherwise it is delivered again when its
            lease ends. Exits with 2 when there was no message. Of several queues the first that has a message gives it.

            Example:
              spindle message lease reports --max 10 --lease 1m --wait 5s
              spindle message lease urgent reports --wait 5s
            """)

    static let nothingThere = ExitCode(2)

    @Argument(help: ArgumentHelp("The queues, in their order.", valueName: "queue"))
    var queues: [String]

    @Option(help: ArgumentHelp("Most messages.", valueName: "n"))
    var max = 1

    @Option(help: "How long they are yours; without it as long as the queue says.", transform: DurationArgument.parse)
    var lease: DurationArgument?

    @Option(help: "How long to wait where there is no message.", transform: DurationArgument.parse)
    var wait = DurationArgument(.zero)

    @Flag(help: "Show bodies as they are, also what a terminal obeys.")
    var raw = false

    @OptionGroup var options: ClientOptions

    func validate() throws {
        guard (1...65_536).contains(max) else { throw ValidationError("--max must be from 1 to 65536.") }
    }

    func run() async throws {
        let deliveries = try await options.withClient {
            try await $0.lease(fromFirstOf: queues, max: max, duration: lease?.duration, wait: wait.duration)
        }
        for delivery in deliveries {
            if options.json { try Output.json(DeliveryView(delivery)) } else { show(delivery) }
        }
        guard deliveries.isEmpty else { return }
        if !options.json { Output.error("no message is ready in \(queues.joined(separator: ", "))") }
        throw Self.nothingThere
    }

    private func show(_ delivery: Delivery) {
        let message = delivery.message
        var facts = queues.count > 1 ? ["from \(delivery.queue)"] : []
        facts += ["attempt \(delivery.attempt)", "\(message.body.count) bytes"]
        if let type = message.taskType { facts.append("task \(type)") }
        if let type = message.contentType { facts.append(type) }
        if let group = message.group { facts.append("group \(group)") }
        if let id = message.correlationID { facts.append("correlation \(id)") }
        Output.line("\(delivery.token)  \(facts.joined(separator: ", "))")
        for header in message.userHeaders { Output.line("  \(header.name): \(header.value)") }
        if let dead = delivery.deadLetter {
            Output.line("  dead letter of \(dead.originQueue): \(dead.reason)")
            for attempt in dead.attempts { Output.line("    attempt \(attempt.number) by \(attempt.holder), \(attempt.outcome): \(attempt.reason)") }
        }
        Output.body(BodyText(message.body).text, indent: "  ", isRaw: raw)
    }
}

/// A leased message as scripts read it.
struct DeliveryView: Encodable {
    struct DeadLetter: Encodable {
        struct Attempt: Encodable {
            let number: Int
            let leasedAtMs: Int64
            let endedAtMs: Int64
            let holder: String
            let outcome: String
            let reason: String
        }

        let originQueue: String
        let reason: String
        let deadAtMs: Int64
        let attempts: [Attempt]

        init(_ note: DeadLetterNote) {
            originQueue = note.originQueue
            reason = note.reason
            deadAtMs = note.deadAtMilliseconds
            attempts = note.attempts.map {
                Attempt(
                    number: $0.number, leasedAtMs: $0.leasedAtMilliseconds, endedAtMs: $0.endedAtMilliseconds, holder: $0.holder,
                    outcome: "\($0.outcome)", reason: $0.reason)
            }
        }
    }

    private enum CodingKeys: CodingKey {
        case token, queue, attempt, storedAtMs, deadLetter
    }

    let delivery: Delivery

    init(_ delivery: Delivery) { self.delivery = delivery }

    /// What was delivered stands beside what is told of the delivery.
    func encode(to encoder: any Encoder) throws {
        try MessageView(delivery.message).encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode("\(delivery.token)", forKey: .token)
        try container.encode(delivery.queue, forKey: .queue)
        try container.encode(delivery.attempt, forKey: .attempt)
        try container.encode(delivery.storedAtMilliseconds, forKey: .storedAtMs)
        try container.encodeIfPresent(delivery.deadLetter.map { DeadLetter($0) }, forKey: .deadLetter)
    }
}
