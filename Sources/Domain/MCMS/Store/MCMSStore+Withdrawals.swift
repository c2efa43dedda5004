internal import SQLStore

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
        let deleted = try db.execute(
            "DELETE FROM outbox WHERE status = 'pending' AND id = (SELECT commandOutboxId FROM addinJob WHERE jobId = $1)", [job])
        guard deleted == 0 else { return }
        // Jobs of earlier versions do not know their commands.
        try db.execute(
            """
            INSERT INTO commandWithdrawal (jobId, requestedAt)
                SELECT jobId, CAST($2 AS BIGINT) FROM addinJob WHERE jobId = $1 AND commandOutboxId IS NOT NULL
            ON CONFLICT (jobId) DO NOTHING
            """,
            [job, now])
    }
}

extension MCMSStore {
    /// The oldest withdrawals, at most `limit`. Those whose command will never have an id are forgotten: its row is dead, or was deleted.
    package func withdrawals(limit: Int) async throws -> [CommandWithdrawal] {
        guard try await database.read({ try $0.exists("SELECT 1 FROM commandWithdrawal") }) else { return [] }
        return try await database.write { db in
            try db.execute(
                """
                DELETE FROM commandWithdrawal WHERE jobId IN
                    (SELECT w.jobId FROM commandWithdrawal w JOIN addinJob j USING (jobId)
                     WHERE j.commandMessageId IS NULL AND NOT EXISTS
                        (SELECT 1 FROM outbox o WHERE o.id = j.commandOutboxId AND o.status IN ('pending', 'in_progress')))
                """)
            return try db.rows(
                """
                SELECT w.jobId, j.commandMessageId FROM commandWithdrawal w JOIN addinJob j USING (jobId)
                ORDER BY w.requestedAt, w.jobId LIMIT $1
                """,
                [limit]
            ).map { row in
                let id = try row.optional("commandMessageId", as: Int64.self)
                return CommandWithdrawal(jobID: try row.value("jobId"), messageID: id.map { UInt64(bitPattern: $0) })
            }
        }
    }

    package func withdrawn(_ jobs: [String]) async throws {
        try await database.write { db in
            for job in jobs { try db.execute("DELETE FROM commandWithdrawal WHERE jobId = $1", [job]) }
        }
    }
}
