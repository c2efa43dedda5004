import Foundation
import Glibc
import ObjectStoreRig
import Synchronization
import Testing

/// Files through real processes whose payloads are in a bucket of a real object store.
@Suite(.serialized) struct ObjectStoreFlowTests {
    private struct Routing: Decodable { let id: String }
    private struct File: Decodable {
        let status: String
        let reason: String?
        let sha256: String?
    }

    private static func roles(_ store: SeaweedFS, _ endpoint: String) throws -> RunningRoles {
        try RunningRoles { text in
            text.replacing(
                "  scanner: none\n",
                with: """
                      scanner: none
                      s3:
                        endpoint: '\(endpoint)'
                        bucket: \(store.bucket)
                        accessKeyFile: \(store.accessKeyFile)
                        prefix: spindle
                        multipartAbove: 6 MiB
                        partSize: 5 MiB
                        timeout: 5s

                    """)
        }
    }

    private static func options(_ roles: RunningRoles) -> [String] { ["--data", roles.data, "--port-base", "\(roles.base)"] }

    /// Returns the bytes.
    private static func write(_ count: Int, to path: String) throws -> Data {
        var random = SystemRandomNumberGenerator()
        let bytes = Data((0..<(count + 7) / 8).flatMap { _ in withUnsafeBytes(of: random.next() as UInt64) { Array($0) } }.prefix(count))
        try bytes.write(to: URL(fileURLWithPath: path))
        return bytes
    }

    @Test func filesGoThereAndComeBack() async throws {
        let store = try await SeaweedFS()
        let roles = try Self.roles(store, store.endpoint)
        try await roles.startAll(["broker", "bridge", "files"])
        let routing = try await roles.http("POST", "/api/routings", body: #"{"name": "files"}"#).decode(Routing.self).id
        let (source, copy) = (roles.directory.path + "/A.nc", roles.directory.path + "/copy")
        let bytes = try Self.write(21 << 20 | 5, to: source)
        let put = try await Spindle.run(["file", "put", source, "--routing", routing, "--json"] + Self.options(roles))
        let line = try #require(try put.json().first, "\(put)")
        #expect(put.exitCode == 0 && line["status"] as? String == "committed", "\(put)")
        let (id, hash) = (try #require(line["id"] as? String), try #require(line["sha256"] as? String))
        let key = "spindle/cas/sha256/\(hash.prefix(2))/\(hash)/payload"
        let script = "print(hashlib.sha256(client.get_object(Bucket=bucket, Key=arguments[0])['Body'].read()).hexdigest())"
        #expect(try await store.boto(script, key) == hash)
        let isThere = FileManager.default.fileExists(atPath: "\(roles.data)/files/cas")
        #expect(!isThere, "a payload lies in the folder")
        let get = try await Spindle.run(["file", "get", id, "--output", copy] + Self.options(roles))
        #expect(get.exitCode == 0, "\(get)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == bytes)
        // Ranges, and an interrupted download that goes on.
        let url = "http://127.0.0.1:\(roles.base + 2)/api/files/\(id)/content"
        let login = ["-H", "Authorization: Bearer \(try roles.token("admin"))"]
        for (range, expected) in [("bytes=0-0", 0..<1), ("bytes=-100", bytes.count - 100..<bytes.count), ("bytes=5000000-15000000", 5_000_000..<15_000_001)] {
            let part = roles.directory.path + "/part"
            _ = try await Curl.send("GET", url, login + ["-H", "Range: \(range)", "--no-include", "--output", part])
            #expect(try Data(contentsOf: URL(fileURLWithPath: part)) == bytes[expected], "\(range)")
        }
        let head = try await Curl.send("HEAD", url, login + ["--head"])
        #expect(head.field("x-checksum-sha256") == hash && head.field("content-length") == "\(bytes.count)")
        #expect(try await Spindle.run(["cas", "verify", "--data", roles.data, "--config", roles.directory.path + "/cluster.yaml"]).exitCode == 0)
        #expect(try await Spindle.run(["cas", "gc", "--dry-run", "--data", roles.data, "--config", roles.directory.path + "/cluster.yaml"]).exitCode == 0)
        // One that is damaged there is found, and a download of it does not end well.
        try await store.boto("client.put_object(Bucket=bucket, Key=arguments[0], Body=b'x' * int(arguments[1]))", key, "\(bytes.count)")
        let verify = try await Spindle.run(["cas", "verify", "--data", roles.data, "--config", roles.directory.path + "/cluster.yaml"])
        #expect(verify.exitCode == 1 && verify.output.contains(hash), "\(verify)")
        #expect(try await Spindle.run(["file", "get", id, "--output", copy] + Self.options(roles)).exitCode != 0)
        for role in ["bridge", "files"] { #expect(await !roles.errors(of: role).contains(SeaweedFS.secretKey)) }
        try await roles.stop()
    }

    /// The store is killed in the middle of an upload, and comes back; then the worker is killed after the upload.
    @Test func killsCostNothing() async throws {
        let store = try await SeaweedFS()
        let kills = Mutex(0)
        let proxy = try LyingProxy(to: store.port) { request in
            guard request.method == "PUT", request.target.contains("partNumber=3"), kills.withLock({ $0 += 1; return $0 == 1 }) else { return .none }
            store.kill()
            return .hangUp(after: 1_000_000)
        }
        let roles = try Self.roles(store, proxy.endpoint)
        try await roles.startAll(["broker", "bridge", "files"])
        let routing = try await roles.http("POST", "/api/routings", body: #"{"name": "files"}"#).decode(Routing.self).id
        let source = roles.directory.path + "/A.nc"
        _ = try Self.write(18 << 20, to: source)
        let put = try await Spindle.run(["file", "put", source, "--routing", routing, "--json", "--no-wait"] + Self.options(roles))
        let id = try #require(try put.json().first?["id"] as? String, "\(put)")
        try await roles.waitUntil("it waits for the store, and says so") {
            let file = try await roles.http("GET", "/api/files/\(id)").decode(File.self)
            return file.status == "ingesting" && file.reason?.hasPrefix("the store can't be used: S3 ") == true
        }
        // Its message is leased again by a process that dies behind the upload.
        try await roles.send(SIGKILL, to: "files")
        _ = try await roles.end(of: "files")
        try store.start()
        try await store.ready()
        try await roles.start("files", environment: ["SPINDLE_FAIL_AT": "ingest.payload-stored"])
        #expect(try await roles.end(of: "files") == 128 + SIGKILL)
        let sent = proxy.requests.filter { $0.method == "POST" }.count
        try await roles.start("files")
        try await roles.waitUntil("it is committed") { try await roles.http("GET", "/api/files/\(id)").decode(File.self).status == "committed" }
        #expect(proxy.requests.filter { $0.method == "POST" }.count == sent, "it was sent again")
        let hash = try #require(try await roles.http("GET", "/api/files/\(id)").decode(File.self).sha256)
        let script = "print(hashlib.sha256(client.get_object(Bucket=bucket, Key=arguments[0])['Body'].read()).hexdigest())"
        #expect(try await store.boto(script, "spindle/cas/sha256/\(hash.prefix(2))/\(hash)/payload") == hash)
        try await roles.stop()
    }
}
