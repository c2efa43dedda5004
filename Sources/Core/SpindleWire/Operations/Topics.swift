/// A place in the history of all topics: `epoch` names the log, `offset` the event's address in it. Written `epoch:offset`.
package struct TopicCursor: Equatable, Hashable, Sendable {
    package var epoch: UInt64
    package var offset: UInt64
    package init(epoch: UInt64, offset: UInt64) {
        self.epoch = epoch
        self.offset = offset
    }

    /// Sixteen hexadecimal digits each would be long in a browser's log: both are written in hexadecimal without leading zeros.
    package var description: String { "\(String(epoch, radix: 16)):\(String(offset, radix: 16))" }

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Self.hexadecimal(parts[0]), let offset = Self.hexadecimal(parts[1]) else { return nil }
        self.init(epoch: epoch, offset: offset)
    }

    /// One to sixteen digits and nothing else: `UInt64(_:radix:)` alone would take a sign, and zeros without end.
    private static func hexadecimal(_ text: some StringProtocol) -> UInt64? {
        guard (1...16).contains(text.utf8.count), text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else { return nil }
        return UInt64(text, radix: 16)
    }
}

/// `u64 producer id · u64 first sequence · string topic · u32 count · u32 records bytes · records · tail`: the body of a
/// PUBLISH with a topic's name. Reply: ``TopicPublishReply``.
package typealias TopicPublishRequest = PublishRequest

/// `u64 epoch · u32 runs × (u16 status · u32 count · u64 first offset) · tail`, runs as in ``PublishReply``.
package struct TopicPublishReply: Equatable, Sendable {
    package var epoch: UInt64
    package var runs: [PublishReply.Run]
    package var notes: ItemNotes
    package init(epoch: UInt64, runs: [PublishReply.Run], notes: ItemNotes = ItemNotes()) {
        self.epoch = epoch
        self.runs = runs
        self.notes = notes
    }
    package func encode(into writer: inout WireWriter) {
        writer.u64(epoch)
        PublishReply(runs: runs, notes: notes).encode(into: &writer)
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        epoch = try reader.u64("epoch")
        runs = try PublishReply.runs(&reader)
        notes = try ItemNotes(tail: &reader, itemCount: PublishReply.itemCount(runs))
    }
}

/// `u32 subscription id · string pattern · u8 from · u64 epoch · u64 offset · u32 credit · tail`
///
/// The client picks the subscription id; `from` is 0 latest, 1 earliest, 2 behind the cursor `epoch:offset`. Several patterns are
/// separated by commas. `credit` is the number of events that may be sent before TOPIC_CREDIT gives more.
package struct TopicSubscribeRequest: Equatable, Sendable {
    package enum Start: Equatable, Sendable {
        case latest
        case earliest
        case after(TopicCursor)
    }

    package var subscriptionID: UInt32
    package var pattern: String
    package var start: Start
    package var credit: UInt32

    package init(subscriptionID: UInt32, pattern: String, start: Start, credit: UInt32) {
        self.subscriptionID = subscriptionID
        self.pattern = pattern
        self.start = start
        self.credit = credit
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(subscriptionID)
        writer.string(pattern)
        switch start {
        case .latest: writer.u8(0); writer.u64(0); writer.u64(0)
        case .earliest: writer.u8(1); writer.u64(0); writer.u64(0)
        case .after(let cursor): writer.u8(2); writer.u64(cursor.epoch); writer.u64(cursor.offset)
        }
        writer.u32(credit)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        subscriptionID = try reader.u32("subscription id")
        pattern = try reader.string("pattern")
        let raw = try reader.u8("from")
        let cursor = TopicCursor(epoch: try reader.u64("epoch"), offset: try reader.u64("offset"))
        switch raw {
        case 0: start = .latest
        case 1: start = .earliest
        case 2: start = .after(cursor)
        default: throw WireError(.invalidArgument, "from \(raw): 0 (latest), 1 (earliest) and 2 (cursor) are known")
        }
        credit = try reader.u32("credit")
        try reader.skipTail()
    }
}

/// Where the subscription begins: everything behind this cursor will come. `u64 epoch · u64 offset · tail`
package struct TopicSubscribeReply: Equatable, Sendable {
    package var cursor: TopicCursor
    package init(cursor: TopicCursor) { self.cursor = cursor }
    package func encode(into writer: inout WireWriter) {
        writer.u64(cursor.epoch)
        writer.u64(cursor.offset)
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        cursor = TopicCursor(epoch: try reader.u64("epoch"), offset: try reader.u64("offset"))
        try reader.skipTail()
    }
}

