internal import Digests
internal import Foundation
internal import HTTPTypes
package import Hummingbird
package import MCMS
package import NIOCore

/// Decides who a request is from: by its bearer token, or by its session cookie.
///
/// Programs send `Authorization: Bearer <token>`. A browser keeps no token: it trades one, once, for a session (`POST /api/session`),
/// whose cookie is `HttpOnly` and `SameSite=Strict`; only the cookie's SHA-256 is stored.
///
/// On one PC, for a trial, nobody should have to type a token: with ``Configuration/visitor`` a visitor of `/` gets a session
/// as that principal without one. All of this must hold: the server listens on loopback (the description is refused otherwise), the
/// request names a loopback host (a foreign page that points its own name at 127.0.0.1 does not), no proxy has left its mark on it, and
/// the process that made the connection belongs to the user of this server. The session is worth nothing where the marks of the request
/// say otherwise later, or once the option is off.
///
/// A cookie is sent by the browser whoever made the request, so requests that change something and are known by their cookie must
/// come from our own page: their `Origin` must be ours. Requests with a bearer token need no such check.
package struct WebAccess: Sendable {
    package struct Configuration: Sendable {
        /// The principal as whom visitors of `/` get a session. Nil: they get none. Only for a server that is bound to loopback.
        package var visitor: String?
        /// Whether the connection from this address was made by this server's user; asked of visitors.
        package var isOwnUser: @Sendable (SocketAddress?) -> Bool = { LoopbackPeer.isOwnUser($0) }
        /// The server is reached by HTTPS: the cookie gets `Secure`.
        package var isSecure = false
        /// Further origins that are ours, such as `https://mcms.example.lan`, when a proxy changes the host's name.
        package var trustedOrigins: Set<String> = []
        package var sessionMilliseconds: Int64 = 30 * 24 * 3_600_000

        package init() {}
    }

    package static let cookieName = "mcms_session"
    private static let cookieBytes = 32

    private let store: MCMSStore
    private let authenticator: any BearerAuthenticator
    private let configuration: Configuration

    package init(store: MCMSStore, authenticator: any BearerAuthenticator, configuration: Configuration) {
        self.store = store
        self.authenticator = authenticator
        self.configuration = configuration
    }

    /// - Throws: ``Problem`` (401, or 403 for a request of a foreign page).
    package func principal(for request: Request) async throws -> WebPrincipal {
        if let header = request.headers[.authorization] {
            guard let token = Self.bearerToken(header), let principal = authenticator.principal(for: token) else {
                throw Problem.notAuthenticated("The token is not known.", invalidToken: true)
            }
            return principal
        }
        guard let principal = try await sessionPrincipal(request) else {
            throw Problem.notAuthenticated("This needs a token or a session, and the request has no valid one.", invalidToken: false)
        }
        switch request.method {
        case .get, .head, .options: break
        default: try checkOrigin(request)
        }
        return principal
    }

    /// Trades a token for a session.
    package func signIn(token: String, request: Request) async throws -> (WebPrincipal, Cookie) {
        try checkOrigin(request, mayBeAbsent: true)
        guard let principal = authenticator.principal(for: token), let holder = authenticator.holder(named: principal.name) else {
            throw Problem.notAuthenticated("The token is not known.", invalidToken: true)
        }
        return (principal, try await newSession(holder))
    }

    /// Ends the request's session. - Returns: a cookie that makes the browser forget it.
    package func signOut(_ request: Request) async throws -> Cookie {
        try checkOrigin(request, mayBeAbsent: true)
        if let digest = try Self.cookieDigest(request) { try await store.endSession(digest: digest) }
        return cookie("", maxAge: 0)
    }

    /// The session for a visitor of `/`, if visitors get one and this one has none.
    package func cookieForVisitor(_ request: Request, from peer: SocketAddress?) async throws -> Cookie? {
        guard let visitor = configuration.visitor, Self.cameStraight(request), let holder = authenticator.holder(named: visitor),
            try await sessionPrincipal(request) == nil, configuration.isOwnUser(peer)
        else { return nil }
        return try await newSession(holder, isVisitor: true)
    }

    private func sessionPrincipal(_ request: Request) async throws -> WebPrincipal? {
        guard let digest = try Self.cookieDigest(request), let session = try await store.session(digest: digest),
            let holder = authenticator.holder(named: session.principal), holder.credential == session.credential
        else { return nil }
        if session.isVisitor, configuration.visitor != session.principal || !Self.cameStraight(request) { return nil }
        return holder.principal
    }

    private func newSession(_ holder: TokenHolder, isVisitor: Bool = false) async throws -> Cookie {
        var random = SystemRandomNumberGenerator()
        let secret = Hexadecimal.text((0..<Self.cookieBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        try await store.createSession(
            digest: try DigestStream.digest(of: Array(secret.utf8)), principal: holder.principal.name, credential: holder.credential,
            isVisitor: isVisitor, lifetimeMilliseconds: configuration.sessionMilliseconds)
        return cookie(secret, maxAge: Int(configuration.sessionMilliseconds / 1_000))
    }

    private func cookie(_ value: String, maxAge: Int) -> Cookie {
        Cookie(
            name: Self.cookieName, value: value, maxAge: maxAge, path: "/", secure: configuration.isSecure, httpOnly: true, sameSite: .strict)
    }

    private func checkOrigin(_ request: Request, mayBeAbsent: Bool = false) throws {
        let foreign = Problem(
            .notPermitted, "The request comes from another site's page.", action: "Use the page that this server serves, or a bearer token.")
        if let site = request.headers[Self.secFetchSite], site != "same-origin", site != "none" { throw foreign }
        guard let origin = request.headers[.origin] else {
            if mayBeAbsent { return }
            throw foreign
        }
        if configuration.trustedOrigins.contains(origin) { return }
        let scheme = configuration.isSecure ? "https://" : "http://"
        guard let authority = request.head.authority, origin.lowercased() == scheme + authority.lowercased() else { throw foreign }
    }

    private static let secFetchSite = fieldName("Sec-Fetch-Site")
    /// Besides all that begin with `X-Forwarded-`.
    private static let proxyHeaders: Set<String> = [
        "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip", "x-forwarded",
        "x-original-host", "x-original-forwarded-for", "x-envoy-external-address", "x-scheme",
    ]

    private static func fieldName(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is a valid field name") }
        return field
    }

    private static func bearerToken(_ header: String) -> String? {
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return parts[1].trimmingCharacters(in: .whitespaces)
    }

    private static func cookieDigest(_ request: Request) throws -> [UInt8]? {
        guard let value = request.cookies[cookieName]?.value, value.utf8.count == cookieBytes * 2 else { return nil }
        return try DigestStream.digest(of: Array(value.utf8))
    }

    /// Whether the request names a loopback host, and no proxy has left its mark on it.
    private static func cameStraight(_ request: Request) -> Bool {
        namesLoopback(request.head.authority)
            && !request.headers.contains { field in
                let name = field.name.canonicalName
                return name.hasPrefix("x-forwarded-") || proxyHeaders.contains(name)
            }
    }

    /// `localhost`, `127.0.0.1` or `[::1]`, with or without a port.
    package static func namesLoopback(_ authority: String?) -> Bool {
        guard let authority = authority?.lowercased() else { return false }
        for host in ["localhost", "127.0.0.1", "[::1]"] where authority.hasPrefix(host) {
            let rest = authority.dropFirst(host.count)
            if rest.isEmpty || rest.first == ":" && rest.dropFirst().allSatisfy(\.isNumber) { return true }
        }
        return false
    }
}
