import Foundation
import Testing

/// The messages of files as other programs see and write them.
@Suite struct FileMessageTests {
    private static func browse(_ roles: RunningRoles, _ queue: String) async throws -> [[String: Any]] {
        let result = try await Spindle.run(["queue", "browse", queue, "--full", "--json"] + FileTools.options(roles))
        return try result.json()
    }

    private static func envelope(_ row: [String: Any]) throws -> [String: Any] {
        let body = try #require((row["message"] as? [String: Any])?["body"] as? String)
        return try #require(try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any])
    }

    /// A producer that shares no code with the server writes the body.
    private static let producer = """
        import json, sys
        envelope = json.load(sys.stdin)
        exec(sys.argv[1])
        json.dump(envelope, sys.stdout)
        """

    private static func publish(_ roles: RunningRoles, _ envelope: [String: Any], changed change: String) async throws {
        let folder = roles.directory.path
        try JSONSerialization.data(withJSONObject: envelope).write(to: URL(fileURLWithPath: folder + "/envelope"))
        let body = try await ForeignProcess.run(["sh", "-c", "exec python3 -c \"$1\" \"$2\" < \"$3\"", "sh", producer, change, folder + "/envelope"])
        #expect(body.exitCode == 0, "\(body)")
        try Data(body.output.utf8).write(to: URL(fileURLWithPath: folder + "/body"))
        let sent = try await Spindle.run(
            ["message", "publish", "file-ingest", "--file", folder + "/body", "--content-type", "application/json", "--task-type", "FileIngestCommand"]
                + FileTools.options(roles))
        #expect(sent.exitCode == 0, "\(sent)")
    }

    @Test func anIngestIsOneEnvelopeThatOtherProgramsReadAndWrite() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let routing = try await FileTools.routing(roles)
        let (size, source) = (20 << 20 | 1, roles.directory.path + "/A.nc")
        try FileTools.write(size, to: source)
        let id = try await FileTools.put(roles, source, routing: routing, ["--no-wait"])
        try await roles.waitUntil("it is on the queue") { try await Self.browse(roles, "file-ingest").count == 1 }
        let rows = try await Self.browse(roles, "file-ingest")
        let envelope = try Self.envelope(try #require(rows.first))
        #expect(envelope["taskType"] as? String == "FileIngestCommand")
        #expect((envelope["correlationId"] as? String)?.isEmpty == false)
        let payload = try #require(envelope["payload"] as? [String: Any])
        for field in ["casHash", "chunks", "resumeToken", "logicalPath", "logicalName", "routingId", "revision", "size", "uploader", "uploadSessionId", "retryCount"] {
            #expect(payload[field] != nil, "\(field)")
        }
        #expect(payload["casHash"] as? String == (try await FileTools.sha256(source)))
        let chunks = try #require(payload["chunks"] as? [[String: Any]])
        #expect(chunks.map { $0["index"] as? Int } == [0, 1, 2] && chunks.map { $0["size"] as? Int } == [10 << 20, 10 << 20, 1])
        #expect(chunks.allSatisfy { ($0["hash"] as? String)?.count == 64 })

        // Refused, each with its reason: the file stays as it is.
        let wrong = [
            ("envelope['payload']['resumeToken'] = 'guessed'", "resumeToken"), ("envelope['payload']['casHash'] = 'zz'", "casHash"),
            ("envelope['payload']['uploadSessionId'] = '../../etc/passwd'", "upload"), ("envelope['payload']['size'] = 'big'", "size"),
            ("del envelope['payload']['casHash']", "casHash"), ("del envelope['payload']", "payload"),
        ]
        for row in wrong { try await Self.publish(roles, envelope, changed: row.0) }
        // Understood: more than is known, less than is usual.
        try await Self.publish(
            roles, envelope,
            changed: "envelope['payload'].update(somethingNew={'x': 1}, etag=None); [chunk.update(etag=None) for chunk in envelope['payload']['chunks']]; "
                + "del envelope['payload']['uploader'], envelope['payload']['retryCount'], envelope['payload']['logicalName']; envelope['more'] = True")
        // The server's own message goes: what is stored now is stored by the other program's.
        let own = try #require(rows.first?["id"] as? String)
        let cancelled = try await Spindle.run(["message", "cancel", "file-ingest", own] + FileTools.options(roles))
        #expect(cancelled.exitCode == 0, "\(cancelled)")
        try await roles.start("files")
        try await FileTools.waitUntilCommitted(roles, id)
        try await roles.waitUntil("what is wrong is dead") { try await Self.browse(roles, "file-ingest.dead").count == wrong.count }
        let dead = try await Self.browse(roles, "file-ingest.dead").map { "\($0)" }
        for row in wrong { #expect(dead.contains { $0.contains(row.1) }, "\(row): \(dead)") }
        #expect(try await Self.browse(roles, "file-ingest").isEmpty)
        #expect(try await FileTools.file(roles, id).status == "committed")
        try await roles.stop()
    }
}
