import Foundation
import SpindleClient
import SpindleCluster

/// A message's headers and body as scripts read them.
struct MessageView: Encodable {
    struct Header: Encodable {
        let name: String
        let value: String
    }

    let priority: Int
    let taskType: String?
    let contentType: String?
    let correlationId: String?
    let group: String?
    let dedupKey: String?
    let headers: [Header]
    let body: String?
    let bodyBase64: String?

    init(_ message: Message) {
        let text = BodyText(message.body)
        priority = Int(message.priority)
        taskType = message.taskType
        contentType = message.contentType
        correlationId = message.correlationID
        group = message.group
        dedupKey = message.deduplicationKey
        headers = message.userHeaders.map { Header(name: $0.name, value: $0.value) }
        body = text.body
        bodyBase64 = text.bodyBase64
    }
}

/// A message as it lies in its queue, as scripts read it. Times are milliseconds of Unix time.
struct StoredMessageView: Encodable {
    let id: String
    let state: String
    let attempts: Int
    let storedAtMs: Int64
    let dueAtMs: Int64?
    let holder: String?
    let percent: Int?
    let note: String?
    let message: MessageView?
    let unreadable: String?
    let history: DeliveryView.DeadLetter?

    init(_ stored: StoredMessage) {
        id = "\(stored.id)"
        state = "\(stored.state)"
        attempts = stored.attempts
        storedAtMs = stored.storedAtMilliseconds
        dueAtMs = stored.dueAtMilliseconds
        holder = stored.holder.isEmpty ? nil : stored.holder
        percent = stored.percent
        note = stored.note.isEmpty ? nil : stored.note
        message = stored.message.map { MessageView($0) }
        unreadable = stored.unreadable.map { "\($0)" }
        history = stored.history.map { DeliveryView.DeadLetter($0) }
    }
}

/// A message as it lies in its queue, for people.
struct StoredMessageText {
    let stored: StoredMessage
    /// Milliseconds of Unix time.
    let now: Int64

    static var currentTime: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    static let heading = ["ID", "STATE", "AGE", "DUE IN", "ATTEMPTS", "PRIORITY", "TASK", "GROUP", "HOLDER"]

    var row: [String] {
        [
            "\(stored.id)", "\(stored.state)", Self.span(now - stored.storedAtMilliseconds), stored.dueAtMilliseconds.map { Self.span($0 - now) } ?? "-",
            "\(stored.attempts)", stored.message.map { "\($0.priority)" } ?? "-", stored.message?.taskType ?? "-", stored.message?.group ?? "-",
            holder,
        ]
    }

    private var holder: String {
        guard !stored.holder.isEmpty else { return "-" }
        return stored.holder + (stored.percent.map { " (\($0) %)" } ?? "")
    }

    /// Everything that is known. `isRaw`: the body as it is.
    func show(isRaw: Bool = false) {
        var facts = ["\(stored.state)", "stored \(Self.span(now - stored.storedAtMilliseconds)) ago", "attempts \(stored.attempts)"]
        if let due = stored.dueAtMilliseconds { facts.append("due in \(Self.span(due - now))") }
        if !stored.holder.isEmpty { facts.append("held by \(holder)") }
        if !stored.note.isEmpty { facts.append("“\(stored.note)”") }
        Output.line("\(stored.id)  \(facts.joined(separator: ", "))")
        if let error = stored.unreadable { Output.line("  its record cannot be read: \(error)") }
        if let message = stored.message { MessageText(message, isRaw: isRaw).show() }
        if let history = stored.history { HistoryText(history).show() }
    }

    /// The two largest units, without a sign: `3h 20m`.
    static func span(_ milliseconds: Int64) -> String {
        guard milliseconds >= 1_000 else { return "\(max(0, milliseconds))ms" }
        let seconds = milliseconds / 1_000
        let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")]
        let first = parts.firstIndex { $0.0 > 0 } ?? parts.count - 1
        return parts[first..<min(first + 2, parts.count)].filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined(separator: " ")
    }
}

/// Headers and body, a line each.
struct MessageText {
    let message: Message
    let isRaw: Bool

    init(_ message: Message, isRaw: Bool = false) {
        self.message = message
        self.isRaw = isRaw
    }

    func show() {
        let known = [
            ("task", message.taskType), ("content type", message.contentType), ("group", message.group), ("correlation", message.correlationID),
            ("deduplication key", message.deduplicationKey),
        ]
        for (name, value) in known { if let value { Output.line("  \(name): \(value)") } }
        if message.priority != Message.priorityDefault { Output.line("  priority: \(message.priority)") }
        for header in message.userHeaders { Output.line("  \(header.name): \(header.value)") }
        Output.body(BodyText(message.body).text, indent: "  | ", isRaw: isRaw)
    }
}

/// What became of each attempt.
struct HistoryText {
    let note: DeadLetterNote

    init(_ note: DeadLetterNote) { self.note = note }

    func show() {
        if !note.originQueue.isEmpty { Output.line("  dead letter of \(note.originQueue): \(note.reason)") }
        for attempt in note.attempts {
            let took = StoredMessageText.span(attempt.endedAtMilliseconds - attempt.leasedAtMilliseconds)
            Output.line("    attempt \(attempt.number) by \(attempt.holder), \(attempt.outcome) after \(took): \(attempt.reason)")
        }
    }
}
