import Foundation
import Testing

/// Each rule on samples: what it must find, by line, and what it must leave alone.
@Suite struct RuleTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let rule: CodeRule
        let text: String
        let lines: [Int]
        var testDescription: String { text }
    }

    static let samples: [Sample] = [
        Sample(rule: .traps, text: "let a = try! f()\nlet b = c as! D\nfatalError(\"x\")", lines: [1, 2, 3]),
        Sample(rule: .traps, text: "// proven: f only throws for an empty text\nlet a = try! f()\nlet b = try? f()\nlet c = d as? E", lines: []),
        Sample(rule: .traps, text: "// well\nlet a = try! f()\nlet b = \"try! as! fatalError(\"\n/* try! f() */", lines: [2]),
        Sample(rule: .forceUnwrap, text: "let a = b!\nlet c = d()!.e\nlet f = g[0]!\nvar h: String!\nlet i = \"\\(j!)\"", lines: [1, 2, 3, 4, 5]),
        Sample(rule: .forceUnwrap, text: "let a = !b\nif a != b {}\nlet c = \"hello!\"\nif a!=b {}\nfoo(!x)\n#expect(!y)", lines: []),
        Sample(rule: .forceUnwrap, text: "let a = b! // proven: b was set above", lines: []),
        Sample(rule: .forceUnwrap, text: "let text = \"\"\"\n    wait! and \\(x!)\n    \"\"\"\nlet raw = #\"a! \\(b!) \"c\" d!\"#\nlet deep = #\"a \\#(b!)\"#", lines: [2, 5]),
        Sample(rule: .uncheckedSendable, text: "final class A: @unchecked Sendable {}\n\nnonisolated(unsafe) var b = 1", lines: [1, 3]),
        Sample(rule: .uncheckedSendable, text: "// Only the log thread touches it.\nfinal class A: @unchecked Sendable {}", lines: []),
        Sample(rule: .plantedBugs, text: "#if PLANTED_BUGS\nif PlantedBug.active == .x {}\n// PlantedBug\nlet plantedBug = 1", lines: [1, 2, 4]),
        Sample(rule: .impure, text: "func f() async {}\nlet x = Int.random(in: 0...1)\nlet now = ContinuousClock.now\nprint(x)\nlet h = a.hashValue\nfinal actor Counter {", lines: [1, 2, 3, 4, 5, 6]),
        Sample(rule: .impure, text: "// async and await\nlet printed = \"print()\"\nlet asynchronous = 1\ncase await = 3\ncase .async: 4\nlet a = x.await\nfunc f(actor: String?) { g(actor) }", lines: []),
        Sample(
            rule: .unorderedIteration,
            text: "var leases: [Int: Lease] = [:]\nfor (id, lease) in leases {\nfor x in self.leases where y {\nlet a = leases.keys\nlet b = leases.values.first\nleases.forEach { }\nlet s: Set<Int>\nfor e in s {",
            lines: [2, 3, 4, 5, 6, 8]),
        Sample(
            rule: .unorderedIteration,
            text: "var leases: [Int: Lease] = [:]\nvar order: [Int] = []\nfor id in order {\nlet a = leases[3]\nleases.removeAll()\nlet b = leases.keys.sorted()\nlet c: OrderedDictionary<Int, Int>\nfor x in c {\nlet n = leases.count\nlet pairs: [(id: Int, lease: Lease)] = []\nfor (id, lease) in pairs {",
            lines: []),
        Sample(rule: .sleeping, text: "try await Task.sleep(for: .seconds(1))\nusleep(5)\nThread.sleep(forTimeInterval: 1)\nsleep(1)", lines: [1, 2, 3, 4]),
        Sample(rule: .sleeping, text: "// The deadline of the wait above.\ntry await Task.sleep(for: .seconds(30))\nlet script = \"sleep(1)\"", lines: []),
        Sample(rule: .length, text: String(repeating: "x\n", count: 601), lines: [601]),
        Sample(rule: .length, text: String(repeating: "x\n", count: 600), lines: []),
        Sample(rule: .manifest, text: "settings: [.unsafeFlags([\"-O\"])]", lines: [1]),
        Sample(rule: .unchecked, text: "a\n[\"-Ounchecked\"]", lines: [2]),
    ]

    @Test(arguments: samples) func rule(_ sample: Sample) {
        let found = sample.rule.check(SourceText(path: "Sources/X/X.swift", text: sample.text))
        #expect(found.map(\.line) == sample.lines, "\(sample.rule.rule)")
        #expect(found.allSatisfy { $0.description.hasPrefix("Sources/X/X.swift:\($0.line): ") })
    }

    @Test(arguments: [
        ("Sources/Core/SpindleWire/A.swift", "import Foundation", "SpindleWire may not import Foundation"),
        ("Sources/Core/SpindleQueue/A.swift", "internal import SpindleLog", "SpindleQueue may not import SpindleLog"),
        ("Sources/Core/SpindleLog/A.swift", "@_exported public import SpindleWire", "SpindleLog may not import SpindleWire"),
        ("Sources/Core/SpindleNode/A.swift", "import struct NIOCore.ByteBuffer", "SpindleNode may not import NIOCore"),
        ("Sources/Core/SpindleNode/A.swift", "import Synchronization", "SpindleNode may not import Synchronization"),
        ("Sources/Client/SpindleClient/A.swift", "import SpindleBroker", "SpindleClient may not import SpindleBroker"),
        ("Sources/Newcomer/A.swift", "let a = 1", "the target Newcomer is not in the table of imports"),
        ("Sources/Core/SpindleWire/A.swift", "import CCRC32C\n// import Foundation\nlet x = \"import Foundation\"", ""),
        ("Sources/Shell/SpindleBroker/A.swift", "package import NIOCore\nimport Foundation", ""),
        ("Sources/spindle/A.swift", "import Foundation", ""),
    ])
    func imports(path: String, text: String, rule: String) {
        #expect(ImportRules.check(SourceText(path: path, text: text)).map(\.rule) == (rule.isEmpty ? [] : [rule]))
    }

    @Test(arguments: [
        ("Sources/Domain/SQLStore/SQLite/A.swift", ""), ("Sources/Domain/SQLStore/A.swift", "GRDB is imported below Sources/Domain/SQLStore/SQLite/ only"),
        ("Tests/MCMSTests/A.swift", "GRDB is imported below Sources/Domain/SQLStore/SQLite/ only"),
    ])
    func homes(path: String, rule: String) {
        let found = ImportRules.checkHomes(SourceText(path: path, text: "// import GRDB\nimport Foundation\ninternal import GRDB"))
        #expect(found == (rule.isEmpty ? [] : [Violation(path: path, line: 3, rule: rule)]))
    }

    @Test func manifestDependencies() {
        let aliases = "    static let yams: Self = .product(name: \"Yams\", package: \"Yams\")\n    static let nioCore: Self = .product(name: \"NIOCore\", package: \"swift-nio\")\n"
        let good = aliases + "library(\"SpindleCluster\", in: .shell, [.yams]),\nlibrary(\"SpindleNode\", in: .core, [\n \"SpindleWire\",\n]),"
        #expect(ImportRules.check(manifest: good) == [])
        let bad = aliases + "library(\"SpindleWire\", in: .core, [\"CCRC32C\", .nioCore]),\nlibrary(\"SpindleQueue\", in: .core, [\"SpindleLog\"]),\nlibrary(\"Odd\", in: .core, []),"
        #expect(
            ImportRules.check(manifest: bad).map(\.description) == [
                "Package.swift:3: SpindleWire may not depend on NIOCore", "Package.swift:4: SpindleQueue may not depend on SpindleLog",
                "Package.swift:5: the target Odd is not in the table of imports",
            ])
    }

    @Test func links() {
        let text = "[a](docs/there.md#part) [b](../up.md) [c](https://x.example/y) [d](#here)\n```\n[no](missing.md)\n```\n`[no](missing.md)` [e](missing.md \"title\")\n![f](docs/picture%201.png)"
        let found = LinkRules.check(path: "docs/README.md", text: text) { ["docs/docs/there.md", "up.md", "docs/docs/picture 1.png"].contains($0) }
        #expect(found == [Violation(path: "docs/README.md", line: 5, rule: "the link to missing.md leads nowhere")])
    }

    @Test func tracked() {
        let bad = [".build/release/x", "a/.build/y", "Package.resolved", "tools/__pycache__/x.pyc"]
        #expect(TrackedFiles.check(bad + ["Sources/build/x.swift", "Package.swift"]).map(\.path) == bad)
    }
}
