package import SpindleText

/// Why a message is where it is, as the broker tells it. Source: `protocol/queues.md`, "WHY".
package struct MessageWhy: Sendable, Hashable {
    package struct Next: Sendable, Hashable {
        package var event: String
        package var at: Timestamp

        package init(event: String, at: Timestamp) {
            self.event = event
            self.at = at
        }
    }

    package var queue: String
    package var id: String
    package var state: String
    package var cause: String
    package var since: Timestamp
    package var next: Next?
    /// Who holds it, its group, or a queue.
    package var subject: String?
    package var reason: String?
    package var count: UInt64?
    package var limit: UInt64?
    /// The message that comes first.
    package var first: String?

    package init(queue: String, id: String, state: String, cause: String, since: Timestamp, next: Next? = nil) {
        self.queue = queue
        self.id = id
        self.state = state
        self.cause = cause
        self.since = since
        self.next = next
    }
}
