import SpindleText

/// A scalar as it stands in the document.
struct ScalarText {
    let text: String
    /// Written without quotes, so that `true`, `7` and `null` mean a boolean, a number and nothing.
    let isPlain: Bool

    var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }
    var isBool: Bool { isPlain && ["true", "True", "TRUE", "false", "False", "FALSE"].contains(text) }
    var isNumber: Bool { isPlain && Double(text) != nil }

    /// For error messages. Long texts are cut.
    var shown: String {
        if isNull { return "nothing" }
        if isBool || isNumber { return text }
        return text.count > 60 ? "\"\(text.prefix(60))…\"" : "\"\(text)\""
    }
}

/// How a scalar is read as a value of one type.
struct ScalarType<Value: Sendable>: Sendable {
    /// The second half of "found …, expected …".
    let expected: String
    /// Stands in for a refused value while the rest of the file is still checked. It never leaves the decoder: an error
    /// was reported.
    let placeholder: Value
    /// The words that are allowed, for suggestions.
    var words: [String] = []
    let read: @Sendable (ScalarText) -> Value?
}

extension ScalarType {
    /// The same, or the word `none`, which reads as nil.
    func orNone() -> ScalarType<Value?> {
        let read = self.read
        return ScalarType<Value?>(
            expected: "\(expected), or none", placeholder: nil, words: words + ["none"],
            read: { $0.text == "none" ? .some(nil) : read($0).map { .some($0) } })
    }
}

extension ScalarType {
    /// The same text, read as another value.
    func map<Other: Sendable>(_ transform: @escaping @Sendable (Value) -> Other) -> ScalarType<Other> {
        let read = self.read
        return ScalarType<Other>(expected: expected, placeholder: transform(placeholder), words: words) { read($0).map(transform) }
    }
}

extension ScalarType where Value == String {
    /// Text that is no number, boolean or null unless quoted.
    static func text(_ expected: String, where holds: @escaping @Sendable (String) -> Bool = { !$0.isEmpty }) -> Self {
        ScalarType(expected: expected, placeholder: "") { scalar in
            guard !scalar.isNull, !scalar.isBool, !scalar.isNumber, holds(scalar.text) else { return nil }
            return scalar.text
        }
    }

    static let name = text("a name of letters, digits, \".\", \"-\" and \"_\", at most \(Name.bytesMax) long", where: Name.isPlain)
    static let path = text("the path of a file or folder", where: { !$0.isEmpty && $0.utf8.count <= 4096 && !$0.utf8.contains(0) })
    /// An IPv4 or IPv6 address or a host name; `1.2` style numbers are caught by `text`.
    static let address = text("a host name or an IP address") { text in
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"):
                    true
                default: false
                }
            }
    }
}

extension ScalarType where Value == Int {
    static func number(_ range: ClosedRange<Int>, of what: String = "a whole number") -> Self {
        ScalarType(expected: "\(what) from \(range.lowerBound) to \(range.upperBound)", placeholder: range.lowerBound) { scalar in
            guard scalar.isPlain, let number = Int(scalar.text), range.contains(number) else { return nil }
            return number
        }
    }

    static let port = number(1...65535, of: "a port")

    static func bytes(_ range: ClosedRange<Int>) -> Self {
        ScalarType(expected: "a size such as 64 KiB, 16 MiB or 8 GiB, from \(range.lowerBound) B to \(range.upperBound) B", placeholder: range.lowerBound) { scalar in
            guard let bytes = Units.bytes(scalar.text), range.contains(bytes) else { return nil }
            return bytes
        }
    }
}

extension ScalarType where Value == Double {
    static func fraction() -> Self {
        ScalarType(expected: "a number from 0 to 1", placeholder: 0) { scalar in
            guard scalar.isPlain, let number = Double(scalar.text), (0...1).contains(number) else { return nil }
            return number
        }
    }
}

extension ScalarType where Value == Bool {
    static let bool = ScalarType(expected: "true or false", placeholder: false, words: ["true", "false"]) { scalar in
        switch scalar.isPlain ? scalar.text : "" {
        case "true": true
        case "false": false
        default: nil
        }
    }
}

extension ScalarType where Value == Duration {
    static func duration(_ range: ClosedRange<Duration>) -> Self {
        let limits = "from \(Units.text(range.lowerBound)) to \(Units.text(range.upperBound))"
        return ScalarType(expected: "a duration such as 250ms, 30s, 5m, 2h or 7d, \(limits)", placeholder: range.lowerBound) { scalar in
            guard let duration = Units.duration(scalar.text), range.contains(duration) else { return nil }
            return duration
        }
    }
}

extension ScalarType where Value == NamePattern {
    /// Nil only if `*` were no pattern, which `NamePatternTests` shows it is.
    static func pattern() -> ScalarType<NamePattern?> {
        ScalarType<NamePattern?>(
            expected: "a name or a pattern of letters, digits, \".\", \"-\", \"_\" and single \"*\"", placeholder: nil,
            read: { scalar in
                guard !scalar.isNull, !scalar.isBool, !scalar.isNumber, let pattern = NamePattern(checked: scalar.text) else { return nil }
                return .some(pattern)
            })
    }
}

extension ScalarType where Value == Int {
    /// One of the words, as its place among them.
    static func word(_ words: [String]) -> Self {
        let expected = words.dropLast().joined(separator: ", ") + " or " + words.suffix(1).joined()
        return ScalarType(expected: expected, placeholder: 0, words: words) { words.firstIndex(of: $0.text) }
    }
}

extension ScalarType where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the cases, by its raw value. `first` stands in for a refused value.
    static func oneOf(_ first: Value) -> Self {
        let cases = Array(Value.allCases)
        let word = ScalarType<Int>.word(cases.map(\.rawValue))
        return ScalarType(expected: word.expected, placeholder: first, words: word.words) { Value(rawValue: $0.text) }
    }
}
