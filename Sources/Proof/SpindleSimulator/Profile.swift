internal import SpindleWire

/// Parts of a simulation that can be left out, to find out which of them a failure needs.
package struct Features: OptionSet, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let powerLoss = Features(rawValue: 1)
    package static let kill = Features(rawValue: 2)
    package static let ioErrors = Features(rawValue: 4)
    package static let fullDisk = Features(rawValue: 8)
    package static let damage = Features(rawValue: 16)
    package static let connectionLoss = Features(rawValue: 32)
    package static let reordering = Features(rawValue: 64)
    package static let timeJumps = Features(rawValue: 128)
    package static let topics = Features(rawValue: 256)
    package static let settles = Features(rawValue: 512)
    package static let deduplication = Features(rawValue: 1024)
    package static let policyChanges = Features(rawValue: 2048)
    package static let delays = Features(rawValue: 4096)
    package static let priorities = Features(rawValue: 8192)
    package static let checkpoints = Features(rawValue: 16384)
    package static let interleaving = Features(rawValue: 32768)
    package static let operators = Features(rawValue: 65536)
    package static let groups = Features(rawValue: 131_072)
    package static let limits = Features(rawValue: 262_144)
    package static let timeToLive = Features(rawValue: 524_288)
    package static let relocation = Features(rawValue: 1_048_576)
    package static let deletion = Features(rawValue: 2_097_152)
    package static let results = Features(rawValue: 4_194_304)
    package static let browsing = Features(rawValue: 8_388_608)
    package static let greed = Features(rawValue: 16_777_216)
    package static let oddStrings = Features(rawValue: 1 << 35)
    package static let largeRecords = Features(rawValue: 1 << 25)
    package static let timeToLiveHeaders = Features(rawValue: 1 << 26)
    package static let rates = Features(rawValue: 1 << 27)
    package static let topicRetention = Features(rawValue: 1 << 28)
    package static let livePolicies = Features(rawValue: 1 << 29)
    package static let bulk = Features(rawValue: 1 << 30)
    package static let strangers = Features(rawValue: 1 << 31)
    package static let workerControl = Features(rawValue: 1 << 32)
    package static let missingSegments = Features(rawValue: 1 << 33)
    package static let slowReaders = Features(rawValue: 1 << 34)

    package static let withdrawals = Features(rawValue: 1 << 36)
    package static let severalQueues = Features(rawValue: 1 << 37)
    package static let repeatedSettles = Features(rawValue: 1 << 38)
    package static let deathTopics = Features(rawValue: 1 << 39)
    package static let explanations = Features(rawValue: 1 << 40)

    package static let names: [(name: String, feature: Features)] = [
        ("power-loss", .powerLoss), ("kill", .kill), ("io-errors", .ioErrors), ("full-disk", .fullDisk), ("damage", .damage),
        ("connection-loss", .connectionLoss), ("reordering", .reordering), ("time-jumps", .timeJumps), ("topics", .topics),
        ("settles", .settles), ("deduplication", .deduplication), ("policy-changes", .policyChanges), ("delays", .delays),
        ("priorities", .priorities), ("checkpoints", .checkpoints), ("interleaving", .interleaving),
        ("operators", .operators), ("groups", .groups), ("limits", .limits), ("time-to-live", .timeToLive), ("relocation", .relocation),
        ("deletion", .deletion), ("results", .results), ("browsing", .browsing), ("greed", .greed), ("odd-strings", .oddStrings),
        ("large-records", .largeRecords), ("time-to-live-headers", .timeToLiveHeaders), ("rates", .rates),
        ("topic-retention", .topicRetention), ("live-policies", .livePolicies), ("bulk", .bulk),
        ("strangers", .strangers), ("worker-control", .workerControl), ("missing-segments", .missingSegments),
        ("slow-readers", .slowReaders), ("withdrawals", .withdrawals),
        ("several-queues", .severalQueues), ("repeated-settles", .repeatedSettles), ("death-topics", .deathTopics),
        ("explanations", .explanations),
    ]

    /// What there was before later features came: a seed with these alone runs as it did then. Later ones draw nothing where they are off.
    package static let original = Features(rawValue: (1 << 24) - 1)

    package static let all = Features(names.map(\.feature))
}

