package import SpindleText

/// One step of what happened under a correlation id.
package struct TimelineItem: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, CaseIterable, Sendable {
        /// A request of the API, at the time when it came: the click.
        case request
        /// A line of a routing's history.
        case change
        /// A command was written into the outbox.
        case queued
        case published
        /// The outbox gave up.
        case unpublished
        /// Somebody's lease of the message ended without an effect.
        case attempt
        /// Somebody took the message.
        case leased
        /// A report of the add-in had its effect.
        case handled
        /// The job ended.
        case result
        /// An event was published on a topic.
        case event

        /// Of steps at the same millisecond the cause comes first.
        var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    package let at: Timestamp
    package let kind: Kind
    package let who: String?
    package let text: String
    /// `jobId`, `routingId`, `queue`, `topic`, `messageId` (hexadecimal), `attempt`, `status`: those that the step has.
    package let details: [String: String]

    package init(at: Timestamp, kind: Kind, who: String? = nil, text: String, details: [String: String?] = [:]) {
        self.at = at
        self.kind = kind
        self.who = who
        self.text = text
        self.details = details.compactMapValues { $0 }
    }

    /// In the order in which things happened.
    package static func sorted(_ items: [TimelineItem]) -> [TimelineItem] {
        items.enumerated().sorted { left, right in
            if left.element.at != right.element.at { return left.element.at < right.element.at }
            if left.element.kind != right.element.kind { return left.element.kind.rank < right.element.kind.rank }
            return left.offset < right.offset
        }.map(\.element)
    }
}

/// A lease of a message, as its holder tells of it: for the timeline.
package struct TaskLease: Codable, Hashable, Sendable {
    /// From 1.
    package var attempt: Int
    package var leasedAt: Timestamp
    /// The holder's name.
    package var worker: String?

    package init(attempt: Int, leasedAt: Timestamp, worker: String?) {
        self.attempt = attempt
        self.leasedAt = leasedAt
        self.worker = worker
    }
}

/// An attempt at a message that ended without an effect, as the broker tells of it.
package struct TaskAttempt: Hashable, Sendable {
    package var lease: TaskLease
    package var endedAt: Timestamp
    /// `nacked`, `expired` or `disconnected`.
    package var outcome: String
    package var reason: String

    package init(lease: TaskLease, endedAt: Timestamp, outcome: String, reason: String) {
        self.lease = lease
        self.endedAt = endedAt
        self.outcome = outcome
        self.reason = reason
    }

    package var text: String { reason.isEmpty ? "attempt \(lease.attempt) \(outcome)" : "attempt \(lease.attempt) \(outcome): \(reason)" }
}
