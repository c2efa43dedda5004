import ArgumentParser
import Foundation
import SpindleClient
import SpindleText

struct WhyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why", abstract: "Why a message is where it is, and what comes next.",
        discussion: """
            The broker names the one cause that decides: who holds it, what limit is reached, that the queue is paused, that no worker takes messages.

            Example:
              spindle why esprit-gen 10000000200
            """)

    @Argument(help: "The queue.")
    var queue: String

    @Argument(help: "The message's id.")
    var id: MessageID

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let explanation = try await options.withClient { try await $0.why(id, in: queue) }
        if options.json { return try Output.json(WhyView(explanation)) }
        let since = LocalTime.text(explanation.sinceMilliseconds)
        Output.line("\(explanation.id)  \(explanation.state.rawValue) since \(since): \(explanation.text(time: LocalTime.text))")
    }
}

/// An explanation as scripts read it. Times are ISO 8601, UTC.
private struct WhyView: Encodable {
    struct Next: Encodable {
        let event: String
        let at: String
    }

    let queue: String
    let id: String
    let state: String
    let cause: String
    let since: String
    let next: Next?
    let text: String
    let subject: String?
    let reason: String?
    let count: UInt64?
    let limit: UInt64?
    let first: String?

    init(_ explanation: MessageExplanation) {
        queue = explanation.queue
        id = "\(explanation.id)"
        state = explanation.state.rawValue
        cause = explanation.cause.rawValue
        since = Timestamp(milliseconds: explanation.sinceMilliseconds).rfc3339
        next = if let event = explanation.next, let at = explanation.nextAtMilliseconds {
            Next(event: event.rawValue, at: Timestamp(milliseconds: at).rfc3339)
        } else {
            nil
        }
        text = explanation.text(time: LocalTime.text)
        subject = explanation.subject
        reason = explanation.reason
        count = explanation.count
        limit = explanation.limit
        first = explanation.first.map { "\($0)" }
    }
}

/// Unix times in the zone of this machine: the time alone today, else with its date.
enum LocalTime {
    static func text(_ milliseconds: Int64) -> String { text(milliseconds, now: Date()) }

    static func text(_ milliseconds: Int64, now: Date, zone: TimeZone = .current) -> String {
        let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = zone
        formatter.dateFormat = calendar.isDate(date, inSameDayAs: now) ? "HH:mm:ss" : "yyyy-MM-dd HH:mm:ss"
        return formatter.string(from: date)
    }
}
