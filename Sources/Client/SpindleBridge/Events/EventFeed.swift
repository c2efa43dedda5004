package import SpindleClient

/// What comes from the topics.
package enum FeedElement: Sendable, Hashable {
    /// `body` as it was published.
    case event(topic: String, cursor: TopicCursor, body: [UInt8])
    /// What lay between the elements before and `cursor` is gone.
    case gap(cursor: TopicCursor, reason: String)
}

/// One running subscription. It reconnects by itself; `next` is called by one task at a time.
package struct EventFeed: Sendable {
    /// Everything behind this place comes.
    package let start: TopicCursor
    /// The next element; nil after `cancel`.
    package let next: @Sendable () async throws -> FeedElement?
    package let cancel: @Sendable () -> Void

    package init(start: TopicCursor, next: @escaping @Sendable () async throws -> FeedElement?, cancel: @escaping @Sendable () -> Void) {
        self.start = start
        self.next = next
        self.cancel = cancel
    }
}

/// Where events come from: the broker, or a test.
package protocol EventFeedSource: Sendable {
    /// - Parameter pattern: as in ``SpindleClient/SpindleClient/subscribe(to:from:credit:)``.
    func subscribe(to pattern: String, from start: SubscriptionStart) async throws -> EventFeed
}

extension SpindleClient: EventFeedSource {
    package func subscribe(to pattern: String, from start: SubscriptionStart) async throws -> EventFeed {
        let subscription: TopicSubscription = try await subscribe(to: pattern, from: start, credit: 256)
        return EventFeed(
            start: subscription.startCursor,
            next: {
                // Iterators keep no state of their own: each hands out what the subscription holds next.
                var iterator = subscription.makeAsyncIterator()
                switch try await iterator.next() {
                case .event(let event): return .event(topic: event.topic, cursor: event.cursor, body: event.message.body)
                case .gap(let cursor, let reason): return .gap(cursor: cursor, reason: reason)
                case nil: return nil
                }
            },
            cancel: { subscription.cancel() })
    }
}
