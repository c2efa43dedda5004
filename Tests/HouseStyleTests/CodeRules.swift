import Foundation

/// A rule over one file: a name for it, and the lines that break it.
struct CodeRule: Sendable {
    let rule: String
    let lines: @Sendable (SourceText) -> [Int]

    func check(_ source: SourceText) -> [Violation] {
        lines(source).map { Violation(path: source.path, line: $0 + 1, rule: rule) }
    }

    /// Lines whose code matches, unless the line or the one before it has a comment that explains.
    static func unexplained(_ rule: String, _ matches: @escaping @Sendable (String) -> Bool) -> CodeRule {
        CodeRule(rule: rule) { source in source.lines.indices.filter { matches(source.lines[$0].code) && !source.isExplained($0) } }
    }

    static func forbidden(_ rule: String, _ matches: @escaping @Sendable (String) -> Bool) -> CodeRule {
        CodeRule(rule: rule) { source in source.lines.indices.filter { matches(source.lines[$0].code) } }
    }

    // MARK: Sources

    static let traps = unexplained("try!, as! and fatalError need a comment beside them that proves they cannot happen") {
        $0.contains(#/\b(try|as)!|\bfatalError\(/#.wordBoundaryKind(.simple))
    }

    static let forceUnwrap = unexplained("a forced unwrap needs a comment beside it that proves there is a value") { hasForcedUnwrap($0) }

    /// `value!`, `f()!`, `a[0]!`, `String!`; not `!value`, `a != b`, `try!` and `as!`.
    private static func hasForcedUnwrap(_ code: String) -> Bool {
        let bytes = Array(code.utf8)
        for index in bytes.indices.dropFirst() where bytes[index] == UInt8(ascii: "!") {
            if index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "=") { continue }
            let before = bytes[index - 1]
            let isWord = (0x30...0x39).contains(before) || (0x41...0x5a).contains(before) || (0x61...0x7a).contains(before) || before == UInt8(ascii: "_")
            guard isWord || ")]}>`".utf8.contains(before) else { continue }
            let word = String(decoding: bytes[..<index].reversed().prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "(") }.reversed(), as: UTF8.self)
            if word != "try", word != "as" { return true }
        }
        return false
    }

    static let uncheckedSendable = unexplained("@unchecked Sendable and nonisolated(unsafe) need a comment beside them that says why they are safe") {
        $0.contains("@unchecked Sendable") || $0.contains("nonisolated(unsafe)")
    }

    static let sources = [traps, forceUnwrap, uncheckedSendable]

    static let plantedBugs = forbidden("planted bugs are patches in Tests/PlantedBugs; the sources hold nothing of them") {
        $0.contains("PlantedBug") || $0.contains("PLANTED_BUG") || $0.contains("plantedBug")
    }

    // MARK: Inner targets

    static let impure = forbidden("the deterministic core has no clock, thread, lock, async, random source or output") {
        // A word after a dot or `case` is a name.
        $0.contains(#/(?:^|[^.\w])(?:async|await|actor(?= +[A-Z])|print|ContinuousClock|SuspendingClock|SystemRandomNumberGenerator)\b|\.random\(|\.randomElement|\.shuffle|\.hashValue\b/#.wordBoundaryKind(.simple))
            && !$0.drop(while: { $0 == " " }).hasPrefix("case ")
    }

    /// Names that a file declares as dictionaries or sets, and then walks over: their order differs from process to process.
    static let unorderedIteration = CodeRule(rule: "the order of a Dictionary or Set is seeded per process: use an ordered collection, or sort") { source in
        var names: Set<String> = []
        for line in source.lines {
            for match in line.code.matches(of: #/\b(?:var|let)\s+(\w+)\s*(?::\s*(?:\[[^\[\]():]+:[^\[\]]+\]|Dictionary<|Set<)|=\s*(?:\[[^\[\]():]+:[^\[\]]+\]\(|Set<|Dictionary<))/#.wordBoundaryKind(.simple)) {
                names.insert(String(match.1))
            }
        }
        guard !names.isEmpty else { return [] }
        return source.lines.indices.filter { index in
            let code = source.lines[index].code
            let walked = code.matches(of: #/\bin\s+(?:self\.)?(\w+)\s*(?:\{|where\b|$)/#.wordBoundaryKind(.simple)).contains { code.contains("for ") && names.contains(String($0.1)) }
            let taken = code.matches(of: #/\b(\w+)\.(?:keys|values|first|forEach|map|compactMap|flatMap|popFirst|reduce|enumerated|makeIterator|filter)\b/#.wordBoundaryKind(.simple))
                .contains { names.contains(String($0.1)) }
            return (walked || taken) && !code.contains(".sorted")
        }
    }

    static let inner = [impure, unorderedIteration]

    // MARK: Tests

    /// A deadline is a sleep that is cancelled when the event comes, and so is a handler's work that a test cancels: then
    /// the word stands close by.
    static let sleeping = CodeRule(rule: "tests do not sleep: wait for an event; where the sleep is a deadline, or there to be cancelled, say so") { source in
        source.lines.indices.filter { index in
            source.lines[index].code.contains(#/\b(?:u|nano)?sleep\(|\bsleepForTimeInterval|Thread\.sleep/#.wordBoundaryKind(.simple))
                && !source.lines[max(0, index - 3)...min(source.lines.count - 1, index + 2)].contains { line in
                    let text = line.raw.lowercased()
                    return ["deadline", "timeout", "cancel"].contains { text.contains($0) }
                }
        }
    }

    // MARK: Everything

    static let fileLinesMax = 600

    static let length = CodeRule(rule: "files have at most \(fileLinesMax) lines") { source in
        // The text's last newline makes an empty last line.
        source.lines.count > fileLinesMax + 1 ? [fileLinesMax] : []
    }

    static let manifest = forbidden("Package.swift has no -Ounchecked and no unsafe flags") { $0.contains("unsafeFlags") }
    static let unchecked = CodeRule(rule: "-Ounchecked turns preconditions into assumptions") { source in
        source.lines.indices.filter { source.lines[$0].raw.contains("-Ounchecked") }
    }
}
