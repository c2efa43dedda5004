/// A text as a key: equal to another only where their bytes are equal.
///
/// Swift's `String` takes texts for equal that Unicode calls canonically equivalent: composed and decomposed Hangul, `K` and the Kelvin
/// sign, `Ω` and the Ohm sign. Two such names, groups or deduplication keys are two here.
package struct ByteText: Hashable, Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    package static func == (left: ByteText, right: ByteText) -> Bool { left.text.hasSameBytes(as: right.text) }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(UInt8.max) // no byte of UTF-8: one text's end is no other's middle
    }
}

extension String {
    /// Returns whether both texts are the same bytes of UTF-8; `==` asks for less.
    package func hasSameBytes(as other: String) -> Bool {
        var left = self
        var right = other
        return left.withUTF8 { left in right.withUTF8 { right in left.count == right.count && left.elementsEqual(right) } }
    }

    /// Returns whether the text's UTF-8 begins with that of `prefix`.
    package func hasBytePrefix(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// Returns whether `self` comes before `other` in the order of their bytes.
    package func precedesByBytes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

    /// The longest beginning of whole scalars that takes at most `bytesMax` bytes of UTF-8.
    package func cut(toBytes bytesMax: Int) -> String {
        guard utf8.count > bytesMax else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: max(0, bytesMax))
        while end > utf8.startIndex, UTF8.isContinuation(utf8[end]) { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