/// `u32 subscription id · u32 more · tail`, for TOPIC_CREDIT (no reply); TOPIC_UNSUBSCRIBE is `u32 subscription id · tail`
/// and answers with an empty body.
package struct TopicCreditRequest: Equatable, Sendable {
    package var subscriptionID: UInt32
    package var more: UInt32
    package init(subscriptionID: UInt32, more: UInt32) {
        self.subscriptionID = subscriptionID
        self.more = more
    }
    package func encode(into writer: inout WireWriter) {
        writer.u32(subscriptionID)
        writer.u32(more)
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        subscriptionID = try reader.u32("subscription id")
        more = try reader.u32("more")
        try reader.skipTail()
    }
}

package struct TopicUnsubscribeRequest: Equatable, Sendable {
    package var subscriptionID: UInt32
    package init(subscriptionID: UInt32) { self.subscriptionID = subscriptionID }
    package func encode(into writer: inout WireWriter) { writer.u32(subscriptionID) }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        subscriptionID = try reader.u32("subscription id")
        try reader.skipTail()
    }
}

/// Pushed: `u32 subscription id · u64 epoch · u32 count × (u64 offset · u64 stored at ms · string topic · u32 record bytes) · records · tail`
package struct TopicEventsHead: Equatable, Sendable {
    package struct Item: Equatable, Sendable {
        package var offset: UInt64
        package var storedAtMilliseconds: UInt64
        package var topic: String
        package var recordByteCount: UInt32
        package init(offset: UInt64, storedAtMilliseconds: UInt64, topic: String, recordByteCount: UInt32) {
            self.offset = offset
            self.storedAtMilliseconds = storedAtMilliseconds
            self.topic = topic
            self.recordByteCount = recordByteCount
        }
    }

    package var subscriptionID: UInt32
    package var epoch: UInt64
    package var items: [Item]
    package init(subscriptionID: UInt32, epoch: UInt64, items: [Item]) {
        self.subscriptionID = subscriptionID
        self.epoch = epoch
        self.items = items
    }

    /// Bytes of an item beside its record.
    package static func itemByteCount(name: String) -> Int { 22 + name.utf8.count }

    package func encode(into writer: inout WireWriter) {
        writer.u32(subscriptionID)
        writer.u64(epoch)
        writer.u32(UInt32(items.count))
        for item in items {
            writer.u64(item.offset)
            writer.u64(item.storedAtMilliseconds)
            writer.name(item.topic)
            writer.u32(item.recordByteCount)
        }
    }

    /// Reads the head and leaves `reader` at the first record.
    package init(_ reader: inout WireReader) throws(WireError) {
        subscriptionID = try reader.u32("subscription id")
        epoch = try reader.u64("epoch")
        let count = try reader.count("events", itemBytesMin: 22, itemsMax: WireLimits.messagesPerFrameMax)
        items = []
        for _ in 0..<count {
            items.append(Item(
                offset: try reader.u64("offset"), storedAtMilliseconds: try reader.u64("stored at"),
                topic: try reader.string("topic"), recordByteCount: try reader.u32("record bytes")))
        }
    }
}

/// Pushed before the first event behind a hole: what lay between the subscriber's cursor and `cursor` is gone.
/// `u32 subscription id · u64 epoch · u64 offset · string reason · tail`
package struct TopicGapNotice: Equatable, Sendable {
    package var subscriptionID: UInt32
    package var cursor: TopicCursor
    package var reason: String
    package init(subscriptionID: UInt32, cursor: TopicCursor, reason: String) {
        self.subscriptionID = subscriptionID
        self.cursor = cursor
        self.reason = reason
    }
    package func encode(into writer: inout WireWriter) {
        writer.u32(subscriptionID)
        writer.u64(cursor.epoch)
        writer.u64(cursor.offset)
        writer.sentence(reason)
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        subscriptionID = try reader.u32("subscription id")
        cursor = TopicCursor(epoch: try reader.u64("epoch"), offset: try reader.u64("offset"))
        reason = try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)
        try reader.skipTail()
    }
}
