package import ContentStore
internal import Digests
package import MCMS
internal import SQLStore
package import SpindleText

/// An upload as its server sees it.
package struct UploadRecord: Hashable, Sendable {
    package enum Way: String, Sendable {
        case parts, tus
        /// A tus upload that becomes a piece of another one.
        case partial
    }

    package var id: String
    package var resumeToken: String
    package var way: Way
    /// Nil while the client has not said it.
    package var size: Int64?
    /// tus: how far its one offset has come. Parts: how many bytes of whole chunks are here.
    package var receivedBytes: Int64
    /// As the client declared them; nil: it did not.
    package var chunkHashes: [[UInt8]]?
    /// The payload that the store has already, of which nothing needs to come.
    package var sameAs: String?
    package var metadata: String
    package var concatenation: String?
    package var principal: String
    package var createdAt: Timestamp
    package var expiresAt: Timestamp
    /// When its file was committed: nothing more is written.
    package var endedAt: Timestamp?

    package var grid: ChunkGrid? { size.map { ChunkGrid(bytes: $0) } }
    package var isComplete: Bool { size == receivedBytes }
}

/// What a client asks to upload, checked.
package struct NewUpload: Sendable {
    package var way: UploadRecord.Way
    package var routing: String
    package var revision: Int?
    package var names: FileNames
    package var size: Int64?
    package var chunkHashes: [[UInt8]]?
    package var metadata: String
    package var concatenation: String?

    package init(
        _ way: UploadRecord.Way, routing: String, revision: Int?, names: FileNames, size: Int64?, chunkHashes: [[UInt8]]? = nil,
        metadata: String = "", concatenation: String? = nil
    ) {
        self.way = way
        self.routing = routing
        self.revision = revision
        self.names = names
        self.size = size
        self.chunkHashes = chunkHashes
        self.metadata = metadata
        self.concatenation = concatenation
    }
}

extension UploadRecord {
    init(_ row: SQLRow) throws {
        let hashes = try row.optional("chunkHashes", as: [UInt8].self)
        let way = try row.value("protocol", as: String.self)
        self.init(
            id: try row.value("id"), resumeToken: try row.value("resumeToken"), way: Way(rawValue: way) ?? .tus, size: try row.optional("size"),
            receivedBytes: try row.value("receivedBytes"),
            chunkHashes: hashes.map { bytes in stride(from: 0, to: bytes.count, by: 32).map { Array(bytes[$0..<min($0 + 32, bytes.count)]) } },
            sameAs: try row.optional("sameAs"), metadata: try row.value("metadata"), concatenation: try row.optional("concatenation"),
            principal: try row.value("principal"), createdAt: try row.value("createdAt"), expiresAt: try row.value("expiresAt"),
            endedAt: try row.optional("endedAt"))
    }
}

extension FilesStore {
    /// Makes the upload and, but for a partial one, the file that it becomes.
    package func create(
        _ new: NewUpload, expiry: Duration, openMax: Int = .max, by caller: Caller, checkRoom: @escaping @Sendable (SpokenFor) throws -> Void
    ) async throws -> UploadRecord {
        try await store.transaction(by: caller) { transaction in
            let db = transaction.db
            let id = TimeOrderedID.make(at: transaction.now)
            let routing = try Routing.find(db, id: new.routing)
            let revision = new.revision ?? routing.camRevision
            let spelled = try Self.spelling(db, new, revision)
            if let begun = try Self.begun(new, revision: revision, path: spelled.path, db, caller) { return begun }
            try Self.checkOpen(db, caller, max: openMax)
            let same = try new.chunkHashes.flatMap { try Self.payload(db, chunks: $0, bytes: new.size) }
            // What others will still write is spoken for. The check is part of the transaction, so that two uploads don't take one room.
            if let size = new.size { try checkRoom(try Self.spokenFor(db).adding(store: same == nil ? size : 0, share: size)) }
            let token = Hexadecimal.text(Self.random(16))
            let expires = Timestamp(milliseconds: transaction.now.milliseconds + expiry.milliseconds)
            try db.execute(
                """
                INSERT INTO fileUpload (id, resumeToken, protocol, size, receivedBytes, chunkHashes, sameAs, metadata, concatenation, principal,
                    createdAt, expiresAt)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                """,
                [
                    id, token, new.way.rawValue, new.size, same == nil ? 0 : new.size ?? 0, new.chunkHashes.map { $0.flatMap { $0 } }, same,
                    new.metadata, new.concatenation, caller.principal ?? caller.actor, transaction.now, expires,
                ])
            if new.way != .partial {
                try db.execute(
                    """
                    INSERT INTO routingFile (id, routingId, revision, logicalName, nameKey, logicalPath, size, status, uploader, principal,
                        correlationId, createdAt, updatedAt)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, 'uploading', $8, $9, $10, $11, $11)
                    """,
                    [
                        id, new.routing, revision, spelled.name, new.names.key, spelled.path, new.size,
                        caller.actor, caller.principal, caller.correlationID, transaction.now,
                    ])
                if let file = try Self.find(db, id) { try Self.tell(transaction, file) }
            }
            guard let made = try Self.upload(db, id) else { throw FileError.noSuchUpload(id) }
            return made
        }
    }

