import Foundation
import Glibc
import PythonTools
import Testing

/// Files sent and fetched by programs that are none of ours, while one side or the other is killed.
@Suite struct FileClientTests {
    /// Goes on from where the server is, as tuspy does it by itself.
    private static let tuspy = """
        import os, sys
        from tusclient import client
        url, token, source, routing, name, place, piece = sys.argv[1:8]
        tus = client.TusClient(url + "/api/upload", headers={"Authorization": "Bearer " + token})
        at = open(place).read() if os.path.exists(place) else None
        uploader = tus.uploader(source, chunk_size=int(piece), url=at, metadata={"routingId": routing, "filename": name}, retries=600, retry_delay=0.05)
        if at is None:
            uploader.set_url(uploader.create_url())
            with open(place + ".new", "w") as file: file.write(uploader.url)
            os.rename(place + ".new", place)
        while uploader.offset < uploader.get_file_size():
            uploader.upload_chunk()
            print(uploader.offset)
        """

    /// Server and client are killed in turn at any moment. `SPINDLE_TUSPY_KILLS`: how often in all; four for each file.
    @Test func tuspyGoesOnOverKillsOfEitherSide() async throws {
        let wanted = Machine.count("SPINDLE_TUSPY_KILLS", 4)
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let routing = try await FileTools.routing(roles)
        let source = roles.directory.path + "/source"
        var kills = 0
        while kills < wanted {
            try FileTools.write(40 << 20 | 3, to: source)
            let place = roles.directory.path + "/place-\(kills)"
            let arguments = [FileTools.url(roles), try roles.token("admin"), source, routing, "tuspy-\(kills).bin", place, "\(1 << 20)"]
            var client = try ForeignProcess.python(Self.tuspy, arguments)
            for turn in 0..<min(4, wanted - kills) {
                // The deadline of this process's life, at any moment of the upload.
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...400)))
                if turn % 2 == 0 {
                    try await roles.killAndRestart("bridge")
                    try await roles.waitUntil("the web server is ready") { try await roles.http("GET", "/readyz").status == 200 }
                } else {
                    client.kill()
                    _ = try await client.end()
                    client = try ForeignProcess.python(Self.tuspy, arguments)
                }
                kills += 1
            }
            let ended = try await client.end()
            #expect(ended.exitCode == 0, "\(ended.output.suffix(2_000))")
            let id = try #require(try String(contentsOfFile: place, encoding: .utf8).split(separator: "/").last)
            try await FileTools.waitUntilCommitted(roles, String(id))
            #expect(try await FileTools.file(roles, String(id)).sha256 == (try await FileTools.sha256(source)))
        }
        print("uploads by tuspy, server and client killed: \(kills) cycles, 0 confirmed publishes, 0 confirmed acks")
        try await roles.stop()
    }

    /// curl asks for the rest, and the server is killed again. `SPINDLE_DOWNLOAD_KILLS`: how often.
    @Test func curlResumesADownloadOverKillsOfTheServer() async throws {
        let wanted = Machine.count("SPINDLE_DOWNLOAD_KILLS", 3)
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let (source, copy) = (roles.directory.path + "/source", roles.directory.path + "/copy")
        try FileTools.write(40 << 20 | 3, to: source)
        let id = try await FileTools.put(roles, source, routing: try await FileTools.routing(roles))
        let command =
            ["curl", "-sS", "--fail", "-C", "-", "-o", copy] + (try FileTools.login(roles)) + ["\(FileTools.url(roles))/api/files/\(id)/content"]
        var kills = 0
        while kills < wanted {
            let curl = try ForeignProcess(command + ["--limit-rate", "40M"])
            // The deadline of this process's life, at any moment of the download.
            try await Task.sleep(for: .milliseconds(Int.random(in: 20...300)))
            try await roles.killAndRestart("bridge")
            kills += 1
            let ended = try await curl.end()
            try await roles.waitUntil("the web server is ready") { try await roles.http("GET", "/readyz").status == 200 }
            if ended.exitCode == 0 {
                #expect(try await FileTools.sha256(copy) == (try await FileTools.sha256(source)))
                try FileManager.default.removeItem(atPath: copy)
            }
        }
        let last = try await ForeignProcess.run(command)
        #expect(last.exitCode == 0, "\(last)")
        #expect(try await FileTools.sha256(copy) == (try await FileTools.sha256(source)))
        print("downloads by curl, the web server killed: \(kills) cycles, 0 confirmed publishes, 0 confirmed acks")
        try await roles.stop()
    }

    /// The token is another one in the middle: a client of tus must not forget its upload, and `spindle file put` finds the new one.
    @Test func aLoginThatEndsInTheMiddleRestartsNothing() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let routing = try await FileTools.routing(roles)
        let source = roles.directory.path + "/source"
        try FileTools.write(30 << 20 | 3, to: source)
        let size = 30 << 20 | 3
        let version = ["-H", "Tus-Resumable: 1.0.0"]
        let old = try FileTools.login(roles)
        let created = try await Curl.send(
            "POST", FileTools.url(roles) + "/api/upload",
            old + version + ["-H", "Upload-Length: \(size)", "-H", "Upload-Metadata: routingId \(FileTools.base64(routing)),filename \(FileTools.base64("t.bin"))"])
        let place = FileTools.url(roles) + (try #require(created.field("location"), "\(created)"))
        func patch(_ login: [String], from offset: Int, to end: Int) async throws -> Curl.Answer {
            let piece = roles.directory.path + "/piece"
            try Data(contentsOf: URL(fileURLWithPath: source))[offset..<end].write(to: URL(fileURLWithPath: piece))
            return try await Curl.send(
                "PATCH", place,
                login + version + ["-H", "Upload-Offset: \(offset)", "-H", "Content-Type: application/offset+octet-stream", "-H", "Expect:", "--data-binary", "@\(piece)"])
        }
        let half = size / 2
        #expect(try await patch(old, from: 0, to: half).status == 204)

        // By parts: the command stands still in the middle, while the operator changes the token.
        let large = roles.directory.path + "/large"
        try Machine.run("truncate", "-s", "320M", large)
        let put = try SpindleProcess(["file", "put", large, "--routing", routing, "--json", "--parallel", "1"] + FileTools.options(roles))
        @Sendable func sent() async throws -> ListedFile? {
            let id = String(place.split(separator: "/").last ?? "")
            return try await roles.http("GET", "/api/files?routingId=\(routing)").decode(Files.self).items.first { $0.id != id }
        }
        let first = String(place.split(separator: "/").last ?? "")
        FileTools.stop(put.identifier, onceBytesLieBelow: "\(roles.data)/files/staging", except: first)
        try await roles.waitUntil("the command stands still") { try FileTools.isStopped(put.identifier) }
        #expect(try await sent()?.status == "uploading", "the command was too quick to be stopped in the middle")
        try FileManager.default.removeItem(atPath: "\(roles.data)/tokens/admin")
        for role in ["broker", "bridge"] {
            try await roles.send(SIGHUP, to: role)
            if role == "broker" { try await roles.waitUntil("there is another token") { try FileTools.login(roles) != old } }
        }
        try await roles.waitUntil("the old token is worth nothing") {
            try await Curl.send("HEAD", place, old + version + ["--head"]).status == 423
        }
        let refused = try await patch(old, from: half, to: size)
        #expect(refused.status == 423 && refused.field("tus-resumable") == "1.0.0")
        let new = try FileTools.login(roles)
        #expect(try await Curl.send("HEAD", place, new + version + ["--head"]).field("upload-offset") == "\(half)")
        #expect(try await patch(new, from: half, to: size).status == 204)
        let id = try #require(place.split(separator: "/").last)
        try await FileTools.waitUntilCommitted(roles, String(id))
        #expect(try await FileTools.file(roles, String(id)).sha256 == (try await FileTools.sha256(source)))
        put.send(SIGCONT)
        #expect(try await put.exitCode(within: Spindle.deadline) == 0, "\(put.output) \(put.errors)")
        try await roles.stop()
    }

    /// NFS cannot refuse to replace, and an SMB share through FUSE has no second names either. The calls are refused as these refuse them.
    @Test(.enabled(if: Machine.canInjectFaults, "injecting faults needs strace"), arguments: [["renameat2:error=EINVAL"], ["renameat2:error=EINVAL", "linkat:error=EPERM"]])
    func aShareThatCannotRefuseToReplaceIsGoodEnough(faults: [String]) async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let strace = ["strace", "-D", "-f", "-q", "-o", "/dev/null", "-e", "trace=renameat2,linkat"] + faults.flatMap { ["-e", "inject=\($0)"] }
        try await roles.start("files", prefix: strace)
        let (source, routing) = (roles.directory.path + "/A.nc", try await FileTools.routing(roles))
        for text in ["first", "second"] {
            try text.write(toFile: source, atomically: true, encoding: .utf8)
            let id = try await FileTools.put(roles, source, routing: routing)
            #expect(try await FileTools.file(roles, id).status == "committed")
            #expect(try String(contentsOfFile: "\(roles.data)/mcms/share/\(routing)/A.nc", encoding: .utf8) == text)
        }
        // Somebody else's file is left alone.
        let other = "\(roles.data)/mcms/share/other.nc"
        try "theirs".write(toFile: other, atomically: true, encoding: .utf8)
        _ = try await FileTools.put(roles, source, routing: routing, ["--as", "other.nc"])
        #expect(try String(contentsOfFile: other, encoding: .utf8) == "theirs")
        try await roles.stop()
    }

    /// Users' browsers reach the files through a program of the company.
    @Test func aRelayThatPassesRangeServesUploadsAndDownloads() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let port = try FreePorts.base()
        let relay = try ForeignProcess.python(FileRelay.python, ["\(port)", "\(roles.base + 2)", try roles.token("web"), roles.directory.path + "/fault"])
        defer { relay.kill() }
        let url = "http://127.0.0.1:\(port)"
        try await roles.waitUntil("the relay answers") { try await Curl.send("GET", url + "/healthz").status == 200 }
        try await FileRelay.sendAndFetch(roles, url, [], name: "relay")
        try await roles.stop()
    }

    private struct Files: Decodable { let items: [ListedFile] }
}
