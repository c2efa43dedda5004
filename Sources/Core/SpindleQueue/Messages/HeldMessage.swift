/// A message that is kept in memory by itself: leased, delayed, given back, prioritised or dead.
package struct HeldMessage: Equatable, Sendable {
    /// Address of the record when it was stored.
    package var id: UInt64
    /// Where the record lies now.
    package var address: UInt64
    package var byteCount: UInt32
    /// Number of the queue it is in now.
    package var queue: UInt32
    package var storedAt: UInt64
    /// From when its time to live counts: when it could first be delivered, was last rescheduled or redriven, or died.
    package var liveFrom: UInt64
    /// A time to live of its own, milliseconds; 0: the queue's.
    package var timeToLive: UInt64 = 0
    /// When it became, or becomes, ready: 0 if it was from the beginning. What is kept is this, so that a state that time alone
    /// made is the same after a replay.
    package var readyAt: UInt64 = 0
    package var priority: UInt8
    /// Number of its group in the queue it is in.
    package var group: UInt32 = 0
    /// Whoever ends its lease removes it.
    package var isCancelled = false
    /// Whether there is a ``MessageHistory`` of it.
    package var hasHistory = false
    /// Whether its queue's index of ages names it.
    var isInAges = false
    /// Counts the leases there have been; the one that holds now, or the last. Only rises.
    package var epoch: UInt32 = 0
    /// Deliveries that count towards the queue's limit.
    package var attempts: UInt32 = 0
    package var state: State

    package var isLeased: Bool {
        if case .leased = state { return true }
        return false
    }

    package enum State: Equatable, Sendable {
        /// Can transition to: leased, dead, gone.
        case ready
        /// Can transition to: ready (when `until` has come), gone.
        case delayed(until: UInt64)
        /// Can transition to: ready, delayed, dead, gone.
        case leased(Lease)
    }

    package struct Lease: Equatable, Sendable {
        package var deadline: UInt64
        /// What was granted or extended by last: `deadline` less this is when.
        package var duration: UInt64
        package var leasedAt: UInt64
        /// The session's name for humans: principal and client name.
        package var holder: String
        /// Number of the session that holds it; 0: its connection is gone, or the node was started anew. Not part of the log.
        package var session: UInt64 = 0
        package init(deadline: UInt64, duration: UInt64, leasedAt: UInt64, holder: String) {
            self.deadline = deadline
            self.duration = duration
            self.leasedAt = leasedAt
            self.holder = holder
        }
    }

    package init(id: UInt64, byteCount: UInt32, queue: UInt32, storedAt: UInt64, priority: UInt8, state: State) {
        self.id = id
        address = id
        self.byteCount = byteCount
        self.queue = queue
        self.storedAt = storedAt
        liveFrom = storedAt
        self.priority = priority
        self.state = state
    }
}

/// One failed attempt, as the dead letter tells it.
package struct AttemptRecord: Equatable, Sendable {
    package enum Outcome: UInt8, Sendable {
        case nacked = 0
        case expired = 1
    }
    package var number: UInt32
    package var leasedAt: UInt64
    package var endedAt: UInt64
    package var holder: String
    package var outcome: Outcome
    package var reason: String
    package init(number: UInt32, leasedAt: UInt64, endedAt: UInt64, holder: String, outcome: Outcome, reason: String) {
        self.number = number
        self.leasedAt = leasedAt
        self.endedAt = endedAt
        self.holder = holder
        self.outcome = outcome
        self.reason = reason
    }
}

/// What failed so far, and why the message is dead if it is. Kept only for messages that failed at least once, or are in a
/// queue that doesn't keep their group.
package struct MessageHistory: Equatable, Sendable {
    /// Records kept per message: the first, and the newest of the others.
    package static let attemptsMax = 32
    package var attempts: [AttemptRecord] = []
    /// Set when the message dies.
    package var death: Death?
    /// Its group key in the queue it came from.
    package var groupKey: String?

    package struct Death: Equatable, Sendable {
        package var originQueue: String
        package var reason: String
        package var at: UInt64
        package init(originQueue: String, reason: String, at: UInt64) {
            self.originQueue = originQueue
            self.reason = reason
            self.at = at
        }
    }

    package init() {}

    package mutating func append(_ attempt: AttemptRecord) {
        if attempts.count >= Self.attemptsMax { attempts.remove(at: 1) }
        attempts.append(attempt)
    }
}
