/// One setting of a queue, from the description's key to the wire's tag. The raw value is the tag.
///
/// This table is the only place that says a setting's name, unit, default, limits and meaning. The wire's fields, the node's checks, the
/// description's keys and the command line's options are derived from it; `cluster-config/schema.json`, `docs/operations.md` and
/// `protocol/queues.md` are compared with it by tests.
package enum PolicySetting: UInt16, CaseIterable, Sendable {
    case lease = 1
    case leaseMax = 2
    case attemptsMax = 3
    case backoffKind = 4
    case backoffInitial = 5
    case backoffCap = 6
    case backoffJitter = 7
    case deadLetterQueue = 8
    case delay = 9
    case timeToLive = 10
    case lengthMax = 11
    case bytesMax = 12
    case deduplicationWindow = 13
    case orderedGroups = 14
    case concurrency = 15
    case concurrencyPerGroup = 16
    case ratePerSecond = 17
    case priorities = 18
    case resultRetention = 19
    case fairGroups = 20
    case ratePerSecondPerGroup = 21
    case deadLetterTopic = 22

    /// Tags of settings to come, which no other setting takes: this version refuses them where they are critical, and skips them otherwise. A
    /// setting that is built moves to the cases above. Source: `protocol/queues.md`, "Reserved settings".
    package enum Reserved: UInt16, CaseIterable, Sendable {
        case breakerFailures = 23
        case breakerWindow = 24
        case breakerPause = 25

        package var name: String { "\(self)" }
    }

    /// What a value is.
    package enum Unit: Sendable, Equatable {
        case milliseconds
        case count
        case bytes
        /// Of a whole; the description writes it as a fraction.
        case percent
        /// 0 no, 1 yes.
        case flag
        /// One of these words, by its number.
        case words([String])
        /// A queue's or a topic's name; empty for none. These settings are no numbers.
        case queueName, topicName

        /// Larger values are no values of this unit, whatever the setting.
        package var valueMax: UInt64 {
            switch self {
            case .milliseconds: WireLimits.durationMillisecondsMax
            case .count, .bytes: WireLimits.policyNumberMax
            case .percent: 100
            case .flag: 1
            case .words(let words): UInt64(words.count - 1)
            case .queueName, .topicName: 0
            }
        }
    }

    /// What the table says of one setting.
    package struct Entry: Sendable {
        package let unit: Unit
        /// What may be set, besides 0 where that stands for none.
        package let range: ClosedRange<UInt64>
        /// Whether 0, which the description writes as `none`, switches the setting off.
        package let mayBeNone: Bool
        /// What a new queue has unless someone says otherwise.
        package let standard: UInt64
        /// One line for help and documents.
        package let summary: String

        /// Larger values are malformed. A count that is never above 32 bits is refused beyond them before its range is looked at.
        var wireMax: UInt64 { unit == .count && range.upperBound <= UInt64(UInt32.max) ? UInt64(UInt32.max) : unit.valueMax }
    }

    /// The key's path in the description: `backoff.initial` is `initial` in the mapping `backoff`.
    package var key: String {
        switch self {
        case .backoffKind: "backoff.kind"
        case .backoffInitial: "backoff.initial"
        case .backoffCap: "backoff.cap"
        case .backoffJitter: "backoff.jitter"
        default: name
        }
    }

    /// The name in one word, as scripts, errors and programs have it.
    package var name: String { "\(self)" }

    /// The option of `spindle queue declare`, without its dashes: the name in lower case, a dash before each word.
    package var option: String {
        name.reduce(into: "") { $0 += $1.isUppercase ? "-" + $1.lowercased() : String($1) }
    }

    /// Whether it is a name, and not a number.
    package var isName: Bool { self == .deadLetterQueue || self == .deadLetterTopic }

    package var entry: Entry { Self.entries[Int(rawValue) - 1] }

    private static let entries = allCases.map(\.row)

    private var row: Entry {
        switch self {
        case .lease:
            .duration(1..., standard: 30_000, "The lease that a message gets when the worker names none.")
        case .leaseMax:
            .duration(1_000..., standard: 12 * 3_600_000, "The longest lease that a worker may ask for.")
        case .attemptsMax:
            .count(1...1_000_000, standard: 10, "Deliveries until a message is dead.")
        case .backoffKind:
            .init(
                unit: .words(["fixed", "exponential"]), range: 0...1, mayBeNone: false, standard: 1,
                summary: "How the wait after a failure grows: not at all, or doubled by each further failure.")
        case .backoffInitial:
            .duration(0..., standard: 1_000, "The wait after the first failure.")
        case .backoffCap:
            .duration(0..., standard: 300_000, "The longest wait, before jitter.")
        case .backoffJitter:
            .init(
                unit: .percent, range: 0...100, mayBeNone: false, standard: 20,
                summary: "The share of the wait that chance adds or takes.")
        case .deadLetterQueue:
            .init(
                unit: .queueName, range: 0...0, mayBeNone: true, standard: 0,
                summary: "Where dead messages go; without one they are dropped.")
        case .delay:
            .duration(0..., standard: 0, "The wait before the first delivery, for messages that name none.")
        case .timeToLive:
            .duration(
                1..., mayBeNone: true, standard: 0,
                "How long a message may wait, from when it could first be delivered; then it is dead.")
        case .lengthMax:
            .count(1...WireLimits.policyNumberMax, standard: 0, "Messages held, from which on publishes are refused.")
        case .bytesMax:
            .init(
                unit: .bytes, range: 1...WireLimits.policyNumberMax, mayBeNone: true, standard: 0,
                summary: "Bytes of messages held, from which on publishes are refused.")
        case .deduplicationWindow:
            .duration(
                1..., mayBeNone: true, standard: 600_000,
                "How long a deduplication key is remembered; without a window keys are ignored.")
        case .orderedGroups:
            .flag(standard: false, "Messages of one group are delivered one at a time, in order, whatever their priorities.")
        case .concurrency:
            .count(1...WireLimits.policyNumberMax, standard: 0, "Leases held at once.")
        case .concurrencyPerGroup:
            .count(1...WireLimits.policyNumberMax, standard: 0, "Leases held at once of each group.")
        case .ratePerSecond:
            .count(1...1_000_000, standard: 0, "Deliveries a second, evenly, with a burst of a tenth of a second.")
        case .priorities:
            .flag(standard: true, "The highest priority is delivered first; off: first in, first out.")
        case .resultRetention:
            .duration(
                1..., mayBeNone: true, standard: 0,
                "How long outcomes and results of finished messages are kept.")
        case .fairGroups:
            .flag(standard: false, "Groups that can deliver take turns.")
        case .ratePerSecondPerGroup:
            .count(1...1_000_000, standard: 0, "Deliveries a second of each group.")
        case .deadLetterTopic:
            .init(
                unit: .topicName, range: 0...0, mayBeNone: true, standard: 0,
                summary: "The topic that gets an event when a message of the queue dies.")
        }
    }

    /// Throws `invalidArgument`, which names the setting and what is allowed, unless a queue may have this value.
    package func check(_ value: UInt64) throws(WireError) {
        let entry = entry
        if entry.range.contains(value) || (entry.mayBeNone && value == 0) { return }
        let none = entry.mayBeNone && entry.range.lowerBound > 0 ? ", or 0 for none," : ""
        let words = if case .words(let words) = entry.unit { " (\(words.joined(separator: ", ")))" } else { "" }
        throw WireError(
            .invalidArgument, "\(name) is \(value): \(entry.range.lowerBound) to \(entry.range.upperBound)\(words)\(none) are allowed")
    }
}

extension PolicySetting.Entry {
    fileprivate static func duration(
        _ range: PartialRangeFrom<UInt64>, mayBeNone: Bool = false, standard: UInt64, _ summary: String
    ) -> Self {
        Self(
            unit: .milliseconds, range: range.lowerBound...WireLimits.durationMillisecondsMax, mayBeNone: mayBeNone, standard: standard,
            summary: summary)
    }

    fileprivate static func count(_ range: ClosedRange<UInt64>, standard: UInt64, _ summary: String) -> Self {
        Self(unit: .count, range: range, mayBeNone: true, standard: standard, summary: summary)
    }

    fileprivate static func flag(standard: Bool, _ summary: String) -> Self {
        Self(unit: .flag, range: 0...1, mayBeNone: false, standard: standard ? 1 : 0, summary: summary)
    }
}
