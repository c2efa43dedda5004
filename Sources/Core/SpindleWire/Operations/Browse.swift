// BROWSE and GET: looking at messages without touching them. Source: `protocol/queues.md`.

/// What of each message is sent besides its state.
package struct BrowseParts: OptionSet, Equatable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let records = BrowseParts(rawValue: 1)
    /// The attempts so far, as notes in the tail.
    package static let histories = BrowseParts(rawValue: 2)

    /// Those of the bits that this version knows; the others are ignored.
    init(known bits: UInt8) { self = BrowseParts(rawValue: bits).intersection([.records, .histories]) }
}

/// `name queue · u64 after · u32 max · u32 bytes max · u8 parts · u32 filter bytes · filter · tail`; reply ``BrowseReplyHead``.
package struct BrowseRequest: Equatable, Sendable {
    package var queue: String
    /// Only messages with greater ids; 0: from the first.
    package var after: UInt64
    package var messagesMax: UInt32
    /// Of records, in one reply; at least one message comes all the same.
    package var bytesMax: UInt32
    package var parts: BrowseParts
    package var filter: MessageFilter

    package init(queue: String, after: UInt64, messagesMax: UInt32, bytesMax: UInt32, parts: BrowseParts, filter: MessageFilter = MessageFilter()) {
        self.queue = queue
        self.after = after
        self.messagesMax = messagesMax
        self.bytesMax = bytesMax
        self.parts = parts
        self.filter = filter
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u64(after)
        writer.u32(messagesMax)
        writer.u32(bytesMax)
        writer.u8(parts.rawValue)
        filter.encode(into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        after = try reader.u64("after")
        messagesMax = try reader.u32("max")
        guard (1...UInt32(WireLimits.messagesPerFrameMax)).contains(messagesMax) else {
            throw WireError(.invalidArgument, "max is \(messagesMax): 1 to \(WireLimits.messagesPerFrameMax) messages can be asked for")
        }
        bytesMax = try reader.u32("bytes max")
        parts = BrowseParts(known: try reader.u8("parts"))
        filter = try MessageFilter(&reader)
        try reader.skipTail()
    }
}

/// `name queue · u64 id · u8 parts · tail`; reply ``BrowseReplyHead`` with one item, or ``ErrorCode/noSuchMessage``.
package struct GetRequest: Equatable, Sendable {
    package var queue: String
    package var id: UInt64
    package var parts: BrowseParts
    package init(queue: String, id: UInt64, parts: BrowseParts) {
        self.queue = queue
        self.id = id
        self.parts = parts
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u64(id)
        writer.u8(parts.rawValue)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        id = try reader.u64("id")
        parts = BrowseParts(known: try reader.u8("parts"))
        try reader.skipTail()
    }
}

/// The head of the reply of BROWSE and GET: a table of messages, then their records, one behind the other.
/// `u64 next · u32 count × (u64 id · u8 state · u32 epoch · u32 attempts · u64 stored at ms · u64 due at ms · string holder ·
/// u8 percent · sentence note · u32 record bytes) · records · tail`
///
/// Tail tag 1: histories, ``DeadLetterNote``s one behind the other (``LeaseReplyHead/Tag/deadLetters``).
package struct BrowseReplyHead: Equatable, Sendable {
    /// Unknown ones of later brokers are read as ``leased``: nobody else can have the message now.
    package enum State: UInt8, CaseIterable, Sendable {
        case ready = 0
        case leased = 1
        case delayed = 2
        /// Leased, and gone with the end of its lease.
        case cancelled = 3
    }

    package struct Item: Equatable, Sendable {
        package var id: UInt64
        package var state: State
        package var epoch: UInt32
        package var attempts: UInt32
        package var storedAtMilliseconds: UInt64
        /// When the lease ends or the delay is over; 0 for a ready message.
        package var dueAtMilliseconds: UInt64 = 0
        package var holder: String = ""
        /// ``ExtendRequest/Item/noPercent`` for none.
        package var percent: UInt8 = ExtendRequest.Item.noPercent
        package var note: String = ""
        /// 0 where records were not asked for.
        package var recordByteCount: UInt32 = 0

        package init(id: UInt64, state: State, epoch: UInt32, attempts: UInt32, storedAtMilliseconds: UInt64) {
            self.id = id
            self.state = state
            self.epoch = epoch
            self.attempts = attempts
            self.storedAtMilliseconds = storedAtMilliseconds
        }

        package func encode(into writer: inout WireWriter) {
            writer.u64(id)
            writer.u8(state.rawValue)
            writer.u32(epoch)
            writer.u32(attempts)
            writer.u64(storedAtMilliseconds)
            writer.u64(dueAtMilliseconds)
            writer.name(holder)
            writer.u8(percent)
            writer.sentence(note)
            writer.u32(recordByteCount)
        }

        init(_ reader: inout WireReader) throws(WireError) {
            id = try reader.u64("id")
            state = State(rawValue: try reader.u8("state")) ?? .leased
            epoch = try reader.u32("epoch")
            attempts = try reader.u32("attempts")
            storedAtMilliseconds = try reader.u64("stored at")
            dueAtMilliseconds = try reader.u64("due at")
            holder = try reader.string("holder")
            percent = try reader.u8("percent")
            note = try reader.sentence("note")
            recordByteCount = try reader.u32("record bytes")
        }
    }

    /// Bytes of an item without holder and note.
    package static let itemByteCountMin = 42

    /// What to give as `after` for the next page; 0: the end was reached.
    package var next: UInt64
    package var items: [Item]
    package init(next: UInt64, items: [Item]) {
        self.next = next
        self.items = items
    }

    package func encode(into writer: inout WireWriter) {
        writer.u64(next)
        writer.u32(UInt32(items.count))
        for item in items { item.encode(into: &writer) }
    }

    /// Reads the head and leaves `reader` at the first record.
    package init(_ reader: inout WireReader) throws(WireError) {
        next = try reader.u64("next")
        let count = try reader.count("messages", itemBytesMin: Self.itemByteCountMin, itemsMax: WireLimits.messagesPerFrameMax)
        items = []
        for _ in 0..<count { items.append(try Item(&reader)) }
    }
}
