internal import Glibc

/// Blocking TCP on 127.0.0.1.
final class LoopbackSocket: Sendable {
    struct Failure: Error { let call: String, code: Int32 }

    let descriptor: Int32

    init(owning descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    private static func make() throws -> LoopbackSocket {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw Failure(call: "socket", code: errno) }
        return LoopbackSocket(owning: number)
    }

    private static func withAddress<Value>(_ port: Int, _ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Value) -> (Value, port: Int) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let value = withUnsafeMutablePointer(to: &address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) } }
        return (value, Int(UInt16(bigEndian: address.sin_port)))
    }

    static func listening() throws -> (LoopbackSocket, port: Int) {
        let listener = try make()
        let (code, port) = withAddress(0) { address, length -> Int32 in
            guard bind(listener.descriptor, address, length) == 0, listen(listener.descriptor, 64) == 0,
                getsockname(listener.descriptor, address, &length) == 0
            else { return errno }
            return 0
        }
        guard code == 0 else { throw Failure(call: "listen", code: code) }
        return (listener, port)
    }

    /// Nil: nobody listens.
    static func connected(to port: Int) throws -> LoopbackSocket? {
        let socket = try make()
        let (code, _) = withAddress(port) { connect(socket.descriptor, $0, $1) }
        return code == 0 ? socket : nil
    }

    /// Different from each other; free a moment ago.
    static func freePorts(_ count: Int) throws -> [Int] {
        let listeners = try (0..<count).map { _ in try listening() }
        return listeners.map(\.port)
    }

    /// Nil: the other side has closed.
    func read(atMost count: Int = 1 << 16) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = recv(descriptor, &buffer, count, 0)
        return got > 0 ? Array(buffer[..<got]) : nil
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let sent = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { return false }
            done += sent
        }
        return true
    }

    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
