import Foundation
import Glibc

/// A socket of 127.0.0.1 at a free port, and what it does with each connection, on a thread of its own.
final class Listener: Sendable {
    struct Failure: Error { let call: String, code: Int32 }

    let port: Int
    private let descriptor: Int32

    /// - Parameter listens: false: the port is taken, and refuses every connection. A port that was only freed may be somebody else's soon.
    init(listens: Bool = true) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(call: "socket", code: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (number, size) = (descriptor, length)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
                guard bind(number, address, size) == 0, !listens || listen(number, 16) == 0,
                    getsockname(number, address, &length) == 0
                else { return errno }
                return 0
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard code == 0 else {
            close(descriptor)
            throw Failure(call: "bind", code: code)
        }
    }

    deinit { close(descriptor) }

    /// Serves until ``stop()``.
    func serve(_ body: @escaping @Sendable (Peer) -> Void) {
        let descriptor = descriptor
        Thread.detachNewThread {
            while true {
                let number = accept(descriptor, nil, nil)
                guard number >= 0 else { return }
                _ = fcntl(number, F_SETFD, FD_CLOEXEC)
                Thread.detachNewThread {
                    body(Peer(descriptor: number))
                    close(number)
                }
            }
        }
    }

    /// New connections are refused.
    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}

/// The other end of a connection.
struct Peer: Sendable {
    let descriptor: Int32

    /// Nil: it has closed.
    func read(atMost count: Int = 1 << 16) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = recv(descriptor, &buffer, count, 0)
        return got > 0 ? Array(buffer[..<got]) : nil
    }

    /// A request's head; what followed it in the same packets.
    func readHead() -> (head: String, rest: Int)? {
        var bytes: [UInt8] = []
        let end = Array("\r\n\r\n".utf8)
        while let more = read() {
            bytes += more
            if let range = bytes.firstRange(of: end) {
                return (String(decoding: bytes[..<range.lowerBound], as: UTF8.self), bytes.count - range.upperBound)
            }
        }
        return nil
    }

    /// A whole request; nil if it ends early.
    func readRequest() -> (head: String, bytes: Int)? {
        guard let (head, rest) = readHead() else { return nil }
        let length = head.lowercased().firstMatch(of: #/content-length: *([0-9]+)/#).flatMap { Int($0.1) } ?? 0
        var got = rest
        while got < length {
            guard let more = read() else { return nil }
            got += more.count
        }
        return (head, got)
    }

    func write(_ text: String) { _ = text.withCString { send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) } }

    /// Until the other side closes.
    func drain() { while read() != nil {} }

    /// Of poll(2), which Swift does not import.
    private static let hasClosed: Int16 = 0x2000

    /// Until the other side closes, without taking a byte more.
    func wait() {
        var event = pollfd(fd: descriptor, events: Self.hasClosed, revents: 0)
        // The deadline of a test that goes wrong.
        _ = poll(&event, 1, 20_000)
    }
}
