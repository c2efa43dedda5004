/// What holds the deliveries of a queue back. 0: no limit.
struct QueueLimits: Equatable {
    var concurrencyMax: Int
    var concurrencyPerGroupMax: Int
    var ratePerSecond: Int
    var ratePerGroup: Int

    init(_ queue: Profile.Queue) {
        concurrencyMax = queue.concurrencyMax
        concurrencyPerGroupMax = queue.concurrencyPerGroupMax
        ratePerSecond = queue.ratePerSecond
        ratePerGroup = queue.ratePerGroup
    }
}

/// What a DECLARE says of a queue.
struct QueueSettings: Equatable {
    /// Deduplication windows and times to live between which a queue changes.
    static let windows: [UInt64] = [20_000, 600_000]
    static let timesToLive: [UInt64] = [0, 20_000]

    var attemptsMax: UInt32
    var window: UInt64
    var timeToLive: UInt64
    var limits: QueueLimits

    init(_ queue: Profile.Queue) {
        attemptsMax = queue.attemptsMax
        window = queue.window
        timeToLive = queue.timeToLive
        limits = QueueLimits(queue)
    }

    /// Changes one thing or another. Limits of groups only where groups are known anyway: a message that was stored without its group has none.
    mutating func change(of queue: Profile.Queue, _ random: inout SeededGenerator, _ features: Features) {
        let knowsGroups = queue.isOrdered || queue.isFair
        window = random.pick(Self.windows)
        if features.contains(.timeToLive) { timeToLive = random.pick(Self.timesToLive) }
        if features.contains(.limits) {
            limits.concurrencyMax = random.pick([0, 1, 2, 5])
            if knowsGroups { limits.concurrencyPerGroupMax = random.pick([0, 1, 2]) }
        }
        if features.contains(.rates) {
            limits.ratePerSecond = random.pick([0, 2, 20, 200])
            if knowsGroups { limits.ratePerGroup = random.pick([0, 2, 20]) }
        }
    }
}

/// The times of the latest deliveries under a rate, as far as they are known exactly.
struct RecentDeliveries {
    private static let keptMax = 24
    /// As many may come at once as are due in this time, nanoseconds. Source: `protocol/queues.md`.
    private static let burstNanoseconds: UInt64 = 100_000_000
    private var times: [UInt64] = []

    /// Notes a delivery at `time`, milliseconds. Returns how many there were since when, if that is more than the rate allows.
    mutating func add(_ time: UInt64, perSecond: Int) -> (count: Int, since: UInt64)? {
        if times.count >= Self.keptMax { times.removeFirst() }
        times.append(time)
        let interval = 1_000_000_000 / UInt64(max(1, perSecond))
        let tolerance = Self.burstNanoseconds - min(Self.burstNanoseconds, interval)
        for (index, since) in times.enumerated() {
            let count = times.count - index
            if UInt64(count - 1) * interval > (time - min(time, since)) * 1_000_000 + tolerance { return (count, since) }
        }
        return nil
    }
}
