internal import NIOCore
internal import SpindleWire

/// A message as it lies in its queue, seen without being leased.
public struct StoredMessage: Sendable {
    public let id: MessageID
    public let state: MessageState
    /// Of the latest lease; 0: never leased.
    public let epoch: UInt32
    /// Deliveries so far, the present lease's included.
    public let attempts: Int
    /// Unix time.
    public let storedAtMilliseconds: Int64
    /// When the lease ends or the delay is over, Unix time; nil for a ready message.
    public let dueAtMilliseconds: Int64?
    /// The principal and client that hold the lease; empty where it is not leased.
    public let holder: String
    /// How far the holder is, 0 to 100; nil: it did not say.
    public let percent: Int?
    /// What the holder said of its progress.
    public let note: String
    /// Headers and body; nil where they were not asked for, or can't be read (then ``unreadable`` says why).
    public let message: Message?
    /// Why the stored record can't be decoded.
    public let unreadable: SpindleError?
    /// What became of each attempt, and where a dead letter came from; nil where that was not asked for, or nothing is known.
    public let history: DeadLetterNote?
}

/// What is fetched of messages besides their state.
public struct BrowseParts: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Headers and bodies.
    public static let messages = BrowseParts(rawValue: 1)
    /// Attempts, and where dead letters came from.
    public static let histories = BrowseParts(rawValue: 2)

    var wire: SpindleWire.BrowseParts { SpindleWire.BrowseParts(rawValue: rawValue) }
}

/// One answer of the broker to a look into a queue.
public struct BrowsePage: Sendable {
    /// In the order of ids; may be empty though more follow: the broker looks at a bounded number of messages at a time.
    public let messages: [StoredMessage]
    /// Behind which id the next page begins; nil: the end was reached.
    public let next: MessageID?

    init(_ body: ByteBuffer, parts: BrowseParts) throws(WireError) {
        var reader = WireReader(body.readableBytesSpan)
        let head = try BrowseReplyHead(&reader)
        var records: [Range<Int>] = []
        records.reserveCapacity(head.items.count)
        for item in head.items {
            let start = reader.offset
            _ = try reader.span(Int(item.recordByteCount), "record")
            records.append(start..<reader.offset)
        }
        let tail = try reader.span(reader.remaining, "tail")
        let histories = try Self.histories(tail, count: head.items.count)
        var messages: [StoredMessage] = []
        messages.reserveCapacity(head.items.count)
        for (index, item) in head.items.enumerated() {
            var decoded: Result<Message, SpindleError>?
            if parts.contains(.messages) { decoded = Self.message(in: body.readableBytesSpan.extracting(records[index])) }
            messages.append(StoredMessage(item, decoded, history: histories[index]))
        }
        self.messages = messages
        next = head.next == 0 ? nil : MessageID(rawValue: head.next)
    }

    /// One record that can't be read must not hide the others.
    private static func message(in record: RawSpan) -> Result<Message, SpindleError> {
        do throws(SpindleError) { return .success(try RecordCodec.message(in: record)) } catch { return .failure(error) }
    }

    private static func histories(_ tail: RawSpan, count: Int) throws(WireError) -> [DeadLetterNote?] {
        var histories = [DeadLetterNote?](repeating: nil, count: count)
        for field in try TaggedTail.fields(in: tail, known: [LeaseReplyHead.Tag.deadLetters]) {
            var notes = WireReader(tail.extracting(field.range))
            while !notes.isAtEnd {
                let note = try SpindleWire.DeadLetterNote(&notes)
                guard Int(note.itemIndex) < count else { throw .malformed("a history for item \(note.itemIndex) of \(count)") }
                histories[Int(note.itemIndex)] = DeadLetterNote(note)
            }
        }
        return histories
    }
}

extension StoredMessage {
    /// `decoded`: nil where records were not asked for.
    init(_ item: BrowseReplyHead.Item, _ decoded: Result<Message, SpindleError>?, history: DeadLetterNote?) {
        var message: Message?
        var failure: SpindleError?
        switch decoded {
        case nil: break
        case .success(let readable): message = readable
        case .failure(let error): failure = error
        }
        self.init(
            id: MessageID(rawValue: item.id), state: MessageState(item.state), epoch: item.epoch, attempts: Int(item.attempts),
            storedAtMilliseconds: Int64(clamping: item.storedAtMilliseconds),
            dueAtMilliseconds: item.dueAtMilliseconds == 0 ? nil : Int64(clamping: item.dueAtMilliseconds), holder: item.holder,
            percent: item.percent == ExtendRequest.Item.noPercent ? nil : Int(item.percent), note: item.note, message: message,
            unreadable: failure, history: history)
    }
}

extension MessageState {
    init(_ wire: BrowseReplyHead.State) {
        switch wire {
        case .ready: self = .ready
        case .leased: self = .leased
        case .delayed: self = .delayed
        case .cancelled: self = .cancelled
        }
    }
}
