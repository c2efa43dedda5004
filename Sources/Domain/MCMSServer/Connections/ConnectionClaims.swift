internal import JWTKit
internal import MCMS
internal import SpindleText

/// What a connection token says (a JWT, RFC 7519). Whoever has the token can read this: nothing in it lets anybody in.
///
/// ```
/// {"use": "token", "jti": "…", "exp": 1790000000, "sub": "user:kim", "hubs": ["addin"],
///  "session": "<SHA-256 of the session's cookie>", "role": "approver"}
/// {…, "principal": "bff", "credential": "<digest of its token's>", "person": {"name": "kim", "stamp": "<digest of the account's>"}, "role": "approver"}
/// ```
struct ConnectionClaims: JWTPayload, Sendable {
    enum Use: String, Codable, Sendable {
        /// Lets its holder connect.
        case token
        /// Names one connection that a hub has agreed to: the `id` of SignalR.
        case connection
    }

    /// In whose name a server asked.
    struct Person: Codable, Hashable, Sendable {
        let name: String
        /// Nil while nobody has an account.
        let stamp: String?
    }

    let use: Use
    let jti: String
    /// Seconds since 1970.
    let exp: Int64
    /// Who listens.
    let sub: String
    let topics: [String]?
    let hubs: [String]?
    /// Of the session that asked, if one did.
    let session: String?
    /// Whose bearer token asked, if one did.
    let principal: String?
    let credential: String?
    let person: Person?
    /// The account's, then: another one ends what the token is good for.
    let role: AccountRole?

    var expiresAt: Timestamp { Timestamp(milliseconds: exp * 1_000) }

    /// Its time is compared with the store's clock, by who reads it.
    func verify(using algorithm: some JWTAlgorithm) {}

    func covers(_ scope: EventScope) -> Bool {
        switch scope {
        case .topics(let names): !names.isEmpty && Set(names).isSubset(of: topics ?? [])
        case .hub(let name): hubs?.contains(name) == true
        }
    }
}

/// Signs connection tokens, and reads them. The keys are in the store: every web server knows the tokens of the others.
struct ConnectionTokens: Sendable {
    /// From the answer to the connection.
    static let lifetimeMilliseconds: Int64 = 60_000
    /// Longer ones are none of ours.
    static let tokenBytesMax = 4_096

    let store: MCMSStore

    func sign(_ claims: ConnectionClaims) async throws -> String {
        let key = try await store.signingKey()
        return try await Self.collection([key]).sign(claims, kid: JWKIdentifier(string: key.id))
    }

    /// Returns nil if no key of this installation signed it, or it has expired.
    func read(_ token: String, as use: ConnectionClaims.Use) async throws -> ConnectionClaims? {
        guard token.utf8.count <= Self.tokenBytesMax, token.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 2 else { return nil }
        let keys = try await store.connectionKeys()
        guard !keys.isEmpty, let claims = try? await Self.collection(keys).verify(token, as: ConnectionClaims.self), claims.use == use,
            claims.expiresAt > store.clock()
        else { return nil }
        return claims
    }

    /// Returns whether the token was not used before.
    func use(_ claims: ConnectionClaims) async throws -> Bool {
        try await store.useConnectionToken(claims.jti, until: claims.expiresAt)
    }

    private static func collection(_ keys: [ConnectionKey]) async -> JWTKeyCollection {
        let collection = JWTKeyCollection()
        for key in keys { await collection.add(hmac: HMACKey(from: key.secret), digestAlgorithm: .sha256, kid: JWKIdentifier(string: key.id)) }
        return collection
    }
}
