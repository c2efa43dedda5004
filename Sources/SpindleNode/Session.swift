internal import SpindleWire

/// One connection as the node sees it.
struct Session: Sendable {
    enum State: Sendable {
        /// Can transition to: awaitingAuthentication, closing.
        case awaitingHello
        /// Can transition to: authenticating, closing.
        case awaitingAuthentication
        /// The shell was asked who it is. Can transition to: open, closing.
        case authenticating(correlationID: UInt32)
        /// Can transition to: closing.
        case open(Principal)
        /// Nothing is answered any more.
        case closing
    }

    var state: State = .awaitingHello
    var peer: String
    var clientName = ""
    var labels: [HelloRequest.Label] = []
    /// `principal/client`, for leases and attempts.
    var holder = ""
    /// Requests that wait for an answer.
    var inFlight = 0
    var subscriptions: [Subscription] = []
    /// The queue of the last publish that was allowed: most producers have but one.
    var lastPublishQueue: (name: String, number: UInt32)?

    init(peer: String) { self.peer = peer }

    var principal: Principal? {
        switch state {
        case .open(let principal): principal
        case .awaitingHello, .awaitingAuthentication, .authenticating, .closing: nil
        }
    }
}

/// A session's interest in topics.
struct Subscription: Sendable {
    /// Most subscriptions of one session.
    static let perSessionMax = 1024
    /// Most events and bytes in one TOPIC_EVENTS frame.
    static let eventsPerFrameMax = 256
    static let bytesPerFrameMax = 256 * 1024

    var id: UInt32
    var patterns: [NamePattern]
    /// Number of the next event in the history to look at.
    var next: UInt64
    /// Offset of what the subscriber has seen or does not want: a hole above it is a gap.
    var offset: UInt64
    var credit: UInt64
    /// A gap to tell before anything else.
    var pendingGap: String?
    /// By topic number: 0 not looked at, 1 no, 2 yes.
    private var matches: [UInt8] = []

    init(id: UInt32, patterns: [NamePattern], next: UInt64, offset: UInt64, credit: UInt64) {
        self.id = id
        self.patterns = patterns
        self.next = next
        self.offset = offset
        self.credit = credit
    }

    mutating func wants(topic: UInt32, name: @autoclosure () -> String) -> Bool {
        let index = Int(topic)
        if index >= matches.count { matches.append(contentsOf: repeatElement(0, count: index + 1 - matches.count)) }
        if matches[index] == 0 {
            let name = name()
            matches[index] = patterns.contains { $0.matches(name) } ? 2 : 1
        }
        return matches[index] == 2
    }
}

/// A LEASE that found nothing and waits.
struct Waiter: Sendable {
    /// Most waiters on one queue.
    static let perQueueMax = 100_000
    var session: SessionID
    var correlationID: UInt32
    var messagesMax: Int
    var bytesMax: Int
    var leaseMilliseconds: UInt64
    var deadline: UInt64
    var number: UInt64
}
