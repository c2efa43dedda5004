import Foundation

/// Which target may import what: the table of docs/ARCHITECTURE.md, read from there.
enum ImportRules {
    static let document = "docs/ARCHITECTURE.md"
    /// Modules of the deterministic core.
    static let inner = ["SpindleText", "SpindleWire", "SpindleQueue", "SpindleLog", "SpindleNode"]

    /// By target. A target that is missing here may not exist. `spindle` itself may import everything.
    static let allowed: [String: [String]] = (try? Repository.text(document)).map(table(in:)) ?? [:]

    /// Rows `| layer | target | holds | may import |`, with sets in italics that rows `| *set* | modules |` spell out.
    static func table(in text: String) -> [String: [String]] {
        let rows = text.split(separator: "\n").map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        func names(_ cell: String, in mark: Character) -> [String] {
            cell.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
                .filter { $0.count > 2 && $0.first == mark && $0.last == mark }.map { String($0.dropFirst().dropLast()) }
        }
        var sets: [String: [String]] = [:]
        for row in rows where row.count == 2 {
            if let set = names(row[0], in: "*").first { sets[set] = names(row[1], in: "`") }
        }
        var allowed: [String: [String]] = [:]
        for row in rows where row.count >= 3 && layers.contains(row[0]) {
            guard let target = names(row[1], in: "`").first else { continue }
            let cell = row.count > 3 ? row[3] : ""
            allowed[target] = names(cell, in: "`") + names(cell, in: "*").flatMap { sets[$0] ?? [] }
        }
        return allowed
    }

    /// The folders of `Sources` whose folders are targets.
    static let layers = ["C", "Core", "Shell", "Client", "Domain", "Proof"]

    /// The module of an import statement, whatever stands before and behind it.
    static func module(in code: String) -> String? {
        let words = code.split(separator: " ").map(String.init)
        guard let position = words.firstIndex(of: "import"), position + 1 < words.count else { return nil }
        guard words[..<position].allSatisfy({ $0.hasPrefix("@") || ["public", "package", "internal", "fileprivate", "private"].contains($0) }) else { return nil }
        let kinds = ["struct", "class", "enum", "protocol", "func", "let", "var", "typealias"]
        let name = kinds.contains(words[position + 1]) && position + 2 < words.count ? words[position + 2] : words[position + 1]
        return name.split(separator: ".").first.map(String.init)
    }

    static func check(_ source: SourceText) -> [Violation] {
        let target = Repository.target(of: source.path)
        guard target != "spindle" else { return [] }
        guard let modules = allowed[target] else {
            return [Violation(path: source.path, line: 1, rule: "the target \(target) is not in the table of imports")]
        }
        return source.lines.enumerated().compactMap { index, line in
            guard let module = module(in: line.code), !modules.contains(module) else { return nil }
            return Violation(path: source.path, line: index + 1, rule: "\(target) may not import \(module)")
        }
    }

    /// The one folder whose files may import a module, in tests too: what the rest needs of it has a seam.
    static let homes = ["GRDB": "Sources/Domain/SQLStore/SQLite/"]

    static func checkHomes(_ source: SourceText) -> [Violation] {
        source.lines.enumerated().compactMap { index, line in
            guard let module = module(in: line.code), let home = homes[module], !source.path.hasPrefix(home) else { return nil }
            return Violation(path: source.path, line: index + 1, rule: "\(module) is imported below \(home) only")
        }
    }

    /// The same for the dependencies that Package.swift gives the targets.
    static func check(manifest text: String) -> [Violation] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var modules: [String: String] = [:]
        for line in lines {
            if let match = line.firstMatch(of: #/static let (\w+): Self = \.product\(name: "(\w+)"/#) { modules[String(match.1)] = String(match.2) }
        }
        var violations: [Violation] = []
        // A declaration runs from `library("NAME", in: .layer, [` to the bracket's end.
        for match in text.matches(of: #/library\("(\w+)", in: \.\w+, \[([^\]]*)\]/#) {
            let target = String(match.1)
            let line = text[..<match.range.lowerBound].count { $0 == "\n" } + 1
            guard let known = allowed[target] else {
                violations.append(Violation(path: "Package.swift", line: line, rule: "the target \(target) is not in the table of imports"))
                continue
            }
            for word in match.2.split(separator: ",").map({ $0.trimmingCharacters(in: .whitespacesAndNewlines) }) where !word.isEmpty {
                let name = word.hasPrefix(".") ? modules[String(word.dropFirst())] ?? word : word.trimmingCharacters(in: ["\""])
                if !known.contains(name) { violations.append(Violation(path: "Package.swift", line: line, rule: "\(target) may not depend on \(name)")) }
            }
        }
        return violations
    }
}
