import ArgumentParser
import Foundation
import MCMS
import Outbox
import SpindleCluster

/// Messages that wait in the application's database for the broker, and those that it will not take.
struct OutboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox", abstract: "Messages on their way from the database to the broker.",
        discussion: """
            A change and the message that announces it are written in one transaction; a relay publishes the message afterwards. A message
            whose destination is paused, full or not declared waits. One that can never be published is dead, and stays for an operator.
            """,
        subcommands: [OutboxListCommand.self, OutboxShowCommand.self, OutboxRedriveCommand.self])
}

/// The database of a cluster on this machine.
struct OutboxOptions: ParsableArguments {
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    func store() throws -> MCMSStore {
        let configuration = try cluster.load()
        try DataDirectory(path: configuration.dataDirectory).checkReadable()
        guard let path = configuration.domain.map({ configuration.resolve($0.database) }) else {
            throw CommandFailure("the description has no database.", advice: "Add `domain:` with its `database:`, as in `spindle config show`.")
        }
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure("there is no database \(path).", advice: "Say with --data or --config which cluster is meant.")
        }
        return try DomainStore.open(configuration)
    }
}

struct OutboxView: Encodable {
    let id: String
    let type: String
    let key: String?
    let destination: String
    let status: String
    let attempts: Int64
    let error: String?
    let correlationId: String?
    let createdAtMs: Int64
    let nextAttemptAtMs: Int64?
    let lockedBy: String?
    let publishedAtMs: Int64?

    init(_ row: OutboxRow) {
        id = row.id
        type = row.type
        key = row.key
        destination = row.destination
        status = row.status.rawValue
        attempts = row.attempts
        error = row.error.isEmpty ? nil : row.error
        correlationId = row.correlationID
        createdAtMs = row.createdAt
        nextAttemptAtMs = row.status == .pending ? row.nextAttemptAt : nil
        lockedBy = row.lockedBy
        publishedAtMs = row.publishedAt
    }
}

struct OutboxListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Rows that are not published, oldest first: those that wait, and dead ones.",
        discussion: """
            Example:
              spindle outbox ls
              spindle outbox ls --status dead
            """)

    enum Which: String, ExpressibleByArgument, CaseIterable { case open, pending, inProgress = "in_progress", published, dead, all }

    @Option(help: ArgumentHelp("Which rows; open are all that are not published.", valueName: Which.allCases.map(\.rawValue).joined(separator: "|")))
    var status = Which.open

    @Option(help: ArgumentHelp("At most so many rows.", valueName: "n"))
    var limit = 100

    @OptionGroup var options: OutboxOptions

    private var statuses: [OutboxStatus] {
        switch status {
        case .open: [.pending, .inProgress, .dead]
        case .pending: [.pending]
        case .inProgress: [.inProgress]
        case .published: [.published]
        case .dead: [.dead]
        case .all: []
        }
    }

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit \(limit): at least one row is shown.") }
    }

    func run() async throws {
        let rows = try await options.store().outboxRows(statuses: statuses, limit: limit)
        if options.json {
            for row in rows { try Output.json(OutboxView(row)) }
            return
        }
        guard !rows.isEmpty else { return Output.line(status == .open ? "everything is published" : "no row is \(status.rawValue)") }
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        Output.table(
            ["ID", "TYPE", "TO", "STATUS", "ATTEMPTS", "AGE", "REASON"],
            rows.map {
                [
                    $0.id, $0.type, $0.destination, $0.status.rawValue, "\($0.attempts)", Units.text(.seconds(max(0, now - $0.createdAt) / 1000)),
                    $0.error.isEmpty ? "-" : $0.error,
                ]
            })
    }
}

struct OutboxShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "One row with its payload.",
        discussion: """
            Example:
              spindle outbox show 0b9f3c52-5d0e-4a52-9a3b-0b3f4c1d2e3f
            """)

    @Argument(help: "The row's id, as `outbox ls` shows it.")
    var id: String

    @OptionGroup var options: OutboxOptions

    private struct Answer: Encodable {
        let row: OutboxView
        let payload: BodyText?
    }

    func run() async throws {
        guard let (row, payload) = try await options.store().outboxRow(id: id) else {
            throw CommandFailure("there is no row \(id).", advice: "`spindle outbox ls --status all` shows them. Published rows are kept for a day.")
        }
        if options.json { return try Output.json(Answer(row: OutboxView(row), payload: payload.map(BodyText.init))) }
        let fields: [(String, String?)] = [
            ("id", row.id), ("type", row.type), ("to", row.destination), ("key", row.key), ("status", row.status.rawValue),
            ("attempts", "\(row.attempts)"), ("reason", row.error.isEmpty ? nil : row.error), ("correlation id", row.correlationID),
            ("held by", row.lockedBy), ("payload", payload.map { BodyText($0).text } ?? "none"),
        ]
        for case (let name, let value?) in fields { Output.line("\(name.padded(to: 14)) \(value)") }
    }
}

struct OutboxRedriveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive", abstract: "Put dead rows back, to be published again.",
        discussion: """
            Each keeps its id, which is the message's deduplication key: what the broker has already is not stored twice.

            Example:
              spindle outbox redrive 0b9f3c52-5d0e-4a52-9a3b-0b3f4c1d2e3f
              spindle outbox redrive --all
            """)

    @Argument(help: "Ids of dead rows.")
    var ids: [String] = []

    @Flag(help: "Every dead row.")
    var all = false

    @OptionGroup var options: OutboxOptions

    private struct Answer: Encodable { let redriven: Int }

    func validate() throws {
        guard all != !ids.isEmpty else { throw ValidationError("Name the rows, or say --all.") }
    }

    func run() async throws {
        let count = try await options.store().redriveOutbox(ids: all ? nil : ids)
        guard count == ids.count || all else {
            throw CommandFailure("\(count) of \(ids.count) rows were dead and are put back.", advice: "`spindle outbox ls --status dead` shows dead rows.")
        }
        if options.json { return try Output.json(Answer(redriven: count)) }
        Output.line("\(count) rows are put back")
    }
}
