/// What the timeline of a correlation id is told from, besides the audit and the history: messages on their way, and who worked on them.
///
/// | kind | who | written |
/// |---|---|---|
/// | `queued` | | with the outbox row of a command |
/// | `published`, `event` | the relay | when the relay marks the row of a command, of an event, as published |
/// | `unpublished` | the relay | when the row is dead |
/// | `leased`, `attempt` | the worker | with the report of the add-in that tells them, or with the death of the message |
/// | `handled` | the worker | with the effect of a report |
///
/// Lines are kept for ``MCMSStore/timelineRetentionMilliseconds``. The triggers are SQLite's own.
enum TimelineSchema {
    static let statements = [
        """
        CREATE TABLE timelineEntry (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            correlationId TEXT NOT NULL,
            time BIGINT NOT NULL,
            kind TEXT NOT NULL,
            who TEXT,
            text TEXT NOT NULL,
            jobId TEXT,
            queue TEXT,
            messageId BIGINT,
            attempt BIGINT,
            -- What is told again has the same mark, and is one line.
            mark TEXT UNIQUE
        )
        """,
        "CREATE INDEX timelineEntryByCorrelation ON timelineEntry (correlationId, time)",
        "CREATE INDEX timelineEntryByTime ON timelineEntry (time)",
        "CREATE INDEX auditLogByCorrelation ON auditLog (correlationId, id)",
        "CREATE INDEX historyEntryByCorrelation ON historyEntry (correlationId, id)",
        "CREATE INDEX historyEntryByJob ON historyEntry (jobId) WHERE jobId IS NOT NULL",
        "CREATE INDEX addinJobByCorrelation ON addinJob (correlationId, jobId)",
        // When the request came; its line is written when it is answered. Not known of earlier lines.
        "ALTER TABLE auditLog ADD COLUMN beganAt BIGINT",
        """
        CREATE TRIGGER timelineQueued AFTER INSERT ON outbox
            WHEN NEW.correlationId IS NOT NULL AND NEW.destinationKind = 'queue'
            BEGIN INSERT INTO timelineEntry (correlationId, time, kind, text, queue)
                VALUES (NEW.correlationId, NEW.createdAt, 'queued', NEW.type, NEW.destination); END
        """,
        """
        CREATE TRIGGER timelinePublished AFTER UPDATE OF status ON outbox
            WHEN NEW.status = 'published' AND OLD.status <> 'published' AND NEW.correlationId IS NOT NULL
            BEGIN INSERT INTO timelineEntry (correlationId, time, kind, who, text, queue, messageId, attempt)
                VALUES (NEW.correlationId, NEW.publishedAt, CASE NEW.destinationKind WHEN 'queue' THEN 'published' ELSE 'event' END, OLD.lockedBy,
                    NEW.type, NEW.destination, NEW.messageId, NEW.attempts); END
        """,
        """
        CREATE TRIGGER timelineUnpublished AFTER UPDATE OF status ON outbox
            WHEN NEW.status = 'dead' AND OLD.status <> 'dead' AND NEW.correlationId IS NOT NULL
            BEGIN INSERT INTO timelineEntry (correlationId, time, kind, who, text, queue, attempt)
                VALUES (NEW.correlationId, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 'unpublished', OLD.lockedBy,
                    NEW.type || ': ' || coalesce(NEW.error, ''), NEW.destination, NEW.attempts); END
        """,
    ]
}
