/// A delivery as a worker holds it, with what the observer calls the message.
struct HeldToken {
    var tag: Int
    var id: UInt64
    var epoch: UInt32
    var duration: UInt64
    /// Delivered from the dead-letter queue.
    var isDead: Bool
}

/// What a request asked for, kept until its answer comes or can't come any more.
struct PendingRequest {
    enum Kind {
        case connect
        /// `tags` in the order of the records. Repeated ones have the tags that they had.
        case publish(queue: Int, tags: Range<Int>, producer: Int, isRepeated: Bool)
        case lease(queue: Int, isDead: Bool, messagesMax: Int, waits: Bool, worker: Int)
        case acknowledge([HeldToken])
        case negativeAcknowledge([HeldToken], Nack)
        case extend([HeldToken], duration: UInt64)
        case settle(acknowledged: [HeldToken], queue: Int, tags: Range<Int>, topic: Int, events: Range<Int>)
        case declare(queue: Int, attemptsMax: UInt32)
        case topicPublish(topic: Int, events: Range<Int>, producer: Int, isRepeated: Bool)
        case subscribe(subscriber: Int)
        case stats
    }

    enum Nack {
        case retry(delay: UInt64)
        case retryByPolicy
        case dead
        case release(delay: UInt64)
    }

    var kind: Kind
    var session: UInt64
    /// When it came to the node, node time; nil while it is on its way.
    var arrivedAt: UInt64?
    /// LEASEs that had been lost then.
    var lossesBefore: UInt32 = 0

    /// Messages that it acknowledges, gives back or holds on to.
    var tokens: [HeldToken] {
        switch kind {
        case .acknowledge(let tokens), .negativeAcknowledge(let tokens, _), .extend(let tokens, _), .settle(let tokens, _, _, _, _): tokens
        case .connect, .publish, .lease, .declare, .topicPublish, .subscribe, .stats: []
        }
    }
}
