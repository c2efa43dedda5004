internal import Outbox
internal import SQLStore

/// The tables of the domain. All times are milliseconds since 1970.
///
/// ```
/// routing 1 ─── n addinJob        routing.lastAddinJobId: the latest of them; at most one is not final
///    └─── n historyEntry          append-only, enforced by triggers
/// addinCallback                   reports that came in over HTTP, so that a repeated one is answered the same
/// addinIgnoredResult              differing results that the history has already noted
/// handledMessage                  messages whose effect is in this database
/// webSession                      browser sessions, by the digest of their cookie
/// account                         the people who sign in
/// accountLink                     links by which somebody makes an account, once, by the digest of their secret
/// connectionKey                   keys that sign connection tokens, for every web server
/// usedConnectionToken             connection tokens that were used and have not expired: each is good once
/// auditLog                        append-only, enforced by triggers
/// commandWithdrawal               ended jobs whose commands have yet to be taken out of their queue
/// alert                           what people were told of
/// queueHistory                    what queues held, at two steps
/// topicCursor                     how far this installation has read a topic of the broker
/// timelineEntry                   see TimelineSchema
/// outbox                          see Outbox
/// ```
///
/// The statements here are SQLite's own: triggers with `RAISE`, `WITHOUT ROWID`, `AUTOINCREMENT`, `BLOB` and `x''`.
enum MCMSSchema {
    static func migrations() -> SQLMigrations {
        var migrations = SQLMigrations()
        Outbox.registerMigrations(in: &migrations)
        migrations.add("mcms.1") { db in
            try db.execute(routingTables)
            try db.execute(historyTable)
            try db.execute(messageTables)
        }
        migrations.add("mcms.2.principals") { db in
            // Not known of earlier lines.
            try db.execute("ALTER TABLE historyEntry ADD COLUMN principal TEXT")
            // Earlier sessions don't say which token they were traded for: they end.
            try db.execute("DELETE FROM webSession")
            try db.execute("ALTER TABLE webSession ADD COLUMN credential BLOB NOT NULL DEFAULT x''")
            try db.execute("ALTER TABLE webSession ADD COLUMN isVisitor INTEGER NOT NULL DEFAULT 0")
            try db.execute("CREATE INDEX webSessionByPrincipal ON webSession (principal, createdAt)")
        }
        migrations.add("mcms.3.commands") { try $0.execute(commandTables) }
        migrations.add("mcms.4.people") { db in
            for statement in peopleTables { try db.execute(statement) }
        }
        migrations.add("mcms.5.routingLists") { db in
            try db.execute("CREATE INDEX routingByChange ON routing (updatedAt, id)")
            try db.execute("CREATE INDEX routingByName ON routing (name, id)")
            try db.execute("CREATE INDEX routingByGeneration ON routing (lastGenerationStatus, id)")
        }
        migrations.add("mcms.6.connections") { db in
            for statement in connectionTables { try db.execute(statement) }
        }
        migrations.add("mcms.7.queueHistory") { try $0.execute(queueHistoryTable) }
        migrations.add("mcms.8.alerts") { try $0.execute(alertTable) }
        migrations.add("mcms.10.auditRetention") { db in
            for statement in auditRetention { try db.execute(statement) }
        }
        migrations.add("mcms.11.timeline") { db in
            for statement in TimelineSchema.statements { try db.execute(statement) }
        }
        return migrations
    }

    private static let connectionTables = [
        """
        CREATE TABLE connectionKey (
            id TEXT NOT NULL PRIMARY KEY,
            secret BLOB NOT NULL,
            createdAt BIGINT NOT NULL
        )
        """,
        """
        CREATE TABLE usedConnectionToken (
            id TEXT NOT NULL PRIMARY KEY,
            expiresAt BIGINT NOT NULL
        )
        """,
        "CREATE INDEX usedConnectionTokenByExpiry ON usedConnectionToken (expiresAt)",
    ]

    /// Lines younger than ``AuditLimits/retentionDays`` can't be deleted, by whatever clock a process has: the database asks its own.
    private static let auditRetention = [
        "CREATE INDEX auditLogByTime ON auditLog (time)",
        "DROP TRIGGER auditLogNoDelete",
        """
        CREATE TRIGGER auditLogNoDelete BEFORE DELETE ON auditLog WHEN OLD.time >= (CAST(strftime('%s', 'now') AS INTEGER) - 365 * 86400) * 1000
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
        """,
    ]

