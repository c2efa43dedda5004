/// How one queue treats its messages. Times in milliseconds; 0 for a limit means that there is none. The table `PolicySetting` of the
/// wire says each setting's default and limits; a test of the node compares.
package struct QueuePolicy: Equatable, Sendable {
    package enum BackoffKind: UInt8, Sendable {
        case fixed = 0
        case exponential = 1
    }

    /// Lease given to a request that names none.
    package var leaseMilliseconds: UInt64 = 30_000
    /// Longest lease that can be asked for.
    package var leaseMaxMilliseconds: UInt64 = 12 * 3600 * 1000
    /// Deliveries before a message is dead.
    package var attemptsMax: UInt64 = 10
    package var backoffKind: BackoffKind = .exponential
    package var backoffInitialMilliseconds: UInt64 = 1_000
    package var backoffCapMilliseconds: UInt64 = 300_000
    /// Share of the delay by which it may fall short or exceed, percent: 20 gives 80 % to 120 %.
    package var backoffJitterPercent: UInt64 = 20
    /// Where dead messages go; empty: they are dropped.
    package var deadLetterQueue: String = ""
    /// The topic that gets an event when a message dies; empty: none.
    package var deadLetterTopic: String = ""
    /// Wait before a message can be delivered, unless it says one of its own.
    package var delayMilliseconds: UInt64 = 0
    /// Messages waiting or in flight; a publish beyond is refused.
    package var lengthMax: UInt64 = 0
    /// Bytes of records waiting or in flight; a publish beyond is refused.
    package var bytesMax: UInt64 = 0
    /// How long a deduplication key is remembered.
    package var deduplicationWindowMilliseconds: UInt64 = 600_000
    /// After so long in the queue, counted from when it could first be delivered, a message is dead.
    package var timeToLiveMilliseconds: UInt64 = 0
    /// Messages with one group key one at a time, in the order of their coming, whatever their priorities.
    package var orderedGroups = false
    /// Groups take turns, whatever else holds for them.
    package var fairGroups = false
    /// Leases held at once.
    package var concurrency: UInt64 = 0
    /// Leases held at once of messages with one group key.
    package var concurrencyPerGroup: UInt64 = 0
    /// Deliveries a second.
    package var ratePerSecond: UInt64 = 0
    /// Deliveries a second of messages with one group key.
    package var ratePerSecondPerGroup: UInt64 = 0
    /// Whether a higher priority is delivered first. Else messages come in their order.
    package var priorities = true
    /// How long results of acknowledged messages are kept; 0: not at all.
    package var resultRetentionMilliseconds: UInt64 = 0

    package init() {}

    /// Whether messages are sorted by their group keys as they are stored. Messages without a key are never limited as a group.
    package var isKeyed: Bool { orderedGroups || fairGroups || concurrencyPerGroup > 0 || ratePerSecondPerGroup > 0 }

    /// Longest delay, back-off, window or lease: ten years.
    package static let durationMillisecondsMax: UInt64 = 315_576_000_000

    /// The wait before the next delivery after the `attempt`-th one failed.
    ///
    /// Chance comes from the message's own number (a mix of `messageID` and `attempt`), so that a replay of the log decides the
    /// same; messages that fail together still spread.
    package func backoff(attempt: UInt32, messageID: UInt64) -> UInt64 {
        var delay = backoffInitialMilliseconds
        switch backoffKind {
        case .fixed: break
        case .exponential:
            let doublings = min(attempt > 0 ? attempt - 1 : 0, 40)
            let (value, overflow) = delay.multipliedReportingOverflow(by: 1 << UInt64(doublings))
            delay = overflow ? backoffCapMilliseconds : value
        }
        delay = min(delay, backoffCapMilliseconds)
        let spread = delay / 100 * min(backoffJitterPercent, 100) + delay % 100 * min(backoffJitterPercent, 100) / 100
        guard spread > 0 else { return delay }
        let chance = Self.mix(messageID &+ UInt64(attempt) &* 0x9E37_79B9_7F4A_7C15) % (2 * spread + 1)
        return delay - spread + chance
    }

    /// SplitMix64's finalizer (Steele, Lea, Flood 2014).
    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
