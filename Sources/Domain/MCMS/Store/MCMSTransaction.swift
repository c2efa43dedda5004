internal import Outbox
package import SQLStore
package import SpindleText

/// One transaction of the domain: who caused it and when, and the two things that every change writes besides itself.
package struct MCMSTransaction {
    package let db: any SQLConnection
    package let now: Timestamp
    package let caller: Caller

    package func history(
        _ event: HistoryEvent, routing: String, job: String? = nil, approval: ApprovalOutcome? = nil, generation: GenerationOutcome? = nil,
        message: String? = nil
    ) throws {
        try db.execute(
            """
            INSERT INTO historyEntry (routingId, jobId, event, approvalOutcome, generationOutcome, message, actor, principal, correlationId, time)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            [routing, job, event, approval, generation, message, caller.actor, caller.principal, caller.correlationID, now])
    }

    /// Announces a change on a topic. Rows of one routing are published in their order.
    package func event(_ topic: String, routing: String, _ payload: some Encodable) throws {
        try Outbox.enqueue(
            db,
            OutboxDraft(
                type: topic, key: routing, destination: .topic(topic), payload: try MCMSJSON.encode(payload),
                correlationID: caller.correlationID),
            now: now.milliseconds)
    }

    /// Sends a task to a queue. Returns the id of its row in the outbox.
    @discardableResult
    package func command<Payload: Codable & Sendable>(
        _ taskType: String, taskID: String, to queue: String, routing: String, group: String? = nil, _ payload: Payload
    ) throws -> String {
        let document = TaskDocument(
            taskType: taskType, taskId: taskID, correlationId: caller.correlationID, createdAt: now, payload: payload)
        return try Outbox.enqueue(
            db,
            OutboxDraft(
                type: taskType, key: routing, destination: .queue(queue), payload: try MCMSJSON.encode(document), taskType: taskType,
                correlationID: caller.correlationID, group: group),
            now: now.milliseconds)
    }

    /// Writes a line of the audit.
    ///
    /// - Parameter began: when the request came; nil: now.
    package func audit(_ action: String, subject: String? = nil, status: Int? = nil, detail: String? = nil, began: Timestamp? = nil) throws {
        try db.execute(
            """
            INSERT INTO auditLog (time, action, subject, actor, principal, status, detail, address, correlationId, beganAt)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            [
                now, AuditLimits.shortened(action), subject.map(AuditLimits.shortened), AuditLimits.shortened(caller.actor), caller.principal, status,
                detail.map(AuditLimits.shortened), AuditLimits.shortened(caller.address ?? ""), caller.correlationID, began ?? now,
            ])
    }

    /// Refuses to act for somebody who could not do it themselves. While there are no accounts, the server that asks is trusted.
    func checkActor(_ roles: Set<AccountRole>) throws {
        guard try db.exists("SELECT 1 FROM account") else { return }
        let role = try AccountRules.nameIfValid(caller.actor).flatMap { name in
            try db.value("SELECT role FROM account WHERE name = $1 AND isDisabled = 0", [name], as: AccountRole.self)
        }
        guard let role, roles.contains(role) else { throw MCMSError.notAllowedFor(person: caller.actor) }
    }

    /// Remembers that a message has had its effect, in the transaction of that effect.
    package func markHandled(_ key: String) throws {
        try db.execute("INSERT INTO handledMessage (messageKey, handledAt) VALUES ($1, $2)", [key, now])
    }

    package static func isHandled(_ db: any SQLConnection, _ key: String) throws -> Bool {
        try db.exists("SELECT 1 FROM handledMessage WHERE messageKey = $1", [key])
    }
}

extension MCMSStore {
    package func transaction<Value: Sendable>(
        by caller: Caller, _ body: @escaping @Sendable (MCMSTransaction) throws -> Value
    ) async throws -> Value {
        let clock = clock
        return try await database.write { db in
            // The time is read inside, so that of two changes the later one never has the earlier time.
            let transaction = MCMSTransaction(db: db, now: clock(), caller: caller)
            if let roles = caller.rolesOfActor { try transaction.checkActor(roles) }
            return try body(transaction)
        }
    }
}
