package import ContentStore
internal import MCMS
internal import SQLStore
internal import SpindleText

// What an attempt to commit a file claims: its payload, which is not collected meanwhile, and the place of its ref.
extension FilesStore {
    /// A ref is mended in a moment; where nobody does it, the claim of a file that has ended ends after so long.
    private static let mendingMilliseconds: Int64 = 60_000

    /// Stands for a message where there is none.
    private static let nobody = ""

    /// A place is one name in one revision of one routing.
    private static let place = "routingId || '/' || CAST(revision AS TEXT) || '/' || nameKey"

    package func claim(_ hash: String, for id: String, message: String) async throws -> Claim {
        let now = store.clock().milliseconds
        return try await store.database.write { db in
            // Another attempt may have ended it since this one looked.
            guard let file = try Self.find(db, id), Self.isIngestible(file.status), try Self.upload(db, id) != nil else { return .ended }
            if try db.value("SELECT state FROM casPayload WHERE hash = $1", [hash], as: String.self) == "removing" { return .collected }
            guard let attempt = try Self.claim(db, placeOf: id, by: message, now) else { return .taken }
            try db.execute("INSERT INTO casPin (hash, fileId) VALUES ($1, $2) ON CONFLICT (hash, fileId) DO NOTHING", [hash, id])
            return .granted(attempt: attempt)
        }
    }

    static func isIngestible(_ status: RoutingFileStatus) -> Bool { [.staged, .scanning, .ingesting, .invalid].contains(status) }

    /// Claims the place of a file that has ended, to mend its ref. `ended`: it has not; it is being ingested again.
    package func claim(placeOf id: String) async throws -> Claim {
        let now = store.clock().milliseconds
        return try await store.database.write { db in
            if let file = try Self.find(db, id), Self.isIngestible(file.status), try Self.upload(db, id) != nil { return .ended }
            try Self.freeClaim(db, of: id)
            guard let attempt = try Self.claim(db, placeOf: id, by: Self.nobody, now) else { return .taken }
            return .granted(attempt: attempt)
        }
    }

    /// Whether an attempt still has a ref's place, whatever became of its payload.
    func holdsPlace(_ attempt: Int, of id: String) async throws -> Bool {
        try await store.database.read { db in try db.exists("SELECT 1 FROM refClaim WHERE fileId = $1 AND attempt = $2", [id, attempt]) }
    }

    /// What the file had claimed is free. False: the claim was lost, and nothing was changed.
    package func endClaim(_ attempt: Int, of id: String) async throws -> Bool {
        try await store.database.write { db in
            guard try db.value("DELETE FROM refClaim WHERE fileId = $1 AND attempt = $2 RETURNING attempt", [id, attempt], as: Int.self) != nil
            else { return false }
            try db.execute("DELETE FROM casPin WHERE fileId = $1", [id])
            return true
        }
    }

    /// Another message may take over what this file has claimed.
    static func freeClaim(_ db: any SQLConnection, of id: String) throws {
        try db.execute("UPDATE refClaim SET message = $2 WHERE fileId = $1", [id, nobody])
    }

    /// Returns the attempt's number, which no other has; nil: another file has it, or another message of this one.
    private static func claim(_ db: any SQLConnection, placeOf id: String, by message: String, _ now: Int64) throws -> Int? {
        try db.value(
            """
            INSERT INTO refClaim (place, fileId, message, attempt, claimedAt) SELECT \(place), id, $5, $2, $3 FROM routingFile WHERE id = $1
            ON CONFLICT (place) DO UPDATE
                SET fileId = excluded.fileId, message = excluded.message, attempt = excluded.attempt, claimedAt = excluded.claimedAt
                WHERE (refClaim.fileId = excluded.fileId AND refClaim.message IN (excluded.message, $6))
                    OR (refClaim.claimedAt < $4 AND NOT EXISTS (
                        SELECT 1 FROM routingFile f JOIN fileUpload u ON u.id = f.id
                        WHERE f.id = refClaim.fileId AND f.deletedAt IS NULL AND f.status IN ('staged', 'scanning', 'ingesting', 'invalid')))
            RETURNING attempt
            """, [id, Int.random(in: 1..<Int.max), now, now - mendingMilliseconds, message, nobody], as: Int.self)
    }

    package func holds(_ attempt: Int, file id: String) async throws -> Bool {
        try await store.database.read { db in try Self.holds(db, attempt, file: id) }
    }

    static func holds(_ db: any SQLConnection, _ attempt: Int, file id: String) throws -> Bool {
        try db.exists(
            "SELECT 1 FROM refClaim c JOIN casPin p ON p.fileId = c.fileId WHERE c.fileId = $1 AND c.attempt = $2", [id, attempt])
    }

    /// The file is recorded: its ref is as it should be.
    static func endClaims(_ db: any SQLConnection, of id: String) throws {
        try db.execute("DELETE FROM casPin WHERE fileId = $1", [id])
        try db.execute("DELETE FROM refClaim WHERE fileId = $1", [id])
    }

    /// A committed file is deleted: its payload stays until its ref has gone.
    static func keepPayload(_ db: any SQLConnection, of file: RoutingFile) throws {
        guard let hash = file.sha256 else { return }
        // Whoever mends it this moment does not end what begins here.
        try db.execute("DELETE FROM refClaim WHERE fileId = $1", [file.id])
        try db.execute("INSERT INTO casPin (hash, fileId) VALUES ($1, $2) ON CONFLICT (hash, fileId) DO NOTHING", [hash, file.id])
    }

    /// Also a file that was deleted; nil: there never was one.
    func whoever(_ id: String) async throws -> RoutingFile? {
        try await store.database.read { db in try Self.find(db, id, deletedToo: true) }
    }

    /// The file that is committed under the name that a file has or had.
    package func current(at file: RoutingFile) async throws -> RoutingFile? {
        try await store.database.read { db in
            try db.row(
                """
                \(Self.select) WHERE f.routingId = $1 AND f.revision = $2 AND f.status = 'committed' AND f.supersededAt IS NULL
                    AND f.deletedAt IS NULL AND f.nameKey = (SELECT nameKey FROM routingFile WHERE id = $3)
                """, [file.routingId, file.revision, file.id]
            ).map { try RoutingFile($0) }
        }
    }
}
