/// What a holder of a lease shows to settle it: the message, and which lease of it. An older epoch is answered
/// ``ErrorCode/leaseLost``.
package struct DeliveryToken: Equatable, Hashable, Sendable {
    package static let byteCount = 12
    package var messageID: UInt64
    package var epoch: UInt32
    package init(messageID: UInt64, epoch: UInt32) {
        self.messageID = messageID
        self.epoch = epoch
    }

    package func encode(into writer: inout WireWriter) {
        writer.u64(messageID)
        writer.u32(epoch)
    }

    package init(_ reader: inout WireReader) throws(WireError) {
        messageID = try reader.u64("message id")
        epoch = try reader.u32("lease epoch")
    }
}

/// `string queue · u32 messages max · u32 bytes max · u32 lease ms (0: the queue's own) · u32 wait ms · tail`
///
/// At least one message is given where there is one, even if it alone is larger than `bytes max`. Waits at the broker until one
/// is there, and answers with none when the wait is over.
package struct LeaseRequest: Equatable, Sendable {
    package var queue: String
    package var messagesMax: UInt32
    package var bytesMax: UInt32
    package var leaseMilliseconds: UInt32
    package var waitMilliseconds: UInt32

    package init(queue: String, messagesMax: UInt32, bytesMax: UInt32, leaseMilliseconds: UInt32, waitMilliseconds: UInt32) {
        self.queue = queue
        self.messagesMax = messagesMax
        self.bytesMax = bytesMax
        self.leaseMilliseconds = leaseMilliseconds
        self.waitMilliseconds = waitMilliseconds
    }

    package func encode(into writer: inout WireWriter) {
        writer.string(queue)
        writer.u32(messagesMax)
        writer.u32(bytesMax)
        writer.u32(leaseMilliseconds)
        writer.u32(waitMilliseconds)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        queue = try reader.name("queue")
        messagesMax = try reader.u32("messages max")
        bytesMax = try reader.u32("bytes max")
        leaseMilliseconds = try reader.u32("lease")
        waitMilliseconds = try reader.u32("wait")
        guard messagesMax > 0 else { throw WireError(.invalidArgument, "messages max is 0: ask for at least one message") }
        guard messagesMax <= WireLimits.messagesPerFrameMax else {
            throw WireError(.invalidArgument, "messages max is \(messagesMax): at most \(WireLimits.messagesPerFrameMax) are allowed in a frame")
        }
        try reader.skipTail()
    }
}

/// The head of a LEASE reply: a table of the messages, then their records, one behind the other.
/// `u32 count · u32 lease ms · count × (u64 id · u32 epoch · u32 attempt · u64 stored at ms · u32 record bytes) · records · tail`
///
/// `attempt` is 1 at the first delivery; `stored at` is Unix time. The tail may carry tag 1 (dead-letter histories).
package struct LeaseReplyHead: Equatable, Sendable {
    package static let itemByteCount = 28

    package struct Item: Equatable, Sendable {
        package var token: DeliveryToken
        package var attempt: UInt32
        package var storedAtMilliseconds: UInt64
        package var recordByteCount: UInt32
        package init(token: DeliveryToken, attempt: UInt32, storedAtMilliseconds: UInt64, recordByteCount: UInt32) {
            self.token = token
            self.attempt = attempt
            self.storedAtMilliseconds = storedAtMilliseconds
            self.recordByteCount = recordByteCount
        }

        package func encode(into writer: inout WireWriter) {
            token.encode(into: &writer)
            writer.u32(attempt)
            writer.u64(storedAtMilliseconds)
            writer.u32(recordByteCount)
        }
    }

    package var leaseMilliseconds: UInt32
    package var items: [Item]

    package init(leaseMilliseconds: UInt32, items: [Item]) {
        self.leaseMilliseconds = leaseMilliseconds
        self.items = items
    }

    package func encode(into writer: inout WireWriter) {
        Self.encodeStart(count: items.count, leaseMilliseconds: leaseMilliseconds, into: &writer)
        for item in items { item.encode(into: &writer) }
    }

    /// The fields before the table, for a caller that writes the items one by one.
    package static func encodeStart(count: Int, leaseMilliseconds: UInt32, into writer: inout WireWriter) {
        writer.u32(UInt32(count))
        writer.u32(leaseMilliseconds)
    }

    /// Reads the head and leaves `reader` at the first record.
    package init(_ reader: inout WireReader) throws(WireError) {
        let count = try reader.count("messages", itemBytesMin: Self.itemByteCount, itemsMax: WireLimits.messagesPerFrameMax)
        leaseMilliseconds = try reader.u32("lease")
        items = []
        items.reserveCapacity(count)
        for _ in 0..<count {
            items.append(Item(
                token: try DeliveryToken(&reader), attempt: try reader.u32("attempt"), storedAtMilliseconds: try reader.u64("stored at"),
                recordByteCount: try reader.u32("record bytes")))
        }
    }

    /// Tags of the reply's tail.
    package enum Tag {
        /// Why messages leased from a dead-letter queue are there: ``DeadLetterNote``s.
        package static let deadLetters: UInt16 = 1
    }
}

