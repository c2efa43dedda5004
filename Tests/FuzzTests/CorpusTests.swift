import Foundation
import FuzzCore
import FuzzEdges
import Testing

/// Every input that was worth keeping, and every one that ever found a fault, through its target: see Fuzz/README.md.
@Suite struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fuzz")
    private static let targets = FuzzTarget.core + FuzzTarget.edges

    /// One input a line, in base 64.
    private static func corpus(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let file = folder.appending(path: "Corpus/\(target).txt")
        guard FileManager.default.fileExists(atPath: file.path) else { return [] }
        let text = try String(contentsOf: file, encoding: .utf8)
        return try text.split(separator: "\n").enumerated().map { index, line in
            ("line \(index + 1) of Fuzz/Corpus/\(target).txt", [UInt8](try #require(Data(base64Encoded: String(line)))))
        }
    }

    private static func regressions(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder.appending(path: "Regressions/\(target)")
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
            ("Fuzz/Regressions/\(target)/\(name)", [UInt8](try Data(contentsOf: folder.appending(path: name))))
        }
    }

    @Test(arguments: targets.map(\.name)) func everyInputIsHandled(target name: String) throws {
        let target = try #require(Self.targets.first { $0.name == name })
        let seeds = target.seeds().enumerated().map { (name: "seed \($0.offset)", bytes: $0.element) }
        let inputs = try seeds + Self.corpus(name) + Self.regressions(name)
        #expect(!inputs.isEmpty, "there is nothing to run")
        for (input, bytes) in inputs {
            do {
                try target.run(bytes.span.bytes)
            } catch {
                Issue.record("\(input): \(error)")
            }
        }
    }

    @Test func everyFolderHasATarget() throws {
        let names = Set(Self.targets.map(\.name))
        for kind in ["Corpus", "Regressions"] {
            for file in try FileManager.default.contentsOfDirectory(atPath: Self.folder.appending(path: kind).path) {
                #expect(names.contains(file.replacing(".txt", with: "")), "Fuzz/\(kind)/\(file) belongs to no target")
            }
        }
        #expect(Set(Self.targets.map(\.name)).count == Self.targets.count)
    }
}
