import Foundation
import HTTPTypes
import NIOCore
import PythonTools
import SpindleWeb
import Testing

/// WebSockets, spoken by the Python package `websockets`.
@Suite struct WebSocketTests {
    private struct Rooms: WebSocketRouter {
        /// Tells when a connection's `run` has ended.
        let ended: AsyncStream<Void>.Continuation

        func answer(_ request: HTTPRequest, from peer: SocketAddress?) async -> WebSocketAnswer? {
            switch request.path {
            case "/echo": .accept { connection in
                defer { ended.yield() }
                for try await message in connection.messages {
                    switch message {
                    case .text("bye"): return await connection.close(code: 4_000, reason: "as you wish")
                    case .text(let text): try await connection.send(text: text)
                    case .binary(let data): try await connection.send(binary: data)
                    }
                }
            }
            case "/deaf": .accept { _ in
                defer { ended.yield() }
                let (never, _) = AsyncStream.makeStream(of: Void.self)
                for await _ in never {}
            }
            case "/done": .accept { connection in try await connection.send(text: "all") }
            case "/secret": .refuse(status: .forbidden, headers: [.contentType: "text/plain"], body: "not you")
            default: nil
            }
        }
    }

    private static func python(_ port: Int, _ script: String, authority: String? = nil) async throws -> String {
        let connect = authority.map { "connect('wss://127.0.0.1:\(port)' + path, ssl=ssl.create_default_context(cafile='\($0)'), **more)" }
            ?? "connect('ws://127.0.0.1:\(port)' + path, **more)"
        let prelude = """
            import ssl, websockets
            from websockets.sync.client import connect
            def socket(path, **more): return \(connect)

            """
        let (code, output) = try await WebRig.run(try PythonTools.python.path, ["-c", prelude + script])
        #expect(code == 0, "\(output)")
        return output
    }

    private static func rooms() -> (Rooms, AsyncStream<Void>) {
        let (ends, ended) = AsyncStream.makeStream(of: Void.self)
        return (Rooms(ended: ended), ends)
    }

    private static let conversation = """
        with socket('/echo') as s:
            s.send('hello')
            print(s.recv())
            s.send(['frag', 'ments ', '한국'])
            print(s.recv())
            s.send(b'\\x00\\x01')
            print(s.recv())
            print(s.ping().wait(10))
            s.send('x' * 60000)
            print(len(s.recv()))
            s.send('bye')
            try: s.recv()
            except websockets.ConnectionClosed as e: print(e.rcvd.code, e.rcvd.reason)
        with socket('/done') as s:
            print(s.recv())
            try: s.recv()
            except websockets.ConnectionClosedOK as e: print(e.rcvd.code)
        """
    private static let conversed = "hello\nfragments 한국\nb'\\x00\\x01'\nTrue\n60000\n4000 as you wish\nall\n1000\n"

    @Test func messagesGoBothWays() async throws {
        let (rooms, ends) = Self.rooms()
        try await WebRig.serve(webSockets: rooms) { port in
            let output = try await Self.python(port, Self.conversation)
            #expect(output == Self.conversed)
        }
        for await _ in ends { break }
    }

    /// A client of WebSockets offers HTTP/1.1 alone, beside browsers that speak HTTP/2 to the same port.
    @Test func messagesGoBothWaysOverTLS() async throws {
        let (rooms, _) = Self.rooms()
        try await WebRig.withCertificates { tls, authority in
            try await WebRig.serve(tls: tls, webSockets: rooms) { port in
                #expect(try await Self.python(port, Self.conversation, authority: authority) == Self.conversed)
                let (code, output) = try await WebRig.run(
                    "curl", ["-sS", "--cacert", authority, "-w", " %{http_version}", "https://127.0.0.1:\(port)/hello"])
                #expect(code == 0 && output == "hello 2")
            }
        }
    }

    @Test func aRefusedRequestGetsItsAnswerAndTheConnectionEnds() async throws {
        let (rooms, _) = Self.rooms()
        try await WebRig.serve(webSockets: rooms) { port in
            let script = """
                for path in ['/secret', '/hello', '/nothing']:
                    try: socket(path)
                    except websockets.InvalidStatus as e: print(e.response.status_code, e.response.body)
                """
            #expect(try await Self.python(port, script) == "403 bytearray(b'not you')\n200 bytearray(b'hello')\n404 bytearray(b'')\n")
            let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
            let request = "GET /secret HTTP/1.1\r\nHost: a\r\n\(upgrade.joined(separator: "\r\n"))\r\n\r\n"
            let answer = try await WebRig.answer(port, request)
            #expect(answer.hasPrefix("HTTP/1.1 403") && answer.lowercased().contains("connection: close") && answer.hasSuffix("not you"), "\(answer)")
        }
    }

    @Test func aRequestForAnotherUpgradeIsAnOrdinaryOne() async throws {
        let (rooms, _) = Self.rooms()
        try await WebRig.serve(webSockets: rooms) { port in
            let (code, output) = try await WebRig.run("curl", ["-sS", "-m", "30", "--http2", "http://127.0.0.1:\(port)/hello"])
            #expect(code == 0 && output == "hello", "\(output)")
            let nearly = [
                "Connection: close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a",
                "Connection: close, upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: a",
                "Connection: close, upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
                "Connection: close, upgrade\r\nUpgrade: h2c",
            ]
            for fields in nearly {
                let answer = try await WebRig.answer(port, "GET /hello HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("hello"), "\(fields): \(answer)")
            }
        }
    }

    @Test func messagesOverTheLimitEndTheConnection() async throws {
        let (rooms, ends) = Self.rooms()
        try await WebRig.serve(webSockets: rooms) { $0.webSocketMessageBytesMax = 1_000 } _: { port in
            let script = """
                for message in ['x' * 1001, ['y' * 600, 'y' * 600]]:
                    with socket('/echo') as s:
                        try:
                            s.send(message)
                            s.recv()
                        except websockets.ConnectionClosed as e: print(e.rcvd.code)
                """
            let output = try await Self.python(port, script)
            #expect(output == "1009\n1009\n")
        }
        for await _ in ends { break }
    }

    /// The server's task ends when the peer leaves, though it waits for something else; and a peer that is silent to pings is given up.
    @Test func aPeerThatLeavesOrFallsSilentEndsTheTask() async throws {
        let (rooms, ends) = Self.rooms()
        var ended = ends.makeAsyncIterator()
        try await WebRig.serve(webSockets: rooms) { _ in } _: { port in
            let output = try await Self.python(port, "socket('/deaf').close()\nprint('left')")
            #expect(output == "left\n")
        }
        #expect(await ended.next() != nil)
        try await WebRig.serve(webSockets: rooms) { $0.webSocketPingMilliseconds = 100 } _: { port in
            let upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
            let answer = try await WebRig.answer(port, "GET /deaf HTTP/1.1\r\nHost: a\r\n\(upgrade.joined(separator: "\r\n"))\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 101") && answer.contains("\u{0}"), "a ping, then the end: \(answer)")
        }
        #expect(await ended.next() != nil)
    }
}
