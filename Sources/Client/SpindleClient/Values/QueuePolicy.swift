internal import SpindleWire

/// The settings of a queue. One that is nil keeps its value, or has the broker's default where the queue is new.
public struct QueuePolicy: Sendable, Equatable {
    public enum BackoffKind: Sendable, Hashable { case fixed, exponential }

    /// The lease that a message gets when the worker names none.
    public var lease: Duration?
    /// The longest that a worker may ask for.
    public var leaseMax: Duration?
    /// Deliveries before a message is dead; 0: without limit.
    public var attemptsMax: Int?
    public var backoffKind: BackoffKind?
    public var backoffInitial: Duration?
    public var backoffCap: Duration?
    /// Share of the delay that chance may add or take, 0 to 100.
    public var backoffJitterPercent: Int?
    /// Empty: dead messages are dropped.
    public var deadLetterQueue: String?
    /// How long every message stays invisible at first.
    public var delay: Duration?
    /// Zero: without limit.
    public var timeToLive: Duration?
    /// Messages; 0: without limit.
    public var lengthMax: Int?
    /// 0: without limit.
    public var bytesMax: Int?
    /// Zero: no deduplication by key.
    public var deduplicationWindow: Duration?
    /// Messages of one group one at a time, in order.
    public var orderedGroups: Bool?
    /// Leases held at once; 0: without limit.
    public var concurrencyMax: Int?
    /// Leases held at once per group; 0: without limit.
    public var concurrencyPerGroupMax: Int?
    /// Deliveries a second; 0: without limit.
    public var ratePerSecondMax: Int?
    public var priorities: Bool?
    /// How long acknowledged results are kept; zero: not.
    public var resultRetention: Duration?
    /// The groups that can deliver take turns.
    public var fairGroups: Bool?
    /// Deliveries a second of each group; 0: without limit.
    public var ratePerSecondPerGroupMax: Int?

    /// Everything as it is, or the broker's defaults.
    public init() {}

    var wire: QueuePolicyFields {
        var fields = QueuePolicyFields()
        fields.leaseMilliseconds = lease.map(Self.milliseconds)
        fields.leaseMillisecondsMax = leaseMax.map(Self.milliseconds)
        fields.attemptsMax = attemptsMax.map { UInt64(clamping: $0) }
        fields.backoffKind = backoffKind.map { $0 == .fixed ? 0 : 1 }
        fields.backoffInitialMilliseconds = backoffInitial.map(Self.milliseconds)
        fields.backoffCapMilliseconds = backoffCap.map(Self.milliseconds)
        fields.backoffJitterPercent = backoffJitterPercent.map { UInt64(clamping: $0) }
        fields.deadLetterQueue = deadLetterQueue
        fields.delayMilliseconds = delay.map(Self.milliseconds)
        fields.timeToLiveMilliseconds = timeToLive.map(Self.milliseconds)
        fields.lengthMax = lengthMax.map { UInt64(clamping: $0) }
        fields.bytesMax = bytesMax.map { UInt64(clamping: $0) }
        fields.deduplicationWindowMilliseconds = deduplicationWindow.map(Self.milliseconds)
        fields.orderedGroups = orderedGroups.map { $0 ? 1 : 0 }
        fields.concurrencyMax = concurrencyMax.map { UInt64(clamping: $0) }
        fields.concurrencyPerGroupMax = concurrencyPerGroupMax.map { UInt64(clamping: $0) }
        fields.ratePerSecondMax = ratePerSecondMax.map { UInt64(clamping: $0) }
        fields.priorities = priorities.map { $0 ? 1 : 0 }
        fields.resultRetentionMilliseconds = resultRetention.map(Self.milliseconds)
        fields.fairGroups = fairGroups.map { $0 ? 1 : 0 }
        fields.ratePerSecondPerGroupMax = ratePerSecondPerGroupMax.map { UInt64(clamping: $0) }
        return fields
    }

