internal import Foundation
internal import GRDB
package import SpindleText

/// A browser's session, as it is stored: the digest of its cookie, never the cookie itself.
package struct WebSession: Hashable, Sendable {
    package let principal: String
    package let expiresAt: Timestamp
}

extension MCMSStore {
    /// The oldest sessions end when there are more.
    package static let sessionsMax = 10_000

    /// Sessions are in the database so that they outlive the web process: an upload of hours must not end with a 401 because the
    /// server was restarted.
    package func createSession(digest: [UInt8], principal: String, lifetimeMilliseconds: Int64) async throws {
        let now = clock()
        try await pool.write { db in
            try db.execute(sql: "DELETE FROM webSession WHERE expiresAt <= ?", arguments: [now])
            try db.execute(
                sql: "INSERT INTO webSession (digest, principal, createdAt, expiresAt) VALUES (?, ?, ?, ?)",
                arguments: [Data(digest), principal, now, now.adding(milliseconds: lifetimeMilliseconds)])
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
            try Row.fetchOne(db, sql: "SELECT * FROM webSession WHERE digest = ? AND expiresAt > ?", arguments: [Data(digest), now])
                .map { WebSession(principal: $0["principal"], expiresAt: $0["expiresAt"]) }
        }
    }

    package func endSession(digest: [UInt8]) async throws {
        try await pool.write { try $0.execute(sql: "DELETE FROM webSession WHERE digest = ?", arguments: [Data(digest)]) }
    }
}
