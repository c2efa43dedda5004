internal import SQLStore
package import SpindleText

/// A browser's session, as it is stored: the digest of its cookie, never the cookie itself.
package struct WebSession: Hashable, Sendable {
    /// `user:NAME` for an account.
    package let principal: String
    /// Derived from the principal's token, or the account's stamp: the session ends when that changes.
    package let credential: [UInt8]
    /// Given without a token: see `WebAccess`.
    package let isVisitor: Bool
    package let expiresAt: Timestamp
    /// Its person's last request, to within ``SessionLimits/touchMilliseconds``.
    package let usedAt: Timestamp
    /// The last request of an upload.
    package let uploadedAt: Timestamp

    package init(principal: String, credential: [UInt8], isVisitor: Bool, expiresAt: Timestamp, usedAt: Timestamp, uploadedAt: Timestamp) {
        self.principal = principal
        self.credential = credential
        self.isVisitor = isVisitor
        self.expiresAt = expiresAt
        self.usedAt = usedAt
        self.uploadedAt = uploadedAt
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
            try Self.insertSession(
                db, digest: digest, principal: principal, credential: credential, isVisitor: isVisitor, now: now,
                lifetimeMilliseconds: lifetimeMilliseconds)
        }
    }

    static func insertSession(
        _ db: any SQLConnection, digest: [UInt8], principal: String, credential: [UInt8], isVisitor: Bool, now: Timestamp, lifetimeMilliseconds: Int64
    ) throws {
        try forgetSessions(db, now: now)
        try db.execute(
            """
            INSERT INTO webSession (digest, principal, credential, isVisitor, createdAt, expiresAt, usedAt) VALUES ($1, $2, $3, $4, $5, $6, $5)
            """,
            [digest, principal, credential, isVisitor, now, now.adding(milliseconds: lifetimeMilliseconds)])
        // SQLite takes OFFSET after LIMIT only.
        try db.execute(
            """
            DELETE FROM webSession WHERE digest IN
                (SELECT digest FROM webSession WHERE principal = $1 ORDER BY createdAt DESC, digest LIMIT $2 OFFSET $3)
            """,
            [principal, Int64.max, sessionsPerPrincipalMax])
        try db.execute(
            """
            DELETE FROM webSession WHERE digest IN
                (SELECT digest FROM webSession ORDER BY createdAt DESC, digest LIMIT $1 OFFSET $2)
            """,
            [Int64.max, sessionsMax])
    }

    /// Deletes sessions that ran out, but for those of uploads that still come.
    static func forgetSessions(_ db: any SQLConnection, now: Timestamp) throws {
        try db.execute(
            "DELETE FROM webSession WHERE expiresAt <= $1 AND uploadedAt <= $2",
            [now, now.adding(milliseconds: -SessionLimits.uploadGraceMilliseconds)])
    }

    /// Returns the session whatever its age: ``SessionLimits`` says whether it still opens something.
    package func session(digest: [UInt8]) async throws -> WebSession? {
        try await database.read { db in
            guard let row = try db.row("SELECT * FROM webSession WHERE digest = $1", [digest]) else { return nil }
            return WebSession(
                principal: try row.value("principal"), credential: try row.value("credential"), isVisitor: try row.value("isVisitor"),
                expiresAt: try row.value("expiresAt"), usedAt: try row.value("usedAt"), uploadedAt: try row.value("uploadedAt"))
        }
    }

    /// Writes down that a session is used now.
    package func touchSession(digest: [UInt8], isUpload: Bool) async throws {
        let now = clock()
        _ = try await database.write { db in
            if isUpload {
                try db.execute("UPDATE webSession SET usedAt = $2, uploadedAt = $2 WHERE digest = $1", [digest, now])
            } else {
                try db.execute("UPDATE webSession SET usedAt = $2 WHERE digest = $1", [digest, now])
            }
        }
    }

    package func endSession(digest: [UInt8]) async throws {
        _ = try await database.write { try $0.execute("DELETE FROM webSession WHERE digest = $1", [digest]) }
    }

    /// Ends every session of a principal, on whatever machine, and what else an account's stamp stands for. Returns how many sessions there were.
    @discardableResult
    package func endSessions(of principal: String, by caller: Caller) async throws -> Int {
        try await transaction(by: caller) { transaction in
            let count = try transaction.db.execute("DELETE FROM webSession WHERE principal = $1", [principal])
            try Self.renewStamp(of: principal, transaction.db)
            try transaction.audit(AuditAction.signedOutEverywhere.rawValue, subject: principal, detail: "\(count) sessions")
            return count
        }
    }
}
