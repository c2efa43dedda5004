package import SpindleWire

/// The settings of a queue. One that is nil keeps its value, or has the broker's default where the queue is new.
public struct QueuePolicy: Sendable, Equatable {
    public enum BackoffKind: Sendable, Hashable { case fixed, exponential }

    package var wire: QueuePolicyFields

    /// Everything as it is, or the broker's defaults.
    public init() { wire = QueuePolicyFields() }

    init(_ wire: QueuePolicyFields) { self.wire = wire }

    /// The lease that a message gets when the worker names none.
    public var lease: Duration? { get { self[duration: .lease] } set { self[duration: .lease] = newValue } }
    /// The longest that a worker may ask for.
    public var leaseMax: Duration? { get { self[duration: .leaseMax] } set { self[duration: .leaseMax] = newValue } }
    /// Deliveries until a message is dead; 0: without limit.
    public var attemptsMax: Int? { get { self[count: .attemptsMax] } set { self[count: .attemptsMax] = newValue } }
    /// How the wait after a failure grows.
    public var backoffKind: BackoffKind? {
        get { wire.backoffKind.map { $0 == 0 ? .fixed : .exponential } }
        set { wire.backoffKind = newValue.map { $0 == .fixed ? 0 : 1 } }
    }
    /// The wait after the first failure.
    public var backoffInitial: Duration? { get { self[duration: .backoffInitial] } set { self[duration: .backoffInitial] = newValue } }
    /// The longest wait, before jitter.
    public var backoffCap: Duration? { get { self[duration: .backoffCap] } set { self[duration: .backoffCap] = newValue } }
    /// Share of the wait that chance adds or takes, 0 to 100.
    public var backoffJitterPercent: Int? { get { self[count: .backoffJitter] } set { self[count: .backoffJitter] = newValue } }
    /// Where dead messages go; empty: they are dropped.
    public var deadLetterQueue: String? { get { wire.deadLetterQueue } set { wire.deadLetterQueue = newValue } }
    /// The topic that gets an event when a message of the queue dies; empty: none.
    public var deadLetterTopic: String? { get { wire.deadLetterTopic } set { wire.deadLetterTopic = newValue } }
    /// The wait before the first delivery, for messages that name none.
    public var delay: Duration? { get { self[duration: .delay] } set { self[duration: .delay] = newValue } }
    /// How long a message may wait; zero: without limit.
    public var timeToLive: Duration? { get { self[duration: .timeToLive] } set { self[duration: .timeToLive] = newValue } }
    /// Messages held, from which on publishes are refused; 0: without limit.
    public var lengthMax: Int? { get { self[count: .lengthMax] } set { self[count: .lengthMax] = newValue } }
    /// Bytes of messages held, from which on publishes are refused; 0: without limit.
    public var bytesMax: Int? { get { self[count: .bytesMax] } set { self[count: .bytesMax] = newValue } }
    /// How long a deduplication key is remembered; zero: keys are ignored.
    public var deduplicationWindow: Duration? { get { self[duration: .deduplicationWindow] } set { self[duration: .deduplicationWindow] = newValue } }
    /// Messages of one group are delivered one at a time, in order.
    public var orderedGroups: Bool? { get { self[flag: .orderedGroups] } set { self[flag: .orderedGroups] = newValue } }
    /// Leases held at once; 0: without limit.
    public var concurrency: Int? { get { self[count: .concurrency] } set { self[count: .concurrency] = newValue } }
    /// Leases held at once of each group; 0: without limit.
    public var concurrencyPerGroup: Int? { get { self[count: .concurrencyPerGroup] } set { self[count: .concurrencyPerGroup] = newValue } }
    /// Deliveries a second; 0: without limit.
    public var ratePerSecond: Int? { get { self[count: .ratePerSecond] } set { self[count: .ratePerSecond] = newValue } }
    /// The highest priority is delivered first.
    public var priorities: Bool? { get { self[flag: .priorities] } set { self[flag: .priorities] = newValue } }
    /// How long outcomes and results of finished messages are kept; zero: not.
    public var resultRetention: Duration? { get { self[duration: .resultRetention] } set { self[duration: .resultRetention] = newValue } }
    /// Groups that can deliver take turns.
    public var fairGroups: Bool? { get { self[flag: .fairGroups] } set { self[flag: .fairGroups] = newValue } }
    /// Deliveries a second of each group; 0: without limit.
    public var ratePerSecondPerGroup: Int? { get { self[count: .ratePerSecondPerGroup] } set { self[count: .ratePerSecondPerGroup] = newValue } }

    private subscript(duration setting: PolicySetting) -> Duration? {
        get { wire[setting].map { .milliseconds(Int64(clamping: $0)) } }
        set { wire[setting] = newValue.map { $0.milliseconds(max: WireLimits.durationMillisecondsMax) } }
    }

    private subscript(count setting: PolicySetting) -> Int? {
        get { wire[setting].map { Int(clamping: $0) } }
        set { wire[setting] = newValue.map { UInt64(clamping: $0) } }
    }

    private subscript(flag setting: PolicySetting) -> Bool? {
        get { wire[setting].map { $0 != 0 } }
        set { wire[setting] = newValue.map { $0 ? 1 : 0 } }
    }
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
