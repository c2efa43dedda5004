internal import SpindleQueue
internal import SpindleText
internal import SpindleWire

/// The event that a queue's dead-letter topic gets when a message dies. Source: `protocol/topics.md`, "Dead letters".
struct DeathNotice {
    enum Ending: String {
        case dead, cancelled
    }

    /// Bytes of its record at most. What the names and the reason take is bounded, escaped as they are.
    static let recordByteCountMax = 1_280
    private static let nameBytesMax = 255
    private static let reasonBytesMax = 512
    private static let contentType = "application/json"

    var queue: String
    var message: UInt64
    var ending: Ending
    var reason: String
    /// Deliveries that count, the last one included.
    var attempts: UInt32
    /// Node time.
    var diedAt: UInt64
    /// Where the message is now; nil: it is gone.
    var deadLetterQueue: String?

    func encode(into writer: inout WireWriter) throws(WireError) {
        var record = MessageRecord(body: body)
        record.contentType = Self.contentType
        try record.encode(into: &writer)
    }

    private var body: [UInt8] {
        var body = Array("{".utf8)
        Self.member("queue", queue, bytesMax: Self.nameBytesMax, to: &body)
        Self.member("messageId", String(message, radix: 16), bytesMax: Self.nameBytesMax, to: &body)
        Self.member("ending", ending.rawValue, bytesMax: Self.nameBytesMax, to: &body)
        Self.member("reason", reason, bytesMax: Self.reasonBytesMax, to: &body)
        if let deadLetterQueue { Self.member("deadLetterQueue", deadLetterQueue, bytesMax: Self.nameBytesMax, to: &body) }
        Self.member("diedAt", Timestamp(milliseconds: Int64(clamping: diedAt)).rfc3339, bytesMax: Self.nameBytesMax, to: &body)
        body.append(contentsOf: "\"attempts\":\(attempts)}".utf8)
        return body
    }

    /// Appends `"name":"text",`; the text is cut between two scalars where it would take more than `bytesMax` bytes.
    private static func member(_ name: String, _ text: String, bytesMax: Int, to body: inout [UInt8]) {
        JSONText.append(name, to: &body)
        body.append(UInt8(ascii: ":"))
        var left = bytesMax
        let kept = text.unicodeScalars.prefix { scalar in
            left -= JSONText.byteCount(of: scalar)
            return left >= 0
        }
        JSONText.append(String(String.UnicodeScalarView(kept)), to: &body)
        body.append(UInt8(ascii: ","))
    }
}

// Events of messages that die, on the topics that their queues name. They are written in the entry that says that the message died.
extension Node {
    /// Deaths in the open transaction that topics are told of.
    struct NotedDeaths: Sendable {
        struct Event: Sendable {
            var topic: UInt32
            /// Of its record in `deathRecords`.
            var record: Range<Int>
        }

        var events: [Event] = []
        /// Where their records begin in `acceptedRecords`; nil: they are not written yet.
        var place: Int?
    }

    /// Bytes that the end of one message adds to an entry, besides its result: more where a queue has a dead-letter topic.
    var endByteCountMax: Int { state.engine.announcingQueues > 0 ? Self.resultByteCountMax + Self.deathByteCountMax : Self.resultByteCountMax }

    private static let deathByteCountMax = 64 + DeathNotice.recordByteCountMax

    /// In the open transaction the message `id` of `queue` died or was cancelled. It adds at most ``endByteCountMax`` to the entry.
    mutating func noteDeath(_ id: UInt64, in queue: UInt32, attempts: UInt32, _ ending: DeathNotice.Ending, reason: String, next: QueueEngine.Next) {
        guard let topic = deadLetterTopic(of: queue) else { return }
        var target: String?
        if case .dead(let number) = next { target = state.engine.queues[Int(number)].name }
        let notice = DeathNotice(
            queue: state.engine.queues[Int(queue)].name, message: id, ending: ending, reason: reason, attempts: attempts, diedAt: state.time,
            deadLetterQueue: target)
        let start = deathRecords.count
        do throws(WireError) {
            try notice.encode(into: &deathRecords)
        } catch {
            preconditionFailure("a notice of bounded size makes a record: \(error.message)")
        }
        notedDeaths.events.append(.init(topic: topic, record: start..<deathRecords.count))
    }

    /// The number of the queue's dead-letter topic; nil where it has none. DECLARE makes the topic.
    func deadLetterTopic(of queue: UInt32) -> UInt32? {
        let name = state.engine.queues[Int(queue)].policy.deadLetterTopic
        return name.isEmpty ? nil : state.topics.number(of: name)
    }

    /// Writes the events of the noted deaths into the transaction, and their records after what lies in `acceptedRecords`. They are written once,
    /// before later events of the entry: a topic's offsets only rise.
    mutating func writeNotedDeaths() {
        guard !notedDeaths.events.isEmpty, notedDeaths.place == nil else { return }
        let place = acceptedRecords.count
        notedDeaths.place = place
        for death in notedDeaths.events {
            transaction.publish(
                .topicPublish, target: death.topic, producer: 0, firstSequence: 0, count: 1, offset: place + death.record.lowerBound,
                byteCount: death.record.count)
        }
        Self.append(deathRecords, to: &acceptedRecords)
    }

    /// The transaction is in the log, what lay in `acceptedRecords` from `address` on.
    mutating func applyNotedDeaths(recordsAddress address: UInt64) {
        guard let place = notedDeaths.place else { return }
        let records = deathRecords.array()
        for death in notedDeaths.events {
            let stored = NodeState.Stored(
                target: death.topic, producer: 0, firstSequence: 0, count: 1, address: address + UInt64(place + death.record.lowerBound))
            do throws(WireError) {
                try state.storeEvents(stored, records: records.span.bytes.extracting(death.record))
            } catch {
                preconditionFailure("a record that was made here is read: \(error.message)")
            }
            statistics.topicEventsStored += 1
        }
        forgetNotedDeaths()
    }

    mutating func forgetNotedDeaths() {
        notedDeaths = NotedDeaths()
        deathRecords.removeAll()
    }
}
