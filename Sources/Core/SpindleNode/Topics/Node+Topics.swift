internal import DequeModule
internal import SpindleLog
internal import SpindleQueue
import SpindleText
internal import SpindleWire

// Subscriptions, and the events that are pushed to them.
extension Node {
    mutating func topicSubscribe(_ request: Request, _ body: RawSpan) throws(WireError) {
        let subscribe = try TopicSubscribeRequest(body)
        let patterns = subscribe.pattern.split(separator: ",").map { NamePattern(String($0)) }
        guard !patterns.isEmpty else { throw WireError(.invalidArgument, "the pattern is empty; '*' means every topic") }
        for pattern in patterns {
            guard request.principal.topicSubscribe.contains(where: { $0.covers(pattern) }) else {
                throw WireError(.permissionDenied, "'\(request.principal.name)' may not subscribe to '\(pattern)'; ask for the permission in the broker's configuration")
            }
        }
        let session = request.session
        guard let subscriptions = sessions[session]?.subscriptions else { return }
        guard !subscriptions.contains(where: { $0.id == subscribe.subscriptionID }) else {
            throw WireError(.invalidArgument, "subscription \(subscribe.subscriptionID) is there already; unsubscribe it first or pick another number")
        }
        guard subscriptions.count < Subscription.perSessionMax else {
            throw WireError(.invalidArgument, "\(Subscription.perSessionMax) subscriptions on this connection: no more are allowed")
        }
        try checkSubscriptionQuota(request)
        let subscription = start(subscribe, patterns)
        use(.init(subscriptions: 1), session)
        if subscriptions.isEmpty { topicPush.subscribers.append(session) }
        sessions[session]?.subscriptions.append(subscription)
        topicPush.hasWork = true
        let reply = TopicSubscribeReply(cursor: TopicCursor(epoch: epoch, offset: subscription.scanned))
        outbox.reply(session, .topicSubscribe, request.correlationID) { reply.encode(into: &$0) }
    }

    private func start(_ subscribe: TopicSubscribeRequest, _ patterns: [NamePattern]) -> Subscription {
        let end = log.end.rawValue
        var subscription = Subscription(id: subscribe.subscriptionID, patterns: patterns, scanned: end, credit: UInt64(subscribe.credit))
        switch subscribe.start {
        case .latest: break
        case .earliest:
            // What is gone already is no gap for someone who asks for what there is.
            subscription.scanned = state.topics.history.forgottenThrough
            subscription.ignoresDropsThrough = state.topics.history.drops
        case .after(let cursor):
            if cursor.epoch != epoch {
                subscription.pendingGap = "the cursor is of another log: the broker's data was replaced"
            } else if cursor.offset > end {
                subscription.pendingGap = "the cursor lies in the future of this log"
            } else {
                subscription.scanned = cursor.offset
            }
        }
        return subscription
    }

    private static let retentionGap = "events were dropped by the topic's retention before they were read"

    mutating func topicUnsubscribe(_ request: Request, _ body: RawSpan) throws(WireError) {
        let unsubscribe = try TopicUnsubscribeRequest(body)
        guard let index = sessions[request.session]?.subscriptions.firstIndex(where: { $0.id == unsubscribe.subscriptionID }) else {
            throw WireError(.invalidArgument, "there is no subscription \(unsubscribe.subscriptionID) on this connection")
        }
        sessions[request.session]?.subscriptions.remove(at: index)
        free(.init(subscriptions: 1), request.session)
        if sessions[request.session]?.subscriptions.isEmpty == true { topicPush.subscribers.removeAll { $0 == request.session } }
        outbox.reply(request.session, .topicUnsubscribe, request.correlationID) { _ in }
    }

    /// More credit; not answered. For a subscription that is gone it is ignored: the two may have crossed.
    mutating func topicCredit(_ request: Request, _ body: RawSpan) throws(WireError) {
        let credit = try TopicCreditRequest(body)
        guard let index = sessions[request.session]?.subscriptions.firstIndex(where: { $0.id == credit.subscriptionID }) else { return }
        sessions[request.session]?.subscriptions[index].credit += UInt64(credit.more)
        topicPush.hasWork = true
    }

    // MARK: Pushing

