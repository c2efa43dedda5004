import ArgumentParser
import SpindleClient

struct QueueBrowseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "browse", abstract: "Look at the messages of a queue without touching them.",
        discussion: """
            In the order in which they were stored. With --json one message on a line, with headers and body.

            Example:
              spindle queue browse esprit-gen
              spindle queue browse esprit-gen.dead --older-than 1h --header taskType=EspritGenerationCommand --full
            """)

    @Argument(help: "The queue.")
    var name: String

    @OptionGroup(title: "Which messages") var filter: FilterOptions

    @Option(help: ArgumentHelp("Show so many at most; 0: all.", valueName: "n"))
    var limit = 100

    @Option(help: ArgumentHelp("Only those behind this id.", valueName: "id"))
    var after: MessageID?

    @Flag(help: "Everything about each message: headers, body, and what became of its attempts.")
    var full = false

    @Flag(help: "Show bodies as they are, also what a terminal obeys.")
    var raw = false

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if limit < 0 { throw ValidationError("--limit must not be below 0.") }
    }

    func run() async throws {
        let most = limit == 0 ? Int.max : limit
        let (shown, more) = try await options.withClient { client in try await show(client, most: most) }
        if options.json { return }
        if shown == 0 { Output.line(filter.filter == MessageFilter() && after == nil ? "\(name) has no messages" : "no message of \(name) matches") }
        if more { Output.error("There are more: `--limit 0` shows all.") }
    }

    /// How many were shown, and whether there are more.
    private func show(_ client: SpindleClient, most: Int) async throws -> (shown: Int, more: Bool) {
        let parts: BrowseParts = full || options.json ? [.messages, .histories] : [.messages]
        let now = StoredMessageText.currentTime
        var rows: [[String]] = []
        var shown = 0
        defer { if !rows.isEmpty { Output.table(StoredMessageText.heading, rows) } }
        for try await message in client.browse(name, where: filter.filter, after: after, parts: parts, pageMax: min(max(1, most), 500)) {
            if shown == most { return (shown, true) }
            shown += 1
            if options.json {
                try Output.json(StoredMessageView(message))
            } else if full {
                StoredMessageText(stored: message, now: now).show(isRaw: raw)
            } else {
                rows.append(StoredMessageText(stored: message, now: now).row)
            }
        }
        return (shown, false)
    }
}
