import Foundation
import Testing

/// What operators decide about files, and who else may not.
@Suite struct FileDecisionTests {
    /// A scanner of a company: it finds `EVIL`, until the file `pardon` is there.
    private static let scanner = """
        import os, sys
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        class Scanner(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                text = b"infected: Test.Evil" if b"EVIL" in body and not os.path.exists(sys.argv[2]) else b"clean"
                self.send_response(200); self.send_header("Content-Length", str(len(text))); self.end_headers(); self.wfile.write(text)
            def do_GET(self): self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
            def log_message(self, *arguments): pass
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Scanner).serve_forever()
        """

    private static let operatorPrincipal = "  - name: op\n    role: operator\n    permissions:\n      read: [\"*\"]\n  # The ESPRIT add-in takes"

    private static func send(_ roles: RunningRoles, _ method: String, _ path: String, as principal: String, body: String? = nil) async throws -> Int {
        try await Curl.send(method, FileTools.url(roles) + path, try FileTools.login(roles, as: principal), body: body).status
    }

    @Test func onlyOperatorsDecideAboutFilesInQuarantine() async throws {
        let port = try FreePorts.base()
        let roles = try RunningRoles {
            $0.replacing("  scanner: none", with: "  scanner: {http: {url: \"http://127.0.0.1:\(port)/scan\"}}")
                .replacing("  # The ESPRIT add-in takes", with: Self.operatorPrincipal)
        }
        let pardon = roles.directory.path + "/pardon"
        let scanner = try ForeignProcess.python(Self.scanner, ["\(port)", pardon])
        defer { scanner.kill() }
        try await roles.startAll(FileTools.roles)
        let routing = try await FileTools.routing(roles)
        var files: [String] = []
        for name in ["rescanned", "released", "deleted"] {
            let source = roles.directory.path + "/" + name
            try Data("EVIL \(name)".utf8).write(to: URL(fileURLWithPath: source))
            let id = try await FileTools.put(roles, source, routing: routing, ["--no-wait"])
            try await roles.waitUntil("\(name) is in quarantine") { try await FileTools.file(roles, id).status == "quarantined" }
            #expect(try await Self.send(roles, "GET", "/api/files/\(id)/content", as: "worker") == 409)
            files.append(id)
        }
        let reason = #"{"reason": "a false alarm"}"#
        // worker: viewer; web: approver.
        for principal in ["worker", "web", "addin"] {
            for id in files {
                #expect(try await Self.send(roles, "POST", "/api/files/\(id)/rescan", as: principal, body: "{}") == 403, "\(principal)")
                #expect(try await Self.send(roles, "POST", "/api/files/\(id)/release", as: principal, body: reason) == 403, "\(principal)")
                #expect(try await Self.send(roles, "DELETE", "/api/files/\(id)", as: principal) == 403, "\(principal)")
                #expect(try await FileTools.file(roles, id).status == "quarantined")
            }
        }
        let first = files[0]
        // Still infected: it is looked at again, and stays where it is.
        #expect(try await Self.send(roles, "POST", "/api/files/\(files[0])/rescan", as: "op", body: "{}") == 200)
        try await roles.waitUntil("it is in quarantine again") { try await FileTools.file(roles, first).status == "quarantined" }
        try Data().write(to: URL(fileURLWithPath: pardon))
        #expect(try await Self.send(roles, "POST", "/api/files/\(files[0])/rescan", as: "op", body: "{}") == 200)
        try await FileTools.waitUntilCommitted(roles, files[0])
        // A release says why.
        #expect(try await Self.send(roles, "POST", "/api/files/\(files[1])/release", as: "op", body: "{}") == 400)
        #expect(try await Self.send(roles, "POST", "/api/files/\(files[1])/release", as: "op", body: reason) == 200)
        try await FileTools.waitUntilCommitted(roles, files[1])
        #expect(try await Self.send(roles, "DELETE", "/api/files/\(files[2])", as: "op") == 204)
        #expect(try await Self.send(roles, "GET", "/api/files/\(files[2])", as: "op") == 404)
        #expect(try await Self.send(roles, "POST", "/api/files/\(files[2])/rescan", as: "op", body: "{}") == 404)
        // What is committed is not in quarantine, and may still be deleted.
        #expect(try await Self.send(roles, "POST", "/api/files/\(files[0])/release", as: "op", body: reason) == 409)
        #expect(try await Self.send(roles, "DELETE", "/api/files/\(files[0])", as: "op") == 204)
        #expect(try await Self.send(roles, "GET", "/api/files/\(files[0])/content", as: "op") == 404)
        try await roles.stop()
    }

    @Test func whoBeginsTooManyUploadsIsToldSo() async throws {
        let roles = try RunningRoles { $0.replacing("uploadsOpenMax: 1000", with: "uploadsOpenMax: 2") }
        try await roles.startAll(["broker", "bridge"])
        let routing = try await FileTools.routing(roles)
        func begin(_ name: String, as principal: String) async throws -> Curl.Answer {
            try await Curl.send(
                "POST", FileTools.url(roles) + "/api/upload/parts", try FileTools.login(roles, as: principal),
                body: #"{"routingId": "\#(routing)", "filename": "\#(name)", "size": 3}"#)
        }
        let first = try await begin("1", as: "web")
        #expect(first.status == 201)
        #expect(try await begin("2", as: "web").status == 201)
        let refused = try await begin("3", as: "web")
        #expect(refused.status == 429 && refused.field("content-type") == "application/problem+json" && refused.field("retry-after") != nil, "\(refused)")
        #expect(refused.body.contains("2 uploads") && refused.body.contains("uploadsOpenMax"), "\(refused)")
        #expect(try await begin("3", as: "admin").status == 201, "others go on")
        struct Upload: Decodable { let id: String }
        let id = try JSONDecoder().decode(Upload.self, from: Data(first.body.utf8)).id
        let gone = try await Curl.send(
            "DELETE", FileTools.url(roles) + "/api/upload/\(id)", try FileTools.login(roles, as: "web") + ["-H", "Tus-Resumable: 1.0.0"])
        #expect(gone.status == 204)
        #expect(try await begin("3", as: "web").status == 201)
        try await roles.stop()
    }
}
