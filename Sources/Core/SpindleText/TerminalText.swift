/// Text of strangers made fit for a terminal: what a terminal would obey, or would not show, is written out.
package enum TerminalText {
    /// `text` with every control character, line end, invisible character and change of the direction of writing as `\n`, `\r`, `\t` or
    /// `\u{1B}`. Spaces of other widths stay. Returns the same text where there is none of these.
    package static func escaped(_ text: String) -> String { escaped(text, keeps: isShown) }

    /// Like ``escaped(_:)``, but keeps line ends and tabs, for a text that has lines of its own.
    package static func escapedLines(_ text: String) -> String {
        escaped(text) { isShown($0) || $0 == "\n" || $0 == "\t" }
    }

    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        ShownName.isSeen(scalar) || scalar.properties.generalCategory == .spaceSeparator
    }

    private static func escaped(_ text: String, keeps isKept: (Unicode.Scalar) -> Bool) -> String {
        guard !text.unicodeScalars.allSatisfy(isKept) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isKept(scalar) { result.append(scalar) } else { result.append(contentsOf: escape(scalar).unicodeScalars) }
        }
        return String(result)
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        default: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        }
    }
}
