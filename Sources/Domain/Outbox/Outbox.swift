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

    /// Returns whether ``claim(_:filter:lockedBy:at:limit:)`` or ``reapExpiredLocks(_:at:attemptsMax:)`` would find anything: a read, so
    /// that polling doesn't take the write lock.
    static func hasWork(_ db: Database, filter: OutboxTypeFilter, at times: OutboxTimes) throws -> Bool {
        return try Bool.fetchOne(
            db,
            sql: """
                SELECT EXISTS (SELECT 1 FROM outbox o WHERE \(claimable(filter)))
                    OR EXISTS (SELECT 1 FROM outbox o WHERE o.status = 'in_progress' AND \(OutboxTimes.lockExpired(on: "o")))
                """,
            arguments: StatementArguments(filter.arguments.merging(times.arguments) { $1 })) ?? false
    }

    /// Takes up to `limit` rows for publishing, oldest first.
    ///
    /// A row whose key has an earlier row that waits for a retry, or that another relay holds, is left alone: rows of one key are
    /// published in order. (Earlier rows that this filter doesn't take don't count, or two relays with different filters would
    /// wait for each other; neither do dead ones.)
    static func claim(
        _ db: Database, filter: OutboxTypeFilter, lockedBy relay: String, at times: OutboxTimes, limit: Int
    ) throws -> OutboxClaim {
        var arguments = filter.arguments.merging(times.arguments) { $1 }
        arguments["relay"] = relay
        arguments["until"] = times.now + times.lockMilliseconds
        arguments["limit"] = limit
        let rows = try Row.fetchAll(
            db,
            sql: """
                UPDATE outbox SET status = 'in_progress', lockedBy = :relay, lockedUntil = :until, attempts = attempts + 1
                WHERE sequence IN (SELECT o.sequence FROM outbox o WHERE \(claimable(filter)) ORDER BY o.sequence LIMIT :limit)
                RETURNING *
                """,
            arguments: StatementArguments(arguments))
        var claim = OutboxClaim()
        for row in rows {
            do throws(OutboxRowError) {
                claim.messages.append(try OutboxMessage(row))
            } catch {
                claim.unreadable.append(error)
            }
        }
        // RETURNING promises no order.
        claim.messages.sort { $0.sequence < $1.sequence }
        return claim
    }

    private static func claimable(_ filter: OutboxTypeFilter) -> String {
        """
        o.status = 'pending' AND \(OutboxTimes.due(on: "o")) AND \(filter.condition(on: "o"))
            AND (o.key IS NULL OR NOT EXISTS (
                SELECT 1 FROM outbox e
                WHERE e.key = o.key AND e.sequence < o.sequence AND e.status IN ('pending', 'in_progress')
                    AND (e.status = 'in_progress' OR NOT \(OutboxTimes.due(on: "e"))) AND \(filter.condition(on: "e"))))
        """
    }
}
