internal import Foundation
package import SQLStore

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
    package static func enqueue(_ db: any SQLConnection, _ draft: OutboxDraft, now: Int64) throws -> String {
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
            """
            INSERT INTO outbox (id, type, key, destinationKind, destination, payload, contentType, taskType, correlationId,
                messageGroup, headers, priority, nextAttemptAt, createdAt)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
            """,
            [
                id, draft.type, draft.key, kind, destination, draft.payload, draft.contentType, draft.taskType, draft.correlationID,
                draft.group, headers, Int(draft.priority), now,
            ])
        return id
    }

    /// Returns whether ``claim(_:filter:lockedBy:at:limit:)`` or ``reapExpiredLocks(_:at:attemptsMax:)`` would find anything: a read, so
    /// that polling doesn't take the write lock.
    static func hasWork(_ db: any SQLConnection, filter: OutboxTypeFilter, at times: OutboxTimes) throws -> Bool {
        var parameters = SQLParameters()
        let claimable = claimable(filter, times, &parameters)
        if try db.exists("SELECT 1 FROM outbox o WHERE \(claimable)", parameters.values) { return true }
        parameters = SQLParameters()
        let expired = times.lockExpired(on: "o", &parameters)
        return try db.exists("SELECT 1 FROM outbox o WHERE o.status = 'in_progress' AND \(expired)", parameters.values)
    }

    /// Takes up to `limit` rows for publishing, oldest first.
    ///
    /// A row whose key has an earlier row that waits for a retry, or that another relay holds, is left alone: rows of one key are
    /// published in order. (Earlier rows that this filter doesn't take don't count, or two relays with different filters would
    /// wait for each other; neither do dead ones.)
    static func claim(
        _ db: any SQLConnection, filter: OutboxTypeFilter, lockedBy relay: String, at times: OutboxTimes, limit: Int
    ) throws -> OutboxClaim {
        var parameters = SQLParameters([relay, times.now + times.lockMilliseconds, limit])
        let claimable = claimable(filter, times, &parameters)
        let rows = try db.rows(
            """
            UPDATE outbox SET status = 'in_progress', lockedBy = $1, lockedUntil = $2, attempts = attempts + 1
            WHERE sequence IN (SELECT o.sequence FROM outbox o WHERE \(claimable) ORDER BY o.sequence LIMIT $3)
            RETURNING *
            """,
            parameters.values)
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

    private static func claimable(_ filter: OutboxTypeFilter, _ times: OutboxTimes, _ parameters: inout SQLParameters) -> String {
        """
        o.status = 'pending' AND \(times.due(on: "o", &parameters)) AND \(filter.condition(on: "o", &parameters))
            AND (o.key IS NULL OR NOT EXISTS (
                SELECT 1 FROM outbox e
                WHERE e.key = o.key AND e.sequence < o.sequence AND e.status IN ('pending', 'in_progress')
                    AND (e.status = 'in_progress' OR NOT \(times.due(on: "e", &parameters))) AND \(filter.condition(on: "e", &parameters))))
        """
    }
}