    private static let alertTable = """
        CREATE TABLE alert (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time INTEGER NOT NULL,
            type TEXT NOT NULL,
            severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
            -- In English; other languages are made of type and parameters.
            title TEXT NOT NULL,
            message TEXT NOT NULL,
            parameters TEXT NOT NULL,
            routingId TEXT NOT NULL,
            correlationId TEXT NOT NULL
        );
        CREATE INDEX alertByTime ON alert (time);
        CREATE INDEX alertByRouting ON alert (routingId, id);
        CREATE INDEX alertBySeverity ON alert (severity, id);
        """

    private static let queueHistoryTable = """
        CREATE TABLE queueHistory (
            queue TEXT NOT NULL,
            stepSeconds INTEGER NOT NULL,
            time INTEGER NOT NULL,
            ready INTEGER NOT NULL,
            leased INTEGER NOT NULL,
            oldestAge INTEGER NOT NULL,
            -- Since the queue was made, as the broker counts.
            published INTEGER NOT NULL,
            settled INTEGER NOT NULL,
            PRIMARY KEY (queue, stepSeconds, time)
        ) WITHOUT ROWID
        """

    private static let peopleTables = [
        """
        CREATE TABLE account (
            name TEXT NOT NULL PRIMARY KEY,
            displayName TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('viewer', 'approver', 'operator', 'admin')),
            passwordHash TEXT NOT NULL,
            -- Replaced when the password or the disabled flag changes: earlier sessions end with it.
            stamp BLOB NOT NULL,
            isDisabled INTEGER NOT NULL DEFAULT 0,
            createdAt BIGINT NOT NULL,
            changedAt BIGINT NOT NULL,
            lastSignInAt BIGINT
        )
        """,
        """
        CREATE TABLE accountLink (
            digest BLOB NOT NULL PRIMARY KEY,
            role TEXT NOT NULL CHECK (role IN ('viewer', 'approver', 'operator', 'admin')),
            -- Only while there is no account.
            isFirst INTEGER NOT NULL,
            createdAt BIGINT NOT NULL,
            expiresAt BIGINT NOT NULL
        )
        """,
        """
        CREATE TABLE auditLog (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time BIGINT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT,
            actor TEXT NOT NULL,
            principal TEXT,
            status BIGINT,
            detail TEXT,
            address TEXT NOT NULL,
            correlationId TEXT NOT NULL
        )
        """,
        "CREATE INDEX auditLogByActor ON auditLog (actor, id)",
        "CREATE INDEX auditLogByAction ON auditLog (action, id)",
        // SQLite's own.
        """
        CREATE TRIGGER auditLogNoUpdate BEFORE UPDATE ON auditLog
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
        """,
        """
        CREATE TRIGGER auditLogNoDelete BEFORE DELETE ON auditLog
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
        """,
        """
        CREATE TRIGGER auditLogNoReplace BEFORE INSERT ON auditLog
            WHEN EXISTS (SELECT 1 FROM auditLog WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
        """,
        "ALTER TABLE webSession ADD COLUMN usedAt BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE webSession ADD COLUMN uploadedAt BIGINT NOT NULL DEFAULT 0",
        // Sessions of before have no time of their last use: only their end counts.
        "UPDATE webSession SET usedAt = expiresAt",
    ]

    private static let routingTables = """
        CREATE TABLE routing (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            camRevision INTEGER NOT NULL DEFAULT 0 CHECK (camRevision >= 0),
            status TEXT NOT NULL CHECK (status IN ('draft', 'pendingApproval', 'approved', 'rejected')),
            approver TEXT,
            createdAt INTEGER NOT NULL,
            updatedAt INTEGER NOT NULL,
            submittedAt INTEGER,
            approvedAt INTEGER,
            lastAddinJobId TEXT REFERENCES addinJob (jobId) DEFERRABLE INITIALLY DEFERRED,
            lastGenerationStatus TEXT NOT NULL DEFAULT 'none'
                CHECK (lastGenerationStatus IN ('none', 'queued', 'running', 'completed', 'failed')),
            lastGenerationAt INTEGER,
            CHECK ((status = 'approved') = (approver IS NOT NULL))
        ) WITHOUT ROWID;
        CREATE INDEX routingByStatus ON routing (status, id);

        CREATE TABLE addinJob (
            jobId TEXT NOT NULL PRIMARY KEY,
            routingId TEXT NOT NULL REFERENCES routing (id),
            status TEXT NOT NULL CHECK (status IN ('created', 'leased', 'completed', 'failed')),
            message TEXT,
            progress INTEGER CHECK (progress BETWEEN 0 AND 100),
            outputs TEXT NOT NULL DEFAULT '[]',
            requestedBy TEXT NOT NULL,
            correlationId TEXT NOT NULL,
            createdAt INTEGER NOT NULL,
            leasedAt INTEGER,
            finishedAt INTEGER,
            updatedAt INTEGER NOT NULL,
            resultFingerprint TEXT,
            CHECK ((status IN ('completed', 'failed')) = (resultFingerprint IS NOT NULL)),
            CHECK ((status IN ('completed', 'failed')) = (finishedAt IS NOT NULL))
        ) WITHOUT ROWID;
        CREATE INDEX addinJobByStatus ON addinJob (status, jobId);
        CREATE INDEX addinJobByRouting ON addinJob (routingId, jobId);
        CREATE UNIQUE INDEX addinJobOneOpenPerRouting ON addinJob (routingId) WHERE status IN ('created', 'leased');
        """

