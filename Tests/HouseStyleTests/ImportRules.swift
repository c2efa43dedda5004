import Foundation

/// Which target may import what: the table of docs/ARCHITECTURE.md.
enum ImportRules {
    static let inner = ["SpindleWire", "SpindleQueue", "SpindleLog", "SpindleNode"]

    static let collections = ["Collections", "DequeModule", "HeapModule", "OrderedCollections", "BasicContainers", "HashTreeCollections", "BitCollections"]
    static let nio = ["NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL", "NIOConcurrencyHelpers", "NIOFoundationCompat"]
    static let service = ["Logging", "Metrics", "ServiceLifecycle", "UnixSignals"]
    static let tracing = ["Tracing", "Instrumentation", "ServiceContextModule"]
    static let hummingbird = ["Hummingbird", "HummingbirdCore", "HTTPTypes", "NIOCore", "NIOHTTP1"]
    static let certificates = ["X509", "SwiftASN1", "Crypto"]
    /// What the system gives, for the outer targets only.
    static let system = ["Foundation", "FoundationEssentials", "FoundationNetworking", "Dispatch", "Glibc", "Musl", "Synchronization"]

    /// Arrows point inward only. A target that is missing here may not exist. `spindle` itself may import everything.
    static let allowed: [String: [String]] = [
        "SpindleWire": ["CCRC32C"],
        // PlantedBugs: under `#if PLANTED_BUGS` only.
        "PlantedBugs": [],
        "SpindleQueue": ["PlantedBugs"] + collections,
        "SpindleLog": ["CCRC32C", "PlantedBugs"] + collections,
        "SpindleNode": ["SpindleWire", "SpindleQueue", "SpindleLog", "PlantedBugs"] + collections,
        "SpindleDisk": ["SpindleLog", "SystemPackage"] + system,
        "SpindleObservability": service + tracing + system,
        "SpindleBroker": ["SpindleNode", "SpindleDisk", "SpindleWire", "SpindleQueue", "SpindleLog"] + nio + service + certificates + collections + system,
        "SpindleCertificates": certificates + system,
        "SpindleClient": ["SpindleWire", "CLZ4", "Logging"] + nio + collections + system,
        "SpindleWorker": ["SpindleClient"] + service + tracing + system,
        "SpindleBridge": ["SpindleClient"] + hummingbird + service + system,
        "SpindleSimulator": ["SpindleNode", "SpindleWire", "SpindleQueue", "SpindleLog", "PlantedBugs"] + collections + system,
        "Outbox": ["SpindleClient", "GRDB"] + service + system,
        "MCMS": ["SpindleWorker", "SpindleClient", "Outbox", "GRDB"] + service + tracing + system,
        "MCMSFiles": ["MCMS", "GRDB", "CLibcrypto"] + hummingbird + nio + service + system,
        "MCMSServer": ["MCMS", "MCMSFiles", "SpindleBridge", "SpindleClient", "SpindleWorker", "Outbox", "GRDB"] + hummingbird + service + tracing + system,
        "SpindleCluster": ["Yams", "SystemPackage"] + service + system,
    ]

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
        guard target != "spindle", target != "planted-bugs" else { return [] }
        guard let modules = allowed[target] else {
            return [Violation(path: source.path, line: 1, rule: "the target \(target) is not in the table of imports")]
        }
        return source.lines.enumerated().compactMap { index, line in
            guard let module = module(in: line.code), !modules.contains(module) else { return nil }
            return Violation(path: source.path, line: index + 1, rule: "\(target) may not import \(module)")
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
        // A declaration runs from `library("NAME", [` to the bracket's end.
        for match in text.matches(of: #/library\("(\w+)", \[([^\]]*)\]/#) {
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
