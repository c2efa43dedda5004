package import GRDB

/// A row that is not published any more, for operators.
package struct DeadOutboxRow: Hashable, Sendable {
    package let id: String
    package let type: String
    package let destination: String
    package let attempts: Int
    package let error: String
    package let createdAtMilliseconds: Int64
}

extension Outbox {
    /// How many rows there are in each status.
    package static func counts(_ db: Database) throws -> [OutboxStatus: Int] {
        var counts: [OutboxStatus: Int] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT status, count(*) AS n FROM outbox GROUP BY status") {
            guard let status = OutboxStatus(rawValue: row["status"]) else { continue }
            counts[status] = row["n"]
        }
        return counts
    }

    /// When the oldest row that still waits was written: how far the relay is behind.
    package static func oldestPending(_ db: Database) throws -> Int64? {
        try Int64.fetchOne(db, sql: "SELECT createdAt FROM outbox WHERE status = 'pending' ORDER BY sequence LIMIT 1")
    }

    package static func deadRows(_ db: Database, limit: Int) throws -> [DeadOutboxRow] {
        try Row.fetchAll(db, sql: "SELECT * FROM outbox WHERE status = 'dead' ORDER BY sequence LIMIT ?", arguments: [limit]).map { row in
            DeadOutboxRow(
                id: row["id"], type: row["type"], destination: row["destination"], attempts: row["attempts"],
                error: row["error"] ?? "", createdAtMilliseconds: row["createdAt"])
        }
    }

    /// Puts a dead row back, with all its attempts before it.
    /// - Returns: whether there was such a dead row.
    package static func redrive(_ db: Database, id: String, now: Int64) throws -> Bool {
        try db.execute(
            sql: "UPDATE outbox SET status = 'pending', attempts = 0, nextAttemptAt = ? WHERE id = ? AND status = 'dead'",
            arguments: [now, id])
        return db.changesCount == 1
    }
}
