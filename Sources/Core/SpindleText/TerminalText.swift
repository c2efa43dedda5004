/// Text of strangers made fit for a terminal: what a terminal would obey, or would not show, is written out.
package enum TerminalText {
    /// `text` with every control character, line end, invisible character and change of the direction of writing as `\n`, `\r`, `\t` or
    /// `\u{1B}`. Spaces of other widths stay. Returns the same text where there is none of these.
    package static func escaped(_ text: String) -> String { escaped(text, keeps: isShown) }

    /// Like ``escaped(_:)``, but keeps line ends and tabs, for a text that has lines of its own.
    package static func escapedLines(_ text: String) -> String {
        escaped(text) { isShown($0) || $0 == "\n" || $0 == "\t" }
    }

    /// A JSON text in which every character that is not shown is written `\u202E`: the same value, and fit for a terminal.
    package static func escapedJSON(_ json: String) -> String {
        guard !json.unicodeScalars.allSatisfy(isShown) else { return json }
        var result = String.UnicodeScalarView()
        for scalar in json.unicodeScalars {
            guard !isShown(scalar) else {
                result.append(scalar)
                continue
            }
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16, uppercase: true)
                result.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).unicodeScalars)
            }
        }
        return String(result)
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
