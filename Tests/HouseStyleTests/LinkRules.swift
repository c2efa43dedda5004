import Foundation

/// Relative links in Markdown files lead to files that are there.
enum LinkRules {
    static func check(path: String, text: String, exists: (String) -> Bool) -> [Violation] {
        var violations: [Violation] = []
        var isFenced = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.drop(while: { $0 == " " }).hasPrefix("```") { isFenced.toggle() }
            guard !isFenced else { continue }
            // Code spans are not links.
            let line = line.replacing(#/`[^`]*`/#, with: "")
            for match in line.matches(of: #/\]\(\s*<?([^)\s>]+)/#) {
                let target = String(match.1)
                if target.hasPrefix("#") || target.contains("://") || target.hasPrefix("mailto:") { continue }
                let file = target.split(separator: "#", omittingEmptySubsequences: false).first.map(String.init) ?? ""
                let decoded = file.removingPercentEncoding ?? file
                let resolved = resolve(decoded, from: path)
                if !exists(resolved) { violations.append(Violation(path: path, line: index + 1, rule: "the link to \(target) leads nowhere")) }
            }
        }
        return violations
    }

    /// From the root, with `..` worked out.
    private static func resolve(_ target: String, from path: String) -> String {
        var parts = target.hasPrefix("/") ? [] : path.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/").map(String.init) {
            switch part {
            case ".": continue
            case "..": if parts.isEmpty { return "../\(target)" } else { parts.removeLast() }
            default: parts.append(part)
            }
        }
        return parts.joined(separator: "/")
    }
}
