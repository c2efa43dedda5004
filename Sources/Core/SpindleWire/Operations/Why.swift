// WHY: the cause that decides where a message is, and what comes next. Source: `protocol/queues.md`.

/// `name queue · u64 id · tail`; reply ``WhyReply``, or ``ErrorCode/noSuchMessage``.
package struct WhyRequest: Equatable, Sendable {
    package var queue: String
    package var id: UInt64

    package init(queue: String, id: UInt64) {
        self.queue = queue
        self.id = id
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u64(id)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        id = try reader.u64("id")
        try reader.skipTail()
    }
}

/// `u8 state · u8 cause · u64 since ms · u8 next · u64 next at ms · tail`
///
/// Tail: what the cause is about, each of ``Tag`` where the cause has it.
package struct WhyReply: Equatable, Sendable {
    package enum State: UInt8, CaseIterable, Sendable {
        /// Of a later broker: it is in the queue, and more is not known.
        case other = 0
        case ready = 1
        case leased = 2
        case delayed = 3
        /// Leased, and gone with the end of its lease.
        case cancelled = 4
        /// The rest is no longer in the queue.
        case acknowledged = 5
        case dead = 6
        case removed = 7
        /// In another queue.
        case elsewhere = 8
    }

    package enum Cause: UInt8, CaseIterable, Sendable {
        /// Of a later broker.
        case other = 0
        case leased = 1
        case cancelled = 2
        case delayed = 3
        case backOff = 4
        case paused = 5
        case concurrency = 6
        case rate = 7
        case groupOrder = 8
        case groupConcurrency = 9
        case groupRate = 10
        case timeToLiveEnded = 11
        case deadLetter = 12
        case noConsumer = 13
        case consumersBusy = 14
        case consumersQuiet = 15
        case consumersFull = 16
        case behind = 17
        case logFull = 18
        case next = 19
        case ended = 20
        case moved = 21
    }

    /// What time alone does next.
    package enum Next: UInt8, CaseIterable, Sendable {
        /// Nothing, or what only a later broker knows.
        case none = 0
        case leaseEnds = 1
        case becomesReady = 2
        case rateAllows = 3
        case otherLeaseEnds = 4
        case otherBecomesReady = 5
        case timeToLiveEnds = 6
        case forgotten = 7
    }

    package var state: State
    package var cause: Cause
    package var sinceMilliseconds: UInt64
    package var next: Next = .none
    /// 0 where `next` is ``Next/none``.
    package var nextAtMilliseconds: UInt64 = 0
    /// Who holds it, its group, or a queue.
    package var subject = ""
    /// In the words of who gave it.
    package var reason = ""
    /// Leases that are held, or the number of an attempt.
    package var count: UInt64?
    package var limit: UInt64?
    /// The message that comes first.
    package var otherID: UInt64?

    package init(_ state: State, _ cause: Cause, sinceMilliseconds: UInt64) {
        self.state = state
        self.cause = cause
        self.sinceMilliseconds = sinceMilliseconds
    }

    private enum Tag {
        static let subject: UInt16 = 1
        static let reason: UInt16 = 2
        static let count: UInt16 = 3
        static let limit: UInt16 = 4
        static let otherID: UInt16 = 5
    }

    package func encode(into writer: inout WireWriter) {
        writer.u8(state.rawValue)
        writer.u8(cause.rawValue)
        writer.u64(sinceMilliseconds)
        writer.u8(next.rawValue)
        writer.u64(nextAtMilliseconds)
        if !subject.isEmpty { writer.tag(Tag.subject, text: subject, bytesMax: WireLimits.nameBytesMax) }
        if !reason.isEmpty { writer.tag(Tag.reason, text: reason, bytesMax: WireLimits.sentenceBytesMax) }
        if let count { writer.tag(Tag.count, u64: count) }
        if let limit { writer.tag(Tag.limit, u64: limit) }
        if let otherID { writer.tag(Tag.otherID, u64: otherID) }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        state = State(rawValue: try reader.u8("state")) ?? .other
        cause = Cause(rawValue: try reader.u8("cause")) ?? .other
        sinceMilliseconds = try reader.u64("since")
        next = Next(rawValue: try reader.u8("next")) ?? .none
        nextAtMilliseconds = try reader.u64("next at")
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [Tag.subject, Tag.reason, Tag.count, Tag.limit, Tag.otherID]) {
            var value = WireReader(tail.extracting(field.range))
            switch field.tag {
            case Tag.subject: subject = try Self.text(&value, "subject", bytesMax: WireLimits.nameBytesMax)
            case Tag.reason: reason = try Self.text(&value, "reason", bytesMax: WireLimits.sentenceBytesMax)
            case Tag.count: count = try Self.number(&value, "count")
            case Tag.limit: limit = try Self.number(&value, "limit")
            default: otherID = try Self.number(&value, "other id")
            }
        }
    }

    private static func text(_ reader: inout WireReader, _ field: StaticString, bytesMax: Int) throws(WireError) -> String {
        guard reader.remaining <= bytesMax else { throw WireError(.invalidArgument, "\(field): \(reader.remaining) bytes, \(bytesMax) are allowed") }
        return try reader.utf8(reader.remaining, field)
    }

    private static func number(_ reader: inout WireReader, _ field: StaticString) throws(WireError) -> UInt64 {
        guard reader.remaining == 8 else { throw .malformed("\(field): \(reader.remaining) bytes in place of 8") }
        return try reader.u64(field)
    }
}
