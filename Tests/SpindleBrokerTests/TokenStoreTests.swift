import Foundation
import SpindleBroker
import Testing

@Suite("Tokens")
struct TokenStoreTests {
    let folder: TemporaryFolder
    var directory: String { folder.path + "/tokens" }

    init() throws { folder = try TemporaryFolder() }

    private func text(_ principal: String) throws -> String {
        try String(contentsOfFile: directory + "/" + principal, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func mode(_ path: String) throws -> Int? {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }

    @Test func madeOnceKeptAndKnownAgain() throws {
        let first = try TokenStore.open(directory: directory, principals: ["admin", "worker"])
        #expect(first.created == ["admin", "worker"])
        #expect(try mode(directory) == 0o700)
        #expect(try mode(directory + "/admin") == 0o600)
        let token = try text("admin")
        #expect(token.hasPrefix("spn_"))
        #expect(token.utf8.count >= 4 + 43, "256 random bits")
        #expect(try text("worker") != token)

        let second = try TokenStore.open(directory: directory, principals: ["admin", "worker"])
        #expect(second.created.isEmpty)
        #expect(try text("admin") == token, "a file that is there is not changed")
        for store in [first, second] {
            #expect(store.principal(for: token) == "admin")
            #expect(store.principal(for: try text("worker")) == "worker")
            for wrong in ["", "x", String(token.dropLast()), token + "A", token.uppercased(), "spn_" + String(repeating: "A", count: 43)] {
                #expect(store.principal(for: wrong) == nil)
            }
        }
    }

    @Test("files that hold no good token are named", arguments: [
        "", "short", String(repeating: "x", count: 21), String(repeating: "x", count: 300), "two words-of-enough-length-each-of-them",
    ])
    func badFiles(content: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try content.write(toFile: directory + "/admin", atomically: true, encoding: .utf8)
        let error = #expect(throws: BrokerStartError.self) { _ = try TokenStore.open(directory: directory, principals: ["admin"]) }
        #expect(error?.code == .tokens)
        #expect(error?.message.contains(directory + "/admin") == true)
        #expect(try String(contentsOfFile: directory + "/admin", encoding: .utf8) == content, "it is left as it was")
    }

    @Test("names that would leave the folder are refused", arguments: ["", ".", "..", "../x", "a/b", ".hidden", "a\0b", "a b", "ä"])
    func badNames(name: String) {
        let error = #expect(throws: BrokerStartError.self) { _ = try TokenStore.open(directory: directory, principals: [name]) }
        #expect(error?.code == .configuration)
    }

    @Test func oneTokenForTwoIsRefused() throws {
        _ = try TokenStore.open(directory: directory, principals: ["a"])
        try FileManager.default.copyItem(atPath: directory + "/a", toPath: directory + "/b")
        #expect(throws: BrokerStartError.self) { _ = try TokenStore.open(directory: directory, principals: ["a", "b"]) }
    }

    @Test func othersWhoCanReadAreReported() throws {
        _ = try TokenStore.open(directory: directory, principals: ["a"])
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: directory + "/a")
        #expect(try TokenStore.open(directory: directory, principals: ["a"]).tooOpen == [directory + "/a"])
    }
}
