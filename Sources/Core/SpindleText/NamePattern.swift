/// A name in which `*` stands for any run of characters, dots included. Compared by bytes: case matters, Unicode equivalence does not.
package struct NamePattern: Sendable, CustomStringConvertible {
    private let bytes: [UInt8]
    package let description: String

    package init(_ text: String) {
        description = text
        bytes = Array(text.utf8)
    }

    /// A pattern that a description or a declaration may name: letters, digits, `.`, `-`, `_` and `*`, 1 to ``Name/bytesMax`` bytes, no two
    /// `*` next to each other. Nil when `text` is none.
    package init?(checked text: String) {
        guard (1...Name.bytesMax).contains(text.utf8.count), !text.contains("**") else { return nil }
        guard text.utf8.allSatisfy({ Name.isPlainByte($0) || $0 == Wildcard.star }) else { return nil }
        self.init(text)
    }

    package var hasWildcard: Bool { bytes.contains(Wildcard.star) }

    package func matches(_ name: String) -> Bool {
        bytes == [Wildcard.star] || Wildcard.matches(bytes, Array(name.utf8))
    }

    /// Returns whether every name that `other` matches is matched by this pattern too, as far as can be told without search:
    /// equal, all-embracing, or matching `other`'s text with its stars taken as ordinary characters.
    package func covers(_ other: NamePattern) -> Bool {
        self == other || Wildcard.matches(bytes, other.bytes)
    }
}

extension NamePattern: Hashable {
    package static func == (left: NamePattern, right: NamePattern) -> Bool { left.bytes == right.bytes }
    package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}