    /// Makes an upload that becomes a piece of another one, and no file by itself.
    package func createPartial(
        size: Int64?, metadata: String, expiry: Duration, openMax: Int = .max, by caller: Caller, checkRoom: @escaping @Sendable (SpokenFor) throws -> Void
    ) async throws -> UploadRecord {
        try await store.transaction(by: caller) { transaction in
            let id = TimeOrderedID.make(at: transaction.now)
            try Self.checkOpen(transaction.db, caller, max: openMax)
            if let size { try checkRoom(try Self.spokenFor(transaction.db).adding(store: size, share: 0)) }
            try transaction.db.execute(
                """
                INSERT INTO fileUpload (id, resumeToken, protocol, size, receivedBytes, metadata, concatenation, principal, createdAt, expiresAt)
                VALUES ($1, $2, 'partial', $3, 0, $4, 'partial', $5, $6, $7)
                """,
                [
                    id, Hexadecimal.text(Self.random(16)), size, metadata, caller.principal ?? caller.actor, transaction.now,
                    Timestamp(milliseconds: transaction.now.milliseconds + expiry.milliseconds),
                ])
            guard let made = try Self.upload(transaction.db, id) else { throw FileError.noSuchUpload(id) }
            return made
        }
    }

    /// - Throws: ``FileError/tooManyUploads(max:)`` where the principal's uploads that lack bytes are as many as it may have.
    private static func checkOpen(_ db: any SQLConnection, _ caller: Caller, max: Int) throws {
        guard max < .max else { return }
        let open = try db.value(
            """
            SELECT count(*) FROM fileUpload
            WHERE principal = $1 AND endedAt IS NULL AND (size IS NULL OR receivedBytes < size)
            """, [caller.principal ?? caller.actor], as: Int.self) ?? 0
        guard open < max else { throw FileError.tooManyUploads(max: max) }
    }

    /// The same upload, begun before by the same principal: the client goes on with it. Only where the hashes say that it is the same.
    private static func begun(_ new: NewUpload, revision: Int, path: String, _ db: any SQLConnection, _ caller: Caller) throws -> UploadRecord? {
        guard new.way == .parts, let hashes = new.chunkHashes, !hashes.isEmpty else { return nil }
        return try db.row(
            """
            SELECT u.* FROM fileUpload u JOIN routingFile f ON f.id = u.id
            WHERE f.routingId = $1 AND f.revision = $2 AND f.nameKey = $3 AND f.logicalPath = $4 AND f.status = 'uploading' AND f.deletedAt IS NULL
                AND u.protocol = 'parts' AND u.size = $5 AND u.chunkHashes = $6 AND u.principal = $7
            ORDER BY u.id LIMIT 1
            """,
            [
                new.routing, revision, new.names.key, path, new.size, hashes.flatMap { $0 }, caller.principal ?? caller.actor,
            ]
        ).map { try UploadRecord($0) }
    }

