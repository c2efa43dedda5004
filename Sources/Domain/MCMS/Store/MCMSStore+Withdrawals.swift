internal import GRDB

/// A command that is to be taken out of its queue, because its job has ended.
package struct CommandWithdrawal: Hashable, Sendable {
    package let jobID: String
    /// The broker's id of the command; nil: it is not known, as its row waits to be published.
    package let messageID: UInt64?
}

extension MCMSTransaction {
    /// The job has ended: no add-in is to work for it. A command that was not sent yet is deleted here; another is withdrawn by
    /// ``CommandWithdrawals``.
    func withdrawCommand(of job: String) throws {
        try db.execute(
            sql: "DELETE FROM outbox WHERE status = 'pending' AND id = (SELECT commandOutboxId FROM addinJob WHERE jobId = ?)", arguments: [job])
        guard db.changesCount == 0 else { return }
        // Jobs of earlier versions do not know their commands.
        try db.execute(
            sql: """
                INSERT OR IGNORE INTO commandWithdrawal (jobId, requestedAt)
                    SELECT jobId, ? FROM addinJob WHERE jobId = ? AND commandOutboxId IS NOT NULL
                """,
            arguments: [now, job])
    }
}

extension MCMSStore {
    /// The oldest withdrawals, at most `limit`. Those whose command will never have an id are forgotten: its row is dead, or was deleted.
    package func withdrawals(limit: Int) async throws -> [CommandWithdrawal] {
        guard try await pool.read({ try Bool.fetchOne($0, sql: "SELECT EXISTS (SELECT 1 FROM commandWithdrawal)") ?? false }) else { return [] }
        return try await pool.write { db in
            try db.execute(
                sql: """
                    DELETE FROM commandWithdrawal WHERE jobId IN
                        (SELECT w.jobId FROM commandWithdrawal w JOIN addinJob j USING (jobId)
                         WHERE j.commandMessageId IS NULL AND NOT EXISTS
                            (SELECT 1 FROM outbox o WHERE o.id = j.commandOutboxId AND o.status IN ('pending', 'in_progress')))
                    """)
            return try Row.fetchAll(
                db,
                sql: "SELECT w.jobId, j.commandMessageId FROM commandWithdrawal w JOIN addinJob j USING (jobId) ORDER BY w.requestedAt, w.jobId LIMIT ?",
                arguments: [limit]
            ).map { row in
                let id: Int64? = row["commandMessageId"]
                return CommandWithdrawal(jobID: row["jobId"], messageID: id.map { UInt64(bitPattern: $0) })
            }
        }
    }

    package func withdrawn(_ jobs: [String]) async throws {
        try await pool.write { db in
            for job in jobs { try db.execute(sql: "DELETE FROM commandWithdrawal WHERE jobId = ?", arguments: [job]) }
        }
    }
}
