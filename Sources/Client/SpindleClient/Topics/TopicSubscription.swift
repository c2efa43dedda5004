internal import NIOCore
internal import Synchronization

/// Where a subscription begins.
public enum SubscriptionStart: Sendable, Hashable {
    /// With what is published from now on.
    case latest
    /// With the oldest event that the broker still holds.
    case earliest
    /// Behind an event seen before.
    case after(TopicCursor)
}

/// One event of a topic.
public struct TopicEvent: Sendable {
    public var topic: String
    /// Subscribing ``SubscriptionStart/after(_:)`` this goes on behind the event.
    public var cursor: TopicCursor
    public var message: Message
    /// Unix time.
    public var storedAtMilliseconds: Int64
}

/// What a subscription yields.
public enum TopicElement: Sendable {
    case event(TopicEvent)
    /// What lay between the events before and `cursor` is gone: history was cut, or the broker has other data.
    case gap(cursor: TopicCursor, reason: String)
}

/// The events of the topics that match a pattern, in order, without a silent hole: a reconnect goes on behind the last event.
///
/// Ends when ``cancel()`` is called, the last copy of it is gone, or the client is closed; throws ``SpindleError`` where the broker
/// refuses it. At most as many events as its credit wait in memory.
public struct TopicSubscription: AsyncSequence, Sendable {
    public typealias Element = TopicElement

    public struct AsyncIterator: AsyncIteratorProtocol {
        let owner: TopicStreamOwner
        public mutating func next() async throws -> TopicElement? { try await owner.stream.next() }
    }

    /// Everything behind this cursor comes; without events so far, a later subscription may begin here.
    public let startCursor: TopicCursor
    let owner: TopicStreamOwner

    /// One iterator at a time: events are handed out once.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(owner: owner) }

    /// Ends it, here and at the broker.
    public func cancel() { owner.stream.cancel() }
}

/// Ends the stream when nobody holds the subscription any more.
final class TopicStreamOwner: Sendable {
    let stream: TopicStream
    init(_ stream: TopicStream) { self.stream = stream }
    deinit { stream.cancel() }
}
