internal import SQLStore
internal import SpindleText

extension MCMSStore {
    /// How far a topic was read; nil: not at all.
    package func cursor(of topic: String) async throws -> String? {
        try await database.read { try $0.value("SELECT cursor FROM topicCursor WHERE topic = $1", [topic]) }
    }

    package func remember(cursor: String, of topic: String) async throws {
        let now = clock()
        try await database.write { try Self.remember($0, cursor: cursor, of: topic, now: now.milliseconds) }
    }

    private static func remember(_ db: any SQLConnection, cursor: String, of topic: String, now: Int64) throws {
        try db.execute(
            """
            INSERT INTO topicCursor (topic, cursor, updatedAt) VALUES ($1, $2, $3)
            ON CONFLICT (topic) DO UPDATE SET cursor = $2, updatedAt = $3
            """,
            [topic, cursor, now])
    }

    func isKnown(_ clue: JobClue) async throws -> Bool {
        try await database.read { try Self.find($0, clue) != nil }
    }

    private static func find(_ db: any SQLConnection, _ clue: JobClue) throws -> StoredJob? {
        if let message = clue.commandMessage,
            // The broker's ids begin again when its data is deleted: the latest job is meant.
            let row = try db.row(
                "SELECT * FROM addinJob WHERE commandMessageId = $1 ORDER BY jobId DESC LIMIT 1", [Int64(bitPattern: message)])
        {
            return try StoredJob(row)
        }
        if let id = clue.jobID, let job = try StoredJob.find(db, id: id) { return job }
        guard let correlation = clue.correlationID else { return nil }
        let open = try db.rows(
            "SELECT * FROM addinJob WHERE correlationId = $1 AND status IN ('created', 'leased') LIMIT 2", [correlation])
        return open.count == 1 ? try open.first.map(StoredJob.init) : nil
    }

    /// Fails the job of a dead message, unless it has ended: the badge, the history, the alert, the event, and how far the topic was read, in
    /// one transaction.
    ///
    /// - Parameter attempts: at the message, as the dead letter tells them.
    func end(_ clue: JobClue, by message: DeadMessage, attempts: [TaskAttempt] = [], at cursor: String) async throws -> DeadMessageOutcome {
        let caller = Caller(actor: "broker", correlationID: clue.correlationID ?? "-")
        return try await transaction(by: caller) { transaction in
            let db = transaction.db
            let key = "\(MCMSNames.deadMessageTopic)/\(cursor)/\(message.messageId)"
            if try MCMSTransaction.isHandled(db, key) { return .alreadyHandled }
            guard var stored = try Self.find(db, clue) else { return .unknown }
            try transaction.markHandled(key)
            try Self.remember(db, cursor: cursor, of: MCMSNames.deadMessageTopic, now: transaction.now.milliseconds)
            try transaction.noteAttempts(attempts, of: stored.job, queue: message.queue, message: message.number)
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
