internal import GRDB

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
    static func settle(_ db: Database, sequence: Int64, lockedBy relay: String, as settlement: OutboxSettlement, now: Int64) throws -> Bool {
        let change: String
        var arguments: StatementArguments = ["sequence": sequence, "relay": relay]
        switch settlement {
        case .published(let messageID):
            change = "status = 'published', publishedAt = :now, error = NULL, messageId = :message"
            arguments += ["now": now, "message": messageID.map { Int64(bitPattern: $0) }]
        case .retry(let at, let reason):
            change = "status = 'pending', nextAttemptAt = :at, error = :reason"
            arguments += ["at": at, "reason": reason]
        case .dead(let reason):
            change = "status = 'dead', error = :reason"
            arguments += ["reason": reason]
        case .released(let reason):
            change = "status = 'pending', attempts = attempts - 1, error = coalesce(:reason, error)"
            arguments += ["reason": reason]
        case .postponed(let at, let reason):
            change = "status = 'pending', attempts = attempts - 1, nextAttemptAt = :at, error = :reason"
            arguments += ["at": at, "reason": reason]
        }
        try db.execute(
            sql: """
                UPDATE outbox SET \(change), lockedBy = NULL, lockedUntil = NULL
                WHERE sequence = :sequence AND status = 'in_progress' AND lockedBy = :relay
                """,
            arguments: arguments)
        return db.changesCount == 1
    }

    struct Reaped: Hashable, Sendable {
        var returned: Int
        var dead: Int
    }

    /// Gives back rows whose relay died or was too slow; those at the attempt limit are dead, so that a row which kills its relay
    /// doesn't go round for ever.
    static func reapExpiredLocks(_ db: Database, at times: OutboxTimes, attemptsMax: Int) throws -> Reaped {
        var arguments: [String: any DatabaseValueConvertible] = ["now": times.now, "lockEnd": times.now + times.lockMilliseconds]
        arguments["max"] = attemptsMax
        try db.execute(
            sql: """
                UPDATE outbox SET status = 'dead', lockedBy = NULL, lockedUntil = NULL,
                    error = 'the relay ' || lockedBy || ' did not finish, and this was the last attempt'
                WHERE status = 'in_progress' AND \(OutboxTimes.lockExpired(on: "outbox")) AND attempts >= :max
                """,
            arguments: StatementArguments(arguments))
        let dead = db.changesCount
        try db.execute(
            sql: """
                UPDATE outbox SET status = 'pending', lockedBy = NULL, lockedUntil = NULL,
                    error = 'the relay ' || lockedBy || ' did not finish'
                WHERE status = 'in_progress' AND \(OutboxTimes.lockExpired(on: "outbox"))
                """,
            arguments: ["now": times.now, "lockEnd": times.now + times.lockMilliseconds])
        return Reaped(returned: db.changesCount, dead: dead)
    }

    /// Deletes up to `limit` rows that were published before `time`. Dead rows stay until somebody has looked at them.
    static func deletePublished(_ db: Database, before time: Int64, limit: Int) throws -> Int {
        try db.execute(
            sql: """
                DELETE FROM outbox WHERE sequence IN
                    (SELECT sequence FROM outbox WHERE status = 'published' AND publishedAt < :time ORDER BY publishedAt LIMIT :limit)
                """,
            arguments: ["time": time, "limit": limit])
        return db.changesCount
    }
}
