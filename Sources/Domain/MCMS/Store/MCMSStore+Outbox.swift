package import Outbox
internal import SQLStore
internal import SpindleText

extension MCMSStore {
    package func outboxFigures() async throws -> OutboxFigures { try await database.read { try Outbox.figures($0) } }

    package func outboxRows(statuses: [OutboxStatus], limit: Int) async throws -> [OutboxRow] {
        try await database.read { try Outbox.rows($0, statuses: statuses, limit: limit) }
    }

    package func outboxRow(id: String) async throws -> (row: OutboxRow, payload: [UInt8]?)? {
        try await database.read { db in
            guard let row = try Outbox.row(db, id: id) else { return nil }
            return (row, try Outbox.payload(db, id: id))
        }
    }

    /// Puts dead rows back; nil means all of them. Returns how many.
    package func redriveOutbox(ids: [String]?) async throws -> Int {
        let now = clock().milliseconds
        return try await database.write { try Outbox.redrive($0, ids: ids, now: now) }
    }
}
