import ArgumentParser
import Foundation
import NIOHTTP1

struct TimelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline", abstract: "What happened under a correlation id: the request, the messages, who worked on them, the result, the events.",
        discussion: """
            The id stands in the header X-Correlation-ID of every answer of the web server, in the history, in logs and in messages.

            Example:
              spindle timeline 4f0c9a52-6c1e-4d0b-9c57-2b1f6f0c1c11
            """)

    @Argument(help: "The correlation id.")
    var id: String

    @Flag(help: "Answer in JSON.")
    var json = false

    @OptionGroup var options: WebOptions

    private struct Timeline: Codable {
        struct Item: Codable {
            let at: String
            let kind: String
            let who: String?
            let text: String
            let details: [String: String]
        }

        let correlationId: String
        let items: [Item]
        let note: String?
    }

    func run() async throws {
        let timeline: Timeline = try await options.withClient { client in
            var allowed = CharacterSet.urlPathAllowed
            allowed.remove("/")
            let path = "/api/timeline/\(id.addingPercentEncoding(withAllowedCharacters: allowed) ?? id)"
            do { return try await client.call(.GET, path) } catch { throw client.explain(error) }
        }
        if json { return try Output.json(timeline) }
        let rows = timeline.items.map { item in
            let attempt = item.details["attempt"].map { item.text.contains("attempt") ? "" : " (attempt \($0))" } ?? ""
            let place = (item.details["queue"] ?? item.details["topic"]).map { " · \($0)" } ?? ""
            return [item.at, item.kind, item.who ?? "-", item.text + attempt + place]
        }
        Output.table(["AT", "STEP", "WHO", "WHAT"], rows)
        if let note = timeline.note { Output.line(note) }
    }
}
