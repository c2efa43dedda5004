/// Where an outbox row goes when it is published.
package enum OutboxDestination: Hashable, Sendable {
    /// A durable queue: each message is handled once by some worker.
    case queue(String)
    /// A topic: each event is seen by everyone who listens.
    case topic(String)
}

/// What an application puts into the outbox: one message that announces a change, and where it goes.
package struct OutboxDraft: Sendable {
    /// What kind of message this is, such as `EspritGenerationCommand` or `document.uploaded`. Relays filter by prefixes of it.
    package var type: String
    /// Rows with the same key are published in the order in which they were written. `nil`: no order.
    package var key: String?
    package var destination: OutboxDestination
    /// The message's body, as it is sent.
    package var payload: [UInt8]
    package var contentType: String
    /// The task type header, for messages to queues.
    package var taskType: String?
    package var correlationID: String?
    /// The broker's ordered group: messages with the same group are delivered one at a time, in order.
    package var group: String?
    package var headers: [OutboxHeader]
    /// 0 to 9; higher is delivered first. 4 is in between.
    package var priority: UInt8

    package init(
        type: String, key: String?, destination: OutboxDestination, payload: [UInt8], contentType: String = "application/json",
        taskType: String? = nil, correlationID: String? = nil, group: String? = nil, headers: [OutboxHeader] = [], priority: UInt8 = 4
    ) {
        self.type = type
        self.key = key
        self.destination = destination
        self.payload = payload
        self.contentType = contentType
        self.taskType = taskType
        self.correlationID = correlationID
        self.group = group
        self.headers = headers
        self.priority = priority
    }
}

/// One header of the application's own.
package struct OutboxHeader: Codable, Hashable, Sendable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// A row of the outbox that a relay has claimed and is about to publish.
package struct OutboxMessage: Sendable {
    /// The order in which rows were written to this database.
    package let sequence: Int64
    /// A UUID that no other row has, in this database or another. It is the deduplication key, so a row that is published a
    /// second time (the relay died before it could mark the first) is recognised by the broker.
    package let id: String
    package let draft: OutboxDraft
    /// How often the row was claimed for publishing, this time included.
    package let attempts: Int
    /// Milliseconds since 1970.
    package let createdAtMilliseconds: Int64
    /// After this time another relay may claim the row. Milliseconds since 1970.
    package let lockedUntilMilliseconds: Int64
}

/// The life of a row: `pending → inProgress → published | pending (again, later) | dead`.
package enum OutboxStatus: String, CaseIterable, Sendable {
    case pending
    case inProgress = "in_progress"
    case published
    case dead
}
