internal import Foundation
package import GRDB

/// The transactional outbox: a message is written in the same transaction as the change it announces, and a relay publishes it
/// afterwards. So there is no change without its message, and no message without its change.
///
/// These are the statements on the table; ``OutboxRelay`` decides when to run them. All times are milliseconds since 1970.
package enum Outbox {
    /// The longest payload that is taken, in bytes: as much as a broker's frame can hold by default, less its headers.
    package static let payloadBytesMax = 8 * 1024 * 1024

    package struct EnqueueError: Error, CustomStringConvertible {
        package let description: String
    }

    /// Writes a message in the caller's transaction.
    /// - Returns: the row's id, which becomes the message's deduplication key.
    @discardableResult
    package static func enqueue(_ db: Database, _ draft: OutboxDraft, now: Int64) throws -> String {
        precondition(db.isInsideTransaction, "the outbox is for messages that belong to a transaction")
        guard draft.payload.count <= payloadBytesMax else {
            throw EnqueueError(
                description: "a message of type \(draft.type) has \(draft.payload.count) bytes, the most is \(payloadBytesMax)")
        }
        let id = UUID().uuidString.lowercased()
        let (kind, destination) =
            switch draft.destination {
            case .queue(let name): ("queue", name)
            case .topic(let name): ("topic", name)
            }
        let headers = String(decoding: try JSONEncoder().encode(draft.headers), as: UTF8.self)
        try db.execute(
            sql: """
                INSERT INTO outbox (id, type, key, destinationKind, destination, payload, contentType, taskType, correlationId,
                    messageGroup, headers, priority, nextAttemptAt, createdAt)
                VALUES (:id, :type, :key, :kind, :destination, :payload, :contentType, :taskType, :correlationId,
                    :group, :headers, :priority, :now, :now)
                """,
            arguments: [
                "id": id, "type": draft.type, "key": draft.key, "kind": kind, "destination": destination,
                "payload": Data(draft.payload), "contentType": draft.contentType, "taskType": draft.taskType,
                "correlationId": draft.correlationID, "group": draft.group, "headers": headers,
                "priority": Int(draft.priority), "now": now,
            ])
        return id
    }

    /// Whether ``claim(_:filter:lockedBy:now:lockMilliseconds:limit:)`` or ``reapExpiredLocks(_:now:attemptsMax:)`` would find
    /// anything: a read, so that polling doesn't take the write lock.
    static func hasWork(_ db: Database, filter: OutboxTypeFilter, now: Int64) throws -> Bool {
        var arguments = filter.arguments
        arguments["now"] = now
        return try Bool.fetchOne(
            db,
            sql: """
                SELECT EXISTS (SELECT 1 FROM outbox o WHERE \(claimable(filter)))
                    OR EXISTS (SELECT 1 FROM outbox WHERE status = 'in_progress' AND lockedUntil <= :now)
                """,
            arguments: StatementArguments(arguments)) ?? false
    }

    /// Takes up to `limit` rows for publishing, oldest first.
    ///
    /// A row whose key has an earlier row that waits for a retry, or that another relay holds, is left alone: rows of one key are
    /// published in order. (Earlier rows that this filter doesn't take don't count, or two relays with different filters would
    /// wait for each other; neither do dead ones.)
    static func claim(
        _ db: Database, filter: OutboxTypeFilter, lockedBy relay: String, now: Int64, lockMilliseconds: Int64, limit: Int
    ) throws -> [OutboxMessage] {
        var arguments = filter.arguments
        arguments["now"] = now
        arguments["relay"] = relay
        arguments["until"] = now + lockMilliseconds
        arguments["limit"] = limit
        let rows = try Row.fetchAll(
            db,
            sql: """
                UPDATE outbox SET status = 'in_progress', lockedBy = :relay, lockedUntil = :until, attempts = attempts + 1
                WHERE sequence IN (SELECT o.sequence FROM outbox o WHERE \(claimable(filter)) ORDER BY o.sequence LIMIT :limit)
                RETURNING *
                """,
            arguments: StatementArguments(arguments))
        // RETURNING promises no order.
        return try rows.map(message(from:)).sorted { $0.sequence < $1.sequence }
    }

    private static func claimable(_ filter: OutboxTypeFilter) -> String {
        """
        o.status = 'pending' AND o.nextAttemptAt <= :now AND \(filter.condition(on: "o"))
            AND (o.key IS NULL OR NOT EXISTS (
                SELECT 1 FROM outbox e
                WHERE e.key = o.key AND e.sequence < o.sequence AND e.status IN ('pending', 'in_progress')
                    AND (e.status = 'in_progress' OR e.nextAttemptAt > :now) AND \(filter.condition(on: "e"))))
        """
    }

    private static func message(from row: Row) throws -> OutboxMessage {
        let destination: String = row["destination"]
        let kind: String = row["destinationKind"]
        let payload: Data = row["payload"]
        let headers: String = row["headers"]
        let priority: Int = row["priority"]
        return OutboxMessage(
            sequence: row["sequence"],
            id: row["id"],
            draft: OutboxDraft(
                type: row["type"], key: row["key"],
                destination: kind == "queue" ? .queue(destination) : .topic(destination),
                payload: [UInt8](payload), contentType: row["contentType"], taskType: row["taskType"],
                correlationID: row["correlationId"], group: row["messageGroup"],
                headers: try JSONDecoder().decode([OutboxHeader].self, from: Data(headers.utf8)),
                priority: UInt8(clamping: priority)),
            attempts: row["attempts"],
            createdAtMilliseconds: row["createdAt"],
            lockedUntilMilliseconds: row["lockedUntil"])
    }
}
