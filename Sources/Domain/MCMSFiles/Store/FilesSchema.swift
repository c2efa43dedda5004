package import SQLStore

/// The tables of files. All times are milliseconds since 1970.
///
/// ```
/// routing 1 ─── n routingFile 1 ─── 1 fileUpload     while its bytes arrive; and for a time after, to say that all of them are here
///                    │        └───── n fileChunk     what has arrived, and its digest
///                    └────────────── n integrityAudit   append-only
/// casPayload 1 ─── n casChunk        what is in the store; a chunk is found there by its digest
///      └──────────── n casPin        files whose ingest uses a payload: it is not collected
/// refClaim                            files whose ingest writes the ref of a name: no other file of that name does
/// ```
package enum FilesSchema {
    package static func add(to migrations: inout SQLMigrations) {
        migrations.add("files.1") { db in
            for statement in tables { try db.execute(statement) }
        }
        migrations.add("files.2") { db in
            try db.execute(
                """
                CREATE TABLE refClaim (
                    place TEXT NOT NULL PRIMARY KEY,
                    fileId TEXT NOT NULL,
                    message TEXT NOT NULL,
                    attempt BIGINT NOT NULL,
                    claimedAt BIGINT NOT NULL
                )
                """)
            try db.execute("CREATE INDEX refClaimByFile ON refClaim (fileId)")
        }
        // Each creation asks what is spoken for, and how much its principal has under way; most uploads have ended.
        migrations.add("files.3") { db in
            try db.execute("CREATE INDEX fileUploadOpen ON fileUpload (principal) WHERE endedAt IS NULL")
        }
    }

    private static let tables = [
        """
        CREATE TABLE routingFile (
            id TEXT NOT NULL PRIMARY KEY,
            routingId TEXT NOT NULL REFERENCES routing (id),
            revision BIGINT NOT NULL CHECK (revision >= 0),
            logicalName TEXT NOT NULL,
            nameKey TEXT NOT NULL,
            logicalPath TEXT NOT NULL,
            size BIGINT CHECK (size >= 0),
            status TEXT NOT NULL
                CHECK (status IN ('uploading', 'staged', 'scanning', 'quarantined', 'ingesting', 'committed', 'invalid')),
            reason TEXT,
            sha256 TEXT,
            md5 TEXT,
            verdict TEXT,
            uploader TEXT NOT NULL,
            principal TEXT,
            sharePath TEXT,
            retryCount BIGINT NOT NULL DEFAULT 0,
            correlationId TEXT NOT NULL,
            createdAt BIGINT NOT NULL,
            updatedAt BIGINT NOT NULL,
            stagedAt BIGINT,
            committedAt BIGINT,
            supersededAt BIGINT,
            deletedAt BIGINT
        )
        """,
        "CREATE INDEX routingFileByRouting ON routingFile (routingId, id)",
        "CREATE INDEX routingFileByName ON routingFile (routingId, revision, nameKey)",
        "CREATE INDEX routingFileByHash ON routingFile (sha256)",
        "CREATE INDEX routingFileByStatus ON routingFile (status, id)",
        """
        CREATE TABLE fileUpload (
            id TEXT NOT NULL PRIMARY KEY,
            resumeToken TEXT NOT NULL UNIQUE,
            protocol TEXT NOT NULL CHECK (protocol IN ('parts', 'tus', 'partial')),
            size BIGINT,
            receivedBytes BIGINT NOT NULL DEFAULT 0,
            chunkHashes BYTEA,
            sameAs TEXT,
            metadata TEXT NOT NULL DEFAULT '',
            concatenation TEXT,
            principal TEXT NOT NULL,
            writer BIGINT NOT NULL DEFAULT 0,
            createdAt BIGINT NOT NULL,
            expiresAt BIGINT NOT NULL,
            endedAt BIGINT
        )
        """,
        "CREATE INDEX fileUploadByExpiry ON fileUpload (expiresAt)",
        """
        CREATE TABLE fileChunk (
            uploadId TEXT NOT NULL REFERENCES fileUpload (id),
            chunkIndex BIGINT NOT NULL,
            sha256 BYTEA NOT NULL,
            PRIMARY KEY (uploadId, chunkIndex)
        )
        """,
        """
        CREATE TABLE casPayload (
            hash TEXT NOT NULL PRIMARY KEY,
            size BIGINT NOT NULL,
            md5 TEXT NOT NULL,
            chunkList TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('present', 'removing')),
            storedAt BIGINT NOT NULL,
            orphanedAt BIGINT
        )
        """,
        "CREATE INDEX casPayloadByChunkList ON casPayload (chunkList)",
        """
        CREATE TABLE casChunk (
            sha256 BYTEA NOT NULL,
            hash TEXT NOT NULL REFERENCES casPayload (hash),
            chunkIndex BIGINT NOT NULL,
            PRIMARY KEY (hash, chunkIndex)
        )
        """,
        "CREATE INDEX casChunkByDigest ON casChunk (sha256)",
        """
        CREATE TABLE casPin (
            hash TEXT NOT NULL,
            fileId TEXT NOT NULL,
            PRIMARY KEY (hash, fileId)
        )
        """,
        """
        CREATE TABLE integrityAudit (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            fileId TEXT NOT NULL,
            routingId TEXT NOT NULL,
            hash TEXT NOT NULL,
            algorithm TEXT NOT NULL,
            chunkCount BIGINT NOT NULL,
            uploader TEXT NOT NULL,
            uploadSessionId TEXT NOT NULL,
            storeAnswer TEXT NOT NULL,
            scan TEXT,
            verdict TEXT NOT NULL,
            detail TEXT,
            attemptKey TEXT NOT NULL UNIQUE,
            time BIGINT NOT NULL
        )
        """,
        "CREATE INDEX integrityAuditByFile ON integrityAudit (fileId, id)",
        // SQLite's own.
        """
        CREATE TRIGGER integrityAuditNoUpdate BEFORE UPDATE ON integrityAudit
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
        """,
        """
        CREATE TRIGGER integrityAuditNoDelete BEFORE DELETE ON integrityAudit
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
        """,
        """
        CREATE TRIGGER integrityAuditNoReplace BEFORE INSERT ON integrityAudit
            WHEN EXISTS (SELECT 1 FROM integrityAudit WHERE id = NEW.id OR attemptKey = NEW.attemptKey)
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
        """,
    ]
}
