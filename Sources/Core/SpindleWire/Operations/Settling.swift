/// `u32 count × token · tail`. Tail tag 1: results to keep, ``AckResults``.
package struct AckRequest: Equatable, Sendable {
    package var tokens: [DeliveryToken]
    /// In rising order of their tokens.
    package var results: [AckResult]
    package init(tokens: [DeliveryToken], results: [AckResult] = []) {
        self.tokens = tokens
        self.results = results
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(tokens.count))
        for token in tokens { token.encode(into: &writer) }
        AckResults.encode(results, into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("tokens", itemBytesMin: DeliveryToken.byteCount, itemsMax: WireLimits.messagesPerFrameMax)
        tokens = []
        tokens.reserveCapacity(count)
        for _ in 0..<count { tokens.append(try DeliveryToken(&reader)) }
        results = try AckResults.tail(&reader, ackCount: count)
    }
}

/// How a message is given back.
package struct NackItem: Equatable, Sendable {
    package enum Disposition: UInt8, Sendable {
        /// Again, after the delay; dead at the attempt limit.
        case retry = 0
        /// To the dead-letter queue at once.
        case dead = 1
        /// Again, and the attempt does not count: the holder could not even begin (it was stopping).
        case release = 2
    }
    /// For `delay`: the queue's back-off decides.
    package static let delayByPolicy = UInt64.max

    package var token: DeliveryToken
    package var disposition: Disposition
    package var delayMilliseconds: UInt64
    package var reason: String

    package init(token: DeliveryToken, disposition: Disposition = .retry, delayMilliseconds: UInt64 = NackItem.delayByPolicy, reason: String) {
        self.token = token
        self.disposition = disposition
        self.delayMilliseconds = delayMilliseconds
        self.reason = reason
    }

    package func encode(into writer: inout WireWriter) {
        token.encode(into: &writer)
        writer.u8(disposition.rawValue)
        writer.u64(delayMilliseconds)
        writer.sentence(reason)
    }

    package init(_ reader: inout WireReader) throws(WireError) {
        token = try DeliveryToken(&reader)
        let raw = try reader.u8("disposition")
        guard let disposition = Disposition(rawValue: raw) else {
            throw WireError(.invalidArgument, "nack disposition \(raw): 0 (retry), 1 (dead) and 2 (release) are known")
        }
        self.disposition = disposition
        delayMilliseconds = try reader.u64("delay")
        guard delayMilliseconds <= WireLimits.durationMillisecondsMax || delayMilliseconds == Self.delayByPolicy else {
            throw WireError(.invalidArgument, "a delay of \(delayMilliseconds) ms: at most \(WireLimits.durationMillisecondsMax) (ten years) are allowed")
        }
        reason = try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)
    }
}

/// `u32 count × (token · u8 disposition · u64 delay ms · string reason) · tail`
package struct NackRequest: Equatable, Sendable {
    package var items: [NackItem]
    package init(items: [NackItem]) { self.items = items }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(items.count))
        for item in items { item.encode(into: &writer) }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("items", itemBytesMin: DeliveryToken.byteCount + 11, itemsMax: WireLimits.messagesPerFrameMax)
        items = []
        for _ in 0..<count { items.append(try NackItem(&reader)) }
        try reader.skipTail()
    }
}

