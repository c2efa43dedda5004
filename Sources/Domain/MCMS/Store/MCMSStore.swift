package import GRDB
internal import Outbox
package import SpindleText

/// The domain's one store: an SQLite file that the web process and the workers share.
///
/// Every method that changes something does so in one IMMEDIATE transaction: the change of state, its history, the messages it
/// causes (through the outbox) and the mark that a message was handled are there together or not at all.
package final class MCMSStore: Sendable {
    package let pool: DatabasePool
    let clock: @Sendable () -> Timestamp
    let approval: ApprovalRule

    /// Opens the file, creating it or bringing its tables up to date.
    /// - Throws: ``DatabaseFile/OpenError`` or GRDB's `DatabaseError`, each saying what is wrong with the file.
    package init(
        path: String, approval: ApprovalRule = .anyone, clock: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) throws {
        self.approval = approval
        pool = try DatabaseFile.open(path: path, migrator: MCMSSchema.migrator())
        self.clock = clock
    }

    /// Closes all connections. Nothing may use the store any more.
    package func close() throws {
        try pool.close()
    }

    /// Whether the database answers: for readiness checks.
    package func ping() async throws {
        _ = try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM routing WHERE id = ''") }
    }

    /// Whether an error of the database is likely to go away by itself: another process held it for longer than the timeout, or its
    /// disk was full. The transaction was undone.
    package static func isTemporary(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return [ResultCode.SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_FULL].contains(error.resultCode)
    }

    /// How long a message that was handled is remembered; redeliveries come within hours, redriven dead letters within weeks.
    package static let handledRetentionMilliseconds: Int64 = 60 * 24 * 3_600_000
    private static let pruneRowsMax = 10_000

    /// Deletes what is remembered only for a time: marks of handled messages, and sessions that ran out.
    package func prune() async throws {
        let now = clock()
        try await pool.write { db in
            try db.execute(
                sql: """
                    DELETE FROM handledMessage WHERE messageKey IN
                        (SELECT messageKey FROM handledMessage WHERE handledAt < ? ORDER BY handledAt LIMIT ?)
                    """,
                arguments: [now.milliseconds - Self.handledRetentionMilliseconds, Self.pruneRowsMax])
            try db.execute(sql: "DELETE FROM webSession WHERE expiresAt <= ?", arguments: [now.milliseconds])
        }
    }
}