    /// Pushes durable events to all who want them, have credit, and have room. Costs nothing while nothing has changed.
    ///
    /// Subscriptions take a frame each in rounds, beginning behind the one at which the turn before ended: none makes the others wait for
    /// more than a frame, and no turn is long.
    ///
    /// - Parameter first: whose turn it is, for which room was kept.
    mutating func pushTopicEvents(first: SessionID? = nil) {
        let held = min(state.topics.history.entries.last.map { $0.offset + 1 } ?? 0, log.durable.rawValue)
        guard topicPush.hasWork || held > topicPush.pushedThrough else { return }
        topicPush.hasWork = false
        topicPush.isWorkLeft = false
        topicPush.pushedThrough = max(topicPush.pushedThrough, held)
        var turn = TopicPush.Turn()
        var round = topicPush.round()
        if let first { round = [first] + round.filter { $0 != first } }
        while !round.isEmpty {
            var more: [SessionID] = []
            for session in round {
                guard turn.hasBudget else {
                    topicPush.next = session
                    topicPush.hasWork = true
                    topicPush.isWorkLeft = true
                    return
                }
                if pushRound(to: session, &turn) { more.append(session) }
            }
            round = more
        }
        if turn.places <= 0 {
            topicPush.hasWork = true
            topicPush.isWorkLeft = true
        }
    }

    /// Pushes at most one frame for each subscription of the session. Returns whether there may be more for it.
    private mutating func pushRound(to session: SessionID, _ turn: inout TopicPush.Turn) -> Bool {
        guard let count = sessions[session]?.subscriptions.count else { return false }
        var hasMore = false
        for index in 0..<count {
            guard var subscription = sessions[session]?.subscriptions[index] else { continue }
            guard subscription.pendingGap != nil || subscription.credit > 0 else { continue }
            sessions[session]?.subscriptions[index] = Subscription(id: subscription.id, patterns: [], scanned: 0, credit: 0) // so that it is not copied
            if push(to: session, &subscription, &turn) { hasMore = true }
            if subscription.isHeldUp { topicPush.hasWork = true }
            sessions[session]?.subscriptions[index] = subscription
        }
        return hasMore
    }

    /// Pushes one frame, or what stands between two. Returns whether there may be more.
    private mutating func push(to session: SessionID, _ subscription: inout Subscription, _ turn: inout TopicPush.Turn) -> Bool {
        accountOutput()
        let allowance = flow.allowance(session)
        guard allowance.room > 0 else {
            flow.wait(session, for: 1)
            return false
        }
        if let reason = subscription.pendingGap {
            subscription.pendingGap = nil
            gap(session, subscription, offset: subscription.scanned, reason: reason)
        }
        let bytesMax = min(Subscription.bytesPerFrameMax, configuration.frameBytesMax - Self.recordFrameMargin, allowance.room)
        let steps = subscription.next(
            in: state.topics, durable: log.durable.rawValue, bytesMax: bytesMax, singleBytesMax: allowance.single, places: &turn.places)
        var items: [TopicStore.Event] = []
        for step in steps {
            switch step {
            case .event(let event):
                items.append(event)
                turn.bytes -= Int(event.byteCount)
            case .gap(let offset):
                flush(session, subscription, &items)
                gap(session, subscription, offset: offset, reason: Self.retentionGap)
            }
        }
        flush(session, subscription, &items)
        if let needed = subscription.neededBytes {
            flow.wait(session, for: needed)
            return false
        }
        return !steps.isEmpty
    }

    private mutating func flush(_ session: SessionID, _ subscription: Subscription, _ events: inout [TopicStore.Event]) {
        guard !events.isEmpty else { return }
        statistics.topicEventsPushed += UInt64(events.count)
        let items = events.map {
            TopicEventsHead.Item(
                offset: $0.offset, storedAtMilliseconds: $0.storedAt, topic: state.topics.topics[Int($0.topic)].name, recordByteCount: $0.byteCount)
        }
        outbox.pushEvents(session, TopicEventsHead(subscriptionID: subscription.id, epoch: epoch, items: items), addresses: events.map(\.address))
        events.removeAll(keepingCapacity: true)
    }

    private mutating func gap(_ session: SessionID, _ subscription: Subscription, offset: UInt64, reason: String) {
        let notice = TopicGapNotice(subscriptionID: subscription.id, cursor: TopicCursor(epoch: epoch, offset: offset), reason: reason)
        outbox.push(session, .topicGap) { notice.encode(into: &$0) }
    }
}
