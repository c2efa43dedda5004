internal import Foundation
internal import Glibc
internal import Synchronization

/// Stands between a client and an HTTP server, and does to each request what the test wants.
package final class LyingProxy: Sendable {
    package struct Request: Sendable {
        package var method: String
        /// With its query.
        package var target: String
        package var headers: [String: String]
        /// Of requests that this proxy has seen, from 1.
        package var number: Int
    }

    package enum Lie: Sendable {
        case none
        /// Of the body's bytes, on the way there.
        case flipSent(at: Int)
        /// Of the body's bytes, on the way back.
        case flipAnswered(at: Int)
        /// The server never hears of it.
        case answer(Int, headers: [String: String] = [:], body: String = "")
        /// The connection ends after so many bytes of the body; the server never hears of it.
        case hangUp(after: Int)
        /// Takes everything, and never answers.
        case silence
    }

    package let port: Int
    private let listener: LoopbackSocket
    private let target: Int
    private let lie: @Sendable (Request) -> Lie
    private let seen = Mutex<[Request]>([])

    package var endpoint: String { "http://127.0.0.1:\(port)" }
    package var requests: [Request] { seen.withLock { $0 } }

    package init(to target: Int, _ lie: @escaping @Sendable (Request) -> Lie) throws {
        (listener, port) = try LoopbackSocket.listening()
        self.target = target
        self.lie = lie
        let (listener, serve) = (listener, Weak(self))
        Thread.detachNewThread {
            while true {
                let number = accept(listener.descriptor, nil, nil)
                guard number >= 0 else { return }
                _ = fcntl(number, F_SETFD, FD_CLOEXEC)
                let client = LoopbackSocket(owning: number)
                Thread.detachNewThread { serve.proxy?.serve(client) }
            }
        }
    }

    private struct Weak: Sendable {
        weak let proxy: LyingProxy?
        init(_ proxy: LyingProxy) { self.proxy = proxy }
    }

    deinit { listener.stop() }

    private func serve(_ client: LoopbackSocket) {
        // One request a connection: then the end of an answer is the end of its connection.
        guard let (head, rest) = Self.head(client) else { return }
        let lines = head.split(separator: "\r\n").map(String.init)
        let words = (lines.first ?? "").split(separator: " ").map(String.init)
        guard words.count == 3 else { return }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let request = seen.withLock { seen in
            let request = Request(method: words[0], target: words[1], headers: headers, number: seen.count + 1)
            seen.append(request)
            return request
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        let lie = lie(request)
        switch lie {
        case .answer(let status, let more, let body):
            Self.body(client, rest, length) { _, _ in true }
            let length = ["Content-Length": "\(body.utf8.count)"]
            let fields = length.merging(more) { $1 }.map { "\($0.key): \($0.value)\r\n" }.joined()
            client.write(Array("HTTP/1.1 \(status) X\r\n\(fields)Connection: close\r\n\r\n\(body)".utf8))
        case .hangUp(let count):
            Self.body(client, rest, min(count, length)) { _, _ in true }
        case .silence:
            Self.body(client, rest, length) { _, _ in true }
            while client.read() != nil {}
        case .none, .flipSent, .flipAnswered:
            relay(client, lines, rest, length, lie)
        }
    }

    private func relay(_ client: LoopbackSocket, _ lines: [String], _ rest: [UInt8], _ length: Int, _ lie: Lie) {
        guard let server = try? LoopbackSocket.connected(to: target) else { return }
        let kept = lines.filter { !$0.lowercased().hasPrefix("connection:") } + ["Connection: close"]
        server.write(Array((kept.joined(separator: "\r\n") + "\r\n\r\n").utf8))
        let flipSent: Int? = if case .flipSent(let at) = lie { at } else { nil }
        Self.body(client, rest, length) { at, bytes in server.write(Self.flipped(bytes, from: at, flipSent)) }
        guard let (head, first) = Self.head(server) else { return }
        client.write(Array((head + "\r\n\r\n").utf8))
        let flipAnswered: Int? = if case .flipAnswered(let at) = lie { at } else { nil }
        Self.body(server, first, .max) { at, bytes in client.write(Self.flipped(bytes, from: at, flipAnswered)) }
    }

    private static func flipped(_ bytes: [UInt8], from start: Int, _ at: Int?) -> [UInt8] {
        guard let at, (start..<start + bytes.count).contains(at) else { return bytes }
        var bytes = bytes
        bytes[at - start] ^= 1
        return bytes
    }

    /// What stands before the empty line, and what followed it in the same packets.
    private static func head(_ socket: LoopbackSocket) -> (head: String, rest: [UInt8])? {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        while let more = socket.read() {
            bytes += more
            if let range = bytes.firstRange(of: end) {
                return (String(decoding: bytes[..<range.lowerBound], as: UTF8.self), Array(bytes[range.upperBound...]))
            }
        }
        return nil
    }

    private static func body(_ socket: LoopbackSocket, _ rest: [UInt8], _ length: Int, _ take: (Int, [UInt8]) -> Bool) {
        var (at, piece) = (0, rest)
        while true {
            if !piece.isEmpty {
                guard take(at, piece) else { return }
                at += piece.count
            }
            guard at < length, let more = socket.read() else { return }
            piece = more
        }
    }
}
