internal import GRDB
internal import SpindleText

extension MCMSStore {
    /// How far a topic was read; nil: not at all.
    package func cursor(of topic: String) async throws -> String? {
        try await pool.read { try String.fetchOne($0, sql: "SELECT cursor FROM topicCursor WHERE topic = ?", arguments: [topic]) }
    }

    package func remember(cursor: String, of topic: String) async throws {
        let now = clock()
        try await pool.write { try Self.remember($0, cursor: cursor, of: topic, now: now.milliseconds) }
    }

    private static func remember(_ db: Database, cursor: String, of topic: String, now: Int64) throws {
        try db.execute(
            sql: """
                INSERT INTO topicCursor (topic, cursor, updatedAt) VALUES (:topic, :cursor, :now)
                ON CONFLICT (topic) DO UPDATE SET cursor = :cursor, updatedAt = :now
                """,
            arguments: ["topic": topic, "cursor": cursor, "now": now])
    }

    func isKnown(_ clue: JobClue) async throws -> Bool {
        try await pool.read { try Self.find($0, clue) != nil }
    }

    private static func find(_ db: Database, _ clue: JobClue) throws -> StoredJob? {
        if let message = clue.commandMessage,
            // The broker's ids begin again when its data is deleted: the latest job is meant.
            let row = try Row.fetchOne(
                db, sql: "SELECT * FROM addinJob WHERE commandMessageId = ? ORDER BY jobId DESC", arguments: [Int64(bitPattern: message)])
        {
            return try StoredJob(row)
        }
        if let id = clue.jobID, let job = try StoredJob.find(db, id: id) { return job }
        guard let correlation = clue.correlationID else { return nil }
        let open = try Row.fetchAll(
            db, sql: "SELECT * FROM addinJob WHERE correlationId = ? AND status IN ('created', 'leased') LIMIT 2", arguments: [correlation])
        return open.count == 1 ? try open.first.map(StoredJob.init) : nil
    }

    /// Fails the job of a dead message, unless it has ended: the badge, the history, the alert, the event, and how far the topic was read, in
    /// one transaction.
    func end(_ clue: JobClue, by message: DeadMessage, at cursor: String) async throws -> DeadMessageOutcome {
        let caller = Caller(actor: "broker", correlationID: clue.correlationID ?? "-")
        return try await transaction(by: caller) { transaction in
            let db = transaction.db
            let key = "\(MCMSNames.deadMessageTopic)/\(cursor)/\(message.messageId)"
            if try MCMSTransaction.isHandled(db, key) { return .alreadyHandled }
            guard var stored = try Self.find(db, clue) else { return .unknown }
            try transaction.markHandled(key)
            try Self.remember(db, cursor: cursor, of: MCMSNames.deadMessageTopic, now: transaction.now.milliseconds)
            guard !stored.job.status.isFinal else { return .nothing }
            stored.fingerprint = "died/\(message.queue)/\(message.messageId)"
            let named = MCMSTransaction(
                db: db, now: transaction.now, caller: Caller(actor: caller.actor, correlationID: stored.job.correlationId))
            if message.queue == MCMSNames.resultQueue { try named.withdrawCommand(of: stored.job.jobId) }
            try Self.fail(named, TextLimits.shortened(message.explanation), &stored)
            return .failed(stored.job)
        }
    }
}