/// The reply of ACK and NACK: the items' statuses in runs. `u32 runs × (u16 status · u32 count) · tail`
package struct StatusReply: Equatable, Sendable {
    package struct Run: Equatable, Sendable {
        package var status: ItemStatus
        package var count: UInt32
        package init(status: ItemStatus, count: UInt32) {
            self.status = status
            self.count = count
        }
    }

    package private(set) var runs: [Run]
    /// On the items, as the runs count them.
    package private(set) var notes: ItemNotes
    private var itemCount: UInt64

    package init(runs: [Run] = [], notes: ItemNotes = ItemNotes()) {
        self.runs = runs
        self.notes = notes
        itemCount = runs.reduce(0) { $0 + UInt64($1.count) }
    }

    /// Adds the status of the next item, and what there is to say of it.
    package mutating func append(_ status: ItemStatus, _ error: WireError? = nil) {
        if let error { notes.add(error, item: Int(itemCount)) }
        itemCount += 1
        if let last = runs.last, last.status == status {
            runs[runs.count - 1].count += 1
        } else {
            runs.append(Run(status: status, count: 1))
        }
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(UInt32(runs.count))
        for run in runs {
            writer.u16(run.status.rawValue)
            writer.u32(run.count)
        }
        notes.encode(into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = try reader.count("runs", itemBytesMin: 6, itemsMax: WireLimits.messagesPerFrameMax)
        var runs: [Run] = []
        for _ in 0..<count { runs.append(Run(status: ItemStatus(rawValue: try reader.u16("status")), count: try reader.u32("count"))) }
        self.init(runs: runs)
        notes = try ItemNotes(tail: &reader, itemCount: itemCount)
    }

    /// The statuses one by one, checked against the number that was asked for.
    package func statuses(expected: Int) throws(WireError) -> [ItemStatus] {
        var statuses: [ItemStatus] = []
        for run in runs {
            guard Int(run.count) <= expected - statuses.count else { throw .malformed("more statuses than the \(expected) items asked for") }
            for _ in 0..<run.count { statuses.append(run.status) }
        }
        guard statuses.count == expected else { throw .malformed("\(statuses.count) statuses for \(expected) items") }
        return statuses
    }
}

/// `u32 lease ms (0: the queue's own) · u32 count × (token · u8 percent (255: none) · string note) · tail`
package struct ExtendRequest: Equatable, Sendable {
    package struct Item: Equatable, Sendable {
        package static let noPercent: UInt8 = 255
        package var token: DeliveryToken
        package var percent: UInt8
        package var note: String
        package init(token: DeliveryToken, percent: UInt8 = Item.noPercent, note: String = "") {
            self.token = token
            self.percent = percent
            self.note = note
        }
    }

    package var leaseMilliseconds: UInt32
    package var items: [Item]
    package init(leaseMilliseconds: UInt32, items: [Item]) {
        self.leaseMilliseconds = leaseMilliseconds
        self.items = items
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(leaseMilliseconds)
        writer.u32(UInt32(items.count))
        for item in items {
            item.token.encode(into: &writer)
            writer.u8(item.percent)
            writer.sentence(item.note)
        }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        leaseMilliseconds = try reader.u32("lease")
        let count = try reader.count("items", itemBytesMin: DeliveryToken.byteCount + 3, itemsMax: WireLimits.messagesPerFrameMax)
        items = []
        for _ in 0..<count {
            let item = Item(
                token: try DeliveryToken(&reader), percent: try reader.u8("percent"),
                note: try reader.string("note", bytesMax: WireLimits.sentenceBytesMax))
            guard item.percent <= 100 || item.percent == Item.noPercent else {
                throw WireError(.invalidArgument, "a progress of \(item.percent) %: 0 to 100 are allowed, and 255 for none")
            }
            items.append(item)
        }
        try reader.skipTail()
    }
}

/// `u32 lease ms · u32 count × (u16 status · u8 flags (bit 0: the message was cancelled)) · tail`
package struct ExtendReply: Equatable, Sendable {
    package struct Item: Equatable, Sendable {
        package var status: ItemStatus
        package var isCancelled: Bool
        package init(status: ItemStatus, isCancelled: Bool) {
            self.status = status
            self.isCancelled = isCancelled
        }
    }
    package var leaseMilliseconds: UInt32
    package var items: [Item]
    package var notes: ItemNotes
    package init(leaseMilliseconds: UInt32, items: [Item], notes: ItemNotes = ItemNotes()) {
        self.leaseMilliseconds = leaseMilliseconds
        self.items = items
        self.notes = notes
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(leaseMilliseconds)
        writer.u32(UInt32(items.count))
        for item in items {
            writer.u16(item.status.rawValue)
            writer.u8(item.isCancelled ? 1 : 0)
        }
        notes.encode(into: &writer)
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        leaseMilliseconds = try reader.u32("lease")
        let count = try reader.count("items", itemBytesMin: 3, itemsMax: WireLimits.messagesPerFrameMax)
        items = []
        for _ in 0..<count {
            items.append(Item(status: ItemStatus(rawValue: try reader.u16("status")), isCancelled: try reader.u8("flags") & 1 != 0))
        }
        notes = try ItemNotes(tail: &reader, itemCount: UInt64(count))
    }
}

/// Acks, nacks, publishes and topic events that happen together or not at all. Each of the three kinds may have
/// ``WireLimits/messagesPerFrameMax`` items. Tail tag 2: ``SettleIdentity``.
/// `u32 acks × token · u32 nacks × nack item · u16 groups × (u8 kind (0 queue, 1 topic) · string name · u32 count · u32 bytes · records) · tail`.
/// Tail tag 1: results of the acks, ``AckResults``.
package struct SettleRequest: ~Escapable {
    package let acks: [DeliveryToken]
    package let nacks: [NackItem]
    package let groups: [Group]
    /// Results of the acks, in rising order of their tokens.
    package let results: [AckResult]
    /// Under which it is remembered; nil: it is not.
    package let identity: SettleIdentity?
    /// The whole body; groups point into it.
    package let body: RawSpan

    /// Records for one queue or topic.
    package struct Group: Equatable, Sendable {
        package enum Kind: UInt8, Sendable {
            case queue = 0
            case topic = 1
        }
        package var kind: Kind
        package var name: String
        package var count: Int
        /// Where the records lie in the request's body.
        package var records: Range<Int>
    }

    /// A group's fields with a name of one byte and the smallest record.
    private static let groupBytesMin = 1 + 3 + 4 + 4 + MessageRecord.fixedByteCount
    /// Most groups in one SETTLE.
    package static let groupsMax = 64

    @_lifetime(copy body)
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        var acks: [DeliveryToken] = []
        let ackCount = try reader.count("acks", itemBytesMin: DeliveryToken.byteCount, itemsMax: WireLimits.messagesPerFrameMax)
        for _ in 0..<ackCount { acks.append(try DeliveryToken(&reader)) }
        var nacks: [NackItem] = []
        let nackCount = try reader.count("nacks", itemBytesMin: DeliveryToken.byteCount + 11, itemsMax: WireLimits.messagesPerFrameMax)
        for _ in 0..<nackCount { nacks.append(try NackItem(&reader)) }
        var groups: [Group] = []
        var recordCount = 0
        let groupCount = Int(try reader.u16("groups"))
        guard groupCount <= reader.remaining / Self.groupBytesMin else {
            throw .malformed("groups: \(groupCount) are announced, the \(reader.remaining) bytes left can't hold them")
        }
        guard groupCount <= Self.groupsMax else { throw WireError(.invalidArgument, "\(groupCount) groups: at most \(Self.groupsMax) are allowed in a SETTLE") }
        for _ in 0..<groupCount {
            let raw = try reader.u8("group kind")
            guard let kind = Group.Kind(rawValue: raw) else { throw WireError(.invalidArgument, "group kind \(raw): 0 (queue) and 1 (topic) are known") }
            let name = try reader.name("group name")
            let count = try reader.count("group records", itemBytesMin: MessageRecord.fixedByteCount, itemsMax: WireLimits.messagesPerFrameMax)
            recordCount += count
            guard count > 0, recordCount <= WireLimits.messagesPerFrameMax else {
                throw WireError(.invalidArgument, "\(count) records for '\(name)', \(recordCount) in all: 1 to \(WireLimits.messagesPerFrameMax) are allowed")
            }
            let byteCount = Int(clamping: try reader.u32("group bytes"))
            let start = reader.offset
            _ = try reader.span(byteCount, "group's records")
            groups.append(Group(kind: kind, name: name, count: count, records: start..<(start + byteCount)))
        }
        var results: [AckResult] = []
        var identity: SettleIdentity?
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [AckResults.tag, SettleIdentity.tag]) {
            let bytes = tail.extracting(field.range)
            if field.tag == AckResults.tag { results = try AckResults.decode(bytes, ackCount: ackCount) } else { identity = try SettleIdentity(bytes) }
        }
        self.results = results
        self.identity = identity
        self.acks = acks
        self.nacks = nacks
        self.groups = groups
        self.body = body
    }

    package static func encode(acks: [DeliveryToken], nacks: [NackItem], groupCount: Int, into writer: inout WireWriter) {
        writer.u32(UInt32(acks.count))
        for token in acks { token.encode(into: &writer) }
        writer.u32(UInt32(nacks.count))
        for item in nacks { item.encode(into: &writer) }
        writer.u16(UInt16(groupCount))
    }

    package static func encodeGroup(_ kind: Group.Kind, name: String, count: Int, records: RawSpan, into writer: inout WireWriter) {
        writer.u8(kind.rawValue)
        writer.string(name)
        writer.u32(UInt32(count))
        writer.u32(UInt32(records.byteCount))
        writer.bytes(records)
    }
}

/// One first id per group of the request, in its order: message ids for queues, offsets for topics; within a group they follow
/// as in ``PublishReply``. `u16 groups × (u64 first id) · tail`. A SETTLE that fails is an error reply: nothing of it happened.
package struct SettleReply: Equatable, Sendable {
    package var firstIDs: [UInt64]
    package init(firstIDs: [UInt64]) { self.firstIDs = firstIDs }
    package func encode(into writer: inout WireWriter) {
        writer.u16(UInt16(firstIDs.count))
        for id in firstIDs { writer.u64(id) }
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let count = Int(try reader.u16("groups"))
        guard count <= reader.remaining / 8 else { throw .malformed("groups: \(count) are announced, the \(reader.remaining) bytes left can't hold them") }
        firstIDs = []
        for _ in 0..<count { firstIDs.append(try reader.u64("first id")) }
        try reader.skipTail()
    }
}
