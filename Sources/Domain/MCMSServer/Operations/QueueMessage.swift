package import SpindleText

/// Which messages of a queue are meant: all that meet every condition that is set.
package struct MessageQuery: Sendable, Hashable, Codable {
    package enum State: String, Sendable, Codable, CaseIterable { case ready, leased, delayed }

    package var state: State?
    package var id: String?
    package var type: String?
    package var group: String?
    /// `name:value`, each exactly so.
    package var headers: [String]?
    /// A part of the reason that the latest attempt left; case matters.
    package var error: String?

    package init(state: State? = nil, id: String? = nil, type: String? = nil, group: String? = nil, headers: [String]? = nil, error: String? = nil) {
        self.state = state
        self.id = id
        self.type = type
        self.group = group
        self.headers = headers
        self.error = error
    }

    /// As the audit keeps it.
    package var text: String {
        let parts: [(String, String?)] = [
            ("state", state?.rawValue), ("id", id), ("type", type), ("group", group), ("error", error),
        ]
        let set = parts.compactMap { name, value in value.map { "\(name)=\($0)" } } + (headers ?? []).map { "header=\($0)" }
        return set.isEmpty ? "all" : set.joined(separator: " ")
    }

    /// The headers apart in names and values.
    /// - Throws: ``Problem`` for one without a colon or a name.
    package func namedHeaders() throws(Problem) -> [(name: String, value: String)] {
        var named: [(name: String, value: String)] = []
        for header in headers ?? [] {
            guard let colon = header.firstIndex(of: ":"), colon > header.startIndex else {
                throw Problem(.invalidField, "“header” is “\(header.prefix(100))”.", action: "Write name:value.", field: "header")
            }
            named.append((String(header[..<colon]), String(header[header.index(after: colon)...])))
        }
        return named
    }
}

/// A message as it lies in its queue.
package struct QueueMessage: Sendable, Hashable, Codable {
    package struct Header: Sendable, Hashable, Codable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package struct Body: Sendable, Hashable, Codable {
        package enum Encoding: String, Sendable, Codable { case json, text, base64 }

        package var encoding: Encoding
        /// JSON as its text.
        package var value: String
        /// The body is longer than what is shown.
        package var isCut: Bool?

        package init(encoding: Encoding, value: String, isCut: Bool? = nil) {
            self.encoding = encoding
            self.value = value
            self.isCut = isCut
        }
    }

    package struct Attempt: Sendable, Hashable, Codable {
        package var number: Int
        package var at: Timestamp
        package var endedAt: Timestamp
        package var worker: String?
        /// `nacked`, `expired` or `disconnected`.
        package var outcome: String
        package var error: String?

        package init(number: Int, at: Timestamp, endedAt: Timestamp, worker: String?, outcome: String, error: String?) {
            self.number = number
            self.at = at
            self.endedAt = endedAt
            self.worker = worker
            self.outcome = outcome
            self.error = error
        }
    }

    /// Where a dead letter came from.
    package struct Origin: Sendable, Hashable, Codable {
        package var queue: String
        package var reason: String
        package var deadAt: Timestamp

        package init(queue: String, reason: String, deadAt: Timestamp) {
            self.queue = queue
            self.reason = reason
            self.deadAt = deadAt
        }
    }

    /// What a list shows.
    package struct Summary: Sendable, Hashable, Codable {
        package var id: String
        /// `ready`, `leased`, `delayed`, or `cancelled`: leased, and gone with the end of its lease.
        package var state: String
        package var type: String?
        package var group: String?
        package var priority: Int
        package var attempts: Int
        package var publishedAt: Timestamp
        /// When its delay or its lease ends.
        package var readyAt: Timestamp?
        /// What the latest attempt left, or why its record can't be read.
        package var error: String?
        package var bytes: Int

        package init(
            id: String, state: String, type: String? = nil, group: String? = nil, priority: Int = 4, attempts: Int = 0, publishedAt: Timestamp,
            readyAt: Timestamp? = nil, error: String? = nil, bytes: Int = 0
        ) {
            self.id = id
            self.state = state
            self.type = type
            self.group = group
            self.priority = priority
            self.attempts = attempts
            self.publishedAt = publishedAt
            self.readyAt = readyAt
            self.error = error
            self.bytes = bytes
        }
    }

    package var summary: Summary
    package var holder: String?
    package var correlationId: String?
    package var headers: [Header]
    /// Nil where its record can't be read.
    package var body: Body?
    package var attempts: [Attempt]
    package var origin: Origin?

    package init(
        summary: Summary, holder: String? = nil, correlationId: String? = nil, headers: [Header] = [], body: Body? = nil, attempts: [Attempt] = [],
        origin: Origin? = nil
    ) {
        self.summary = summary
        self.holder = holder
        self.correlationId = correlationId
        self.headers = headers
        self.body = body
        self.attempts = attempts
        self.origin = origin
    }
}

package struct QueueMessagePage: Sendable, Codable {
    package var items: [QueueMessage.Summary]
    package var nextCursor: String?

    package init(items: [QueueMessage.Summary], nextCursor: String?) {
        self.items = items
        self.nextCursor = nextCursor
    }
}
