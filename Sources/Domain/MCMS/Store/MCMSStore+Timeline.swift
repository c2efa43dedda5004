internal import SQLStore
internal import SpindleText

extension MCMSStore {
    /// How long what only the timeline tells is kept.
    package static let timelineRetentionMilliseconds: Int64 = 90 * 24 * 3_600_000
    /// Steps of each source at most: the first ones.
    package static let timelineItemsMax = 1_000
    /// Lines deleted in one transaction.
    static let timelinePruneRowsMax = 50_000

    /// A job that is under way, and the message that asks for it.
    package struct OpenCommand: Hashable, Sendable {
        package let jobID: String
        /// Nil: the outbox has not published it yet.
        package let messageID: UInt64?
    }

    package struct Timeline: Sendable {
        package var items: [TimelineItem]
        /// Commands of jobs that have not ended: what became of their leases so far only the broker knows.
        package var open: [OpenCommand]
    }

    /// What happened under a correlation id, in its order: the request, the changes of routings and jobs that it caused, the messages, who worked
    /// on them, and the events.
    package func timeline(of correlationID: String) async throws -> Timeline {
        try await database.read { db in
            let jobs = "SELECT jobId FROM addinJob WHERE correlationId = $1"
            var items = try db.rows("SELECT * FROM auditLog WHERE correlationId = $1 ORDER BY id LIMIT $2", [correlationID, Self.timelineItemsMax])
                .map(TimelineItem.init(audit:))
            items += try db.rows(
                """
                SELECT * FROM historyEntry WHERE id IN
                    (SELECT id FROM historyEntry WHERE correlationId = $1 UNION SELECT id FROM historyEntry WHERE jobId IN (\(jobs)))
                ORDER BY id LIMIT $2
                """,
                [correlationID, Self.timelineItemsMax]
            ).map { TimelineItem(try HistoryEntry($0)) }
            items += try db.rows("SELECT * FROM timelineEntry WHERE correlationId = $1 ORDER BY time, id LIMIT $2", [correlationID, Self.timelineItemsMax])
                .map(TimelineItem.init(entry:))
            let open = try db.rows(
                "SELECT jobId, commandMessageId FROM addinJob WHERE correlationId = $1 AND status IN ('created', 'leased') LIMIT 100", [correlationID]
            ).map { row in
                OpenCommand(jobID: try row.value("jobId"), messageID: try row.optional("commandMessageId", as: Int64.self).map { UInt64(bitPattern: $0) })
            }
            return Timeline(items: TimelineItem.sorted(items), open: open)
        }
    }

    /// Where a job's command is: its row in the outbox, its message at the broker.
    package struct CommandPlace: Sendable {
        package let job: AddinJob
        package let row: String?
        package let messageID: UInt64?
    }

    /// Nil where there is no such job.
    package func commandPlace(ofJob id: String) async throws -> CommandPlace? {
        try await database.read { db in
            guard let row = try db.row("SELECT * FROM addinJob WHERE jobId = $1", [id]) else { return nil }
            return CommandPlace(
                job: try StoredJob(row).job, row: try row.optional("commandOutboxId"),
                messageID: try row.optional("commandMessageId", as: Int64.self).map { UInt64(bitPattern: $0) })
        }
    }

    static func pruneTimeline(_ db: any SQLConnection, now: Timestamp) throws {
        try db.execute(
            "DELETE FROM timelineEntry WHERE id IN (SELECT id FROM timelineEntry WHERE time < $1 ORDER BY time LIMIT $2)",
            [now.milliseconds - timelineRetentionMilliseconds, timelinePruneRowsMax])
    }
}

extension MCMSTransaction {
    /// Somebody took a message of the job. Told again it is one line. Clocks of others may be ahead: nothing is later than now.
    func noteLease(_ lease: TaskLease, of job: AddinJob, queue: String, message: UInt64?, mark: String) throws {
        try note(
            .leased, at: min(lease.leasedAt, now), who: lease.worker, text: "attempt \(lease.attempt)", job: job, queue: queue, message: message,
            attempt: lease.attempt, mark: mark)
    }