    /// A new version is spelled as the first one was, and so is its place where it is the same: Windows takes both spellings for one, and a
    /// Linux file system would keep two files, of which a share shows one.
    private static func spelling(_ db: any SQLConnection, _ new: NewUpload, _ revision: Int) throws -> (name: String, path: String) {
        let before = try db.rows(
            """
            SELECT logicalName, logicalPath FROM routingFile WHERE routingId = $1 AND revision = $2 AND nameKey = $3 AND deletedAt IS NULL
            ORDER BY id LIMIT 100
            """, [new.routing, revision, new.names.key]
        ).map { (name: try $0.value("logicalName", as: String.self), path: try $0.value("logicalPath", as: String.self)) }
        let place = LogicalPath.folded(new.names.logicalPath)
        return (
            before.first?.name ?? new.names.logicalName,
            before.first { LogicalPath.folded($0.path) == place }?.path ?? new.names.logicalPath
        )
    }

    package func upload(_ id: String) async throws -> UploadRecord {
        guard let found = try await store.database.read({ db in try Self.upload(db, id) }) else { throw FileError.noSuchUpload(id) }
        return found
    }

    package func upload(idOrToken text: String) async throws -> UploadRecord {
        let found = try await store.database.read { db in
            try db.row("SELECT * FROM fileUpload WHERE id = $1 OR resumeToken = $1", [text]).map { try UploadRecord($0) }
        }
        guard let found else { throw FileError.noSuchUpload(text) }
        return found
    }

    static func upload(_ db: any SQLConnection, _ id: String) throws -> UploadRecord? {
        try db.row("SELECT * FROM fileUpload WHERE id = $1", [id]).map { try UploadRecord($0) }
    }

    /// The chunks that are here, with their digests.
    package func chunks(of upload: String) async throws -> [Int: [UInt8]] {
        try await store.database.read { db in try Self.chunks(db, upload) }
    }

    static func chunks(_ db: any SQLConnection, _ upload: String) throws -> [Int: [UInt8]] {
        let rows = try db.rows("SELECT chunkIndex, sha256 FROM fileChunk WHERE uploadId = $1", [upload])
        return try Dictionary(rows.map { (try $0.value("chunkIndex"), try $0.value("sha256")) }) { $1 }
    }

    /// Makes this request the one that writes the upload, also against other processes. Returns its number for ``record(_:writer:chunks:offset:size:by:)``.
    package func take(_ upload: String) async throws -> Int {
        try await store.database.write { db in
            guard
                let writer = try db.value("UPDATE fileUpload SET writer = writer + 1 WHERE id = $1 RETURNING writer", [upload], as: Int.self)
            else { throw FileError.noSuchUpload(upload) }
            return writer
        }
    }

    /// Remembers what is on the disk now.
    /// - Parameters:
    ///   - writer: nil for parts, which any number of requests write.
    ///   - offset: how far a tus upload has come; nil for parts: their bytes are counted.
    package func record(
        _ upload: String, writer: Int?, chunks: [Int: [UInt8]], offset: Int64?, size: Int64? = nil, expiry: Duration
    ) async throws -> UploadRecord {
        let clock = store.clock
        return try await store.database.write { db in
            guard var record = try Self.upload(db, upload) else { throw FileError.noSuchUpload(upload) }
            if let writer, try db.value("SELECT writer FROM fileUpload WHERE id = $1", [upload], as: Int.self) != writer {
                throw FileError.superseded
            }
            record.size = record.size ?? size
            for (index, digest) in chunks {
                try db.execute(
                    """
                    INSERT INTO fileChunk (uploadId, chunkIndex, sha256) VALUES ($1, $2, $3)
                    ON CONFLICT (uploadId, chunkIndex) DO UPDATE SET sha256 = excluded.sha256
                    """, [upload, index, digest])
            }
            if offset == nil { record.receivedBytes = try Self.bytesOfParts(db, record) }
            if let offset { record.receivedBytes = max(record.receivedBytes, offset) }
            record.expiresAt = Timestamp(milliseconds: clock().milliseconds + expiry.milliseconds)
            try db.execute(
                "UPDATE fileUpload SET receivedBytes = $2, size = $3, expiresAt = $4 WHERE id = $1",
                [upload, record.receivedBytes, record.size, record.expiresAt])
            if let size { try db.execute("UPDATE routingFile SET size = $2 WHERE id = $1 AND size IS NULL", [upload, size]) }
            return record
        }
    }

