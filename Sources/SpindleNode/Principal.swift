/// Who a session speaks for, and what that one may do. Patterns as in ``NamePattern``.
package struct Principal: Equatable, Sendable {
    package var name: String
    /// Queues that may be published to.
    package var publish: [NamePattern]
    /// Queues that may be leased from (and acknowledged, extended, given back).
    package var lease: [NamePattern]
    /// Queues whose figures and messages may be looked at.
    package var read: [NamePattern]
    /// Queues that may be declared and changed, and looked at.
    package var admin: [NamePattern]
    /// Topics that events may be published to.
    package var topicPublish: [NamePattern]
    /// Topics that may be subscribed to.
    package var topicSubscribe: [NamePattern]

    package init(
        name: String, publish: [NamePattern] = [], lease: [NamePattern] = [], read: [NamePattern] = [], admin: [NamePattern] = [],
        topicPublish: [NamePattern] = [], topicSubscribe: [NamePattern] = []
    ) {
        self.name = name
        self.publish = publish
        self.lease = lease
        self.read = read
        self.admin = admin
        self.topicPublish = topicPublish
        self.topicSubscribe = topicSubscribe
    }
}

/// A name in which `*` stands for any run of characters, dots and none included. Case matters.
package struct NamePattern: Equatable, Hashable, Sendable, CustomStringConvertible {
    private let bytes: [UInt8]
    package let description: String
    private static let star = UInt8(ascii: "*")

    package init(_ text: String) {
        description = text
        bytes = Array(text.utf8)
    }

    package func matches(_ name: String) -> Bool {
        if bytes == [Self.star] { return true }
        return matches(Array(name.utf8))
    }

    /// Greedy with one point of return: linear in name × stars, however the pattern is made.
    private func matches(_ name: [UInt8]) -> Bool {
        var p = 0
        var n = 0
        var lastStar = -1
        var resume = 0
        while n < name.count {
            if p < bytes.count, bytes[p] == Self.star {
                lastStar = p
                resume = n
                p += 1
            } else if p < bytes.count, bytes[p] == name[n] {
                p += 1
                n += 1
            } else if lastStar >= 0 {
                p = lastStar + 1
                resume += 1
                n = resume
            } else {
                return false
            }
        }
        while p < bytes.count, bytes[p] == Self.star { p += 1 }
        return p == bytes.count
    }

    /// Whether every name that `other` matches is matched by this pattern too, as far as can be told without search:
    /// equal, all-embracing, or matching `other`'s text with its stars taken as ordinary characters.
    package func covers(_ other: NamePattern) -> Bool {
        self == other || matches(other.bytes)
    }
}
