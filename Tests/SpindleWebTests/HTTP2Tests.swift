import Foundation
import SpindleWeb
import Testing

/// HTTP/2 by ALPN, spoken by curl.
@Suite struct HTTP2Tests {
    private static func curl(_ authority: String, _ arguments: [String], input: Pipe? = nil) async throws -> (code: Int32, output: String) {
        try await WebRig.run("curl", ["-sS", "--cacert", authority] + arguments, input: input)
    }

    @Test func theClientChoosesTheProtocol() async throws {
        try await WebRig.withCertificates { tls, authority in
            try await WebRig.serve(tls: tls) { port in
                for (options, version) in [(["--http2"], "2"), (["--http1.1"], "1.1"), (["--no-alpn"], "1.1")] {
                    let url = "https://127.0.0.1:\(port)/hello"
                    let (code, output) = try await Self.curl(authority, options + ["-w", " %{http_version}", url])
                    #expect(code == 0 && output == "hello \(version)", "\(options)")
                }
            }
        }
        try await WebRig.serve { port in
            // This asks for an upgrade to HTTP/2 in the clear, which a server may ignore.
            let (code, output) = try await WebRig.run("curl", ["-sS", "--http2", "-w", " %{http_version}", "http://127.0.0.1:\(port)/hello"])
            #expect(code == 0 && output == "hello 1.1")
        }
    }

    @Test func anAnswerSaysNothingAboutTheConnection() async throws {
        try await WebRig.withCertificates { tls, authority in
            try await WebRig.serve(tls: tls) { port in
                let url = "https://127.0.0.1:\(port)/closing"
                let (code, output) = try await Self.curl(authority, ["--http2", "-i", url, "https://127.0.0.1:\(port)/hello"])
                #expect(code == 0 && output.contains("bye") && output.hasSuffix("hello") && !output.lowercased().contains("connection:"), "\(output)")
                let old = try await Self.curl(authority, ["--http1.1", "-i", url])
                #expect(old.code == 0 && old.output.lowercased().contains("connection: close"))
            }
        }
    }

    /// More than the windows hold, so they are opened again while it runs; and all on one connection.
    @Test func aLargeUploadGoesThroughTheWindows() async throws {
        try await WebRig.withCertificates { tls, authority in
            try await WebRig.serve(tls: tls) { $0.windowBytes = 100_000 } _: { port in
                let file = FileManager.default.temporaryDirectory.appendingPathComponent("upload-\(UUID().uuidString)")
                try Data(repeating: 7, count: 9_000_000).write(to: file)
                defer { try? FileManager.default.removeItem(at: file) }
                let url = "https://127.0.0.1:\(port)/drain"
                let (code, output) = try await Self.curl(
                    authority, ["--http2", "-w", " %{http_version} %{num_connects}\n", "--data-binary", "@\(file.path)", url, url])
                #expect(code == 0 && output == "9000000 2 1\n9000000 2 0\n", "\(output)")
            }
        }
    }

    @Test func tooManyFieldsAreRefused() async throws {
        try await WebRig.withCertificates { tls, authority in
            try await WebRig.serve(tls: tls) { limits in
                limits.headerFieldsMax = 20
                limits.headerFieldBytesMax = 1_000
            } _: { port in
                let url = "https://127.0.0.1:\(port)"
                let many = (0..<30).flatMap { ["-H", "x-\($0): 1"] }
                for fields in [many, ["-H", "x: \(String(repeating: "y", count: 2_000))"]] {
                    let (code, output) = try await Self.curl(authority, ["--http2", "-w", "%{http_code}", "\(url)/hello"] + fields)
                    #expect(code == 0 && output == "431", "\(output)")
                }
            }
        }
    }

    /// A body that never ends costs its stream, and the connection goes on. curl 7.88 does not see its upload reset, so the frames are made here.
    @Test func aBodyThatNeverEndsIsReset() async throws {
        try await WebRig.withCertificates { tls, authority in
            try await WebRig.serve(tls: tls) { $0.bodyMilliseconds = 300 } _: { port in
                let script = """
                    import socket, ssl, struct
                    context = ssl.create_default_context(cafile='\(authority)')
                    context.set_alpn_protocols(['h2'])
                    s = context.wrap_socket(socket.create_connection(('127.0.0.1', \(port)), timeout=30), server_hostname='127.0.0.1')
                    def frame(kind, flags, stream, payload): s.sendall(struct.pack('>IBI', len(payload) << 8 | kind, flags, stream) + payload)
                    def fields(method, path): return bytes([method, 0x87, 0x41, 1]) + b'a' + bytes([0x44, len(path)]) + path
                    def take(count):
                        data = b''
                        while len(data) < count: data += s.recv(count - len(data)) or exit('the connection ended')
                        return data
                    def find(kind, stream):
                        while True:
                            head, flags, number = struct.unpack('>IBI', take(9))
                            payload = take(head >> 8)
                            if (head & 255, number) == (kind, stream): return payload
                    s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n')
                    frame(4, 0, 0, b'')
                    frame(1, 4, 1, fields(0x83, b'/drain'))   # POST, without the end of the stream
                    print('reset', struct.unpack('>I', find(3, 1))[0])
                    frame(1, 5, 3, fields(0x82, b'/hello'))
                    print(find(0, 3).decode())
                    """
                let (code, output) = try await WebRig.run("python3", ["-c", script])
                #expect(code == 0 && output == "reset 8\nhello\n", "\(output)")
            }
        }
    }

    @Test func aHandshakeThatNeverEndsIsClosed() async throws {
        try await WebRig.withCertificates { tls, _ in
            try await WebRig.serve(tls: tls) { $0.firstRequestMilliseconds = 200 } _: { port in
                let answer = try await WebRig.answer(port, "")
                #expect(answer.isEmpty)
            }
        }
    }
}
