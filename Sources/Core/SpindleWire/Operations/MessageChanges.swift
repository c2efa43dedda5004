// CANCEL and RESCHEDULE. Source: `protocol/queues.md`.

extension WireWriter {
    /// `u32 count × u64 id`
    package mutating func ids(_ ids: [UInt64]) {
        u32(UInt32(ids.count))
        for id in ids { u64(id) }
    }
}

/// Removes messages, whatever their state. `name queue · sentence reason · u32 count × u64 id · tail`; reply ``CancelReply``.
package struct CancelRequest: Equatable, Sendable {
    package var queue: String
    package var reason: String
    package var ids: [UInt64]
    package init(queue: String, reason: String, ids: [UInt64]) {
        self.queue = queue
        self.reason = reason
        self.ids = ids
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.sentence(reason)
        writer.ids(ids)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        reason = try reader.sentence("reason")
        ids = try reader.ids("message ids", itemsMax: WireLimits.messagesPerFrameMax)
        try reader.skipTail()
    }
}

/// One item for each id, in the request's order. `u32 count × (u16 status · u8 was) · tail`
package struct CancelReply: Equatable, Sendable {
    /// Unknown ones of later brokers are read as ``leased``.
    package enum Was: UInt8, CaseIterable, Sendable {
        /// Gone; also what stands beside an error.
        case ready = 0
        /// Flagged: gone with the end of its lease.
        case leased = 1
        /// Gone.
        case delayed = 2
    }

    package struct Item: Equatable, Sendable {
        package var status: ItemStatus
        package var was: Was
        package init(status: ItemStatus, was: Was = .ready) {
            self.status = status
            self.was = was
        }
    }

    package var items: [Item]
    package var notes: ItemNotes
    package init(items: [Item], notes: ItemNotes = ItemNotes()) {
        self.items = items
        self.notes = notes
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(items.count))
        for item in items {
            writer.u16(item.status.rawValue)
            writer.u8(item.was.rawValue)
        }
        notes.encode(into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("items", itemBytesMin: 3, itemsMax: WireLimits.messagesPerFrameMax)
        items = []
        for _ in 0..<count {
            let status = ItemStatus(rawValue: try reader.u16("status"))
            items.append(Item(status: status, was: Was(rawValue: try reader.u8("was")) ?? .leased))
        }
        notes = try ItemNotes(tail: &reader, itemCount: UInt64(count))
    }
}

/// Changes when messages become ready. `name queue · u64 delay ms (0: at once) · u32 count × u64 id · tail`; reply ``StatusReply``.
package struct RescheduleRequest: Equatable, Sendable {
    package var queue: String
    package var delayMilliseconds: UInt64
    package var ids: [UInt64]
    package init(queue: String, delayMilliseconds: UInt64, ids: [UInt64]) {
        self.queue = queue
        self.delayMilliseconds = delayMilliseconds
        self.ids = ids
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u64(delayMilliseconds)
        writer.ids(ids)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        delayMilliseconds = try reader.durationMilliseconds("delay")
        ids = try reader.ids("message ids", itemsMax: WireLimits.messagesPerFrameMax)
        try reader.skipTail()
    }
}
