internal import SQLStore
package import SpindleText

/// A browser's session, as it is stored: the digest of its cookie, never the cookie itself.
package struct WebSession: Hashable, Sendable {
    package let principal: String
    /// Derived from the principal's token: the session ends when the token changes.
    package let credential: [UInt8]
    /// Given without a token: see `WebAccess`.
    package let isVisitor: Bool
    package let expiresAt: Timestamp

    package init(principal: String, credential: [UInt8], isVisitor: Bool, expiresAt: Timestamp) {
        self.principal = principal
        self.credential = credential
        self.isVisitor = isVisitor
        self.expiresAt = expiresAt
    }
}

extension MCMSStore {
    /// The oldest sessions end when there are more.
    package static let sessionsMax = 10_000
    /// Of one principal; its own oldest sessions end when it has more.
    package static let sessionsPerPrincipalMax = 1_000

    /// Sessions are in the database so that they outlive the web process: an upload of hours must not end with a 401 because the
    /// server was restarted.
    package func createSession(
        digest: [UInt8], principal: String, credential: [UInt8], isVisitor: Bool, lifetimeMilliseconds: Int64
    ) async throws {
        let now = clock()
        try await database.write { db in
            try db.execute("DELETE FROM webSession WHERE expiresAt <= $1", [now])
            try db.execute(
                "INSERT INTO webSession (digest, principal, credential, isVisitor, createdAt, expiresAt) VALUES ($1, $2, $3, $4, $5, $6)",
                [digest, principal, credential, isVisitor, now, now.adding(milliseconds: lifetimeMilliseconds)])
            // SQLite takes OFFSET after LIMIT only.
            try db.execute(
                """
                DELETE FROM webSession WHERE digest IN
                    (SELECT digest FROM webSession WHERE principal = $1 ORDER BY createdAt DESC, digest LIMIT $2 OFFSET $3)
                """,
                [principal, Int64.max, Self.sessionsPerPrincipalMax])
            try db.execute(
                """
                DELETE FROM webSession WHERE digest IN
                    (SELECT digest FROM webSession ORDER BY createdAt DESC, digest LIMIT $1 OFFSET $2)
                """,
                [Int64.max, Self.sessionsMax])
        }
    }

    package func session(digest: [UInt8]) async throws -> WebSession? {
        let now = clock()
        return try await database.read { db in
            guard let row = try db.row("SELECT * FROM webSession WHERE digest = $1 AND expiresAt > $2", [digest, now]) else { return nil }
            return WebSession(
                principal: try row.value("principal"), credential: try row.value("credential"), isVisitor: try row.value("isVisitor"),
                expiresAt: try row.value("expiresAt"))
        }
    }

    package func endSession(digest: [UInt8]) async throws {
        _ = try await database.write { try $0.execute("DELETE FROM webSession WHERE digest = $1", [digest]) }
    }
}