    /// Notes that the job's command was leased. Earlier attempts ended without a result.
    func noteCommandLease(_ lease: TaskLease, of job: AddinJob) throws {
        let queue = MCMSNames.generationQueue
        if lease.attempt > 1 {
            let before = lease.attempt - 1
            let who = try db.value("SELECT who FROM timelineEntry WHERE mark = $1", [Self.leaseMark(job, queue, before)], as: String.self)
            try note(
                .attempt, at: min(lease.leasedAt, now), who: who, text: "attempt \(before) ended without a result", job: job, queue: queue, message: nil,
                attempt: before, mark: Self.attemptMark(job, queue, before))
        }
        try noteLease(lease, of: job, queue: queue, message: nil, mark: Self.leaseMark(job, queue, lease.attempt))
    }

    /// Attempts at the job's command that ended without an effect, and that the broker tells of when the message dies.
    func noteAttempts(_ attempts: [TaskAttempt], of job: AddinJob, queue: String, message: UInt64?) throws {
        for attempt in attempts.prefix(MCMSStore.attemptsNotedMax) {
            try noteLease(attempt.lease, of: job, queue: queue, message: message, mark: Self.leaseMark(job, queue, attempt.lease.attempt))
            try note(
                .attempt, at: min(attempt.endedAt, now), who: attempt.lease.worker, text: TextLimits.shortened(attempt.text), job: job, queue: queue,
                message: message, attempt: attempt.lease.attempt, mark: Self.attemptMark(job, queue, attempt.lease.attempt))
        }
    }

    /// A report had its effect: who took its message and when, and that it is done.
    func noteHandled(_ lease: TaskLease, of job: AddinJob, _ text: String, in message: MessageIdentity) throws {
        try noteLease(lease, of: job, queue: message.queue, message: message.messageID, mark: "leased/\(message.key)/\(lease.attempt)")
        try note(
            .handled, at: now, who: lease.worker, text: text, job: job, queue: message.queue, message: message.messageID, attempt: lease.attempt,
            mark: "handled/\(message.key)")
    }

    private static func attemptMark(_ job: AddinJob, _ queue: String, _ attempt: Int) -> String { "attempt/\(job.jobId)/\(queue)/\(attempt)" }

    private static func leaseMark(_ job: AddinJob, _ queue: String, _ attempt: Int) -> String { "leased/\(job.jobId)/\(queue)/\(attempt)" }

    private func note(
        _ kind: TimelineItem.Kind, at time: Timestamp, who: String?, text: String, job: AddinJob, queue: String, message: UInt64?, attempt: Int,
        mark: String
    ) throws {
        try db.execute(
            """
            INSERT INTO timelineEntry (correlationId, time, kind, who, text, jobId, queue, messageId, attempt, mark)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (mark) DO NOTHING
            """,
            [
                job.correlationId, time, kind.rawValue, who.map(TextLimits.shortened), text, job.jobId, queue, message.map { Int64(bitPattern: $0) },
                attempt, mark,
            ])
    }
}

extension MCMSStore {
    /// The broker keeps no more.
    static let attemptsNotedMax = 32
}

extension TimelineItem {
    init(audit row: SQLRow) throws {
        let entry = try AuditEntry(row)
        let status = entry.status.map { " → \($0)" } ?? ""
        self.init(
            at: try row.optional("beganAt") ?? entry.time, kind: .request, who: entry.actor,
            text: "\(entry.action)\(status)\(entry.detail.map { ": \($0)" } ?? "")",
            details: [
                "subject": entry.subject, "status": entry.status.map { "\($0)" },
                "answeredAt": entry.time.rfc3339,
            ])
    }

    init(_ entry: HistoryEntry) {
        let isResult = [.addinJobCompleted, .addinJobFailed].contains(entry.event)
        self.init(
            at: entry.time, kind: isResult ? .result : .change, who: entry.actor,
            text: entry.event.rawValue + (entry.message.map { ": \($0)" } ?? ""),
            details: ["routingId": entry.routingId, "jobId": entry.jobId, "event": entry.event.rawValue, "principal": entry.principal])
    }

    init(entry row: SQLRow) throws {
        let kind = try row.value("kind", as: String.self)
        let known = Kind(rawValue: kind) ?? .event
        let place: String? = try row.optional("queue")
        self.init(
            at: try row.value("time"), kind: known, who: try row.optional("who"), text: try row.value("text"),
            details: [
                "jobId": try row.optional("jobId"), (known == .event ? "topic" : "queue"): place,
                "messageId": try row.optional("messageId", as: Int64.self).map { String(UInt64(bitPattern: $0), radix: 16) },
                "attempt": try row.optional("attempt", as: Int64.self).map { "\($0)" },
            ])
    }
}
