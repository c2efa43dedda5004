internal import Digests
internal import Hummingbird
internal import MCMS

/// The cookie that a browser's session is known by. Scripts can't read it, other sites' pages can't use it, and only its SHA-256 is stored.
struct SessionCookie: Sendable {
    private static let secretBytes = 32
    /// The browser keeps it longer than the session lasts: an upload may outlive the session, and the server decides.
    private static let graceMilliseconds: Int64 = 7 * 24 * 3_600_000

    let isSecure: Bool
    let limits: SessionLimits

    /// `__Host-`: browsers take it from this very host only, by HTTPS, for all paths. So no neighbour in the same domain can set it.
    static func name(isSecure: Bool) -> String { isSecure ? "__Host-mcms_session" : "mcms_session" }

    /// A new secret, with what is stored of it.
    static func make() throws -> (secret: String, digest: [UInt8]) {
        var random = SystemRandomNumberGenerator()
        let secret = Hexadecimal.text((0..<secretBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        return (secret, try DigestStream.digest(of: Array(secret.utf8)))
    }

    func cookie(_ secret: String) -> Cookie {
        cookie(secret, maxAge: Int((limits.absoluteMilliseconds + Self.graceMilliseconds) / 1_000))
    }

    /// Makes the browser forget it.
    var expired: Cookie { cookie("", maxAge: 0) }

    private func cookie(_ value: String, maxAge: Int) -> Cookie {
        Cookie(
            name: Self.name(isSecure: isSecure), value: value, maxAge: maxAge, path: "/", secure: isSecure, httpOnly: true, sameSite: .strict)
    }

    /// Returns the digest of the request's cookie; nil if it has none that could be one.
    func digest(in request: Request) throws -> [UInt8]? {
        guard let value = request.cookies[Self.name(isSecure: isSecure)]?.value, value.utf8.count == Self.secretBytes * 2 else { return nil }
        return try DigestStream.digest(of: Array(value.utf8))
    }
}
