/// Names that programs and people give themselves and that operators read: of clients and their versions, of labels, and of those in whose
/// name a request is made.
///
/// Any script is allowed. What can't be seen is not, because with it two names look alike, or one looks like what it is not.
package enum ShownName {
    /// Longest such name, bytes of UTF-8.
    package static let bytesMax = 255

    /// Says what is wrong with `text` as a name; nil where nothing is. An empty name is judged by the caller.
    package static func fault(in text: String) -> String? {
        guard text.utf8.count <= bytesMax else { return "it takes \(text.utf8.count) bytes, at most \(bytesMax) are allowed" }
        if let unseen = text.unicodeScalars.first(where: { !isSeen($0) }) {
            return "it holds U+\(hexadecimal(unseen)), a control character or one that can't be seen"
        }
        guard text.utf8.first != UInt8(ascii: " "), text.utf8.last != UInt8(ascii: " ") else { return "it begins or ends with a space" }
        return nil
    }

    /// Returns whether the scalar shows itself: no control character, none that is invisible or turns the direction of writing, no space
    /// but U+0020.
    package static func isSeen(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value < 0x7F }
        if scalar.value == brailleBlank { return false }
        let properties = scalar.properties
        if properties.isDefaultIgnorableCodePoint || properties.isBidiControl || properties.isNoncharacterCodePoint { return false }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .surrogate: return false
        default: return true
        }
    }

    /// U+2800 BRAILLE PATTERN BLANK: a symbol by its category, and empty all the same.
    private static let brailleBlank: UInt32 = 0x2800

    static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}
