import Foundation
import Glibc
import NIOPosix
import Testing

/// Files through real processes: uploaded, stored, downloaded, and what kills in between do to them.
@Suite struct FileFlowTests {
    private struct Routing: Decodable { let id: String }
    private struct File: Decodable {
        let id: String
        let status: String
        let sha256: String?
        let sharePath: String?
    }
    private struct Audits: Decodable {
        struct Audit: Decodable { let verdict: String }
        let items: [Audit]
    }

    private static let roles = ["broker", "bridge", "files"]

    private static func options(_ roles: RunningRoles) -> [String] { ["--data", roles.data, "--port-base", "\(roles.base)"] }

    private static func routing(_ roles: RunningRoles) async throws -> String {
        try await roles.http("POST", "/api/routings", body: #"{"name": "files"}"#).decode(Routing.self).id
    }

    /// Bytes that no compressor or sparse file makes little of.
    private static func write(_ count: Int, to path: String) throws {
        var random = SystemRandomNumberGenerator()
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { room in
            for offset in stride(from: 0, to: room.count - 7, by: 8) { room.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self) }
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    /// As a tool says it that is none of ours.
    private static func sha256(_ path: String) async throws -> String {
        try await NIOThreadPool.singleton.runIfActive {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["sha256sum", path]
            let pipe = Pipe()
            process.standardOutput = pipe
            try process.run()
            let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return String(String(decoding: output, as: UTF8.self).prefix(64))
        }
    }

    private static func files(below path: String) -> [String] {
        (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []).filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(path)/\($0)", isDirectory: &isFolder) && !isFolder.boolValue
        }.sorted()
    }

    @Test func aFileGoesUpAndComesBack() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(Self.roles)
        let (source, copy) = (roles.directory.path + "/부품 A.nc", roles.directory.path + "/copy")
        try Self.write(21 << 20 | 5, to: source)
        let hash = try await Self.sha256(source)
        let routing = try await Self.routing(roles)
        let put = try await Spindle.run(["file", "put", source, "--routing", routing, "--json"] + Self.options(roles))
        let line = try #require(try put.json().first, "\(put)")
        #expect(put.exitCode == 0 && line["status"] as? String == "committed" && line["sha256"] as? String == hash, "\(put)")
        let id = try #require(line["id"] as? String)
        // On the disk it lies under its digest, as a tool says that is none of ours.
        #expect(try await Self.sha256("\(roles.data)/files/cas/sha256/\(hash.prefix(2))/\(hash)/payload") == hash)
        #expect(try await Self.sha256("\(roles.data)/mcms/share/\(routing)/부품 A.nc") == hash)
        let get = try await Spindle.run(["file", "get", id, "--output", copy] + Self.options(roles))
        #expect(get.exitCode == 0, "\(get)")
        #expect(try await Self.sha256(copy) == hash)
        #expect(try await Spindle.run(["file", "verify", id] + Self.options(roles)).exitCode == 0)
        let again = try await Spindle.run(["file", "put", source, "--routing", routing, "--json", "--as", "elsewhere/A.nc"] + Self.options(roles))
        #expect(again.exitCode == 0, "\(again)")
        let stat = try await Spindle.run(["cas", "stat", "--data", roles.data, "--json"])
        #expect(try stat.json().first?["payloads"] as? Int == 1, "\(stat)")
        #expect(try await Spindle.run(["cas", "verify", "--data", roles.data]).exitCode == 0)
        try await roles.stop()
    }

