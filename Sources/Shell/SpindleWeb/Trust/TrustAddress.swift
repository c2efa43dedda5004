/// Where a browser reached the server, by the authority of its request: what it may be sent to, and what is printed on a page.
package struct TrustAddress: Equatable {
    private static let bytesMax = 255

    /// A name, an IPv4 address, or an IPv6 address in brackets.
    package let host: String
    /// With the port, where the request named one.
    package let authority: String

    /// Nil: no such address, or one that could mean something else in a page or a header.
    package init?(authority: String?) {
        guard let authority, (1...Self.bytesMax).contains(authority.utf8.count) else { return nil }
        let bytes = Array(authority.utf8)
        let end: Int
        if bytes[0] == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            let inner = bytes[1..<close]
            guard !inner.isEmpty, inner.allSatisfy({ Self.isHexadecimal($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }) else { return nil }
            end = close + 1
        } else {
            end = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
            guard end > 0, bytes[..<end].allSatisfy(Self.isNameByte) else { return nil }
        }
        if end < bytes.count {
            let port = bytes[(end + 1)...]
            guard bytes[end] == UInt8(ascii: ":"), (1...5).contains(port.count), port.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        }
        host = String(decoding: bytes[..<end], as: UTF8.self)
        self.authority = authority
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
}
