package import SQLStore

extension Outbox {
    /// The name under which the outbox's table is registered in an application's list of migrations.
    package static let migrationName = "outbox.1"

    /// Adds the outbox to the application's own migrations, so that it lives in the application's own database.
    ///
    /// | column | holds |
    /// |---|---|
    /// | `sequence` | the order of writing |
    /// | `id` | UUID, the deduplication key |
    /// | `type`, `key`, `payload` | see ``OutboxDraft`` |
    /// | `destinationKind`, `destination` | `queue` or `topic`, and its name |
    /// | `contentType`, `taskType`, `correlationId`, `messageGroup`, `headers` (JSON), `priority` | what is sent besides the payload |
    /// | `status` | `pending`, `in_progress`, `published`, `dead` |
    /// | `attempts`, `nextAttemptAt`, `error` | how often it was tried, when it is tried next, why it failed last |
    /// | `lockedBy`, `lockedUntil` | the relay that publishes it now, and until when it may |
    /// | `messageId` | the broker's id of the published message; null for events |
    /// | `createdAt`, `publishedAt` | all times are milliseconds since 1970 |
    ///
    /// `AUTOINCREMENT`, `BLOB` and the lack of sizes are SQLite's own.
    package static func registerMigrations(in migrations: inout SQLMigrations) {
        migrations.add(migrationName) { db in
            try db.execute(
                """
                CREATE TABLE outbox (
                    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    type TEXT NOT NULL,
                    key TEXT,
                    destinationKind TEXT NOT NULL CHECK (destinationKind IN ('queue', 'topic')),
                    destination TEXT NOT NULL,
                    payload BLOB NOT NULL,
                    contentType TEXT NOT NULL,
                    taskType TEXT,
                    correlationId TEXT,
                    messageGroup TEXT,
                    headers TEXT NOT NULL DEFAULT '[]',
                    priority INTEGER NOT NULL DEFAULT 4,
                    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_progress', 'published', 'dead')),
                    attempts INTEGER NOT NULL DEFAULT 0,
                    nextAttemptAt INTEGER NOT NULL,
                    lockedBy TEXT,
                    lockedUntil INTEGER,
                    error TEXT,
                    createdAt INTEGER NOT NULL,
                    publishedAt INTEGER,
                    CHECK ((status = 'in_progress') = (lockedBy IS NOT NULL)),
                    CHECK ((status = 'in_progress') = (lockedUntil IS NOT NULL)),
                    CHECK ((status = 'published') = (publishedAt IS NOT NULL))
                );
                CREATE INDEX outboxPending ON outbox (sequence) WHERE status = 'pending';
                CREATE INDEX outboxInProgress ON outbox (lockedUntil) WHERE status = 'in_progress';
                CREATE INDEX outboxUnsettledByKey ON outbox (key, sequence) WHERE status IN ('pending', 'in_progress');
                CREATE INDEX outboxPublished ON outbox (publishedAt) WHERE status = 'published';
                CREATE INDEX outboxDead ON outbox (sequence) WHERE status = 'dead';
                """)
        }
        migrations.add("outbox.2") { try $0.execute("ALTER TABLE outbox ADD COLUMN messageId INTEGER") }
    }
}
