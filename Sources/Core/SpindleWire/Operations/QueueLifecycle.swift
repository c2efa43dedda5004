// DELETE, PURGE, PAUSE and RESUME. Source: `protocol/queues.md`.

/// Removes a queue. `name queue · u8 mode · tail`; reply ``RemovedReply``.
package struct DeleteRequest: Equatable, Sendable {
    package enum Mode: UInt8, Sendable {
        /// Only where no message is left, else ``ErrorCode/conflict``.
        case ifEmpty = 0
        case withMessages = 1
    }

    package var queue: String
    package var mode: Mode
    package init(queue: String, mode: Mode) {
        self.queue = queue
        self.mode = mode
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u8(mode.rawValue)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        let raw = try reader.u8("mode")
        guard let mode = Mode(rawValue: raw) else {
            throw WireError(.invalidArgument, "delete mode \(raw): 0 (only if no message is left) and 1 (with all of them) are known")
        }
        self.mode = mode
        try reader.skipTail()
    }
}

/// Removes a queue's ready or delayed messages, or both. `name queue · u8 states (bit 0 ready, bit 1 delayed) · tail`; reply
/// ``RemovedReply``.
package struct PurgeRequest: Equatable, Sendable {
    package var queue: String
    package var ready: Bool
    package var delayed: Bool
    package init(queue: String, ready: Bool, delayed: Bool) {
        self.queue = queue
        self.ready = ready
        self.delayed = delayed
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u8((ready ? 1 : 0) | (delayed ? 2 : 0))
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        let states = try reader.u8("states")
        guard (1...3).contains(states) else {
            throw WireError(.invalidArgument, "states \(states): 1 (ready), 2 (delayed) and 3 (both) can be purged")
        }
        ready = states & 1 != 0
        delayed = states & 2 != 0
        try reader.skipTail()
    }
}

/// The reply of DELETE and PURGE. `u64 messages removed · tail`
package struct RemovedReply: Equatable, Sendable {
    package var messagesRemoved: UInt64
    package init(messagesRemoved: UInt64) { self.messagesRemoved = messagesRemoved }
    package func encode(into writer: inout WireWriter) { writer.u64(messagesRemoved) }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        messagesRemoved = try reader.u64("messages removed")
        try reader.skipTail()
    }
}

/// What of a queue is paused. Bits of PAUSE's `what` and of the figure `paused`.
package struct QueuePause: OptionSet, Equatable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let deliveries = QueuePause(rawValue: 1)
    package static let publishes = QueuePause(rawValue: 2)
}

/// Stops deliveries or publishes of a queue, or both. `name queue · u8 what · sentence reason · tail`; the reply has an empty tail.
package struct PauseRequest: Equatable, Sendable {
    package var queue: String
    package var what: QueuePause
    package var reason: String
    package init(queue: String, what: QueuePause, reason: String) {
        self.queue = queue
        self.what = what
        self.reason = reason
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u8(what.rawValue)
        writer.sentence(reason)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        let what = try reader.u8("what")
        guard (1...3).contains(what) else {
            throw WireError(.invalidArgument, "what \(what): 1 (deliveries), 2 (publishes) and 3 (both) can be paused; RESUME ends a pause")
        }
        self.what = QueuePause(rawValue: what)
        reason = try reader.sentence("reason")
        try reader.skipTail()
    }
}

/// Ends a pause. `name queue · tail`; the reply has an empty tail.
package struct ResumeRequest: Equatable, Sendable {
    package var queue: String
    package init(queue: String) { self.queue = queue }
    package func encode(into writer: inout WireWriter) { writer.string(queue) }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        try reader.skipTail()
    }
}
