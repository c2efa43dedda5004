internal import Digests
internal import Foundation
internal import HTTPTypes
package import Hummingbird
internal import MCMS
package import SpindleBridge
internal import SpindleText

/// Who may listen to events.
///
/// A listener is known as a caller of the API is, or by a connection token: as a bearer token, or where a client can't send headers as
/// `access_token` in the address. A connection token is good for one connection, within a minute, to what it was given for, at any web
/// server of the installation. It ends with what it was given for: the session, the account's rights, the server's own token.
extension WebAccess {
    /// Returns who listens. A connection token is used up.
    /// - Throws: ``Problem`` (401, 403).
    package func listener(for request: Request, _ scope: EventScope) async throws -> EventCaller {
        guard let token = connectionToken(in: request) else {
            let principal = try await principal(for: request, purpose: .background)
            if request.headers[.authorization] == nil { try checkOrigin(request, mayBeAbsent: true) }
            try Self.check(principal, scope)
            return EventCaller(name: principal.name) {
                do {
                    return try await self.principal(for: request, purpose: .background).permissions.isSuperset(of: scope.permissions)
                } catch let problem as Problem where problem.kind != .busy {
                    return false
                }
            }
        }
        return try await use(token, scope, request).caller
    }

    /// Uses a token up. Returns who listens, and what the token says.
    func use(_ token: String, _ scope: EventScope, _ request: Request) async throws -> (caller: EventCaller, claims: ConnectionClaims) {
        guard let claims = try await connections.read(token, as: .token) else {
            throw Problem.notAuthenticated("The connection token is not known, or has expired.", invalidToken: true)
        }
        guard claims.covers(scope) else {
            throw Problem(.notPermitted, "The connection token is for something else.", action: "Ask for one with POST /api/connections.")
        }
        let caller = try await caller(of: claims, scope, request)
        guard try await connections.use(claims) else {
            throw Problem.notAuthenticated("The connection token was used before.", invalidToken: true)
        }
        return (caller, claims)
    }

    /// As ``listener(for:_:)``, with the answer as a value.
    package func admission(for request: Request, _ scope: EventScope) async throws -> EventAdmission {
        do {
            return .caller(try await listener(for: request, scope))
        } catch let problem as Problem {
            switch problem.kind {
            case .notAuthenticated: return .notAuthenticated
            case .notPermitted: return .notPermitted
            default: throw problem
            }
        }
    }

    /// The token that the request has, unless it is a principal's own. One in the address is always taken for a connection token: others
    /// live too long for that.
    func connectionToken(in request: Request) -> String? {
        if let header = request.headers[.authorization] {
            guard let token = Self.bearerToken(header), authenticator.principal(for: token) == nil else { return nil }
            return token
        }
        return request.uri.queryParameters["access_token"].map { String($0) }
    }

    static func check(_ principal: WebPrincipal, _ scope: EventScope) throws {
        guard principal.permissions.isSuperset(of: scope.permissions) else {
            throw Problem(
                .notPermitted, "“\(principal.actor)” may not listen to this.", action: "Use the account or the token of somebody who may.")
        }
    }

    // MARK: Connection tokens

    /// What a token is given for.
    struct ConnectionRequest: Sendable {
        /// Topics, or the names of hubs.
        let topics: [String]?
        let hubs: [String]?
        /// In whose name a server asks.
        let person: String?

        var scopes: [EventScope] { topics.map { [.topics($0)] } ?? (hubs ?? []).map { .hub($0) } }
    }

    /// Gives a connection token to whom `request` is from. Returns it, with its end.
    func issue(_ asked: ConnectionRequest, for request: Request) async throws -> (token: String, expiresAt: Timestamp) {
        let principal = try await principal(for: request)
        let listener: WebPrincipal
        var person: ConnectionClaims.Person?
        if let name = asked.person {
            (person, listener) = try await self.person(name, by: principal)
        } else {
            listener = principal
        }
        for scope in asked.scopes { try Self.check(listener, scope) }
        let proof = try proof(of: principal, request)
        let claims = ConnectionClaims(
            use: .token, jti: UUID().uuidString.lowercased(), exp: newExpiry, sub: listener.name, topics: asked.topics, hubs: asked.hubs,
            session: proof.session, principal: proof.principal, credential: proof.credential, person: person, role: Self.role(of: listener))
        return (try await connections.sign(claims), claims.expiresAt)
    }

    // MARK: Hubs

    /// Who may connect to the hubs.
    package var hubs: SignalRAccess {
        SignalRAccess(
            negotiate: { request, hub in try await negotiation(for: request, .hub(hub)) },
            redeem: { id, hub, request in try await redeem(id, .hub(hub), request) },
            admit: { request, hub in try await admission(for: request, .hub(hub)) })
    }

    /// Gives an id for one connection to a hub: signed, so that the connection may be made at another web server.
    private func negotiation(for request: Request, _ scope: EventScope) async throws -> SignalRAccess.Negotiation {
        do {
            return .agreed(id: try await connections.sign(try await negotiate(request, scope)))
        } catch let problem as Problem {
            switch problem.kind {
            case .notAuthenticated: return .notAuthenticated
            case .notPermitted: return .notPermitted
            default: throw problem
            }
        }
    }

