internal import SQLStore

/// What becomes of a claimed row.
enum OutboxSettlement: Hashable, Sendable {
    /// With the receiver's id of the message, where there is one.
    case published(messageID: UInt64?)
    case retry(at: Int64, reason: String)
    case dead(reason: String)
    /// Back as it was, this attempt not counted.
    case released(reason: String?)
    /// The destination takes nothing now: tried again at that time, this attempt not counted.
    case postponed(at: Int64, reason: String)
}

extension Outbox {
    /// Writes the end of an attempt, if `relay` still holds the row.
    /// - Returns: `false` when the lock had run out and was reaped: whoever has the row now decides about it.
    static func settle(_ db: any SQLConnection, sequence: Int64, lockedBy relay: String, as settlement: OutboxSettlement, now: Int64) throws -> Bool {
        let change: String
        let values: [(any SQLConvertible)?]
        switch settlement {
        case .published(let messageID):
            change = "status = 'published', publishedAt = $3, error = NULL, messageId = $4"
            values = [now, messageID.map { Int64(bitPattern: $0) }]
        case .retry(let at, let reason):
            change = "status = 'pending', nextAttemptAt = $3, error = $4"
            values = [at, reason]
        case .dead(let reason):
            change = "status = 'dead', error = $3"
            values = [reason]
        case .released(let reason):
            change = "status = 'pending', attempts = attempts - 1, error = coalesce($3, error)"
            values = [reason]
        case .postponed(let at, let reason):
            change = "status = 'pending', attempts = attempts - 1, nextAttemptAt = $3, error = $4"
            values = [at, reason]
        }
        return try db.execute(
            """
            UPDATE outbox SET \(change), lockedBy = NULL, lockedUntil = NULL
            WHERE sequence = $1 AND status = 'in_progress' AND lockedBy = $2
            """,
            [sequence, relay] + values) == 1
    }

    struct Reaped: Hashable, Sendable {
        var returned: Int
        var dead: Int
    }

    /// Gives back rows whose relay died or was too slow; those at the attempt limit are dead, so that a row which kills its relay
    /// doesn't go round for ever.
    static func reapExpiredLocks(_ db: any SQLConnection, at times: OutboxTimes, attemptsMax: Int) throws -> Reaped {
        var parameters = SQLParameters()
        let expired = times.lockExpired(on: "outbox", &parameters)
        let returning = parameters.values
        let dead = try db.execute(
            """
            UPDATE outbox SET status = 'dead', lockedBy = NULL, lockedUntil = NULL,
                error = 'the relay ' || lockedBy || ' did not finish, and this was the last attempt'
            WHERE status = 'in_progress' AND \(expired) AND attempts >= \(parameters.add(attemptsMax))
            """,
            parameters.values)
        let returned = try db.execute(
            """
            UPDATE outbox SET status = 'pending', lockedBy = NULL, lockedUntil = NULL,
                error = 'the relay ' || lockedBy || ' did not finish'
            WHERE status = 'in_progress' AND \(expired)
            """,
            returning)
        return Reaped(returned: returned, dead: dead)
    }

    /// Deletes up to `limit` rows that were published before `time`. Dead rows stay until somebody has looked at them.
    static func deletePublished(_ db: any SQLConnection, before time: Int64, limit: Int) throws -> Int {
        try db.execute(
            """
            DELETE FROM outbox WHERE sequence IN
                (SELECT sequence FROM outbox WHERE status = 'published' AND publishedAt < $1 ORDER BY publishedAt LIMIT $2)
            """,
            [time, limit])
    }
}
