import ArgumentParser
import SpindleClient

struct MessageGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Everything about one message: its state, headers, body, and what became of its attempts.",
        discussion: """
            Example:
              spindle message get esprit-gen.dead 10000000200
            """)

    @Argument(help: "The queue.")
    var queue: String

    @Argument(help: "Its id.")
    var id: MessageID

    @Flag(help: "Show bodies as they are, also what a terminal obeys.")
    var raw = false

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let message = try await options.withClient { try await $0.message(id, in: queue) }
        if options.json { return try Output.json(StoredMessageView(message)) }
        StoredMessageText(stored: message, now: StoredMessageText.currentTime).show(isRaw: raw)
    }
}

/// One line for each message that a command changed.
private struct MessageReport {
    private struct Line: Encodable {
        let id: String
        let outcome: String
        let message: String?
    }

    private var lines: [Line] = []
    private var failures = 0

    mutating func add(_ id: MessageID, _ outcome: String) { lines.append(Line(id: "\(id)", outcome: outcome, message: nil)) }

    mutating func add(_ id: MessageID, failed outcome: String, _ message: String) {
        failures += 1
        lines.append(Line(id: "\(id)", outcome: outcome, message: message))
    }

    /// Exits with 1 when one of them was not changed.
    func finish(json: Bool) throws {
        for line in lines {
            if json { try Output.json(line) } else { Output.line("\(line.id)  \(line.message ?? line.outcome)") }
        }
        if failures > 0 { throw ExitCode.failure }
    }
}

struct MessageCancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Remove messages, whatever their state.",
        discussion: """
            The holder of a leased one is told to stop, and it is gone with the end of its lease.

            Example:
              spindle message cancel esprit-gen 10000000200 --reason 'the order was withdrawn'
            """)

    @Argument(help: "The queue.")
    var queue: String

    @Argument(help: "Their ids.")
    var ids: [MessageID]

    @Option(help: "Told to the worker that holds one.")
    var reason = ""

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let outcomes = try await options.withClient { try await $0.cancel(ids, in: queue, reason: reason) }
        var report = MessageReport()
        for (id, outcome) in zip(ids, outcomes) {
            switch outcome {
            case .removed(let was): report.add(id, "removed (it was \(was))")
            case .flagged: report.add(id, "flagged: gone when its lease ends")
            case .noSuchMessage: report.add(id, failed: "no_such_message", "there is no such message in \(queue)")
            case .failed(let error): report.add(id, failed: "failed", "\(error)")
            }
        }
        try report.finish(json: options.json)
    }
}

struct MessageRescheduleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reschedule", abstract: "Change when messages become ready.",
        discussion: """
            Example:
              spindle message reschedule esprit-gen 10000000200 --delay 2h
              spindle message reschedule esprit-gen 10000000200 --now
            """)

    @Argument(help: "The queue.")
    var queue: String

    @Argument(help: "Their ids.")
    var ids: [MessageID]

    @OptionGroup(title: "When") var ready: ReadyOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let outcomes = try await options.withClient { try await $0.reschedule(ids, in: queue, delay: ready.duration) }
        var report = MessageReport()
        for (id, outcome) in zip(ids, outcomes) {
            switch outcome {
            case .done: report.add(id, "rescheduled")
            case .leased: report.add(id, failed: "leased", "somebody holds it: cancel it, or wait until its lease ends")
            case .noSuchMessage: report.add(id, failed: "no_such_message", "there is no such message in \(queue)")
            case .failed(let error): report.add(id, failed: "failed", "\(error)")
            }
        }
        try report.finish(json: options.json)
    }
}

struct MessageAwaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "await", abstract: "Wait until messages are settled, and print the results that they left.",
        discussion: """
            The queue must keep results (`queue declare --result-retention`). Exits with 2 where one of them is still under way when the
            wait is over, and with 1 where one is dead, cancelled, or not known (any more).

            Example:
              spindle message await reports 10000000200 --wait 1m
            """)

    static let pending = ExitCode(2)

    @Argument(help: "The queue.")
    var queue: String

    @Argument(help: "Their ids, 1,000 at most.")
    var ids: [MessageID]

    @Option(help: "How long to wait.", transform: DurationArgument.parse)
    var wait = DurationArgument(.seconds(30))

    @OptionGroup var options: ClientOptions

    private struct Line: Encodable {
        let id: String
        let state: String
        let result: String?
        let resultBase64: String?
        let reason: String?
        let endedAtMs: Int64?
    }

    func validate() throws {
        if ids.count > 1000 { throw ValidationError("\(ids.count) ids: one command can wait for 1000 at most.") }
    }

    func run() async throws {
        let ends = try await options.withClient { try await $0.results(of: ids, in: queue, wait: wait.duration) }
        for (id, end) in zip(ids, ends) { try show(id, end) }
        if ends.contains(.pending) { throw Self.pending }
        let isEveryOneDone = ends.allSatisfy {
            switch $0 {
            case .acknowledged, .resultLeftOut: true
            case .unknown, .pending, .dead, .cancelled: false
            }
        }
        if !isEveryOneDone { throw ExitCode.failure }
    }

    private func show(_ id: MessageID, _ end: MessageEnd) throws {
        var line = (state: "", result: BodyText?.none, reason: String?.none, at: Int64?.none)
        let text: String
        switch end {
        case .unknown: (line.state, text) = ("unknown", "not known: it never was in \(queue), or its end is no longer remembered")
        case .pending: (line.state, text) = ("pending", "still under way")
        case .acknowledged(let result, let at):
            (line.state, line.at) = ("acknowledged", at)
            line.result = result.map { BodyText($0) }
            text = "done\(line.result.map { ": \($0.text)" } ?? "")"
        case .dead(let reason, let at): (line.state, line.reason, line.at, text) = ("dead", reason, at, "dead: \(reason)")
        case .cancelled(let at): (line.state, line.at, text) = ("cancelled", at, "cancelled")
        case .resultLeftOut(let at): (line.state, line.at, text) = ("result_left_out", at, "ended; what it left did not fit: ask for it alone")
        }
        guard options.json else { return Output.line("\(id)  \(text)") }
        try Output.json(Line(
            id: "\(id)", state: line.state, result: line.result?.body, resultBase64: line.result?.bodyBase64, reason: line.reason,
            endedAtMs: line.at))
    }
}
