import SpindleBridge
import SpindleClient
import Synchronization

/// Topics as the broker keeps them, in memory: one log with an epoch, offsets, retention, and subscriptions that follow it.
final class FakeTopics: EventFeedSource {
    struct Refused: Error {}

    private struct State {
        var epoch: UInt64
        var end: UInt64
        /// Everything up to here is gone.
        var floor: UInt64 = 0
        var events: [(offset: UInt64, topic: String, body: [UInt8])] = []
        var feeds: [Int: AsyncStream<FeedElement>.Continuation] = [:]
        var lastFeed = 0
        var subscriptions: [SubscriptionStart] = []
        var refusals = 0
    }

    private let state: Mutex<State>

    init(epoch: UInt64 = 1, end: UInt64 = 100) {
        state = Mutex(State(epoch: epoch, end: end))
    }

    /// Which subscriptions were made, in order.
    var subscriptions: [SubscriptionStart] { state.withLock { $0.subscriptions } }

    func refuse(times: Int) { state.withLock { $0.refusals = times } }

    @discardableResult
    func publish(_ topic: String, _ body: String) -> TopicCursor {
        state.withLock { state in
            state.end += 1
            let cursor = TopicCursor(epoch: state.epoch, offset: state.end)
            state.events.append((state.end, topic, Array(body.utf8)))
            for feed in state.feeds.values { feed.yield(.event(topic: topic, cursor: cursor, body: Array(body.utf8))) }
            return cursor
        }
    }

    /// Retention takes everything up to `cursor`.
    func forget(upTo cursor: TopicCursor) {
        state.withLock { state in
            state.floor = cursor.offset
            state.events.removeAll { $0.offset <= cursor.offset }
        }
    }

    /// The subscriptions end as the broker's would when it refuses them.
    func endFeeds() {
        state.withLock { state in
            for feed in state.feeds.values { feed.finish() }
            state.feeds = [:]
        }
    }

    func subscribe(to pattern: String, from start: SubscriptionStart) async throws -> EventFeed {
        try state.withLock { state in
            if state.refusals > 0 {
                state.refusals -= 1
                throw Refused()
            }
            state.subscriptions.append(start)
            let (stream, feed) = AsyncStream.makeStream(of: FeedElement.self)
            let end = TopicCursor(epoch: state.epoch, offset: state.end)
            var begin = end
            if case .after(let cursor) = start {
                begin = cursor
                if cursor.epoch != state.epoch || cursor.offset > state.end || cursor.offset < state.floor {
                    begin = TopicCursor(epoch: state.epoch, offset: state.floor)
                    feed.yield(.gap(cursor: begin, reason: "it is no longer held"))
                }
            }
            let topics = pattern.split(separator: ",").map(String.init)
            for event in state.events where event.offset > begin.offset && topics.contains(event.topic) {
                feed.yield(.event(topic: event.topic, cursor: TopicCursor(epoch: state.epoch, offset: event.offset), body: event.body))
            }
            state.lastFeed += 1
            let id = state.lastFeed
            state.feeds[id] = feed
            return EventFeed(
                start: begin,
                next: {
                    var iterator = stream.makeAsyncIterator()
                    return await iterator.next()
                },
                cancel: { self.cancel(id) })
        }
    }

    private func cancel(_ id: Int) {
        state.withLock { $0.feeds.removeValue(forKey: id) }?.finish()
    }
}
