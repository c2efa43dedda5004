internal import SpindleQueue
internal import SpindleWire

// BROWSE and GET: looking at messages without any effect on them.
extension Node {
    /// Messages that one BROWSE looks at, at most.
    static let browseLooksMax = 8192
    /// Of them, those that are looked at in one step.
    private static let browseStepMax = 1024
    /// Bytes that one BROWSE has fetched for conditions on headers, unless a single record takes more.
    private static let browseFetchBytesMax = 1 << 20
    /// Messages in one reply at most.
    private static let browseItemsMax = 1024
    /// Bytes of a frame that are neither items nor records nor notes.
    private static let browseMargin = 256

    /// A BROWSE under way.
    struct Browse: Sendable {
        var session: SessionID
        var correlationID: UInt32
        var queue: UInt32
        /// The number may have become another queue's while the disk was waited for.
        var name: String
        var matcher: MessageMatcher
        var parts: BrowseParts
        var limits: BrowsePage.Limits

        /// The last message that was looked at.
        var cursor: UInt64
        var looks = 0
        var fetchedBytes = 0
        /// In this step.
        var units = 0
        var page = BrowsePage()
        /// What its session's window keeps free for the reply while it is under way.
        var promisedBytes = 0
    }

    /// A GET that waits for room.
    struct GetWait: Sendable {
        var session: SessionID
        var correlationID: UInt32
        var queue: String
        var id: UInt64
        var parts: BrowseParts
    }

    mutating func browse(_ request: Request, _ body: RawSpan) throws(WireError) {
        let browse = try BrowseRequest(body)
        let queue = try lookedAtQueue(request, browse.queue)
        let limits = browseLimits(itemsMax: Int(browse.messagesMax), recordBytesMax: Int(browse.bytesMax), room: pageBytesMax(request.session))
        continueBrowse(
            Browse(
                session: request.session, correlationID: request.correlationID, queue: queue, name: browse.queue,
                matcher: MessageMatcher(browse.filter, now: request.now), parts: browse.parts, limits: limits, cursor: browse.after))
    }

    mutating func get(_ request: Request, _ body: RawSpan) throws(WireError) {
        let get = try GetRequest(body)
        _ = try lookedAtQueue(request, get.queue)
        continueGet(
            GetWait(session: request.session, correlationID: request.correlationID, queue: get.queue, id: get.id, parts: get.parts))
    }

    /// Answers a GET, or sets it aside where its session has no room for the message.
    mutating func continueGet(_ get: GetWait) {
        guard let queue = state.engine.number(of: get.queue), let message = state.engine.view(get.id, in: queue) else {
            let error = WireError(.noSuchMessage, "there is no message \(get.id) in '\(get.queue)' (any more)")
            return refuse(get.session, opcode: Opcode.get.rawValue, correlationID: get.correlationID, error, blastRadius: .request)
        }
        var page = BrowsePage()
        _ = add(message, get.parts, browseLimits(itemsMax: 1, recordBytesMax: .max, room: 0), to: &page)
        guard page.byteCount <= outputAllowance(get.session).single else {
            return setAside(.get(get), of: get.session, for: page.byteCount)
        }
        answer(get.session, get.correlationID, .browsed(.get, page))
    }

    func lookedAtQueue(_ request: Request, _ name: String) throws(WireError) -> UInt32 {
        try Self.allow(request.principal.read + request.principal.admin, name, "look at messages of queue", request.principal)
        return try queueNumber(name)
    }

    private func browseLimits(itemsMax: Int, recordBytesMax: Int, room: Int) -> BrowsePage.Limits {
        .init(
            itemsMax: min(itemsMax, Self.browseItemsMax), recordBytesMax: recordBytesMax,
            replyBytesMax: configuration.frameBytesMax - Self.browseMargin, roomBytes: room - Self.browseMargin)
    }

    /// The reply to a BROWSE is decided: what was kept free for it is its own from now on.
    private mutating func answer(_ browse: Browse, _ content: PendingReply.Content) {
        flow.release(browse.promisedBytes, of: browse.session)
        answer(browse.session, browse.correlationID, content)
    }

    /// Goes on until the reply is full, the queue is at its end, or enough was looked at; stops where stored bytes are needed.
    mutating func continueBrowse(_ browse: Browse) {
        guard state.engine.number(of: browse.name) == browse.queue else {
            let error = WireError(.noSuchQueue, "the queue '\(browse.name)' was deleted meanwhile")
            return answer(browse, .refused(.browse, error))
        }
        var browse = browse
        while browse.looks < Self.browseLooksMax, browse.fetchedBytes < Self.browseFetchBytesMax {
            guard browse.units < NodeWork.unitsPerStepMax else { return wait(.browse(browse)) }
            let looked = look(browse.queue, after: browse.cursor, browse.matcher, max: Self.browseStepMax)
            browse.units += looked.units
            if browse.matcher.readsHeaders, !looked.messages.isEmpty { return fetchHeads(looked, browse) }
            browse.looks += Self.browseStepMax
            if take(looked.messages, cursor: looked.cursor, isEnd: looked.isEnd, &browse) { return }
        }
        finish(&browse, next: browse.cursor)
    }

