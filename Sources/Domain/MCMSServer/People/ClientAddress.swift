internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Where a request comes from, for the audit and the brake on passwords.
enum ClientAddress {
    private static let forwarded = HTTPField.Name("X-Forwarded-For")
    private static let textMax = 64

    /// The peer's IP address. Where the peer is a proxy on this machine, what it says of its own peer: the last of `X-Forwarded-For`.
    /// Programs on this machine can say anything there; others can't reach that.
    static func text(_ request: Request, from peer: SocketAddress?) -> String {
        let address = peer?.ipAddress ?? "unknown"
        guard isLoopback(address), let forwarded, let last = request.headers[values: forwarded].last?.split(separator: ",").last else { return address }
        let said = last.filter { $0.isHexDigit || $0 == "." || $0 == ":" }
        return said.isEmpty ? address : String(said.prefix(textMax))
    }

    private static func isLoopback(_ address: String) -> Bool { address.hasPrefix("127.") || address == "::1" || address.hasPrefix("::ffff:127.") }
}
