internal import SpindleQueue
internal import SpindleWire

/// The reply of a BROWSE or GET as it fills.
struct BrowsePage: Sendable {
    var head = BrowseReplyHead(next: 0, items: [])
    /// Where the items' records lie, where they are asked for.
    var records: [Effect.Range] = []
    /// Histories, encoded.
    var notes: [UInt8] = []

    /// Bytes of the items.
    private var tableByteCount = 0
    private(set) var recordByteCount = 0

    /// What one reply may hold. The first message always comes in, with as much of its history as fits.
    struct Limits: Sendable {
        var itemsMax: Int
        /// Bytes of records.
        var recordBytesMax: Int
        /// Bytes of everything.
        var replyBytesMax: Int
        /// Bytes of everything that the session's window has room for. The first message may take more.
        var roomBytes: Int
    }

    /// Of the whole reply.
    var byteCount: Int { Self.headByteCount + tableByteCount + recordByteCount + notes.count }
    private static let headByteCount = 64

    /// False where it has no place any more: then nothing was added.
    mutating func add(_ item: BrowseReplyHead.Item, record: Effect.Range?, history: MessageHistory?, limits: Limits) -> Bool {
        let itemByteCount = BrowseReplyHead.itemByteCountMin + item.holder.utf8.count + item.note.utf8.count
        let recordCount = record?.count ?? 0
        let isFirst = head.items.isEmpty
        let bytesMax = isFirst ? limits.replyBytesMax : min(limits.replyBytesMax, limits.roomBytes)
        let room = bytesMax - tableByteCount - itemByteCount - recordByteCount - recordCount - notes.count
        if !isFirst, head.items.count >= limits.itemsMax || recordByteCount + recordCount > limits.recordBytesMax || room < 0 { return false }
        if let history {
            let note = DeadLetterNote(history, itemIndex: head.items.count)
            guard let bytes = isFirst ? note.encoded(bytesMax: room) : note.wholeEncoded(bytesMax: room) else { return false }
            notes += bytes
        }
        head.items.append(item)
        if let record { records.append(record) }
        tableByteCount += itemByteCount
        recordByteCount += recordCount
        return true
    }
}

extension DeadLetterNote {
    /// What a message went through; without an origin where it is no dead letter.
    init(_ history: MessageHistory, itemIndex: Int) {
        self.init(
            itemIndex: UInt32(itemIndex), originQueue: history.death?.originQueue ?? "", reason: history.death?.reason ?? "",
            deadAtMilliseconds: history.death?.at ?? 0,
            attempts: history.attempts.map {
                .init(
                    number: $0.number, leasedAtMilliseconds: $0.leasedAt, endedAtMilliseconds: $0.endedAt, holder: $0.holder,
                    outcome: $0.outcome == .nacked ? .nacked : .expired, reason: $0.reason)
            })
    }

    /// nil where it does not fit.
    func wholeEncoded(bytesMax: Int) -> [UInt8]? {
        var writer = WireWriter(capacity: 256)
        encode(into: &writer)
        return writer.count <= bytesMax ? writer.array() : nil
    }

    /// Without its oldest attempts where it does not fit whole; empty where nothing of it does.
    func encoded(bytesMax: Int) -> [UInt8] {
        var note = self
        while true {
            if let bytes = note.wholeEncoded(bytesMax: bytesMax) { return bytes }
            guard !note.attempts.isEmpty else { return [] }
            note.attempts.removeFirst((note.attempts.count + 1) / 2)
        }
    }
}
