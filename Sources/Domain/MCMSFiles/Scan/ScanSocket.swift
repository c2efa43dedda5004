internal import Foundation
internal import Glibc

/// Where a scanner listens.
package enum ScanAddress: Hashable, Sendable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case unix(path: String)

    package var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): path
        }
    }
}

/// A connection whose calls block, each for a bounded time.
struct ScanSocket: ~Copyable {
    private let descriptor: Int32

    init(_ address: ScanAddress, timeoutSeconds: Int) throws(ScanError) {
        let opened: Int32
        switch address {
        case .tcp(let host, let port): opened = try Self.connect(host, port, timeoutSeconds)
        case .unix(let path): opened = try Self.connect(path, timeoutSeconds)
        }
        descriptor = opened
    }

    deinit { close(descriptor) }

    private static func connect(_ host: String, _ port: Int, _ timeout: Int) throws(ScanError) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { throw .unreachable("\(host): \(String(cString: gai_strerror(code)))") }
        defer { freeaddrinfo(list) }
        var reason = "no address"
        var entry = list
        while let address = entry?.pointee {
            let number = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), address.ai_protocol)
            if number >= 0 {
                setTimeouts(number, timeout)
                if Glibc.connect(number, address.ai_addr, address.ai_addrlen) == 0 { return number }
                reason = String(cString: strerror(errno))
                close(number)
            }
            entry = address.ai_next
        }
        throw .unreachable("\(host):\(port): \(reason)")
    }

    private static func connect(_ path: String, _ timeout: Int) throws(ScanError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else { throw .unreachable("\(path): the path has more than \(room - 1) bytes") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw .unreachable(String(cString: strerror(errno))) }
        setTimeouts(number, timeout)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard connected == 0 else {
            let reason = String(cString: strerror(errno))
            close(number)
            throw .unreachable("\(path): \(reason)")
        }
        return number
    }

    private static func setTimeouts(_ number: Int32, _ seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        // Also bounds connect(2).
        setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// False: the peer takes no more.
    func send(_ bytes: UnsafeRawBufferPointer) throws(ScanError) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = Glibc.send(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, Int32(MSG_NOSIGNAL))
            if count >= 0 {
                done += count
            } else if errno == EPIPE || errno == ECONNRESET {
                return false
            } else if errno != EINTR {
                throw .failed(errno == EAGAIN ? "it took nothing for too long" : String(cString: strerror(errno)))
            }
        }
        return true
    }

    func send(_ bytes: [UInt8]) throws(ScanError) -> Bool {
        let result = bytes.withUnsafeBytes { bytes in Result { () throws(ScanError) in try send(bytes) } }
        return try result.get()
    }

    /// Reads until the peer closes, or a NUL.
    func answer(bytesMax: Int) throws(ScanError) -> [UInt8] {
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while answer.count < bytesMax {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == ECONNRESET, !answer.isEmpty { break }
                throw .failed(errno == EAGAIN ? "it did not answer in time" : String(cString: strerror(errno)))
            }
            answer += buffer[..<count]
            if let end = answer.firstIndex(of: 0) { return Array(answer[..<end]) }
        }
        return answer
    }
}
