import Foundation
import Testing

/// What goes through whatever stands before the web server: an upload by parts, one by tus, and downloads of ranges.
enum FileRelay {
    /// - Parameters:
    ///   - origin: `https://name:port`.
    ///   - path: below which the server is at this origin, such as `/mcms`.
    static func sendAndFetch(
        _ roles: RunningRoles, _ origin: String, path: String = "", _ options: [String], name: String
    ) async throws {
        let url = origin + path
        let routing = try await FileTools.routing(roles)
        let (source, piece, copy) = (roles.directory.path + "/relayed", roles.directory.path + "/piece", roles.directory.path + "/relayed-copy")
        let size = 21 << 20 | 3
        try FileTools.write(size, to: source)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: source))
        struct Upload: Decodable {
            let id: String
            let chunkSize: Int
            let missing: [[Int]]
        }
        let created = try await Curl.send(
            "POST", url + "/api/upload/parts", options, body: #"{"routingId": "\#(routing)", "filename": "\#(name)-parts.bin", "size": \#(size)}"#)
        #expect(created.status == 201, "\(name): \(created)")
        let upload = try JSONDecoder().decode(Upload.self, from: Data(created.body.utf8))
        for part in upload.missing.flatMap({ Array($0[0]...$0[1]) }) {
            let start = part * upload.chunkSize
            try bytes[start..<min(start + upload.chunkSize, size)].write(to: URL(fileURLWithPath: piece))
            let sent = try await Curl.send("PUT", url + "/api/upload/\(upload.id)/parts/\(part)", options + ["-H", "Expect:", "--data-binary", "@\(piece)"])
            #expect(sent.status == 200, "\(name): \(sent)")
        }
        let version = ["-H", "Tus-Resumable: 1.0.0"]
        let begun = try await Curl.send(
            "POST", url + "/api/upload",
            options + version + ["-H", "Upload-Length: \(size)", "-H", "Upload-Metadata: routingId \(FileTools.base64(routing)),filename \(FileTools.base64("\(name)-tus.bin"))"])
        // Relative: it holds wherever the client thinks it is.
        let place = try #require(begun.field("location"), "\(name): \(begun)")
        #expect(place.hasPrefix(path + "/api/upload/"), "\(name): \(place)")
        let patched = try await Curl.send(
            "PATCH", origin + place,
            options + version + ["-H", "Upload-Offset: 0", "-H", "Content-Type: application/offset+octet-stream", "-H", "Expect:", "--data-binary", "@\(source)"])
        #expect(patched.status == 204 && patched.field("upload-offset") == "\(size)", "\(name): \(patched)")
        let other = try #require(place.split(separator: "/").last)
        for id in [upload.id, String(other)] {
            try await FileTools.waitUntilCommitted(roles, id)
            let content = url + "/api/files/\(id)/content"
            // From the middle, as a browser resumes; then what was left out.
            let half = size / 2
            try Data(bytes[..<half]).write(to: URL(fileURLWithPath: copy))
            let rest = try await ForeignProcess.run(["curl", "-sS", "--fail", "-C", "-", "-o", copy] + options + [content])
            #expect(rest.exitCode == 0, "\(name): \(rest)")
            #expect(try await FileTools.sha256(copy) == (try await FileTools.sha256(source)), "\(name)")
            let head = try await ForeignProcess.run(["curl", "-sS", "-D", "-", "-o", "/dev/null"] + options + ["-H", "Range: bytes=5-9", content])
            let fields = head.output.lowercased()
            #expect(fields.contains(" 206") && fields.contains("content-range: bytes 5-9/\(size)") && fields.contains("content-digest: sha-256="), "\(name): \(fields)")
            #expect(fields.contains("x-checksum-sha256:") && fields.contains("repr-digest:") && fields.contains("cache-control: no-store"), "\(name): \(fields)")
        }
    }

    /// A backend for a frontend, as a company writes it: it has a login of its own, and hands on what it does not know. Parts of files it answers
    /// itself, with the status that stands in the file of the fourth argument, as long as that is there.
    static let python = """
        import http.client, os, sys
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        port, web, token, fault = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
        class Relay(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def fail(self, status):
                left = int(self.headers.get("Content-Length") or 0)
                while left > 0: left -= len(self.rfile.read(min(left, 65536)))
                body = b'{"detail": "a fault of the test", "correlationId": "fault-1"}'
                self.send_response(status)
                self.send_header("Content-Type", "application/problem+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def relay(self):
                if self.command == "PUT" and os.path.exists(fault): return self.fail(int(open(fault).read()))
                up = http.client.HTTPConnection("127.0.0.1", web, timeout=60)
                up.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("host", "connection", "authorization", "expect"): up.putheader(name, value)
                up.putheader("Host", f"127.0.0.1:{web}")
                up.putheader("Authorization", "Bearer " + token)
                up.endheaders()
                left = int(self.headers.get("Content-Length") or 0)
                while left > 0:
                    piece = self.rfile.read(min(left, 65536))
                    if not piece: return
                    up.send(piece)
                    left -= len(piece)
                answer = up.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "date", "server", "transfer-encoding"): self.send_header(name, value)
                if answer.getheader("Content-Length") is None and answer.status != 204:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                while piece := answer.read1(65536): self.wfile.write(piece)
                up.close()
            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = relay
            def log_message(self, *arguments): pass
        server = ThreadingHTTPServer(("127.0.0.1", port), Relay)
        server.serve_forever()
        """
}
