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
    }

    mutating func browse(_ request: Request, _ body: RawSpan) throws(WireError) {
        let browse = try BrowseRequest(body)
        let queue = try lookedAtQueue(request, browse.queue)
        let limits = browseLimits(itemsMax: Int(browse.messagesMax), recordBytesMax: Int(browse.bytesMax))
        continueBrowse(
            Browse(
                session: request.session, correlationID: request.correlationID, queue: queue, name: browse.queue,
                matcher: MessageMatcher(browse.filter, now: request.now), parts: browse.parts, limits: limits, cursor: browse.after))
    }

    mutating func get(_ request: Request, _ body: RawSpan) throws(WireError) {
        let get = try GetRequest(body)
        let queue = try lookedAtQueue(request, get.queue)
        guard let message = state.engine.view(get.id, in: queue) else {
            throw WireError(.noSuchMessage, "there is no message \(get.id) in '\(get.queue)' (any more)")
        }
        var page = BrowsePage()
        _ = add(message, get.parts, browseLimits(itemsMax: 1, recordBytesMax: .max), to: &page)
        answer(request.session, request.correlationID, .browsed(.get, page))
    }

    private func lookedAtQueue(_ request: Request, _ name: String) throws(WireError) -> UInt32 {
        try Self.allow(request.principal.read + request.principal.admin, name, "look at messages of queue", request.principal)
        return try queueNumber(name)
    }

    private func browseLimits(itemsMax: Int, recordBytesMax: Int) -> BrowsePage.Limits {
        .init(
            itemsMax: min(itemsMax, Self.browseItemsMax), recordBytesMax: recordBytesMax,
            replyBytesMax: configuration.frameBytesMax - Self.browseMargin)
    }

    /// Goes on until the reply is full, the queue is at its end, or enough was looked at; stops where stored bytes are needed.
    mutating func continueBrowse(_ browse: Browse) {
        guard state.engine.number(of: browse.name) == browse.queue else {
            let error = WireError(.noSuchQueue, "the queue '\(browse.name)' was deleted meanwhile")
            return answer(browse.session, browse.correlationID, .refused(.browse, error))
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
        fetch(heads.ranges, for: .browse(browse, heads))
    }

    /// The bytes that a BROWSE asked for have come; nil: they could not be read.
    mutating func fetchedForBrowse(_ browse: Browse, _ heads: HeadFetch, bytes: RawSpan?) {
        guard let bytes else {
            let error = WireError(.internalError, "stored messages of '\(browse.name)' could not be read; look at the broker's log")
            return answer(browse.session, browse.correlationID, .refused(.browse, error))
        }
        var browse = browse
        let messages = heads.matching(browse.matcher, in: bytes).compactMap { state.engine.view($0, in: browse.queue) }
        if take(messages, cursor: heads.cursor, isEnd: heads.isEnd, &browse) { return }
        continueBrowse(browse)
    }

    /// Takes messages into the reply. True where the BROWSE was answered.
    private mutating func take(_ messages: [MessageView], cursor: UInt64, isEnd: Bool, _ browse: inout Browse) -> Bool {
        for message in messages {
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

    /// The reply says what is so now: it goes out when that is durable.
    private mutating func finish(_ browse: inout Browse, next: UInt64) {
        browse.page.head.next = next
        answer(browse.session, browse.correlationID, .browsed(.browse, browse.page))
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
