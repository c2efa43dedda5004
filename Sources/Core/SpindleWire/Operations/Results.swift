/// A result that an acknowledged message leaves behind, for AWAIT: at most ``WireLimits/resultBytesMax`` bytes.
package struct AckResult: Equatable, Sendable {
    /// Which of the request's acks, counted from 0.
    package var index: UInt32
    package var bytes: [UInt8]
    package init(index: UInt32, bytes: [UInt8]) {
        self.index = index
        self.bytes = bytes
    }
}

/// Tail tag 1 of ACK and SETTLE: `(u32 item index · u32 length · bytes)` one behind the other, in rising order of the indices.
package enum AckResults {
    package static let tag: UInt16 = 1

    /// Writes the field as critical: a result that would not be kept must not be lost silently. Writes nothing for none.
    package static func encode(_ results: [AckResult], into writer: inout WireWriter) {
        guard !results.isEmpty else { return }
        let start = writer.beginTag(tag | TaggedTail.criticalBit)
        for result in results {
            writer.u32(result.index)
            writer.u32(UInt32(result.bytes.count))
            writer.bytes(result.bytes)
        }
        writer.endTag(start)
    }

    /// The rest of a frame that has `ackCount` acks.
    static func tail(_ reader: inout WireReader, ackCount: Int) throws(WireError) -> [AckResult] {
        guard !reader.isAtEnd else { return [] }
        let tail = try reader.span(reader.remaining, "tail")
        guard let field = try TaggedTail.fields(in: tail, known: [tag]).last else { return [] }
        return try decode(tail.extracting(field.range), ackCount: ackCount)
    }

    static func decode(_ field: RawSpan, ackCount: Int) throws(WireError) -> [AckResult] {
        var reader = WireReader(field)
        var results: [AckResult] = []
        var byteCount = 0
        while !reader.isAtEnd {
            let index = try reader.u32("result's item index")
            guard Int(index) < ackCount else {
                throw WireError(.invalidArgument, "a result for ack \(index): there are \(ackCount) acks, counted from 0")
            }
            if let last = results.last, last.index >= index {
                throw WireError(.invalidArgument, "a result for ack \(index) behind that of ack \(last.index): their order must rise, one for each at most")
            }
            let count = Int(try reader.u32("result's length"))
            guard count <= WireLimits.resultBytesMax || count > reader.remaining else {
                throw WireError(.invalidArgument, "a result of \(count) bytes: at most \(WireLimits.resultBytesMax) are allowed, store larger ones elsewhere")
            }
            let bytes = try reader.array(count, "result")
            byteCount += count
            guard byteCount <= WireLimits.resultsBytesMax else {
                throw WireError(.invalidArgument, "results of more than \(WireLimits.resultsBytesMax) bytes in one frame: send fewer at once")
            }
            results.append(AckResult(index: index, bytes: bytes))
        }
        return results
    }
}

/// Waits until messages are settled, and fetches their results. `name queue · u32 count × u64 message id · u32 wait ms · tail`
package struct AwaitRequest: Equatable, Sendable {
    package var queue: String
    package var ids: [UInt64]
    package var waitMilliseconds: UInt32
    package init(queue: String, ids: [UInt64], waitMilliseconds: UInt32) {
        self.queue = queue
        self.ids = ids
        self.waitMilliseconds = waitMilliseconds
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.ids(ids)
        writer.u32(waitMilliseconds)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        ids = try reader.ids("message ids", itemsMax: WireLimits.awaitedMax)
        waitMilliseconds = try reader.u32("wait")
        try reader.skipTail()
    }
}

/// One item for each id, in the request's order.
/// `u32 count × (u16 status · u8 state · u64 settled at ms · u32 result bytes · result) · tail`
package struct AwaitReply: Equatable, Sendable {
    /// What became of a message.
    package enum State: UInt8, CaseIterable, Sendable {
        /// It never was here, or its end is no longer remembered: the item's status is ``ErrorCode/noSuchMessage``.
        case unknown = 0
        case pending = 1
        case acknowledged = 2
        /// The result is the reason, UTF-8.
        case dead = 3
        case cancelled = 4
    }

    package struct Item: Equatable, Sendable {
        package var status: ItemStatus
        package var state: State
        package var settledAtMilliseconds: UInt64
        package var result: [UInt8]
        package init(status: ItemStatus = .ok, state: State, settledAtMilliseconds: UInt64 = 0, result: [UInt8] = []) {
            self.status = status
            self.state = state
            self.settledAtMilliseconds = settledAtMilliseconds
            self.result = result
        }
    }

    /// Bytes of an item besides its result.
    package static let itemByteCount = 15

    package var items: [Item]
    package init(items: [Item]) { self.items = items }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(items.count))
        for item in items {
            writer.u16(item.status.rawValue)
            writer.u8(item.state.rawValue)
            writer.u64(item.settledAtMilliseconds)
            writer.u32(UInt32(item.result.count))
            writer.bytes(item.result)
        }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("items", itemBytesMin: Self.itemByteCount, itemsMax: WireLimits.awaitedMax)
        items = []
        for _ in 0..<count {
            let status = ItemStatus(rawValue: try reader.u16("status"))
            let raw = try reader.u8("state")
            let settledAt = try reader.u64("settled at")
            let byteCount = Int(try reader.u32("result bytes"))
            items.append(Item(
                status: status, state: State(rawValue: raw) ?? .unknown, settledAtMilliseconds: settledAt,
                result: try reader.array(byteCount, "result")))
        }
        try reader.skipTail()
    }
}

/// Pushed to whoever holds messages that were cancelled. `u32 count × token · sentence reason · tail`
package struct CancelledNotice: Equatable, Sendable {
    package var tokens: [DeliveryToken]
    package var reason: String
    package init(tokens: [DeliveryToken], reason: String) {
        self.tokens = tokens
        self.reason = reason
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(tokens.count))
        for token in tokens { token.encode(into: &writer) }
        writer.sentence(reason)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("tokens", itemBytesMin: DeliveryToken.byteCount, itemsMax: WireLimits.messagesPerFrameMax)
        tokens = []
        tokens.reserveCapacity(count)
        for _ in 0..<count { tokens.append(try DeliveryToken(&reader)) }
        reason = try reader.sentence("reason")
        try reader.skipTail()
    }
}
