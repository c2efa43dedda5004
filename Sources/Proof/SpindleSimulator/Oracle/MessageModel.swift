/// What an outside observer knows of one message: a small automaton. Where he can't know, it holds every possibility.
struct MessageModel {
    /// Where the message may be.
    struct Fate: OptionSet {
        let rawValue: UInt8
        /// Never stored: the publish was refused or did not arrive.
        static let absent = Fate(rawValue: 1)
        /// In the queue that it was published to.
        static let home = Fate(rawValue: 2)
        /// In that queue's dead-letter queue.
        static let dead = Fate(rawValue: 4)
        /// Acknowledged, or dropped on purpose.
        static let gone = Fate(rawValue: 8)

        static let present: Fate = [.home, .dead]
        /// It must be somewhere.
        var isCertain: Bool { isDisjoint(with: [.absent, .gone]) }
    }

    enum Lease {
        /// The last lease seen is over.
        case over
        /// It holds surely before `from`, and surely not any more from `until` on, unless time has not been served.
        case held(from: UInt64, until: UInt64)
        /// It was given back or extended by a request of which no answer came.
        case maybe
    }

    var id: UInt64 = 0
    /// The highest id that was given out before it was first sent: its own is higher.
    var idsBefore: UInt64 = 0
    var recordCRC: UInt32 = 0
    var recordByteCount: UInt32 = 0
    /// Index of its home queue.
    var queue: UInt8
    var fate: Fate = .absent
    var key: UInt16 = 0
    var group: UInt8 = 0
    var priority: UInt8 = 4
    /// Of the last delivery seen.
    var epoch: UInt32 = 0
    var lease = Lease.over
    /// Deliveries that count, before the next: at least and at most.
    var attemptsLow: UInt32 = 0
    var attemptsHigh: UInt32 = 0
    /// LEASEs that had been lost when what was last seen of it was done.
    var lossesBefore: UInt32 = 0
    /// Requests from this number on came after the ack was confirmed, and when that was done; 0: it was not, or not at home.
    var acknowledgedBefore: UInt32 = 0
    var acknowledgedFrom: UInt64 = 0
    var leftResult = false
    /// Leased when it was cancelled: it goes when the lease ends.
    var isCancelled = false
    /// The last CANCEL of it without an answer, and the last RESCHEDULE: their numbers.
    var lastRemoval: UInt32 = 0
    var lastReschedule: UInt32 = 0
    /// A REDRIVE began when it may have been dead: it may be at home again, with its attempts counted anew.
    var mayBeRedriven = false
    /// What it asks for itself, or its queue for it, milliseconds.
    var delay: UInt64 = 0
    /// Not to be delivered earlier.
    var notBefore: UInt64 = 0
    /// A request of which no answer came asked for its death.
    var maybeKilled = false
    /// Number of the SETTLE without an answer that publishes or acknowledges it; 0: none.
    var settle: Int32 = 0
    /// The SETTLE would have acknowledged it (else published).
    var isAcknowledgedBySettle = false
    /// When it was stored, node time: not before, not after.
    var storedFrom: UInt64 = 0
    var storedUntil: UInt64 = 0
    /// The number of the last request that published it and was not answered.
    var publishedBy: UInt32 = 0
    /// The time to live that it brings along; 0: none.
    var timeToLive: UInt64 = 0
    /// It may have been dead and come back, without a time to live of its own.
    var mayHaveLostTimeToLive = false
    /// Its time to live counts from then, or earlier.
    var livesFromAtMost: UInt64 = .max

    init(queue: UInt8) { self.queue = queue }
}