extension SeededGenerator {
    /// Below `bound`, which is over zero. The bias is below 2⁻³² for small bounds.
    mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(bound)) >> 32)
    }

    mutating func chance(_ one: Int, in many: Int) -> Bool { below(many) < one }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
}

/// What one seed does more and less often: each seed has a mixture of its own, so that rare combinations come up.
struct Profile {
    enum Action: CaseIterable {
        case publish, lease, leaseDead, acknowledge, nack, extend, settle, topicPublish, subscribe, credit, declare, stats
        case time, jump, expiry, commit, network, loseConnection, halfOpen, die, prepare, checkpoint, mark, repeatPublish
        case pause, purge, cancel, reschedule, redrive, delete, relocate, awaits, browse
        // Later ones come last, so that the table of the others stays as it was.
        case greedy, retention, bulk, trespass, control, withdraw, repeatSettle, why
    }

    struct Queue {
        var attemptsMax: UInt32
        var window: UInt64
        var lengthMax: UInt64
        var delay: UInt64
        var backoff: UInt64
        var timeToLive: UInt64 = 0
        var isOrdered = false
        var isFair = false
        var concurrencyMax = 0
        var concurrencyPerGroupMax = 0
        var resultRetention: UInt64 = 0
        var ratePerSecond = 0
        var ratePerGroup = 0
        /// Its limits and times are changed while it is used.
        var changes = false
        /// It names the dead-letter topic.
        var announcesDeaths = false
    }

    var table: [Action] = []
    var queues: [Queue] = []
    var topics = 3
    /// What is declared of each topic at first; nil: nothing.
    var topicRetentions: [TopicRetentionFields?] = []
    /// Keys and groups are texts that are easily taken for one another.
    var hasOddStrings = false
    var producers = 3
    var workers = 3
    var subscribers = 2
    var topicEventsMax: Int
    var checkpointIntervalBytes: UInt64
    /// I/Os between two planned faults, on average.
    var faultDistance: Int
    /// In hundredths: how often a frame waits before it comes to the node.
    var delayedFrames: Int
    var commitEagerness: Int
    var capacity: UInt64
    /// Of the larger ones, and how many of all bodies are.
    var bodyBytesMax: Int
    var largeOneIn: Int

    init(_ random: inout SeededGenerator, _ features: Features) {
        topicEventsMax = random.pick([5, 50, 1000])
        checkpointIntervalBytes = random.pick([8 << 10, 24 << 10, 64 << 10])
        faultDistance = random.pick([25, 80, 200, 600])
        delayedFrames = random.pick([0, 10, 40])
        commitEagerness = random.pick([1, 2, 4])
        capacity = random.chance(1, in: 4) ? UInt64(random.pick([5, 6, 8])) * (128 << 10) : .max
        if !features.contains(.fullDisk) { capacity = .max }
        // A small disk gets full only when there is something to fill it with.
        bodyBytesMax = capacity < .max || random.chance(1, in: 5) ? 12_000 : 3_000
        largeOneIn = capacity < .max ? 2 : bodyBytesMax > 3_000 ? 4 : 20
        for _ in 0..<1 + random.below(4) {
            queues.append(Queue(
                attemptsMax: UInt32(random.pick([1, 2, 3, 5, 10, 0])), window: random.pick([20_000, 600_000]),
                lengthMax: random.chance(1, in: 5) ? 20 : 0, delay: random.chance(1, in: 6) && features.contains(.delays) ? 2_000 : 0,
                backoff: random.pick([0, 500, 5_000])))
            limit(&queues[queues.count - 1], &random, features)
        }
        for index in queues.indices { limitLater(&queues[index], &random, features) }
        hasOddStrings = features.contains(.oddStrings) && random.chance(1, in: 2)
        topicRetentions = (0..<topics).map { _ in features.contains(.topicRetention) && random.chance(1, in: 2) ? Self.retention(&random) : nil }
        for action in Action.allCases {
            guard Self.needs(action).map(features.contains) ?? true else { continue }
            let weight = Self.weight(action) * random.pick([1, 2, 2, 4]) / 2
            table += Array(repeating: action, count: max(1, weight))
        }
    }

