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
/// is there, and answers with none when the wait is over. Tail tag 1, critical: further queues, `string` each, one behind the other; the
/// messages are of the first queue in this order that has one ready.
package struct LeaseRequest: Equatable, Sendable {
    package var queue: String
    package var messagesMax: UInt32
    package var bytesMax: UInt32
    package var leaseMilliseconds: UInt32
    package var waitMilliseconds: UInt32
    /// Further queues, behind ``queue`` in order.
    package var others: [String]

    /// Tags of the request's tail.
    package enum Tag {
        package static let others: UInt16 = 1
    }

    package init(
        queue: String, messagesMax: UInt32, bytesMax: UInt32, leaseMilliseconds: UInt32, waitMilliseconds: UInt32, others: [String] = []
    ) {
        self.queue = queue
        self.others = others
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
        guard !others.isEmpty else { return }
        let tail = writer.beginTag(Tag.others | TaggedTail.criticalBit)
        for name in others { writer.string(name) }
        writer.endTag(tail)
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
        others = []
        guard !reader.isAtEnd else { return }
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [Tag.others]) {
            var names = WireReader(tail.extracting(field.range))
            others = []
            while !names.isAtEnd {
                let name = try names.name("further queue")
                guard others.count + 1 < WireLimits.queuesPerLeaseMax else {
                    throw WireError(.invalidArgument, "a LEASE over more than \(WireLimits.queuesPerLeaseMax) queues: send several")
                }
                guard !([queue] + others).contains(where: { $0.utf8.elementsEqual(name.utf8) }) else {
                    throw WireError(.invalidArgument, "the queue '\(name)' is named twice in a LEASE")
                }
                others.append(name)
            }
        }
    }
}

/// The head of a LEASE reply: a table of the messages, then their records, one behind the other.
/// `u32 count · u32 lease ms · count × (u64 id · u32 epoch · u32 attempt · u64 stored at ms · u32 record bytes) · records · tail`
///
/// `attempt` is 1 at the first delivery; `stored at` is Unix time. The tail may carry tag 1 (dead-letter histories) and tag 2 (``LeaseReplyTail``).
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
        /// From which queue of the request the messages are, counted from 0: `u16`. In every reply with messages to a LEASE over several queues.
        package static let queueIndex: UInt16 = 2
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

/// The tail of a LEASE reply, behind its records.
package struct LeaseReplyTail: Equatable, Sendable {
    package var deadLetters: [DeadLetterNote]
    /// ``LeaseReplyHead/Tag/queueIndex``; nil: of the only queue.
    package var queueIndex: UInt16?

    package init(deadLetters: [DeadLetterNote] = [], queueIndex: UInt16? = nil) {
        self.deadLetters = deadLetters
        self.queueIndex = queueIndex
    }

    package func encode(into writer: inout WireWriter) {
        if !deadLetters.isEmpty {
            let tag = writer.beginTag(LeaseReplyHead.Tag.deadLetters)
            for note in deadLetters { note.encode(into: &writer) }
            writer.endTag(tag)
        }
        if let queueIndex { Self.encode(queueIndex: queueIndex, into: &writer) }
    }

    package static let queueIndexByteCount = TaggedTail.headByteCount + 2

    package static func encode(queueIndex: UInt16, into writer: inout WireWriter) {
        writer.u16(LeaseReplyHead.Tag.queueIndex)
        writer.u32(2)
        writer.u16(queueIndex)
    }

    /// Reads the rest of the frame.
    package init(_ reader: inout WireReader) throws(WireError) {
        deadLetters = []
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [LeaseReplyHead.Tag.deadLetters, LeaseReplyHead.Tag.queueIndex]) {
            var value = WireReader(tail.extracting(field.range))
            if field.tag == LeaseReplyHead.Tag.queueIndex {
                queueIndex = try value.u16("queue index")
            } else {
                while !value.isAtEnd { deadLetters.append(try DeadLetterNote(&value)) }
            }
        }
    }
}