    /// What whole chunks are worth: all of them for parts; for tus, whose offset rises, those before the first that is missing.
    private static func bytesOfParts(_ db: any SQLConnection, _ upload: UploadRecord) throws -> Int64 {
        guard let grid = upload.grid else { return upload.receivedBytes }
        let present = Set(try db.values("SELECT chunkIndex FROM fileChunk WHERE uploadId = $1", [upload.id], as: Int.self))
        let counted = upload.way == .parts ? present.filter(grid.contains) : Set((0..<grid.count).prefix { present.contains($0) })
        return counted.reduce(0) { $0 + grid.bytes(of: $1) }
    }

    /// All bytes are here: the file is staged, and its ingest is asked for, in one transaction. Does nothing the second time.
    package func stage(_ upload: String, sha256: [UInt8], md5: [UInt8]) async throws {
        guard let file = try await store.database.read({ db in try Self.find(db, upload) }) else { return }
        let caller = Caller(actor: file.uploader, correlationID: file.correlationId)
        try await store.transaction(by: caller) { transaction in
            guard var file = try Self.find(transaction.db, upload), let record = try Self.upload(transaction.db, upload),
                [.uploading, .invalid].contains(file.status), record.isComplete
            else { return }
            file.sha256 = Hexadecimal.text(sha256)
            file.md5 = Hexadecimal.text(md5)
            file.size = record.size
            file.stagedAt = transaction.now
            try Self.move(transaction, &file, to: .staged)
            try Self.askForIngest(transaction, file, record, to: FileQueues.ingest)
        }
    }

    static func askForIngest(_ transaction: MCMSTransaction, _ file: RoutingFile, _ upload: UploadRecord, to queue: String) throws {
        let digests = try upload.sameAs.map { try Self.chunksOfPayload(transaction.db, $0) } ?? Self.chunks(transaction.db, upload.id)
        let command = FileIngestCommand(file, upload, chunks: digests)
        try transaction.command(
            FileQueues.ingestTask, taskID: "\(file.id)/\(file.retryCount)", to: queue, routing: file.routingId, group: file.id, command)
    }

    /// Uploads whose bytes are all here and whose digests were never written: the process ended before.
    package func unstaged() async throws -> [String] {
        try await store.database.read { db in
            try db.values(
                """
                SELECT u.id FROM fileUpload u JOIN routingFile f ON f.id = u.id
                WHERE f.status = 'uploading' AND f.deletedAt IS NULL AND u.size = u.receivedBytes ORDER BY u.id LIMIT 1000
                """)
        }
    }

    /// What open uploads have still to write.
    static func spokenFor(_ db: any SQLConnection) throws -> SpokenFor {
        let row = try db.row(
            """
            SELECT coalesce(sum(CASE WHEN sameAs IS NULL THEN size - receivedBytes ELSE 0 END), 0) AS store, coalesce(sum(size), 0) AS share
            FROM fileUpload WHERE size IS NOT NULL AND endedAt IS NULL
            """)
        return SpokenFor(store: try row?.value("store") ?? 0, share: try row?.value("share") ?? 0)
    }

    /// What open uploads have still to write.
    package func spokenFor() async throws -> SpokenFor { try await store.database.read { db in try Self.spokenFor(db) } }

    /// Whether an upload is under way or waits for its ingest.
    package func isOpen(upload id: String) async throws -> Bool {
        try await store.database.read { db in try db.exists("SELECT 1 FROM fileUpload WHERE id = $1 AND endedAt IS NULL", [id]) }
    }

