internal import SpindleWire

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
        case lease(LeaseAsk)
        case acknowledge([HeldToken])
        case negativeAcknowledge([HeldToken], Nack)
        case extend([HeldToken], duration: UInt64)
        /// A SETTLE that was sent before, by a worker.
        case settleAgain(SentSettle, worker: Int)
        case settle(acknowledged: [HeldToken], queue: Int, tags: Range<Int>, topic: Int, events: Range<Int>)
        case declare(queue: Int, QueueSettings)
        case declareRetention(topic: Int, TopicRetentionFields)
        case topicPublish(topic: Int, events: Range<Int>, producer: Int, isRepeated: Bool)
        case subscribe(subscriber: Int)
        case stats
        /// Neither: RESUME.
        case pause(queue: Int, deliveries: Bool, publishes: Bool)
        case purge(queue: Int, isDead: Bool, ready: Bool, delayed: Bool)
        case delete(queue: Int)
        case cancel(queue: Int, isDead: Bool, [Int])
        case reschedule(queue: Int, isDead: Bool, [Int], delay: UInt64)
        case redrive(queue: Int)
        case awaits(queue: Int, [Int])
        /// BROWSE, or GET of one message.
        case browse(isDead: Bool, Sight)
        case bulk(BulkAsk)
        /// QUIET, or else RESUME of a worker.
        case control(session: UInt64, isQuiet: Bool)
        case workers
        /// Of a LEASE or AWAIT, by its correlation id.
        case withdraw(UInt32)
    }

    /// A LEASE over one queue or several.
    struct LeaseAsk {
        /// In their order.
        var queues: [Int]
        var isDead: Bool
        var messagesMax: Int
        var waits: Bool
        var worker: Int
        /// The place of the first queue that surely had a message for it when it came; nil: nobody knows.
        var surelyAt: Int?
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
    var arrival = Arrival()
    /// The node wrote to the log when it came.
    var wroteLog = false

    /// A message may not be any more where it was: for a LEASE, because that lease is over and was the last.
    var mayTakeAway: Bool {
        switch kind {
        case .lease, .acknowledge, .negativeAcknowledge, .settle, .settleAgain, .purge, .delete, .cancel, .redrive, .withdraw: true
        case _: false
        }
    }

    /// Messages that it acknowledges, gives back or holds on to.
    var tokens: [HeldToken] {
        switch kind {
        case .acknowledge(let tokens), .negativeAcknowledge(let tokens, _), .extend(let tokens, _), .settle(let tokens, _, _, _, _): tokens
        case .settleAgain(let sent, _): sent.tokens
        case .connect, .publish, .lease, .declare, .topicPublish, .subscribe, .stats: []
        case .pause, .purge, .delete, .cancel, .reschedule, .redrive, .awaits, .browse, .declareRetention, .bulk, .control, .workers, .withdraw: []
        }
    }
}

/// What was certain of the messages of a queue when somebody began to look at them.
struct Sight {
    struct Sure {
        var tag: Int
        var epoch: UInt32
        var attempts: UInt32
    }

    /// Only messages behind this id are asked for.
    var after: UInt64
    /// Those that are asked for and are there.
    var sure: [Sure] = []
    /// Ids of those that are gone for good.
    var gone: Set<UInt64> = []
}

/// When a request came to the node, among the others.
struct Arrival {
    /// Requests are numbered in the order of their coming, from 1.
    var order: UInt32 = 0
    /// LEASEs of which it was known by then that no answer comes.
    var losses: UInt32 = 0
}
