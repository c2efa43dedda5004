import ArgumentParser
import SpindleClient

struct WorkerListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Who is connected to the broker, and what each of them works on.",
        discussion: """
            Session 0 stands for leases whose connection is gone: they come back to their queues when they end.

            Example:
              spindle worker ls
              spindle worker ls 'esprit-*' --leases --json
            """)

    @Argument(help: "Only programs with such names; * stands for any characters.")
    var pattern = "*"

    @Flag(help: "Also the messages that each of them holds.")
    var leases = false

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let sessions = try await options.withClient { try await $0.workers(matching: pattern, withLeases: leases) }
        if options.json { return try Output.json(sessions.map { WorkerView($0) }) }
        if sessions.isEmpty { return Output.line("nobody is connected whose name matches “\(pattern)”") }
        guard leases else {
            return Output.table(Self.heading, sessions.map { Self.row($0) })
        }
        for session in sessions {
            Output.line(Self.row(session).joined(separator: "  "))
            for lease in session.leases {
                let progress = lease.percent.map { ", \($0) %" } ?? ""
                let note = lease.note.isEmpty ? "" : ", “\(lease.note)”"
                let left = StoredMessageText.span(lease.endsAtMilliseconds - StoredMessageText.currentTime)
                Output.line("  \(lease.queue) \(lease.token), attempt \(lease.attempt), \(left) left\(progress)\(note)")
            }
        }
    }

    private static let heading = ["SESSION", "CLIENT", "VERSION", "PRINCIPAL", "ADDRESS", "HOLDS", "STATE", "LABELS"]

    private static func row(_ session: WorkerSession) -> [String] {
        guard session.id > 0 else { return ["0", "(connections that are gone)", "-", "-", "-", "\(session.held)", "-", "-"] }
        let state = session.isQuiet ? "quiet" : session.waits ? "waits" : session.held > 0 ? "works" : "idle"
        return [
            "\(session.id)", session.clientName, session.clientVersion, session.principal, session.address, "\(session.held)", state,
            session.labels.isEmpty ? "-" : session.labels.map { "\($0.name)=\($0.value)" }.joined(separator: ","),
        ]
    }
}

/// A session as scripts read it. Times are milliseconds of Unix time.
struct WorkerView: Encodable {
    struct Label: Encodable {
        let name: String
        let value: String
    }

    struct Lease: Encodable {
        let queue: String
        let token: String
        let attempt: Int
        let leasedAtMs: Int64
        let endsAtMs: Int64
        let percent: Int?
        let note: String?
    }

    let session: UInt64
    let client: String
    let version: String
    let principal: String
    let address: String
    let connectedAtMs: Int64
    let heardAtMs: Int64
    let isQuiet: Bool
    let waits: Bool
    let held: Int
    let labels: [Label]
    let leases: [Lease]

    init(_ worker: WorkerSession) {
        session = worker.id
        client = worker.clientName
        version = worker.clientVersion
        principal = worker.principal
        address = worker.address
        connectedAtMs = worker.connectedAtMilliseconds
        heardAtMs = worker.heardAtMilliseconds
        isQuiet = worker.isQuiet
        waits = worker.waits
        held = worker.held
        labels = worker.labels.map { Label(name: $0.name, value: $0.value) }
        leases = worker.leases.map {
            Lease(
                queue: $0.queue, token: "\($0.token)", attempt: $0.attempt, leasedAtMs: $0.leasedAtMilliseconds, endsAtMs: $0.endsAtMilliseconds,
                percent: $0.percent, note: $0.note.isEmpty ? nil : $0.note)
        }
    }
}

/// Which workers are meant.
struct WorkerSelectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The one with this session, as `worker ls` shows it.", valueName: "n"))
    var session: UInt64?

    @Option(help: ArgumentHelp("Those with this label.", valueName: "name=value"))
    var label: HeaderArgument?

    @Flag(help: "Every connection.")
    var all = false

    func validate() throws {
        guard [session != nil, label != nil, all].count(where: \.self) == 1 else {
            throw ValidationError("say which workers are meant: with --session N, --label NAME=VALUE, or --all.")
        }
        if session == 0 { throw ValidationError("--session 0 is no connection: those it stands for are gone.") }
    }

    var selection: WorkerSelection {
        if let session { return .session(session) }
        if let label { return .label(label.name, value: label.value) }
        return .all
    }
}

/// Tells the workers, and says how many were reached.
private struct WorkerControl {
    private struct Answer: Encodable {
        let action: String
        let sessionsReached: Int
    }

    let selection: WorkerSelectionOptions
    let options: ClientOptions

    func tell(_ action: WorkerAction, grace: Duration = .zero, reason: String) async throws {
        let reached = try await options.withClient { try await $0.control(selection.selection, action, grace: grace, reason: reason) }
        if options.json {
            try Output.json(Answer(action: "\(action)", sessionsReached: reached))
        } else {
            Output.line(reached == 0 ? "nobody was reached: no such worker is connected" : "\(reached) told to \(action == .quiet ? "be quiet" : "\(action)")")
        }
        if reached == 0 { throw ExitCode.failure }
    }
}

struct WorkerQuietCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quiet", abstract: "Tell workers to take nothing new and to finish what they hold.",
        discussion: """
            They stay connected; `worker resume` lets them go on. Exits with 1 where nobody was reached.

            Example:
              spindle worker quiet --label host=cam-03 --reason 'the machine is being serviced'
            """)

    @OptionGroup(title: "Which workers") var selection: WorkerSelectionOptions
    @Option(help: "Told to the workers.") var reason = ""
    @OptionGroup var options: ClientOptions

    func run() async throws { try await WorkerControl(selection: selection, options: options).tell(.quiet, reason: reason) }
}

struct WorkerResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let workers that were told to be quiet go on.",
        discussion: """
            Example:
              spindle worker resume --all
            """)

    @OptionGroup(title: "Which workers") var selection: WorkerSelectionOptions
    @Option(help: "Told to the workers.") var reason = ""
    @OptionGroup var options: ClientOptions

    func run() async throws { try await WorkerControl(selection: selection, options: options).tell(.resume, reason: reason) }
}

struct WorkerTerminateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "terminate", abstract: "Tell workers to finish what they hold within a time, hand back the rest, and end.",
        discussion: """
            It is a wish: a worker that does not follow keeps its leases until they run out, but gets nothing new.

            Example:
              spindle worker terminate --session 12 --grace 1m --yes
            """)

    @OptionGroup(title: "Which workers") var selection: WorkerSelectionOptions
    @Option(help: "How long they may finish what they hold.", transform: DurationArgument.parse) var grace = DurationArgument(.seconds(30))
    @Option(help: "Told to the workers.") var reason = ""
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try confirmation.confirm("ends \(selection.all ? "every worker" : "these workers")")
        try await WorkerControl(selection: selection, options: options).tell(.terminate, grace: grace.duration, reason: reason)
    }
}
