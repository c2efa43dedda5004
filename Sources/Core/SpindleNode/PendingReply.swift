internal import SpindleQueue
internal import SpindleWire

/// An answer that waits until what it says is durable.
struct PendingReply: Sendable {
    var session: SessionID
    var correlationID: UInt32
    var content: Content
    /// Bytes of the request, as far as its principal's quota counts them.
    var requestBytes = 0
    /// What its session's window keeps free for it.
    var promisedBytes = 0

    /// A LEASE reply.
    struct Delivery: Sendable {
        var leaseMilliseconds: UInt64
        var messages: [QueueEngine.Granted]
        /// ``DeadLetterNote``s.
        var deadLetterNotes: [UInt8] = []
        /// ``LeaseReplyHead/Tag/queueIndex``.
        var queueIndex: UInt16?

        /// Bytes of the tail.
        var tailByteCount: Int {
            (deadLetterNotes.isEmpty ? 0 : TaggedTail.headByteCount + deadLetterNotes.count) + (queueIndex == nil ? 0 : LeaseReplyTail.queueIndexByteCount)
        }
    }

    enum Content: Sendable {
        case published(PublishReply.Run)
        case publishedItems(PublishReply)
        case leased(Delivery)
        case statuses(Opcode, StatusReply)
        case extended(ExtendReply)
        case settled(SettleReply)
        case declared(DeclareReply)
        case topicPublished(TopicPublishReply)
        case browsed(Opcode, BrowsePage)
        /// The body of one of the operators' operations: they are few, and are encoded at once.
        case encoded(Opcode, [UInt8])
        case pushed(Opcode, [UInt8])
        case refused(Opcode, WireError)
        /// Not an answer yet: what it needs to see is durable now.
        case browse(Node.Browse)
        case topicDeclared(DeclareReply)
        /// What has become of messages; their results are read when the reply goes.
        case awaited(Node.AwaitAnswer)

        /// Bytes that the reply takes of its session's window from the moment it is decided. Zero for the small ones: requests in flight are
        /// bounded by number, and these count when they are made. BROWSE and AWAIT under way keep their own promise.
        var promisedBytes: Int {
            let byteCount = switch self {
            case .leased(let delivery):
                delivery.messages.reduce(64 + delivery.deadLetterNotes.count) { $0 + Int($1.byteCount) + LeaseReplyHead.itemByteCount }
            case .browsed(_, let page): page.byteCount
            case .encoded(_, let bytes), .pushed(_, let bytes): bytes.count
            case .extended(let reply): 4 * reply.items.count + reply.notes.byteCount
            case .publishedItems(let reply): 16 * reply.runs.count + reply.notes.byteCount
            case .statuses(_, let reply): 8 * reply.runs.count + reply.notes.byteCount
            case .topicPublished(let reply): reply.notes.byteCount
            case .published, .settled, .declared, .refused, .browse, .topicDeclared, .awaited: 0
            }
            return byteCount < Self.promisedBytesMin ? 0 : byteCount
        }

        private static let promisedBytesMin = 512
    }
}

extension Node.Outbox {
    /// Encodes a whole reply frame and says where it goes.
    mutating func reply(
        _ session: SessionID, _ opcode: Opcode, _ correlationID: UInt32, flags: FrameFlags = [], _ body: (inout WireWriter) -> Void
    ) {
        let start = writer.count
        _ = writer.beginFrame(opcode, flags: flags.union(.reply), correlationID: correlationID)
        body(&writer)
        writer.endFrame(start)
        bytes(session, from: start)
    }

    mutating func push(_ session: SessionID, _ opcode: Opcode, _ body: (inout WireWriter) -> Void) {
        let start = writer.count
        _ = writer.beginFrame(opcode, flags: .push, correlationID: 0)
        body(&writer)
        writer.endFrame(start)
        bytes(session, from: start)
    }

    /// What was written since `start` goes to `session`; joined to the effect before where that is the same session's.
    private mutating func bytes(_ session: SessionID, from start: Int) {
        count(writer.count - start, for: session)
        if case .bytes(session, let before)? = effects.last, before.upperBound == start {
            effects[effects.count - 1] = .bytes(session, before.lowerBound..<writer.count)
        } else {
            effects.append(.bytes(session, start..<writer.count))
        }
    }

    /// One stored record. Neighbours are not joined here: damage of one must not spoil the next, so the shell has to know where each begins.
    private mutating func read(_ session: SessionID, address: UInt64, count: Int) {
        self.count(count, for: session)
        effects.append(.read(session, address: address, count: count))
    }

