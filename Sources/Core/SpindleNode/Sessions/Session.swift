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
    var clientVersion = ""
    /// Node time.
    var connectedAt: UInt64
    var heardAt: UInt64
    var labels: [HelloRequest.Label] = []
    /// `principal/client`, for leases and attempts.
    var holder = ""
    /// Requests that wait for an answer.
    var inFlight = 0
    var subscriptions: [Subscription] = []
    /// The queue of the last publish that was allowed: most producers have but one.
    var lastPublishQueue: (name: String, number: UInt32)?

    /// Leases that it was granted, or extended. Some have ended since: looked through when there are more than `leasesKept`.
    var leases: [DeliveryToken] = []
    var leasesKept = Session.leasesKept
    /// Ended leases that are let stand before the list is looked through.
    static let leasesKept = 64
    /// LEASEs of it that wait.
    var waitingLeases = 0
    /// Told to be quiet, or to terminate: it gets no new grants.
    var isQuiet = false
    /// Numbers of the LEASEs that wait apart for that.
    var parked: [UInt64] = []
    /// Numbers of the AWAITs that wait.
    var awaiters: [UInt64] = []

    init(peer: String, now: UInt64) {
        self.peer = peer
        connectedAt = now
        heardAt = now
    }

    var principal: Principal? {
        switch state {
        case .open(let principal): principal
        case .awaitingHello, .awaitingAuthentication, .authenticating, .closing: nil
        }
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
