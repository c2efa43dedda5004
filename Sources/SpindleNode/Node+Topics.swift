internal import SpindleLog
internal import SpindleQueue
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
        let subscription = start(subscribe, patterns)
        if subscriptions.isEmpty { subscribers.append(session) }
        sessions[session]?.subscriptions.append(subscription)
        let reply = TopicSubscribeReply(cursor: TopicCursor(epoch: epoch, offset: subscription.offset))
        outbox.reply(session, .topicSubscribe, request.correlationID) { reply.encode(into: &$0) }
    }

    private func start(_ subscribe: TopicSubscribeRequest, _ patterns: [NamePattern]) -> Subscription {
        let end = log.end.rawValue
        var subscription = Subscription(
            id: subscribe.subscriptionID, patterns: patterns, next: state.topics.endNumber, offset: end, credit: UInt64(subscribe.credit))
        switch subscribe.start {
        case .latest: break
        case .earliest:
            subscription.next = state.topics.firstNumber
            // What is gone already is no gap for someone who asks for what there is.
            subscription.offset = newestDropped(&subscription)
        case .after(let cursor):
            if cursor.epoch != epoch {
                subscription.pendingGap = "the cursor is of another log: the broker's data was replaced"
            } else if cursor.offset > end {
                subscription.pendingGap = "the cursor lies in the future of this log"
            } else {
                subscription.offset = cursor.offset
                subscription.next = state.topics.numberAfter(offset: cursor.offset)
                let dropped = newestDropped(&subscription)
                if dropped > cursor.offset {
                    subscription.offset = dropped
                    subscription.pendingGap = Self.retentionGap
                }
            }
        }
        return subscription
    }

    private static let retentionGap = "events were dropped by the topic's retention before they were read"

    /// Offset of the newest event that a topic of interest no longer holds.
    private func newestDropped(_ subscription: inout Subscription) -> UInt64 {
        var newest: UInt64 = 0
        for (number, topic) in state.topics.topics.enumerated() where topic.lastDropped > newest {
            if subscription.wants(topic: UInt32(number), name: topic.name) { newest = topic.lastDropped }
        }
        return newest
    }

    mutating func topicUnsubscribe(_ request: Request, _ body: RawSpan) throws(WireError) {
        let unsubscribe = try TopicUnsubscribeRequest(body)
        guard let index = sessions[request.session]?.subscriptions.firstIndex(where: { $0.id == unsubscribe.subscriptionID }) else {
            throw WireError(.invalidArgument, "there is no subscription \(unsubscribe.subscriptionID) on this connection")
        }
        sessions[request.session]?.subscriptions.remove(at: index)
        if sessions[request.session]?.subscriptions.isEmpty == true { subscribers.removeAll { $0 == request.session } }
        outbox.reply(request.session, .topicUnsubscribe, request.correlationID) { _ in }
    }

    /// More credit; not answered. For a subscription that is gone it is ignored: the two may have crossed.
    mutating func topicCredit(_ request: Request, _ body: RawSpan) throws(WireError) {
        let credit = try TopicCreditRequest(body)
        guard let index = sessions[request.session]?.subscriptions.firstIndex(where: { $0.id == credit.subscriptionID }) else { return }
        sessions[request.session]?.subscriptions[index].credit += UInt64(credit.more)
    }

    /// Pushes durable events to all who want them and have credit.
    mutating func pushTopicEvents() {
        for session in subscribers {
            guard let count = sessions[session]?.subscriptions.count else { continue }
            for index in 0..<count {
                guard var subscription = sessions[session]?.subscriptions[index] else { continue }
                guard subscription.pendingGap != nil || (subscription.credit > 0 && subscription.next < state.topics.endNumber) else { continue }
                sessions[session]?.subscriptions[index].credit = 0 // taken out while it is worked on: no copy is made
                push(to: session, &subscription)
                sessions[session]?.subscriptions[index] = subscription
            }
        }
    }

    private mutating func push(to session: SessionID, _ subscription: inout Subscription) {
        if let reason = subscription.pendingGap {
            subscription.pendingGap = nil
            gap(session, &subscription, offset: subscription.offset, reason: reason)
        }
        var items: [TopicEventsHead.Item] = []
        var byteCount = 0
        func isFull() -> Bool { items.count >= Subscription.eventsPerFrameMax || byteCount >= Subscription.bytesPerFrameMax }
        while subscription.credit > 0, subscription.next < state.topics.endNumber {
            guard let event = state.topics.event(subscription.next) else {
                // Dropped since: tell it, if it was of interest.
                flush(session, &subscription, &items, &byteCount)
                let dropped = newestDropped(&subscription)
                if dropped > subscription.offset {
                    gap(session, &subscription, offset: dropped, reason: Self.retentionGap)
                }
                subscription.next = max(subscription.next + 1, state.topics.firstNumber)
                continue
            }
            guard event.offset < log.durable.rawValue else { break }
            subscription.next += 1
            guard event.offset > subscription.offset else { continue }
            let name = state.topics.topics[Int(event.topic)].name
            guard subscription.wants(topic: event.topic, name: name) else { continue }
            items.append(.init(offset: event.offset, storedAtMilliseconds: event.storedAt, topic: name, recordByteCount: event.byteCount))
            byteCount += Int(event.byteCount)
            subscription.offset = event.offset
            subscription.credit -= 1
            if isFull() { flush(session, &subscription, &items, &byteCount) }
        }
        flush(session, &subscription, &items, &byteCount)
    }

    private mutating func flush(
        _ session: SessionID, _ subscription: inout Subscription, _ items: inout [TopicEventsHead.Item], _ byteCount: inout Int
    ) {
        guard !items.isEmpty else { return }
        statistics.topicEventsPushed += UInt64(items.count)
        outbox.pushEvents(session, TopicEventsHead(subscriptionID: subscription.id, epoch: epoch, items: items))
        items.removeAll(keepingCapacity: true)
        byteCount = 0
    }

    private mutating func gap(_ session: SessionID, _ subscription: inout Subscription, offset: UInt64, reason: String) {
        subscription.offset = offset
        let notice = TopicGapNotice(subscriptionID: subscription.id, cursor: TopicCursor(epoch: epoch, offset: offset), reason: reason)
        outbox.push(session, .topicGap) { notice.encode(into: &$0) }
    }
}
