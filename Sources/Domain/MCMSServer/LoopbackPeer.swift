internal import Foundation
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif
internal import NIOCore

/// Finds out which user of this machine made a connection over loopback. A proxy runs as a user of its own, also one that leaves no mark
/// on the requests that it passes on.
///
/// Linux lists both ends of such a connection in `/proc/net/tcp` and `tcp6`, each with the user who owns it. Source: proc_net_tcp(5).
/// ```
///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  …
///    0: 0100007F:D2F0 0100007F:1CEA 01 00000000:00000000 00:00000000 00000000  1000  …
/// ```
package enum LoopbackPeer {
    private static let tables = ["/proc/net/tcp", "/proc/net/tcp6"]
    /// More is not read: a machine with so many connections is no trial.
    private static let tableBytesMax = 8 << 20

    /// Returns whether the connection that comes from `peer` was made by the user of this process. False where that can't be found out.
    static func isOwnUser(_ peer: SocketAddress?) -> Bool {
        guard let port = peer?.port else { return false }
        let users = tables.flatMap { path -> [UInt32] in
            guard let handle = FileHandle(forReadingAtPath: path), let data = try? handle.read(upToCount: tableBytesMax) else { return [] }
            return Self.users(ofPort: port, in: String(decoding: data, as: UTF8.self))
        }
        return !users.isEmpty && users.allSatisfy { $0 == getuid() }
    }

    /// The users of the open connections whose own end is `port` of a loopback address.
    package static func users(ofPort port: Int, in table: String) -> [UInt32] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 8)
            guard fields.count > 7, fields[3] == "01", let user = UInt32(fields[7]) else { return nil }
            let local = fields[1].split(separator: ":")
            guard local.count == 2, isLoopback(local[0]), Int(local[1], radix: 16) == port else { return nil }
            return user
        }
    }

    /// Addresses are written as 32-bit words in the machine's order: 127.0.0.1 is `0100007F`.
    private static func isLoopback(_ address: Substring) -> Bool {
        let mapped = "0000000000000000FFFF0000"
        if address.count == 8 { return address.hasSuffix("7F") }
        return address == "00000000000000000000000001000000" || (address.hasPrefix(mapped) && address.hasSuffix("7F"))
    }
}