    @Test func theDemonstrationSendsAFileToo() async throws {
        let roles = try RunningRoles(addin: ["--slow", "50ms"])
        try await roles.startAll(["broker", "bridge", "worker", "files", "addin"])
        let demo = try await Spindle.run(["demo", "--with-file", "--json"] + Self.options(roles))
        #expect(demo.exitCode == 0, "\(demo)")
        let steps = try #require(try demo.json().first?["timeline"] as? [[String: Any]]).compactMap { $0["what"] as? String }
        for step in ["file uploaded", "file.updated", "notification.alert", "stored", "on the share", "downloaded"] { #expect(steps.contains(step), "\(steps)") }
        try await roles.stop()
    }

    private static let ranges: [(range: String, status: Int, contentRange: String?, bytes: Int?)] = [
        ("bytes=0-0", 206, "bytes 0-0/300", 1), ("bytes=-100", 206, "bytes 200-299/300", 100), ("bytes=290-", 206, "bytes 290-299/300", 10),
        ("bytes=0-999", 206, "bytes 0-299/300", 300), ("bytes=300-", 416, "bytes */300", nil), ("bytes=-0", 416, "bytes */300", nil),
        ("bytes=5-2", 200, nil, 300), ("bytes=0-1,5-6", 200, nil, 300), ("lines=1-2", 200, nil, 300),
    ]

    @Test func rangesAreAnsweredAsTheStandardSays() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(Self.roles)
        let source = roles.directory.path + "/r.bin"
        try Data((0..<300).map { UInt8(truncatingIfNeeded: $0) }).write(to: URL(fileURLWithPath: source))
        let put = try await Spindle.run(["file", "put", source, "--routing", try await Self.routing(roles), "--json"] + Self.options(roles))
        let id = try #require(try put.json().first?["id"] as? String, "\(put)")
        let url = "http://127.0.0.1:\(roles.base + 2)/api/files/\(id)/content"
        let login = ["-H", "Authorization: Bearer \(try roles.token("admin"))"]
        for row in Self.ranges {
            let answer = try await Curl.send("GET", url, login + ["-H", "Range: \(row.range)"])
            #expect(answer.status == row.status && answer.field("content-range") == row.contentRange, "\(row.range): \(answer)")
            if let bytes = row.bytes { #expect(answer.field("content-length") == "\(bytes)", "\(row.range)") }
            #expect(answer.field("cache-control") == "no-store", "\(row.range)")
        }
        // Of another version the whole is sent.
        let other = try await Curl.send("GET", url, login + ["-H", "Range: bytes=0-0", "-H", "If-Range: \"sha256-0\""])
        #expect(other.status == 200, "\(other)")
        try await roles.stop()
    }

    /// Killed at each step of the commit, the worker's next process ends in the same state as without the kill.
    @Test func eachStepOfTheCommitBearsAKill() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let routing = try await Self.routing(roles)
        let points = ["chunks-verified", "payload-stored", "pending-written", "audit-written", "meta-written", "ref-written", "published", "committed"]
        for (number, point) in points.enumerated() {
            let source = "\(roles.directory.path)/\(point).bin"
            try Self.write(10 << 20 | number + 1, to: source)
            try await roles.start("files", environment: ["SPINDLE_FAIL_AT": "ingest.\(point)"])
            let put = try await Spindle.run(["file", "put", source, "--routing", routing, "--json", "--no-wait"] + Self.options(roles))
            let id = try #require(try put.json().first?["id"] as? String, "\(put)")
            #expect(try await roles.end(of: "files") == 128 + SIGKILL, "\(point) was not reached")
            let references = Self.files(below: "\(roles.data)/files/refs/\(routing)/0")
            let hasAudit = try await !roles.http("GET", "/api/files/\(id)/audit").decode(Audits.self).items.isEmpty
            if references.contains("\(point).bin.meta.json") { #expect(hasAudit, "\(point): meta.json without its audit") }
            if references.contains("\(point).bin.json") { #expect(references.contains("\(point).bin.meta.json"), "\(point): a ref without its meta.json") }
            try await roles.start("files")
            try await roles.waitUntil("\(point): it is committed") {
                try await roles.http("GET", "/api/files/\(id)").decode(File.self).status == "committed"
            }
            try await roles.waitUntil("\(point): nothing is left in staging") { Self.files(below: "\(roles.data)/files/staging").isEmpty }
            #expect(try await roles.http("GET", "/api/files/\(id)/audit").decode(Audits.self).items.map(\.verdict) == ["committed"], "\(point)")
            let hash = try await Self.sha256(source)
            #expect(try await Self.sha256("\(roles.data)/files/cas/sha256/\(hash.prefix(2))/\(hash)/payload") == hash)
            #expect(try await Self.sha256("\(roles.data)/mcms/share/\(routing)/\(point).bin") == hash)
            try await roles.send(SIGTERM, to: "files")
            _ = try await roles.end(of: "files")
        }
        #expect(Self.files(below: "\(roles.data)/files/refs").count == 2 * points.count, "no refs.pending is left")
        #expect(Self.files(below: "\(roles.data)/files/cas").count == points.count)
        try await roles.stop()
    }

    /// curl uploads by tus, the web server is killed at any moment, and the upload goes on where the disk says. `SPINDLE_UPLOAD_KILLS`: how often
    /// in all; four for each file.
    @Test func theWebServerIsKilledInTheMiddleOfUploads() async throws {
        let wanted = ProcessInfo.processInfo.environment["SPINDLE_UPLOAD_KILLS"].flatMap { Int($0) } ?? 4
        let roles = try RunningRoles()
        try await roles.startAll(Self.roles)
        let routing = try await Self.routing(roles)
        var kills = 0
        while kills < wanted {
            let done = try await Self.upload(roles, routing: routing, name: "\(kills).bin", kills: min(4, wanted - kills))
            #expect(done > 0, "the file was there before the first kill")
            kills += max(1, done)
        }
        print("uploads by curl, the web server killed: \(kills) cycles, 0 confirmed publishes, 0 confirmed acks")
        try await roles.stop()
    }

    /// Uploads a file, and waits until it is committed with the right digest. Returns how often the web server was killed before all had come.
    private static func upload(_ roles: RunningRoles, routing: String, name: String, kills wanted: Int) async throws -> Int {
        let source = roles.directory.path + "/source"
        let size = 24 << 20 | 3
        try write(size, to: source)
        let all = try Data(contentsOf: URL(fileURLWithPath: source))
        let base = "http://127.0.0.1:\(roles.base + 2)"
        let login = ["-H", "Authorization: Bearer \(try roles.token("admin"))", "-H", "Tus-Resumable: 1.0.0"]
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        let created = try await Curl.send(
            "POST", base + "/api/upload",
            login + ["-H", "Upload-Length: \(size)", "-H", "Upload-Metadata: routingId \(base64(routing)),filename \(base64(name))"])
        let place = try #require(created.field("location"), "\(created)")
        var (offset, kills) = (0, 0)
        while offset < size {
            let rest = roles.directory.path + "/rest"
            try all[offset...].write(to: URL(fileURLWithPath: rest))
            let isLast = kills == wanted
            let at = offset
            async let patch = Curl.send(
                "PATCH", base + place,
                login + ["-H", "Upload-Offset: \(at)", "-H", "Content-Type: application/offset+octet-stream", "-H", "Expect:", "--data-binary", "@\(rest)"]
                    + (isLast ? [] : ["--limit-rate", "20M"]))
            if isLast {
                let answer = try await patch
                #expect(answer.status == 204, "\(answer)")
            } else {
                // The deadline of this process's life, at any moment of the upload.
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...250)))
                try await roles.killAndRestart("bridge")
                kills += 1
                _ = try? await patch
                try await roles.waitUntil("the web server is ready") { try await roles.http("GET", "/readyz").status == 200 }
            }
            let head = try await Curl.send("HEAD", base + place, login + ["--head"])
            let now = try #require(head.field("upload-offset").flatMap { Int($0) }, "\(head)")
            #expect(now >= offset)
            offset = now
        }
        let id = try #require(place.split(separator: "/").last)
        try await roles.waitUntil("it is committed") { try await roles.http("GET", "/api/files/\(id)").decode(File.self).status == "committed" }
        #expect(try await roles.http("GET", "/api/files/\(id)").decode(File.self).sha256 == (try await sha256(source)))
        return kills
    }
}
