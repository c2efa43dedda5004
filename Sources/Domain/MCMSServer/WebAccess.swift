internal import Foundation
internal import HTTPTypes
package import Hummingbird
package import Logging
package import MCMS
package import NIOCore
internal import SpindleText

/// Decides who a request is from: by its bearer token, or by its session cookie.
///
/// Programs send `Authorization: Bearer <token>`. A browser keeps neither token nor password: it trades one, once, for a session
/// (`POST /api/session`), whose cookie is `HttpOnly` and `SameSite=Strict`; only the cookie's SHA-256 is stored.
///
/// On one PC, for a trial, nobody should have to type anything: with ``Configuration/visitor`` a visitor gets, by one click, a session
/// as that principal. All of this must hold: nobody has an account yet, the server listens on loopback (the description is refused
/// otherwise), the request names a loopback host (a foreign page that points its own name at 127.0.0.1 does not), no proxy has left its mark
/// on it, and the process that made the connection belongs to the user of this server. The session is worth nothing where the marks of the
/// request say otherwise later, or once the option is off or somebody has an account.
///
/// A cookie is sent by the browser whoever made the request, so requests that change something and are known by their cookie must
/// come from our own page: their `Origin` must be ours. Requests with a bearer token need no such check.
package struct WebAccess: Sendable {
    package struct Configuration: Sendable {
        /// The principal as whom visitors get a session. Nil: they get none. Only for a server that is bound to loopback.
        package var visitor: String?
        /// Whether the connection from this address was made by this server's user; asked of visitors.
        package var isOwnUser: @Sendable (SocketAddress?) -> Bool = { LoopbackPeer.isOwnUser($0) }
        /// The server is reached by HTTPS: the cookie gets `Secure`, and a name that neighbours can't set.
        package var isSecure = false
        /// Further origins that are ours, such as `https://mcms.example.lan`, when a proxy changes the host's name.
        package var trustedOrigins: Set<String> = []
        package var sessions = SessionLimits()

        package init() {}
    }

    /// What a request is made for, as far as its session's end depends on it.
    package enum Purpose: Sendable {
        /// Somebody does something.
        case use
        /// A part of an upload, which keeps its session.
        case upload
        /// A page that looks by itself, or a stream that goes on: it doesn't keep a session that nobody uses.
        case background
    }

    let store: MCMSStore
    let authenticator: any BearerAuthenticator
    private let configuration: Configuration
    private let cookies: SessionCookie
    private let logger: Logger
    let passwords: PasswordDoor
    let connections: ConnectionTokens

    package init(
        store: MCMSStore, authenticator: any BearerAuthenticator, configuration: Configuration, hasher: PasswordHasher = PasswordHasher(),
        logger: Logger = Logger(label: "access")
    ) {
        self.store = store
        self.authenticator = authenticator
        self.configuration = configuration
        cookies = SessionCookie(isSecure: configuration.isSecure, limits: configuration.sessions)
        self.logger = logger
        passwords = PasswordDoor(store: store, hasher: hasher, logger: logger)
        connections = ConnectionTokens(store: store)
    }

    /// - Throws: ``Problem`` (401, or 403 for a request of a foreign page).
    package func principal(for request: Request, purpose: Purpose = .use) async throws -> WebPrincipal {
        if let header = request.headers[.authorization] {
            guard let token = Self.bearerToken(header), let principal = authenticator.principal(for: token) else {
                throw Problem.notAuthenticated("The token is not known.", invalidToken: true)
            }
            return principal
        }
        guard let principal = try await sessionPrincipal(request, purpose) else {
            throw Problem.notAuthenticated("This needs a token or a session, and the request has no valid one.", invalidToken: false)
        }
        switch request.method {
        case .get, .head, .options: break
        default: try checkOrigin(request)
        }
        return principal
    }

    // MARK: Signing in and out

    /// Trades a token for a session.
    package func signIn(token: String, request: Request) async throws -> (WebPrincipal, Cookie) {
        try checkOrigin(request, mayBeAbsent: true)
        guard let principal = authenticator.principal(for: token), let holder = authenticator.holder(named: principal.name) else {
            throw Problem.notAuthenticated("The token is not known.", invalidToken: true)
        }
        return (principal, try await newSession(holder))
    }

    /// Trades a password for a session. A session that the browser had ends.
    package func signIn(name: String, password: Password, request: Request, by caller: Caller) async throws -> (WebPrincipal, Cookie) {
        try checkOrigin(request, mayBeAbsent: true)
        let credential = try await passwords.credential(name: name, password: password, by: caller)
        return try await begin(credential, request, by: caller)
    }

    /// Begins a session of an account that was just made.
    func signIn(new account: Account, request: Request, by caller: Caller) async throws -> (WebPrincipal, Cookie) {
        guard let credential = try await store.credential(of: account.name) else { throw MCMSError.notFound(.account, id: account.name) }
        return try await begin(credential, request, by: caller)
    }

    private func begin(_ credential: AccountCredential, _ request: Request, by caller: Caller) async throws -> (WebPrincipal, Cookie) {
        let (secret, digest) = try SessionCookie.make()
        let session = PasswordSession(digest: digest, lifetimeMilliseconds: configuration.sessions.absoluteMilliseconds)
        let by = Caller(
            actor: credential.account.name, principal: credential.account.principal, correlationID: caller.correlationID, address: caller.address)
        guard let account = try await store.beginSession(session, of: credential, ending: try cookies.digest(in: request), by: by) else {
            throw Problem(.notAuthenticated, "The account was changed at this moment.", action: "Sign in again.")
        }
        return (WebPrincipal(account), cookies.cookie(secret))
    }

    /// Ends the request's session. - Returns: a cookie that makes the browser forget it.
    package func signOut(_ request: Request) async throws -> Cookie {
        try checkOrigin(request, mayBeAbsent: true)
        if let digest = try cookies.digest(in: request) { try await store.endSession(digest: digest) }
        return cookies.expired
    }

    /// Refuses requests of other sites' pages, where no session says who makes them.
    func refuseForeign(_ request: Request) throws { try checkOrigin(request, mayBeAbsent: true) }

    var forgettingCookie: Cookie { cookies.expired }

    /// The session for a visitor, if visitors get one and this one has none.
    package func cookieForVisitor(_ request: Request, from peer: SocketAddress?) async throws -> Cookie? {
        guard try await isTrialOffered(request, from: peer), let visitor = configuration.visitor, let holder = authenticator.holder(named: visitor),
            try await sessionPrincipal(request, .background) == nil
        else { return nil }
        return try await newSession(holder, isVisitor: true)
    }

    /// Whether a click would let this visitor in.
    package func isTrialOffered(_ request: Request, from peer: SocketAddress?) async throws -> Bool {
        guard let visitor = configuration.visitor, Self.cameStraight(request), authenticator.holder(named: visitor) != nil,
            try await !store.hasAccounts()
        else { return false }
        return configuration.isOwnUser(peer)
    }

    // MARK: Sessions

    /// The digest of the request's session; nil where it has none, or a token decides.
    func sessionDigest(_ request: Request) throws -> [UInt8]? {
        request.headers[.authorization] == nil ? try cookies.digest(in: request) : nil
    }

    private func sessionPrincipal(_ request: Request, _ purpose: Purpose) async throws -> WebPrincipal? {
        guard let digest = try cookies.digest(in: request) else { return nil }
        return try await sessionPrincipal(digest: digest, request, purpose)
    }

    /// Returns whose session it is; nil if it opens nothing any more.
    func sessionPrincipal(digest: [UInt8], _ request: Request, _ purpose: Purpose) async throws -> WebPrincipal? {
        guard let session = try await store.session(digest: digest) else { return nil }
        let limits = configuration.sessions
        let now = store.clock()
        guard limits.isValid(session, isUpload: purpose == .upload, now: now) else { return nil }
        guard let principal = try await principal(of: session, request) else { return nil }
        let last = purpose == .upload ? session.uploadedAt : session.usedAt
        if purpose != .background, last.adding(milliseconds: limits.touchMilliseconds) <= now {
            await touch(digest, isUpload: purpose == .upload)
        }
        return principal
    }

    private func principal(of session: WebSession, _ request: Request) async throws -> WebPrincipal? {
        if let account = try await store.account(of: session) { return WebPrincipal(account) }
        guard let holder = authenticator.holder(named: session.principal), holder.credential == session.credential else { return nil }
        guard session.isVisitor else { return holder.principal }
        guard configuration.visitor == session.principal, Self.cameStraight(request), try await !store.hasAccounts() else { return nil }
        return WebPrincipal(name: holder.principal.name, permissions: holder.principal.permissions, kind: .trial)
    }

    /// Runs the work of an upload's request, however long it takes, and keeps its session meanwhile.
    func keepingSession<Value>(of request: Request, _ work: () async throws -> Value) async throws -> Value {
        guard let digest = try sessionDigest(request) else { return try await work() }
        let interval = configuration.sessions.touchMilliseconds
        let keeper = Task {
            while true {
                // Ends by being cancelled.
                try await Task.sleep(for: .milliseconds(interval))
                await touch(digest, isUpload: true)
            }
        }
        defer { keeper.cancel() }
        return try await work()
    }

    /// What was asked for is done even if this can't be written down.
    private func touch(_ digest: [UInt8], isUpload: Bool) async {
        do {
            try await store.touchSession(digest: digest, isUpload: isUpload)
        } catch {
            logger.error("audit.error", metadata: ["what": "a session's use can't be written down", "error": "\(error)"])
        }
    }

    private func newSession(_ holder: TokenHolder, isVisitor: Bool = false) async throws -> Cookie {
        let (secret, digest) = try SessionCookie.make()
        try await store.createSession(
            digest: digest, principal: holder.principal.name, credential: holder.credential, isVisitor: isVisitor,
            lifetimeMilliseconds: configuration.sessions.absoluteMilliseconds)
        return cookies.cookie(secret)
    }

    func checkOrigin(_ request: Request, mayBeAbsent: Bool = false) throws {
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

    static func bearerToken(_ header: String) -> String? {
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return parts[1].trimmingCharacters(in: .whitespaces)
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
