/// A pattern over queue or topic names: literal characters, and `*` for any run of characters, the empty one too.
package struct NamePattern: Sendable, Hashable, CustomStringConvertible {
    /// Names and patterns are at most this many bytes long.
    package static let lengthMax = 200

    package let text: String
    package var description: String { text }

    /// Nil when `text` is no pattern: empty, over `lengthMax`, another character than letters, digits, `.`, `-`, `_`
    /// and `*`, or two `*` beside each other.
    package init?(_ text: String) {
        guard (1...Self.lengthMax).contains(text.utf8.count), !text.contains("**") else { return nil }
        guard text.utf8.allSatisfy({ Self.isNameByte($0) || $0 == UInt8(ascii: "*") }) else { return nil }
        self.text = text
    }

    package var hasWildcard: Bool { text.utf8.contains(UInt8(ascii: "*")) }

    /// Whether the whole of `name` is covered. Linear in the product of the lengths, both of which are bounded.
    package func matches(_ name: String) -> Bool {
        let pattern = Array(text.utf8)
        let name = Array(name.utf8)
        let star = UInt8(ascii: "*")
        var position = 0
        var patternPosition = 0
        // Where to go back to when a literal does not fit: after the last star, one character further in the name.
        var retry: (pattern: Int, name: Int)?
        while position < name.count {
            if patternPosition < pattern.count, pattern[patternPosition] == star {
                patternPosition += 1
                retry = (patternPosition, position)
            } else if patternPosition < pattern.count, pattern[patternPosition] == name[position] {
                patternPosition += 1
                position += 1
            } else if let last = retry {
                patternPosition = last.pattern
                position = last.name + 1
                retry = (last.pattern, position)
            } else {
                return false
            }
        }
        return pattern[patternPosition...].allSatisfy { $0 == star }
    }

    /// Letters, digits, `.`, `-`, `_`, at most `lengthMax` bytes, not empty.
    static func isName(_ text: String) -> Bool {
        (1...lengthMax).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