/// Where a dead letter came from and what became of each attempt; in the tail of a LEASE reply (tag 1), one behind the other.
/// `u32 item index · string origin queue · string reason · u64 dead at ms · u32 attempts × (u32 number · u64 leased at ms ·
/// u64 ended at ms · string holder · u8 outcome · string reason)`
package struct DeadLetterNote: Equatable, Sendable {
    package struct Attempt: Equatable, Sendable {
        package enum Outcome: UInt8, Sendable {
            case nacked = 0
            case expired = 1
            case disconnected = 2
        }
        package var number: UInt32
        package var leasedAtMilliseconds: UInt64
        package var endedAtMilliseconds: UInt64
        package var holder: String
        package var outcome: Outcome
        package var reason: String
        package init(number: UInt32, leasedAtMilliseconds: UInt64, endedAtMilliseconds: UInt64, holder: String, outcome: Outcome, reason: String) {
            self.number = number
            self.leasedAtMilliseconds = leasedAtMilliseconds
            self.endedAtMilliseconds = endedAtMilliseconds
            self.holder = holder
            self.outcome = outcome
            self.reason = reason
        }
    }

    package var itemIndex: UInt32
    package var originQueue: String
    package var reason: String
    package var deadAtMilliseconds: UInt64
    package var attempts: [Attempt]

    package init(itemIndex: UInt32, originQueue: String, reason: String, deadAtMilliseconds: UInt64, attempts: [Attempt]) {
        self.itemIndex = itemIndex
        self.originQueue = originQueue
        self.reason = reason
        self.deadAtMilliseconds = deadAtMilliseconds
        self.attempts = attempts
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(itemIndex)
        writer.name(originQueue)
        writer.sentence(reason)
        writer.u64(deadAtMilliseconds)
        writer.u32(UInt32(attempts.count))
        for attempt in attempts {
            writer.u32(attempt.number)
            writer.u64(attempt.leasedAtMilliseconds)
            writer.u64(attempt.endedAtMilliseconds)
            writer.name(attempt.holder)
            writer.u8(attempt.outcome.rawValue)
            writer.sentence(attempt.reason)
        }
    }

    package init(_ reader: inout WireReader) throws(WireError) {
        itemIndex = try reader.u32("item index")
        originQueue = try reader.string("origin queue")
        reason = try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)
        deadAtMilliseconds = try reader.u64("dead at")
        let count = try reader.count("attempts", itemBytesMin: 25, itemsMax: WireLimits.messagesPerFrameMax)
        attempts = []
        for _ in 0..<count {
            attempts.append(Attempt(
                number: try reader.u32("attempt"), leasedAtMilliseconds: try reader.u64("leased at"),
                endedAtMilliseconds: try reader.u64("ended at"), holder: try reader.string("holder"),
                outcome: Attempt.Outcome(rawValue: try reader.u8("outcome")) ?? .expired,
                reason: try reader.string("attempt reason", bytesMax: WireLimits.sentenceBytesMax)))
        }
    }
}
