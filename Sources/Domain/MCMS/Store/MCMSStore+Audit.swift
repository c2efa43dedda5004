internal import SQLStore
package import SpindleText

extension AuditEntry {
    init(_ row: SQLRow) throws {
        self.init(
            id: try row.value("id"), time: try row.value("time"), action: try row.value("action"), subject: try row.optional("subject"),
            actor: try row.value("actor"), principal: try row.optional("principal"), status: try row.optional("status"),
            detail: try row.optional("detail"), address: try row.value("address"), correlationId: try row.value("correlationId"))
    }
}

extension MCMSStore {
    /// Writes a line of the audit that belongs to no change.
    ///
    /// - Parameter began: when the request came; nil: now.
    package func audit(
        _ action: String, subject: String? = nil, status: Int? = nil, detail: String? = nil, began: Timestamp? = nil, by caller: Caller
    ) async throws {
        let caller = Caller(actor: caller.actor, principal: caller.principal, correlationID: caller.correlationID, address: caller.address)
        try await transaction(by: caller) { try $0.audit(action, subject: subject, status: status, detail: detail, began: began) }
    }

    /// The audit, newest first.
    package func audit(
        actor: String? = nil, action: String? = nil, correlation: String? = nil, limit: Int = PageLimits.itemsDefault, cursor: String? = nil
    ) async throws -> Page<AuditEntry> {
        // What is no number is before everything.
        let before = cursor.map { Int64($0) ?? 0 }
        return try await page(limit: limit, cursor: { String($0.id) }) { db, rows in
            var filter = QueryFilter(limit: rows)
            filter.require("actor =", actor)
            filter.require("action =", action)
            filter.require("correlationId =", correlation)
            filter.require("id <", before)
            return try db.rows("SELECT * FROM auditLog \(filter.clause) ORDER BY id DESC LIMIT $1", filter.values).map(AuditEntry.init)
        }
    }

    /// Deletes the oldest lines once they are old enough. The trigger asks the same clock, the database's own.
    static func forgetAudit(_ db: any SQLConnection) throws {
        try db.execute(
            """
            DELETE FROM auditLog WHERE id IN (
                SELECT id FROM auditLog WHERE time < (CAST(strftime('%s', 'now') AS INTEGER) - $1 * 86400) * 1000 ORDER BY time LIMIT $2)
            """, [AuditLimits.retentionDays, AuditLimits.pruneRowsMax])
    }
}
