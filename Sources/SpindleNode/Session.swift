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