/// What the observer knows of a queue and its dead-letter queue.
struct QueueModel {
    /// Deliveries before death, 0: no end; more than one while a change is not confirmed.
    private(set) var attemptsLow: UInt32
    private(set) var attemptsHigh: UInt32
    /// The same, of all times: when a message died can't be seen.
    private(set) var attemptsLeast: UInt32
    private(set) var attemptsMost: UInt32
    /// How long a deduplication key is remembered, milliseconds.
    let windowLow: UInt64
    let windowHigh: UInt64
    /// At least and at most, of all times; 0: it has none.
    let timeToLiveLeast: UInt64
    let timeToLiveMost: UInt64
    let isOrdered: Bool
    /// What holds its deliveries back; nil while a change is not confirmed.
    private(set) var limits: QueueLimits?
    /// Deliveries of which the time is known, for the rates: of the queue, of its groups.
    var recent = RecentDeliveries()
    var recentByGroup: [RecentDeliveries] = Array(repeating: RecentDeliveries(), count: 8)
    /// Requests behind this one find the rates and limits of now.
    private(set) var ratesCountFrom: UInt32 = 0
    private(set) var limitsHoldFrom: UInt32 = 0
    /// The last DECLARE that came.
    private var lastDeclare: UInt32 = 0
    let resultRetention: UInt64
    /// Requests behind this one find deliveries, publishes paused; nil: nobody knows.
    var deliveriesPausedSince: UInt32?
    var publishesPausedSince: UInt32?
    /// The last PURGE or DELETE without an answer: at home, among the dead.
    var lastRemoval: UInt32 = 0
    var lastDeadRemoval: UInt32 = 0
    /// Keys that were taken until then may be forgotten: the queue was deleted, or may have been.
    var keysForgottenThrough: UInt64 = 0
    /// The last PAUSE, RESUME or DELETE that came.
    var lastPause: UInt32 = 0
    /// The last REDRIVE that came, and when.
    var lastRedrive: UInt32 = 0
    var redrivenAt: UInt64?
    /// Messages of which a lease was seen lately; those that have a group, by group.
    var leased: [Int] = []
    var members: [[Int]] = Array(repeating: [], count: 8)
    /// LEASEs of which no answer came, by their numbers, rising: at home, among the dead.
    private var lostAtHome: [UInt32] = []
    private var lostAmongDead: [UInt32] = []
    /// Deduplication keys: tags of the messages that have or may have them, oldest first.
    var holdersByKey: [UInt16: [Int]] = [:]

    init(_ queue: Profile.Queue) {
        attemptsLow = queue.attemptsMax
        attemptsHigh = queue.attemptsMax
        attemptsLeast = queue.attemptsMax
        attemptsMost = queue.attemptsMax
        windowLow = queue.changes ? QueueSettings.windows[0] : queue.window
        windowHigh = queue.changes ? QueueSettings.windows[1] : queue.window
        timeToLiveLeast = queue.changes ? QueueSettings.timesToLive[1] : queue.timeToLive
        timeToLiveMost = queue.changes ? 0 : queue.timeToLive
        isOrdered = queue.isOrdered
        limits = QueueLimits(queue)
        resultRetention = queue.resultRetention
    }

    /// A DECLARE came, number `arrival`: until it is answered either may hold.
    mutating func mayDeclare(_ limits: QueueLimits, _ arrival: UInt32) {
        lastDeclare = arrival
        if limits != self.limits { self.limits = nil }
    }

    /// A DECLARE was confirmed; it counts if it was the last that came.
    mutating func declared(_ limits: QueueLimits, _ arrival: UInt32) {
        guard lastDeclare == arrival, limits != self.limits else { return }
        self.limits = limits
        limitsHoldFrom = arrival
        forgetDeliveries(arrival)
    }

    /// Rates count anew: the queue is another, or has other rates.
    mutating func forgetDeliveries(_ arrival: UInt32) {
        ratesCountFrom = arrival
        recent = RecentDeliveries()
        for index in recentByGroup.indices { recentByGroup[index] = RecentDeliveries() }
    }

    mutating func lost(_ number: UInt32, isDead: Bool) {
        if isDead { lostAmongDead.append(number) } else { lostAtHome.append(number) }
    }

    /// How many of those behind the first `number` may have leased one message.
    func lostLeases(after number: UInt32, isDead: Bool) -> UInt32 {
        var count: UInt32 = 0
        for lost in (isDead ? lostAmongDead : lostAtHome).reversed() {
            guard lost > number else { break }
            count += 1
        }
        return count
    }

    mutating func setAttempts(_ attempts: UInt32) {
        attemptsLow = attempts
        attemptsHigh = attempts
        attemptsLeast = Self.least(attemptsLeast, attempts)
        attemptsMost = Self.most(attemptsMost, attempts)
    }

    mutating func maybeSetAttempts(_ attempts: UInt32) {
        attemptsLow = Self.least(attemptsLow, attempts)
        attemptsHigh = Self.most(attemptsHigh, attempts)
        attemptsLeast = Self.least(attemptsLeast, attempts)
        attemptsMost = Self.most(attemptsMost, attempts)
    }

    // No limit is the highest.
    private static func least(_ a: UInt32, _ b: UInt32) -> UInt32 { a == 0 ? b : b == 0 ? a : min(a, b) }
    private static func most(_ a: UInt32, _ b: UInt32) -> UInt32 { a == 0 || b == 0 ? 0 : max(a, b) }
}

/// A promise that was not kept.
package struct Violation: Sendable, CustomStringConvertible {
    /// Number of the promise in docs/reliability.md's list for the simulator.
    package var promise: Int
    package var step: Int
    package var text: String

    package var description: String { "promise \(promise) broken at step \(step): \(text)" }
}
