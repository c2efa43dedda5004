package import GRDB

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
    init(_ row: Row) {
        func text(_ name: String) -> String? {
            let value: DatabaseValue = row[name]
            return value.isNull ? nil : String.fromDatabaseValue(value) ?? "\(value)"
        }
        func number(_ name: String) -> Int64? { Int64.fromDatabaseValue(row[name]) }
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
    package static func figures(_ db: Database) throws -> OutboxFigures {
        var rows: [OutboxStatus: Int] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT status, count(*) AS n FROM outbox GROUP BY status") {
            guard let status = OutboxStatus(rawValue: row["status"]) else { continue }
            rows[status] = row["n"]
        }
        let oldest = try Int64.fetchOne(db, sql: "SELECT createdAt FROM outbox WHERE status = 'pending' ORDER BY sequence LIMIT 1")
        return OutboxFigures(rows: rows, oldestPendingAt: oldest)
    }

    /// Rows in the order of writing.
    /// - Parameter statuses: none means any.
    package static func rows(_ db: Database, statuses: [OutboxStatus], limit: Int) throws -> [OutboxRow] {
        let marks = statuses.map { _ in "?" }.joined(separator: ", ")
        let condition = statuses.isEmpty ? "TRUE" : "status IN (\(marks))"
        let arguments = StatementArguments(statuses.map(\.rawValue)) + [limit]
        return try Row.fetchAll(db, sql: "SELECT * FROM outbox WHERE \(condition) ORDER BY sequence LIMIT ?", arguments: arguments).map(OutboxRow.init)
    }

    package static func row(_ db: Database, id: String) throws -> OutboxRow? {
        try Row.fetchOne(db, sql: "SELECT * FROM outbox WHERE id = ?", arguments: [id]).map(OutboxRow.init)
    }

    /// The bytes that are published; nil without such a row, or where the column holds none.
    package static func payload(_ db: Database, id: String) throws -> [UInt8]? {
        try Row.fetchOne(db, sql: "SELECT payload FROM outbox WHERE id = ?", arguments: [id])
            .flatMap { [UInt8].fromPayload($0["payload"]) }
    }

    /// Puts dead rows back, with all their attempts ahead of them.
    /// - Parameter ids: nil means every dead row.
    /// - Returns: how many were put back.
    package static func redrive(_ db: Database, ids: [String]?, now: Int64) throws -> Int {
        let change = "UPDATE outbox SET status = 'pending', attempts = 0, nextAttemptAt = ? WHERE status = 'dead'"
        guard let ids else {
            try db.execute(sql: change, arguments: [now])
            return db.changesCount
        }
        var count = 0
        for id in ids {
            try db.execute(sql: change + " AND id = ?", arguments: [now, id])
            count += db.changesCount
        }
        return count
    }
}

extension [UInt8] {
    fileprivate static func fromPayload(_ value: DatabaseValue) -> [UInt8]? {
        switch value.storage {
        case .blob(let data): [UInt8](data)
        case .string(let text): [UInt8](text.utf8)
        case .null, .int64, .double: nil
        }
    }
}