    private static let historyTable = """
        CREATE TABLE historyEntry (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            routingId TEXT NOT NULL REFERENCES routing (id),
            jobId TEXT REFERENCES addinJob (jobId),
            event TEXT NOT NULL,
            approvalOutcome TEXT,
            generationOutcome TEXT,
            message TEXT,
            actor TEXT NOT NULL,
            correlationId TEXT NOT NULL,
            time INTEGER NOT NULL
        );
        CREATE INDEX historyEntryByRouting ON historyEntry (routingId, id);
        CREATE TRIGGER historyEntryNoUpdate BEFORE UPDATE ON historyEntry
            BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
        CREATE TRIGGER historyEntryNoDelete BEFORE DELETE ON historyEntry
            BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
        -- INSERT OR REPLACE would delete the old line without firing the trigger above.
        CREATE TRIGGER historyEntryNoReplace BEFORE INSERT ON historyEntry
            WHEN EXISTS (SELECT 1 FROM historyEntry WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
        """

    private static let commandTables = """
        ALTER TABLE addinJob ADD COLUMN commandOutboxId TEXT;
        ALTER TABLE addinJob ADD COLUMN commandMessageId INTEGER;
        CREATE INDEX addinJobByOutboxRow ON addinJob (commandOutboxId) WHERE commandOutboxId IS NOT NULL;
        CREATE INDEX addinJobByCommand ON addinJob (commandMessageId) WHERE commandMessageId IS NOT NULL;
        CREATE INDEX addinJobOpenByCorrelation ON addinJob (correlationId) WHERE status IN ('created', 'leased');
        -- The outbox forgets published rows, and the job outlives them.
        CREATE TRIGGER addinJobCommandPublished AFTER UPDATE OF status ON outbox
            WHEN NEW.status = 'published' AND NEW.messageId IS NOT NULL
            BEGIN UPDATE addinJob SET commandMessageId = NEW.messageId WHERE commandOutboxId = NEW.id; END;

        CREATE TABLE commandWithdrawal (
            jobId TEXT NOT NULL PRIMARY KEY REFERENCES addinJob (jobId),
            requestedAt INTEGER NOT NULL
        ) WITHOUT ROWID;

        CREATE TABLE topicCursor (
            topic TEXT NOT NULL PRIMARY KEY,
            cursor TEXT NOT NULL,
            updatedAt INTEGER NOT NULL
        ) WITHOUT ROWID;
        """

    private static let messageTables = """
        CREATE TABLE handledMessage (
            messageKey TEXT NOT NULL PRIMARY KEY,
            handledAt INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX handledMessageByTime ON handledMessage (handledAt);

        CREATE TABLE addinCallback (
            jobId TEXT NOT NULL REFERENCES addinJob (jobId),
            fingerprint TEXT NOT NULL,
            taskId TEXT NOT NULL,
            enqueuedAt INTEGER NOT NULL,
            PRIMARY KEY (jobId, fingerprint)
        ) WITHOUT ROWID;

        CREATE TABLE addinIgnoredResult (
            jobId TEXT NOT NULL REFERENCES addinJob (jobId),
            fingerprint TEXT NOT NULL,
            PRIMARY KEY (jobId, fingerprint)
        ) WITHOUT ROWID;

        CREATE TABLE webSession (
            digest BLOB NOT NULL PRIMARY KEY,
            principal TEXT NOT NULL,
            createdAt INTEGER NOT NULL,
            expiresAt INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX webSessionByCreation ON webSession (createdAt);
        """
}
