package import SQLStore

/// A row as operators see it. Times are milliseconds since 1970.
package struct OutboxRow: Hashable, Sendable {
    package let id: String
    package let type: String
    package let key: String?
    package let destination: String
    package let status: OutboxStatus
    package let attempts: Int64
    /// Why it was not published the last time; empty where nothing failed.
    package let error: String
    package let correlationID: String?
    package let createdAt: Int64
    package let nextAttemptAt: Int64
    package let lockedBy: String?
    package let publishedAt: Int64?

    /// Columns that hold something else than they should are shown as they are, or empty: the row must be seen all the same.
    init(_ row: SQLRow) {
        let row = OutboxColumns(row)
        func text(_ name: String) -> String? {
            switch row.value(name) {
            case .null: nil
            case .integer(let number): "\(number)"
            case .real(let number): "\(number)"
            case .text, .blob: row.text(name) ?? "bytes that are no text"
            }
        }
        func number(_ name: String) -> Int64? { row.number(name) }
        id = text("id") ?? ""
        type = text("type") ?? ""
        key = text("key")
        destination = text("destination") ?? ""
        status = text("status").flatMap(OutboxStatus.init(rawValue:)) ?? .dead
        attempts = number("attempts") ?? 0
        error = text("error") ?? ""
        correlationID = text("correlationId")
        createdAt = number("createdAt") ?? 0
        nextAttemptAt = number("nextAttemptAt") ?? 0
        lockedBy = text("lockedBy")
        publishedAt = number("publishedAt")
    }
}

/// How much is in the outbox.
package struct OutboxFigures: Hashable, Sendable {
    package var rows: [OutboxStatus: Int]
    /// When the oldest row that still waits was written, milliseconds since 1970; nil: none waits.
    package var oldestPendingAt: Int64?
}

extension Outbox {
    package static func figures(_ db: any SQLConnection) throws -> OutboxFigures {
        var rows: [OutboxStatus: Int] = [:]
        for row in try db.rows("SELECT status, count(*) AS n FROM outbox GROUP BY status") {
            guard let status = OutboxStatus(rawValue: try row.value("status")) else { continue }
            rows[status] = try row.value("n")
        }
        let oldest = try db.value("SELECT createdAt FROM outbox WHERE status = 'pending' ORDER BY sequence LIMIT 1", as: Int64.self)
        return OutboxFigures(rows: rows, oldestPendingAt: oldest)
    }

    /// Rows in the order of writing.
    /// - Parameter statuses: none means any.
    package static func rows(_ db: any SQLConnection, statuses: [OutboxStatus], limit: Int) throws -> [OutboxRow] {
        var parameters = SQLParameters([limit])
        let marks = statuses.map { parameters.add($0.rawValue) }.joined(separator: ", ")
        let condition = statuses.isEmpty ? "TRUE" : "status IN (\(marks))"
        return try db.rows("SELECT * FROM outbox WHERE \(condition) ORDER BY sequence LIMIT $1", parameters.values).map(OutboxRow.init)
    }

    package static func row(_ db: any SQLConnection, id: String) throws -> OutboxRow? {
        try db.row("SELECT * FROM outbox WHERE id = $1", [id]).map(OutboxRow.init)
    }

    /// The bytes that are published; nil without such a row, or where the column holds none.
    package static func payload(_ db: any SQLConnection, id: String) throws -> [UInt8]? {
        try db.row("SELECT payload FROM outbox WHERE id = $1", [id]).flatMap { OutboxColumns($0).bytes("payload") }
    }

    /// Puts dead rows back, with all their attempts ahead of them.
    /// - Parameter ids: nil means every dead row.
    /// - Returns: how many were put back.
    package static func redrive(_ db: any SQLConnection, ids: [String]?, now: Int64) throws -> Int {
        let change = "UPDATE outbox SET status = 'pending', attempts = 0, nextAttemptAt = $1 WHERE status = 'dead'"
        guard let ids else { return try db.execute(change, [now]) }
        return try ids.reduce(0) { count, id in count + (try db.execute(change + " AND id = $2", [now, id])) }
    }
}
