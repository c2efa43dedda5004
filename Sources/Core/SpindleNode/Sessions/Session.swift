internal import SpindleWire

/// Who a session speaks for, and never anybody else. Sessions are copied often, and a principal is a dozen references: this is one.
final class SignedIn: Sendable {
    let principal: Principal

    init(_ principal: Principal) { self.principal = principal }
}

/// One connection as the node sees it.
struct Session: Sendable {
    enum State: Sendable {
        /// Can transition to: awaitingAuthentication, closing.
        case awaitingHello
        /// Can transition to: authenticating, closing.
        case awaitingAuthentication
        /// The shell was asked who it is; `mechanism` where a mechanism judges. Can transition to: challenged, open, closing.
        case authenticating(correlationID: UInt32, mechanism: MechanismProgress?)
        /// The mechanism wants another round. Can transition to: authenticating, closing.
        case challenged(MechanismProgress)
        /// Can transition to: closing.
        case open(SignedIn)
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
    /// What both sides named.
    var capabilities: Capabilities = []
    /// `principal/client`, for leases and attempts.
    var holder = ""
    /// Its principal's; see ``Quotas``.
    var account = Quotas.noAccount
    /// Its share of what its principal uses.
    var usage = Quotas.Usage()
    var subscriptions: [Subscription] = []
    /// The queue of the last publish that was allowed: most producers have but one.
    var lastPublishQueue: (name: String, number: UInt32)?

    /// Leases that it was granted, or extended. Some have ended since: looked through when there are more than `leasesKept`.
    var leases: [DeliveryToken] = []
    var leasesKept = Session.leasesKept
    /// Ended leases that stay before the list is looked through: 16 KiB of them.
    static let leasesKept = 1_024
    /// Told to be quiet, or to terminate: it gets no new grants.
    var isQuiet = false

    init(peer: String, now: UInt64) {
        self.peer = peer
        connectedAt = now
        heardAt = now
    }

    var principal: Principal? {
        switch state {
        case .open(let signedIn): signedIn.principal
        case .awaitingHello, .awaitingAuthentication, .authenticating, .challenged, .closing: nil
        }
    }
}