    private func limit(_ queue: inout Queue, _ random: inout SeededGenerator, _ features: Features) {
        let (ttl, isOrdered) = (random.chance(1, in: 5), random.chance(1, in: 4))
        let (most, mostOfGroup) = (random.pick([0, 0, 0, 0, 2, 5]), random.pick([0, 0, 0, 0, 1, 2]))
        let retention = random.pick([0, 0, 30_000] as [UInt64])
        if features.contains(.results) { queue.resultRetention = retention }
        if features.contains(.timeToLive), ttl { queue.timeToLive = 20_000 }
        if features.contains(.groups) {
            queue.isOrdered = isOrdered
            queue.isFair = random.chance(1, in: 3)
        }
        guard features.contains(.limits) else { return }
        queue.concurrencyMax = most
        queue.concurrencyPerGroupMax = mostOfGroup
    }

    private func limitLater(_ queue: inout Queue, _ random: inout SeededGenerator, _ features: Features) {
        if features.contains(.rates), random.chance(1, in: 4) {
            queue.ratePerSecond = random.pick([0, 2, 20, 200])
            queue.ratePerGroup = random.pick([0, 2, 20])
        }
        queue.changes = features.contains(.livePolicies) && random.chance(1, in: 3)
        queue.announcesDeaths = features.contains(.deathTopics) && random.chance(1, in: 2)
    }

    /// Small numbers, so that much is dropped.
    static func retention(_ random: inout SeededGenerator) -> TopicRetentionFields {
        TopicRetentionFields(
            ageMillisecondsMax: random.pick([0, 2_000, 60_000]), bytesMax: 0, eventsMax: random.pick([0, 1, 3, 20]))
    }

    private static func needs(_ action: Action) -> Features? {
        switch action {
        case .settle: .settles
        case .topicPublish, .subscribe, .credit: .topics
        case .declare: .policyChanges
        case .jump, .expiry: .timeJumps
        case .loseConnection, .halfOpen: .connectionLoss
        case .checkpoint: .checkpoints
        case .network: .reordering
        case .pause, .purge, .cancel, .reschedule, .redrive: .operators
        case .delete: .deletion
        case .relocate: .relocation
        case .awaits: .results
        case .browse: .browsing
        case .greedy: .greed
        case .retention: .topicRetention
        case .bulk: .bulk
        case .trespass: [.bulk, .strangers]
        case .control: .workerControl
        case .withdraw: .withdrawals
        case .repeatSettle: [.settles, .repeatedSettles]
        case .why: .explanations
        case .publish, .lease, .leaseDead, .acknowledge, .nack, .extend, .stats, .time, .commit, .die, .prepare, .mark, .repeatPublish: nil
        }
    }

    private static func weight(_ action: Action) -> Int {
        switch action {
        case .publish: 60
        case .lease: 40
        case .acknowledge: 40
        case .leaseDead: 5
        case .nack: 12
        case .extend: 8
        case .settle: 12
        case .topicPublish: 14
        case .subscribe: 4
        case .credit: 6
        case .declare, .stats, .loseConnection, .halfOpen, .die, .mark: 2
        case .time: 20
        case .jump, .expiry: 3
        case .commit: 60
        case .network: 10
        case .prepare: 8
        case .checkpoint: 4
        case .repeatPublish: 4
        case .pause, .cancel, .reschedule: 3
        case .purge, .delete: 1
        case .redrive: 2
        case .relocate: 10
        case .awaits: 6
        case .browse: 4
        case .greedy: 4
        case .retention: 1
        case .bulk: 6
        case .trespass: 4
        case .control: 2
        case .withdraw: 10
        case .repeatSettle: 6
        case .why: 8
        }
    }
}
