import Foundation
import Testing

/// The rules of the house, on the tree as it is. RuleTests show that each rule finds what it forbids.
@Suite struct HouseStyleTests {
    private func report(_ violations: [Violation]) {
        for violation in violations { Issue.record("\(violation)") }
    }

    @Test func theTableIsReadable() {
        for target in ImportRules.inner { #expect(ImportRules.allowed[target] != nil, "\(target) is not in the table") }
        #expect(ImportRules.allowed["SpindleBroker"]?.contains("NIOSSL") == true)
        #expect(ImportRules.allowed.count >= 15)
    }

    @Test func importsFollowTheTable() throws {
        let sources = try Repository.sources(in: "Sources")
        #expect(sources.count > 20, "the sources were not found")
        report(sources.flatMap { ImportRules.check($0) })
    }

    @Test func modulesBehindASeamStayThere() throws {
        let sources = try ["Sources", "Tests", "Fuzz", "Benchmarks"].flatMap(Repository.sources(in:))
        for (module, home) in ImportRules.homes {
            let imports = sources.contains { $0.path.hasPrefix(home) && $0.lines.contains { ImportRules.module(in: $0.code) == module } }
            #expect(imports, "\(home) imports \(module)")
        }
        report(sources.flatMap(ImportRules.checkHomes))
    }

    @Test func dependenciesFollowTheTable() throws {
        let manifest = try Repository.text("Package.swift")
        #expect(manifest.matches(of: #/library\("/#).count >= 15, "the targets were not found")
        report(ImportRules.check(manifest: manifest))
    }

    @Test(arguments: [CodeRule.traps, .forceUnwrap, .uncheckedSendable].map(\.rule)) func sources(rule: String) throws {
        let rule = try #require(CodeRule.sources.first { $0.rule == rule })
        report(try Repository.sources(in: "Sources").flatMap(rule.check))
    }

    @Test func theCoreIsDeterministic() throws {
        let sources = try ImportRules.inner.flatMap { try Repository.sources(in: "Sources/Core/\($0)") }
        #expect(sources.count >= ImportRules.inner.count)
        for rule in CodeRule.inner { report(sources.flatMap(rule.check)) }
    }

    @Test func filesAreShort() throws {
        let paths = ["Sources", "Tests", "Benchmarks"].flatMap { folder in ["swift", "c", "h"].flatMap { Repository.files(in: folder, ending: ".\($0)") } }
        report(try paths.flatMap { CodeRule.length.check(SourceText(path: $0, text: try Repository.text($0))) })
    }

    @Test func testsDoNotSleep() throws {
        report(try Repository.sources(in: "Tests").flatMap(CodeRule.sleeping.check))
    }

    @Test func theManifestIsSafe() throws {
        let manifest = SourceText(path: "Package.swift", text: try Repository.text("Package.swift"))
        report(CodeRule.manifest.check(manifest) + CodeRule.unchecked.check(manifest))
    }

    @Test func linksInDocumentsLeadSomewhere() throws {
        let documents = Repository.files(in: "", ending: ".md")
        report(try documents.flatMap { LinkRules.check(path: $0, text: try Repository.text($0), exists: Repository.exists) })
    }

    @Test func plantedBugsApplyToTheSources() throws {
        let check = try Repository.run(["bash", "Tests/PlantedBugs/planted-bugs.sh", "check"])
        #expect(check.status == 0, "\(check.text)")
    }

    @Test func sourcesHoldNoPlantedBugs() throws {
        report(try Repository.sources(in: "Sources").flatMap(CodeRule.plantedBugs.check))
    }

    @Test func nothingBuiltIsTracked() throws {
        let git = try Repository.run(["git", "ls-files", "-z"])
        guard git.status == 0 else { try Test.cancel("this is no git checkout") }
        let paths = git.text.split(separator: "\0").map(String.init)
        #expect(paths.contains("Package.swift"))
        report(TrackedFiles.check(paths))
    }
}

/// What does not belong under version control.
enum TrackedFiles {
    static func check(_ paths: [String]) -> [Violation] {
        paths.filter { path in
            let parts = path.split(separator: "/")
            return parts.contains(".build") || parts.contains("__pycache__") || parts.last == "Package.resolved" || parts.last == ".DS_Store"
        }.map { Violation(path: $0, line: 1, rule: "what is built or resolved is not tracked") }
    }
}
