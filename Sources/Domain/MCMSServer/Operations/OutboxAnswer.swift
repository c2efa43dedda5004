internal import MCMS
internal import Outbox
internal import SpindleText

/// The outbox as operators see it: rows that are not published, oldest first.
struct OutboxAnswer: Encodable {
    struct Row: Encodable {
        let id: String
        let type: String
        let key: String?
        let destination: String
        let status: String
        let attempts: Int64
        let error: String?
        let correlationId: String?
        let createdAt: Timestamp
        let nextAttemptAt: Timestamp?

        init(_ row: OutboxRow) {
            id = row.id
            type = row.type
            key = row.key
            destination = row.destination
            status = row.status.rawValue
            attempts = row.attempts
            error = row.error.isEmpty ? nil : row.error
            correlationId = row.correlationID
            createdAt = Timestamp(milliseconds: row.createdAt)
            nextAttemptAt = row.status == .pending ? Timestamp(milliseconds: row.nextAttemptAt) : nil
        }
    }

    let pending: Int
    let inProgress: Int
    let dead: Int
    let published: Int
    let oldestPendingAt: Timestamp?
    let items: [Row]

    init(_ figures: OutboxFigures, _ rows: [OutboxRow]) {
        pending = figures.rows[.pending] ?? 0
        inProgress = figures.rows[.inProgress] ?? 0
        dead = figures.rows[.dead] ?? 0
        published = figures.rows[.published] ?? 0
        oldestPendingAt = figures.oldestPendingAt.map { Timestamp(milliseconds: $0) }
        items = rows.map(Row.init)
    }
}