    mutating func release(_ reply: PendingReply) {
        switch reply.content {
        case .published(let run):
            self.reply(reply.session, .publish, reply.correlationID) { PublishReply.encode(run, into: &$0) }
        case .publishedItems(let body):
            self.reply(reply.session, .publish, reply.correlationID) { body.encode(into: &$0) }
        case .leased(let delivery): deliver(delivery, reply)
        case .statuses(let opcode, let body):
            self.reply(reply.session, opcode, reply.correlationID) { body.encode(into: &$0) }
        case .extended(let body):
            self.reply(reply.session, .extend, reply.correlationID) { body.encode(into: &$0) }
        case .settled(let body):
            self.reply(reply.session, .settle, reply.correlationID) { body.encode(into: &$0) }
        case .declared(let body):
            self.reply(reply.session, .declare, reply.correlationID) { body.encode(into: &$0) }
        case .topicPublished(let body):
            self.reply(reply.session, .topicPublish, reply.correlationID) { body.encode(into: &$0) }
        case .browsed(let opcode, let page): show(reply, opcode, page)
        case .encoded(let opcode, let body):
            self.reply(reply.session, opcode, reply.correlationID) { $0.bytes(body) }
        case .pushed(let opcode, let body):
            push(reply.session, opcode) { $0.bytes(body) }
        case .refused(let opcode, let error):
            self.error(reply.session, opcode: opcode.rawValue, correlationID: reply.correlationID, error, blastRadius: .request)
        case .browse: preconditionFailure("the node goes on with a BROWSE itself")
        case .awaited:
            preconditionFailure("the node answers an AWAIT itself")
        case .topicDeclared(let body):
            self.reply(reply.session, .topicDeclare, reply.correlationID) { body.encode(into: &$0) }
        }
    }

    private mutating func show(_ reply: PendingReply, _ opcode: Opcode, _ page: BrowsePage) {
        let start = writer.count
        _ = writer.beginFrame(opcode, flags: .reply, correlationID: reply.correlationID)
        page.head.encode(into: &writer)
        writer.endFrame(start, following: page.recordByteCount + (page.notes.isEmpty ? 0 : TaggedTail.headByteCount + page.notes.count))
        bytes(reply.session, from: start)
        for record in page.records { read(reply.session, address: record.address, count: record.count) }
        notes(reply.session, page.notes)
    }

    /// The last part of a frame: what messages went through, as its tail; nothing where there is none.
    private mutating func notes(_ session: SessionID, _ notes: [UInt8]) {
        guard !notes.isEmpty else { return }
        let tail = writer.count
        writer.u16(LeaseReplyHead.Tag.deadLetters)
        writer.u32(UInt32(notes.count))
        writer.bytes(notes)
        bytes(session, from: tail)
    }

    private mutating func deliver(_ delivery: PendingReply.Delivery, _ reply: PendingReply) {
        let messages = delivery.messages
        let start = writer.count
        var following = delivery.tailByteCount
        _ = writer.beginFrame(.lease, flags: .reply, correlationID: reply.correlationID)
        LeaseReplyHead.encodeStart(count: messages.count, leaseMilliseconds: UInt32(clamping: delivery.leaseMilliseconds), into: &writer)
        for message in messages {
            LeaseReplyHead.Item(
                token: DeliveryToken(messageID: message.id, epoch: message.epoch), attempt: message.attempt,
                storedAtMilliseconds: message.storedAt, recordByteCount: message.byteCount
            ).encode(into: &writer)
            following += Int(message.byteCount)
        }
        writer.endFrame(start, following: following)
        bytes(reply.session, from: start)
        for message in messages { read(reply.session, address: message.address, count: Int(message.byteCount)) }
        notes(reply.session, delivery.deadLetterNotes)
        guard let index = delivery.queueIndex else { return }
        let tail = writer.count
        LeaseReplyTail.encode(queueIndex: index, into: &writer)
        bytes(reply.session, from: tail)
    }

    mutating func pushEvents(_ session: SessionID, _ head: TopicEventsHead, addresses: [UInt64]) {
        let start = writer.count
        _ = writer.beginFrame(.topicEvents, flags: .push, correlationID: 0)
        head.encode(into: &writer)
        writer.endFrame(start, following: head.items.reduce(0) { $0 + Int($1.recordByteCount) })
        bytes(session, from: start)
        for (item, address) in zip(head.items, addresses) { read(session, address: address, count: Int(item.recordByteCount)) }
    }

    mutating func error(_ session: SessionID, opcode: UInt16, correlationID: UInt32, _ error: WireError, blastRadius: BlastRadius) {
        let start = writer.count
        FrameHeader(length: 0, opcode: opcode, flags: [.reply, .error], correlationID: correlationID).encode(into: &writer)
        ErrorReply(error, blastRadius: blastRadius).encode(into: &writer)
        writer.endFrame(start)
        bytes(session, from: start)
    }
}
