import SpindleText

/// What is kept of each topic. 0: without limit.
///
/// A count and a size never drop a topic's newest event; its age does.
package struct TopicRetention: Equatable, Sendable {
    package var milliseconds: UInt64
    /// Of records, per topic.
    package var bytesMax: UInt64
    /// Events per topic.
    package var eventsMax: UInt64

    package init(milliseconds: UInt64 = 0, bytesMax: UInt64 = 0, eventsMax: UInt64 = 0) {
        self.milliseconds = milliseconds
        self.bytesMax = bytesMax
        self.eventsMax = eventsMax
    }

    /// When an event of that time is over; nil: never.
    package func end(of storedAt: UInt64) -> UInt64? {
        guard milliseconds > 0 else { return nil }
        let (end, overflow) = storedAt.addingReportingOverflow(milliseconds)
        return overflow ? nil : end
    }
}

/// The retentions that were declared for name patterns, in the order of their first declaration.
package struct TopicRetentionRules: Equatable, Sendable {
    package struct Rule: Equatable, Sendable {
        package let pattern: String
        package var retention: TopicRetention
        let bytes: [UInt8]
        /// Characters besides stars.
        private let literalCount: Int

        package init(pattern: String, retention: TopicRetention) {
            self.pattern = pattern
            self.retention = retention
            bytes = Array(pattern.utf8)
            literalCount = bytes.reduce(0) { $0 + ($1 == Wildcard.star ? 0 : 1) }
        }

        func matches(_ name: String) -> Bool { bytes == [Wildcard.star] || Wildcard.matches(bytes, Array(name.utf8)) }

        /// The more a pattern says the earlier it goes: by its characters besides stars, then by fewer stars, so that a name goes before
        /// every pattern that covers it; of equals the first in the order of their bytes.
        func precedes(_ other: Rule) -> Bool {
            if literalCount != other.literalCount { return literalCount > other.literalCount }
            return bytes.count != other.bytes.count ? bytes.count < other.bytes.count : bytes.lexicographicallyPrecedes(other.bytes)
        }
    }

    /// What holds where no pattern matches.
    package internal(set) var standard: TopicRetention
    package private(set) var rules: [Rule] = []

    package init(standard: TopicRetention) { self.standard = standard }

    package func index(of pattern: String) -> Int? { rules.firstIndex { $0.pattern.hasSameBytes(as: pattern) } }

    /// Declares or changes; returns the rule's place, which stays.
    mutating func declare(_ rule: Rule) -> Int {
        if let index = index(of: rule.pattern) {
            rules[index].retention = rule.retention
            return index
        }
        rules.append(rule)
        return rules.count - 1
    }

    /// The rule that holds for `name`; nil: the standard.
    func index(for name: String) -> Int? {
        var best: Int?
        for index in rules.indices where best.map({ rules[index].precedes(rules[$0]) }) ?? true {
            if rules[index].matches(name) { best = index }
        }
        return best
    }

    subscript(index: Int?) -> TopicRetention { index.map { rules[$0].retention } ?? standard }
}