    init(_ fields: QueuePolicyFields) {
        lease = fields.leaseMilliseconds.map(Self.duration)
        leaseMax = fields.leaseMillisecondsMax.map(Self.duration)
        attemptsMax = fields.attemptsMax.map { Int(clamping: $0) }
        backoffKind = fields.backoffKind.map { $0 == 0 ? .fixed : .exponential }
        backoffInitial = fields.backoffInitialMilliseconds.map(Self.duration)
        backoffCap = fields.backoffCapMilliseconds.map(Self.duration)
        backoffJitterPercent = fields.backoffJitterPercent.map { Int(clamping: $0) }
        deadLetterQueue = fields.deadLetterQueue
        delay = fields.delayMilliseconds.map(Self.duration)
        timeToLive = fields.timeToLiveMilliseconds.map(Self.duration)
        lengthMax = fields.lengthMax.map { Int(clamping: $0) }
        bytesMax = fields.bytesMax.map { Int(clamping: $0) }
        deduplicationWindow = fields.deduplicationWindowMilliseconds.map(Self.duration)
        orderedGroups = fields.orderedGroups.map { $0 != 0 }
        concurrencyMax = fields.concurrencyMax.map { Int(clamping: $0) }
        concurrencyPerGroupMax = fields.concurrencyPerGroupMax.map { Int(clamping: $0) }
        ratePerSecondMax = fields.ratePerSecondMax.map { Int(clamping: $0) }
        priorities = fields.priorities.map { $0 != 0 }
        resultRetention = fields.resultRetentionMilliseconds.map(Self.duration)
        fairGroups = fields.fairGroups.map { $0 != 0 }
        ratePerSecondPerGroupMax = fields.ratePerSecondPerGroupMax.map { Int(clamping: $0) }
    }

    private static func milliseconds(_ duration: Duration) -> UInt64 { duration.milliseconds(max: WireLimits.durationMillisecondsMax) }
    private static func duration(_ milliseconds: UInt64) -> Duration { .milliseconds(Int64(clamping: milliseconds)) }
}

/// What a queue holds and has done.
public struct QueueStatistics: Sendable, Equatable {
    public var name: String
    /// Messages that may be leased now.
    public var ready: Int
    public var leased: Int
    public var delayed: Int
    /// Of the records of all messages held.
    public var bytes: Int
    /// How long the oldest ready message has waited.
    public var oldestAge: Duration
    // Counts since the queue was made.
    public var published: Int
    public var delivered: Int
    public var acknowledged: Int
    public var nacked: Int
    public var expired: Int
    public var dead: Int
    public var duplicates: Int
    /// LEASE requests that wait for a message.
    public var waiters: Int
    /// Nothing is delivered until it is resumed.
    public var isDeliveryPaused: Bool
    /// Publishes are refused until it is resumed.
    public var isPublishPaused: Bool
    /// In the words of who paused it; empty where nothing was said.
    public var pauseReason: String
    public var policy: QueuePolicy

    /// Deliveries, publishes or both are paused.
    public var isPaused: Bool { isDeliveryPaused || isPublishPaused }

    init(_ wire: StatsReply.Queue) {
        name = wire.name
        ready = Int(clamping: wire.ready)
        leased = Int(clamping: wire.leased)
        delayed = Int(clamping: wire.delayed)
        bytes = Int(clamping: wire.bytes)
        oldestAge = .milliseconds(Int64(clamping: wire.oldestAgeMilliseconds))
        published = Int(clamping: wire.published)
        delivered = Int(clamping: wire.delivered)
        acknowledged = Int(clamping: wire.acknowledged)
        nacked = Int(clamping: wire.nacked)
        expired = Int(clamping: wire.expired)
        dead = Int(clamping: wire.dead)
        duplicates = Int(clamping: wire.duplicates)
        waiters = Int(clamping: wire.waiters)
        let pause = QueuePause(rawValue: UInt8(truncatingIfNeeded: wire.paused))
        isDeliveryPaused = pause.contains(.deliveries)
        isPublishPaused = pause.contains(.publishes)
        pauseReason = wire.pauseReason
        policy = QueuePolicy(wire.policy)
    }
}
