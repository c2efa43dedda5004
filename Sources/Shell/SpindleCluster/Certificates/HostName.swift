#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A name or address in a server certificate.
enum HostName: Equatable {
    case dns(String)
    /// 4 or 16 bytes, network order.
    case address([UInt8])

    /// - Throws: `badHost` when the text is neither an address nor a host name (RFC 1123; `*.` may lead it).
    init(_ text: String) throws(CertificateFilesError) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .address(withUnsafeBytes(of: &four) { Array($0) })
            return
        }
        var sixteen = in6_addr()
        if inet_pton(AF_INET6, text, &sixteen) == 1 {
            self = .address(withUnsafeBytes(of: &sixteen) { Array($0) })
            return
        }
        guard Self.isHostName(text) else { throw .badHost(text) }
        self = .dns(text.lowercased())
    }

    private static func isHostName(_ text: String) -> Bool {
        let name = text.hasPrefix("*.") ? text.dropFirst(2) : text[...]
        guard (1...253).contains(name.utf8.count) else { return false }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        // Digits only in the last label: a mistyped IPv4 address.
        guard let last = labels.last, !last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { byte in
                    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: "-")
                }
        }
    }
}
