package import SQLStore
package import SpindleText

/// The domain's one store: a database that the web process and the workers share.
///
/// Every method that changes something does so in one transaction: the change of state, its history, the messages it
/// causes (through the outbox) and the mark that a message was handled are there together or not at all.
package final class MCMSStore: Sendable {
    package let database: any SQLDatabase
    package let clock: @Sendable () -> Timestamp
    let approval: ApprovalRule

    /// - Parameter database: open, with the tables of ``MCMSSchema``.
    private init(_ database: any SQLDatabase, approval: ApprovalRule, clock: @escaping @Sendable () -> Timestamp) {
        self.database = database
        self.approval = approval
        self.clock = clock
    }

    /// Opens an SQLite file, creating it or bringing its tables up to date.
    /// - Parameter extending: adds the tables of further parts of the domain.
    /// - Throws: ``SQLiteDatabase/OpenError`` or ``SQLError``, each saying what is wrong with the file.
    package convenience init(
        path: String, approval: ApprovalRule = .anyone, extending: (inout SQLMigrations) -> Void = { _ in },
        clock: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) throws {
        var migrations = MCMSSchema.migrations()
        extending(&migrations)
        self.init(try SQLiteDatabase.open(path: path, migrations: migrations), approval: approval, clock: clock)
    }

    /// Closes all connections. Nothing may use the store any more.
    package func close() throws {
        try database.close()
    }

    /// Whether the database answers: for readiness checks.
    package func ping() async throws {
        _ = try await database.read { try $0.exists("SELECT 1 FROM routing WHERE id = ''") }
    }

    /// Returns whether an error is the database's and likely to go away by itself: see ``SQLError/isTemporary``.
    package static func isTemporary(_ error: any Error) -> Bool { (error as? SQLError)?.isTemporary ?? false }

    /// How long a message that was handled is remembered; redeliveries come within hours, redriven dead letters within weeks.
    package static let handledRetentionMilliseconds: Int64 = 60 * 24 * 3_600_000
    private static let pruneRowsMax = 10_000

    /// Deletes what is remembered only for a time: marks of handled messages, sessions that ran out, keys and marks of connection
    /// tokens, the queues' past, alerts, the audit, what only the timeline tells.
    package func prune() async throws {
        let now = clock()
        try await database.write { db in
            try db.execute(
                """
                DELETE FROM handledMessage WHERE messageKey IN
                    (SELECT messageKey FROM handledMessage WHERE handledAt < $1 ORDER BY handledAt LIMIT $2)
                """,
                [now.milliseconds - Self.handledRetentionMilliseconds, Self.pruneRowsMax])
            try Self.forgetSessions(db, now: now)
            try db.execute("DELETE FROM accountLink WHERE expiresAt <= $1", [now])
            try Self.forgetConnections(db, now: now)
            try Self.forgetQueueHistory(db, now: now)
            try Self.forgetAlerts(db, now: now)
            try Self.forgetAudit(db)
            try Self.pruneTimeline(db, now: now)
        }
    }
}
