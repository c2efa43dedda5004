internal import Foundation
internal import GRDB
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
        try await pool.write { db in
            try db.execute(sql: "DELETE FROM webSession WHERE expiresAt <= ?", arguments: [now])
            try db.execute(
                sql: "INSERT INTO webSession (digest, principal, credential, isVisitor, createdAt, expiresAt) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [Data(digest), principal, Data(credential), isVisitor, now, now.adding(milliseconds: lifetimeMilliseconds)])
            try db.execute(
                sql: """
                    DELETE FROM webSession WHERE digest IN
                        (SELECT digest FROM webSession WHERE principal = ? ORDER BY createdAt DESC, digest LIMIT -1 OFFSET ?)
                    """,
                arguments: [principal, Self.sessionsPerPrincipalMax])
            try db.execute(
                sql: """
                    DELETE FROM webSession WHERE digest IN
                        (SELECT digest FROM webSession ORDER BY createdAt DESC, digest LIMIT -1 OFFSET ?)
                    """,
                arguments: [Self.sessionsMax])
        }
    }

    package func session(digest: [UInt8]) async throws -> WebSession? {
        let now = clock()
        return try await pool.read { db in
            guard
                let row = try Row.fetchOne(
                    db, sql: "SELECT * FROM webSession WHERE digest = ? AND expiresAt > ?", arguments: [Data(digest), now])
            else { return nil }
            let credential: Data = row["credential"]
            return WebSession(
                principal: row["principal"], credential: Array(credential), isVisitor: row["isVisitor"], expiresAt: row["expiresAt"])
        }
    }

    package func endSession(digest: [UInt8]) async throws {
        try await pool.write { try $0.execute(sql: "DELETE FROM webSession WHERE digest = ?", arguments: [Data(digest)]) }
    }
}
