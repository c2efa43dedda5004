import Foundation
import Testing

/// Many files, large files, and the memory that they cost.
@Suite(.serialized) struct FileSizeTests {
    /// Made for each piece and freed elsewhere, buffers left the server with hundreds of megabytes. `SPINDLE_LARGE_FILE`: bytes.
    @Test func fourReadersCostTheServerLittleMemory() async throws {
        let bytes = Machine.count("SPINDLE_LARGE_FILE", 512 << 20)
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let source = roles.directory.path + "/large"
        try Machine.run("truncate", "-s", "\(bytes)", source)
        let id = try await FileTools.put(roles, source, routing: try await FileTools.routing(roles))
        try FileManager.default.removeItem(atPath: source)
        let server = try await roles.identifier(of: "bridge")
        try Data("5\n".utf8).write(to: URL(fileURLWithPath: "/proc/\(server)/clear_refs"))
        let before = try FileTools.memory(of: server)
        let command = ["curl", "-sS", "--fail", "-o", "/dev/null"] + (try FileTools.login(roles)) + ["\(FileTools.url(roles))/api/files/\(id)/content"]
        let readers = try (0..<4).map { _ in try ForeignProcess(command) }
        for reader in readers { #expect(try await reader.end().exitCode == 0) }
        let after = try FileTools.memory(of: server)
        #expect(after.most - before.now < 50 << 20, "from \(before.now >> 20) to \(after.most >> 20) MiB")
        print("four readers of \(bytes >> 20) MiB each: the web server's memory rose from \(before.now >> 20) to \(after.most >> 20) MiB at most")
        try await roles.stop()
    }

    private static func lines(_ result: Spindle.Result) throws -> [String: String] {
        try Dictionary(result.json().map { ($0["name"] as? String ?? "", $0["id"] as? String ?? "") }) { $1 }
    }

    /// `SPINDLE_SMALL_FILES`: how many.
    @Test func aFolderOfSmallFilesGoesUpAndIsNotSentTwice() async throws {
        let count = Machine.count("SPINDLE_SMALL_FILES", 120)
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let folder = roles.directory.path + "/small"
        for number in 0..<count {
            let below = folder + "/\(number / 50)"
            try FileManager.default.createDirectory(atPath: below, withIntermediateDirectories: true)
            try Data("file \(number) of \(UUID())".utf8).write(to: URL(fileURLWithPath: below + "/\(number).nc"))
        }
        // One of two parts among them, and one that is empty.
        try FileTools.write(10 << 20 | 1, to: folder + "/0/large.bin")
        try Data().write(to: URL(fileURLWithPath: folder + "/0/empty"))
        let routing = try await FileTools.routing(roles)
        let arguments = ["file", "put", folder, "--routing", routing, "--as", #"W:\jobs"#, "--json"] + FileTools.options(roles)
        // Killed on its way.
        let killed = try SpindleProcess(arguments)
        try await roles.waitUntil("some are stored") { killed.output.split(separator: "\n").count > count / 4 }
        killed.send(SIGKILL)
        _ = try await killed.exitCode(within: Spindle.deadline)
        let whole = try SpindleProcess(arguments)
        #expect(try await whole.exitCode(within: .seconds(3_600)) == 0, "\(whole.errors)")
        let first = try Self.lines(.init(exitCode: 0, output: whole.output, errors: ""))
        #expect(first.count == count + 2)
        for (name, id) in try Self.lines(.init(exitCode: 0, output: killed.output, errors: "")) {
            #expect(first[name] == id, "\(name) was stored before the kill, and is no new version")
        }
        try Data("another".utf8).write(to: URL(fileURLWithPath: folder + "/0/3.nc"))
        let again = try SpindleProcess(arguments)
        #expect(try await again.exitCode(within: .seconds(3_600)) == 0, "\(again.errors)")
        let second = try Self.lines(.init(exitCode: 0, output: again.output, errors: ""))
        #expect(first.filter { second[$0.key] != $0.value }.map(\.key) == ["0/3.nc"], "only what is new is sent")
        #expect(try await FileTools.sha256("\(roles.data)/mcms/share/jobs/0/large.bin") == (try await FileTools.sha256(folder + "/0/large.bin")))
        #expect(try String(contentsOfFile: "\(roles.data)/mcms/share/jobs/0/3.nc", encoding: .utf8) == "another")
        try await roles.stop()
    }
}