    static func random(_ count: Int) -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    /// The payload of a file that is these chunks, if the store has one that somebody may read.
    static func payload(_ db: any SQLConnection, chunks: [[UInt8]], bytes: Int64?) throws -> String? {
        guard let bytes, !chunks.isEmpty else { return nil }
        return try db.value(
            """
            SELECT p.hash FROM casPayload p WHERE p.chunkList = $1 AND p.size = $2 AND p.state = 'present'
                AND EXISTS (SELECT 1 FROM routingFile f WHERE f.sha256 = p.hash AND f.status = 'committed' AND f.deletedAt IS NULL)
            """, [try Self.chunkList(chunks), bytes])
    }

    /// One digest that stands for a list of chunks.
    static func chunkList(_ chunks: [[UInt8]]) throws -> String { Hexadecimal.text(try DigestStream.digest(of: chunks.flatMap { $0 })) }

    static func chunksOfPayload(_ db: any SQLConnection, _ hash: String) throws -> [Int: [UInt8]] {
        let rows = try db.rows("SELECT chunkIndex, sha256 FROM casChunk WHERE hash = $1", [hash])
        return try Dictionary(rows.map { (try $0.value("chunkIndex"), try $0.value("sha256")) }) { $1 }
    }

    /// Where the store has a chunk with this digest, in a file that somebody may read.
    package func chunk(sha256: [UInt8]) async throws -> (hash: ContentAddress, index: Int)? {
        try await store.database.read { db in
            guard
                let row = try db.row(
                    """
                    SELECT c.hash, c.chunkIndex FROM casChunk c JOIN casPayload p ON p.hash = c.hash
                    WHERE c.sha256 = $1 AND p.state = 'present'
                        AND EXISTS (SELECT 1 FROM routingFile f WHERE f.sha256 = p.hash AND f.status = 'committed' AND f.deletedAt IS NULL)
                    LIMIT 1
                    """, [sha256]), let address = ContentAddress(hash: try row.value("hash"))
            else { return nil }
            return (address, try row.value("chunkIndex"))
        }
    }

    /// Digests of a payload that is in the store.
    package func md5(ofPayload hash: String) async throws -> String? {
        try await store.database.read { db in try db.value("SELECT md5 FROM casPayload WHERE hash = $1 AND state = 'present'", [hash]) }
    }

    /// Uploads that stood still for too long.
    package func expired(limit: Int) async throws -> [String] {
        let now = store.clock()
        return try await store.database.read { db in
            try db.values(
                """
                SELECT u.id FROM fileUpload u LEFT JOIN routingFile f ON f.id = u.id
                WHERE u.expiresAt <= $1 AND (f.id IS NULL OR u.endedAt IS NOT NULL OR f.status IN ('uploading', 'invalid')) ORDER BY u.expiresAt LIMIT $2
                """, [now, limit])
        }
    }

    /// Forgets an upload that did not become a file. The caller removes its bytes.
    package func drop(_ upload: String, reason: String, by caller: Caller) async throws {
        try await store.transaction(by: caller) { transaction in
            let db = transaction.db
            if var file = try Self.find(db, upload), file.status != .committed {
                guard [.uploading, .staged, .invalid].contains(file.status) else {
                    throw FileError.wrongState(status: file.status, problem: "its upload can no longer be given up")
                }
                file.reason = reason
                file.updatedAt = transaction.now
                try db.execute(
                    "UPDATE routingFile SET deletedAt = $2, reason = $3, updatedAt = $2 WHERE id = $1", [upload, transaction.now, reason])
                try Self.tell(transaction, file)
            }
            try Self.forgetUpload(db, upload)
        }
    }

    /// Its file is committed. A client whose last answer got lost still hears that all of it is here.
    static func endUpload(_ transaction: MCMSTransaction, _ upload: String) throws {
        try transaction.db.execute("DELETE FROM fileChunk WHERE uploadId = $1", [upload])
        try transaction.db.execute("UPDATE fileUpload SET endedAt = $2, chunkHashes = NULL WHERE id = $1", [upload, transaction.now])
    }

    static func forgetUpload(_ db: any SQLConnection, _ upload: String) throws {
        try db.execute("DELETE FROM fileChunk WHERE uploadId = $1", [upload])
        try db.execute("DELETE FROM fileUpload WHERE id = $1", [upload])
    }
}

extension Duration {
    var milliseconds: Int64 { Int64(self / .milliseconds(1)) }
}
