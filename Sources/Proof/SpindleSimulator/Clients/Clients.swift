internal import SpindleWire

/// One client of the simulated network, and its connection.
struct Client {
    /// 0: not connected.
    var session: UInt64 = 0
    /// Frames on their way to the node, in their order.
    var uplink: [(opcode: Opcode, correlationID: UInt32, body: [UInt8])] = []
}

/// Publishes batches, and sends each again until it is answered.
struct ProducerState {
    struct Batch {
        var isTopic: Bool
        /// Queue or topic.
        var target: Int
        /// Messages or events.
        var tags: Range<Int>
        var records: [UInt8]
        var sequence: UInt64
        var wasSent = false
    }

    /// 0: without a producer id; nothing is sent again then.
    var id: UInt64
    var sequence: UInt64 = 0
    var batch: Batch?
    var isWaiting = false
    /// An answered batch, to be sent again as a duplicated frame would be.
    var answered: Batch?
}

struct WorkerState {
    var tokens: [HeldToken] = []
    /// Tokens that were given up or used.
    var stale: [HeldToken] = []
    var waits = 0
    /// SETTLEs that it may send again.
    var settles = SentSettles()

    mutating func discard(_ token: HeldToken) {
        if stale.count >= 8 { stale.removeFirst() }
        stale.append(token)
    }
}

struct SubscriberState {
    var nextSubscription: UInt32 = 1
    /// The one whose pushes count; 0: none.
    var subscription: UInt32 = 0
    /// A place from which it can go on.
    var savedCursor: UInt64?
    /// The subscription went on from a cursor: only a gap that is told may move it.
    var goesOn = false
}