    private mutating func fetchHeads(_ looked: Look, _ browse: Browse) {
        let heads = HeadFetch(looked, for: browse.matcher, bytesMax: Self.fetchBytesMax)
        // What was stored or moved just now can be read when it is durable.
        guard heads.ranges.allSatisfy({ isDurable($0) }) else { return answer(browse.session, browse.correlationID, .browse(browse)) }
        var browse = browse
        browse.looks += heads.ids.count
        browse.fetchedBytes += heads.byteCount
        browse.units += heads.units
        work.charge(heads.units)
        if browse.promisedBytes == 0 {
            browse.promisedBytes = min(browse.limits.replyBytesMax, max(0, browse.limits.roomBytes))
            flow.promise(browse.promisedBytes, to: browse.session)
        }
        fetch(heads.ranges, for: .browse(browse, heads))
    }

    /// The bytes that a BROWSE asked for have come; nil: they could not be read.
    mutating func fetchedForBrowse(_ browse: Browse, _ heads: HeadFetch, bytes: RawSpan?) {
        guard let bytes else {
            let error = WireError(.internalError, "stored messages of '\(browse.name)' could not be read; look at the broker's log")
            return answer(browse, .refused(.browse, error))
        }
        var browse = browse
        let messages = heads.matching(browse.matcher, in: bytes).compactMap { state.engine.view($0, in: browse.queue) }
        if take(messages, cursor: heads.cursor, isEnd: heads.isEnd, &browse) { return }
        continueBrowse(browse)
    }

    /// Takes messages into the reply. True where the BROWSE was answered, or waits.
    private mutating func take(_ messages: [MessageView], cursor: UInt64, isEnd: Bool, _ browse: inout Browse) -> Bool {
        for message in messages {
            if browse.page.head.items.isEmpty, isSetAside(&browse, for: message) { return true }
            guard add(message, browse.parts, browse.limits, to: &browse.page) else {
                finish(&browse, next: browse.cursor)
                return true
            }
            browse.cursor = message.id
        }
        browse.cursor = cursor
        if isEnd { finish(&browse, next: 0) }
        return isEnd
    }

    /// Sets a BROWSE aside whose first message does not fit its session's window. Returns false where it fits.
    private mutating func isSetAside(_ browse: inout Browse, for message: MessageView) -> Bool {
        var page = BrowsePage()
        _ = add(message, browse.parts, browse.limits, to: &page)
        flow.release(browse.promisedBytes, of: browse.session)
        browse.promisedBytes = 0
        let allowance = outputAllowance(browse.session)
        browse.limits.roomBytes = max(0, allowance.room - Self.browseMargin)
        guard page.byteCount > allowance.single else { return false }
        // Restarts after the messages that this step skipped, with a new budget: its page is still empty.
        browse.looks = 0
        browse.fetchedBytes = 0
        browse.units = 0
        setAside(.browse(browse), of: browse.session, for: page.byteCount)
        return true
    }

    /// The reply says what is so now: it goes out when that is durable.
    private mutating func finish(_ browse: inout Browse, next: UInt64) {
        browse.page.head.next = next
        answer(browse, .browsed(.browse, browse.page))
    }

    private func add(_ message: MessageView, _ parts: BrowseParts, _ limits: BrowsePage.Limits, to page: inout BrowsePage) -> Bool {
        var item = BrowseReplyHead.Item(
            id: message.id, state: .ready, epoch: message.epoch, attempts: message.attempts, storedAtMilliseconds: message.storedAt)
        switch message.state {
        case .ready: break
        case .delayed(let until):
            item.state = .delayed
            item.dueAtMilliseconds = until
        case .leased(let lease):
            item.state = message.isCancelled ? .cancelled : .leased
            item.dueAtMilliseconds = lease.deadline
            item.holder = lease.holder
            if let progress = progress[message.id], progress.epoch == message.epoch {
                item.percent = progress.percent
                item.note = progress.note
            }
        }
        var record: Effect.Range?
        if parts.contains(.records) {
            record = .init(address: message.address, count: Int(message.byteCount))
            item.recordByteCount = message.byteCount
        }
        let history = parts.contains(.histories) ? state.engine.history(of: message.id) : nil
        return page.add(item, record: record, history: history, limits: limits)
    }
}
