internal import SQLStore
internal import SpindleText

/// How long alerts are kept.
package enum AlertLimits {
    package static let retentionMilliseconds: Int64 = 90 * 24 * 3_600_000
    /// Deleted at once; the rest follows an hour later.
    static let pruneRowsMax = 10_000
}

extension MCMSTransaction {
    /// Raises an alert: it is among the past ones and announced if this transaction's change is there, and only then.
    package func alert(_ alert: Alert) throws {
        let words = AlertText(alert.type, alert.parameters).english
        let id = try db.value(
            """
            INSERT INTO alert (time, type, severity, title, message, parameters, routingId, correlationId)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
            """,
            [
                now, alert.type.rawValue, alert.type.severity.rawValue, words.title, words.message,
                String(decoding: try MCMSJSON.encode(alert.parameters), as: UTF8.self), alert.routingId, caller.correlationID,
            ], as: Int64.self)
        try event(
            MCMSNames.alertTopic, routing: alert.routingId,
            AlertEvent(
                id: id, type: alert.type.rawValue, title: words.title, message: words.message, severity: alert.type.severity,
                parameters: alert.parameters))
    }
}

extension MCMSStore {
    /// Alerts, newest first.
    package func alerts(
        severity: AlertSeverity? = nil, routing: String? = nil, limit: Int = PageLimits.itemsDefault, cursor: String? = nil
    ) async throws -> Page<PastAlert> {
        // What is no number is before everything.
        let before = cursor.map { Int64($0) ?? 0 }
        return try await page(limit: limit, cursor: { String($0.id) }) { db, rows in
            var filter = QueryFilter(limit: rows)
            filter.require("severity =", severity?.rawValue)
            filter.require("routingId =", routing)
            filter.require("id <", before)
            return try db.rows("SELECT * FROM alert \(filter.clause) ORDER BY id DESC LIMIT $1", filter.values).map(PastAlert.init)
        }
    }

    static func forgetAlerts(_ db: any SQLConnection, now: Timestamp) throws {
        try db.execute(
            "DELETE FROM alert WHERE id IN (SELECT id FROM alert WHERE time < $1 ORDER BY time LIMIT $2)",
            [now.milliseconds - AlertLimits.retentionMilliseconds, AlertLimits.pruneRowsMax])
    }
}

extension PastAlert {
    init(_ row: SQLRow) throws {
        let severity = try row.value("severity", as: String.self)
        self.init(
            id: try row.value("id"), at: try row.value("time"), type: try row.value("type"), severity: AlertSeverity(rawValue: severity) ?? .error,
            title: try row.value("title"), message: try row.value("message"),
            parameters: try MCMSJSON.decode([String: String].self, from: try row.value("parameters", as: String.self).utf8),
            correlationId: try row.value("correlationId"))
    }
}