    private func negotiate(_ request: Request, _ scope: EventScope) async throws -> ConnectionClaims {
        let (id, hubs) = (UUID().uuidString.lowercased(), scope.hubs)
        if let token = connectionToken(in: request) {
            let claims = try await use(token, scope, request).claims
            return ConnectionClaims(
                use: .connection, jti: id, exp: newExpiry, sub: claims.sub, topics: nil, hubs: hubs, session: claims.session,
                principal: claims.principal, credential: claims.credential, person: claims.person, role: claims.role)
        }
        let principal = try await principal(for: request, purpose: .background)
        try Self.check(principal, scope)
        let proof = try proof(of: principal, request)
        return ConnectionClaims(
            use: .connection, jti: id, exp: newExpiry, sub: principal.name, topics: nil, hubs: hubs, session: proof.session,
            principal: proof.principal, credential: proof.credential, person: nil, role: Self.role(of: principal))
    }

    /// Returns whose id it is, once; nil if it is nobody's, was used, or what it was given for has ended.
    private func redeem(_ id: String, _ scope: EventScope, _ request: Request) async throws -> EventCaller? {
        guard let claims = try await connections.read(id, as: .connection), claims.covers(scope) else { return nil }
        do {
            let caller = try await caller(of: claims, scope, request)
            return try await connections.use(claims) ? caller : nil
        } catch let problem as Problem where problem.kind == .notAuthenticated || problem.kind == .notPermitted {
            return nil
        }
    }

    private var newExpiry: Int64 { store.clock().adding(milliseconds: ConnectionTokens.lifetimeMilliseconds).milliseconds / 1_000 }

    private static func role(of principal: WebPrincipal) -> AccountRole? {
        if case .account(let account) = principal.kind { account.role } else { nil }
    }

    private func proof(of principal: WebPrincipal, _ request: Request) throws -> (session: String?, principal: String?, credential: String?) {
        if let digest = try sessionDigest(request) { return (Hexadecimal.text(digest), nil, nil) }
        guard let holder = authenticator.holder(named: principal.name) else {
            throw Problem.notAuthenticated("The token is not known.", invalidToken: true)
        }
        return (nil, principal.name, try Self.digest(holder.credential))
    }

    /// So that a token tells nothing of what it was made from.
    private static func digest(_ secret: [UInt8]) throws -> String {
        Hexadecimal.text(try DigestStream.digest(of: Array("connection token".utf8) + secret))
    }

    /// In whose name a server asks: with that person's rights, as far as the server has them. While nobody has an account, the server is trusted.
    private func person(_ name: String, by server: WebPrincipal) async throws -> (ConnectionClaims.Person, WebPrincipal) {
        guard server.permissions.contains(.nameActor) else {
            throw Problem(
                .invalidField, "“user” is “\(name.prefix(100))”, but “\(server.actor)” acts in its own name only.",
                action: "Leave “user” out, or use the token of a principal with the role “bff”.", field: "user")
        }
        let key = AccountRules.nameIfValid(name) ?? name
        if let credential = try await store.credential(of: key), !credential.account.isDisabled {
            let known = ConnectionClaims.Person(name: key, stamp: try Self.digest(credential.stamp))
            return (known, Self.limited(WebPrincipal(credential.account), by: server))
        }
        guard try await !store.hasAccounts() else { throw MCMSError.notAllowedFor(person: name) }
        return (ConnectionClaims.Person(name: name, stamp: nil), Self.trusted(name, server))
    }

    private static func limited(_ person: WebPrincipal, by server: WebPrincipal) -> WebPrincipal {
        WebPrincipal(name: person.name, permissions: person.permissions.intersection(server.permissions), kind: person.kind)
    }

    /// Somebody whom only the server knows.
    private static func trusted(_ name: String, _ server: WebPrincipal) -> WebPrincipal {
        WebPrincipal(name: "\(server.name):\(name)", permissions: server.permissions.subtracting([.nameActor]))
    }

    /// Who listens by a token, asked again while the connection lasts.
    private func caller(of claims: ConnectionClaims, _ scope: EventScope, _ request: Request) async throws -> EventCaller {
        guard let principal = try await principal(of: claims, request) else {
            throw Problem.notAuthenticated("What the connection token was given for has ended.", invalidToken: true)
        }
        try Self.check(principal, scope)
        return EventCaller(name: principal.name) {
            try await self.principal(of: claims, request)?.permissions.isSuperset(of: scope.permissions) == true
        }
    }

    /// Returns nil once the session, the account's rights or the server's token are not those of then.
    private func principal(of claims: ConnectionClaims, _ request: Request) async throws -> WebPrincipal? {
        guard let known = try await holder(of: claims, request) else { return nil }
        guard let person = claims.person else {
            return known.name == claims.sub && Self.role(of: known) == claims.role ? known : nil
        }
        guard known.permissions.contains(.nameActor) else { return nil }
        guard let stamp = person.stamp else { return try await store.hasAccounts() ? nil : Self.trusted(person.name, known) }
        guard let credential = try await store.credential(of: person.name), !credential.account.isDisabled,
            try Self.digest(credential.stamp) == stamp, credential.account.role == claims.role
        else { return nil }
        return Self.limited(WebPrincipal(credential.account), by: known)
    }

    private func holder(of claims: ConnectionClaims, _ request: Request) async throws -> WebPrincipal? {
        if let digest = claims.session.flatMap(Hexadecimal.bytes) { return try await sessionPrincipal(digest: digest, request, .background) }
        guard let name = claims.principal, let holder = authenticator.holder(named: name), try Self.digest(holder.credential) == claims.credential else {
            return nil
        }
        return holder.principal
    }
}
