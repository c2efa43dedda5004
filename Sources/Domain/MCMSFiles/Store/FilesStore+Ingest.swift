internal import ContentStore
internal import Digests
internal import MCMS
internal import SQLStore
internal import SpindleText

/// What an ingest has to do with a file now.
package enum IngestStart {
    case go(RoutingFile, UploadRecord)
    /// It was done before, or an operator decides.
    case settled(String)
    case refused(String)
}

extension FilesStore {
    package func start(_ command: FileIngestCommand) async throws -> IngestStart {
        try await store.database.read { db in
            guard let file = try Self.find(db, command.uploadSessionId) else {
                if try Self.find(db, command.uploadSessionId, deletedToo: true) != nil { return .settled("it was deleted") }
                return .refused("there is no upload “\(command.uploadSessionId)”")
            }
            if file.status == .committed { return .settled("it is committed") }
            if file.status == .quarantined { return .settled("it is quarantined: an operator decides") }
            guard let upload = try Self.upload(db, file.id) else { return .settled("its upload was given up") }
            guard upload.resumeToken == command.resumeToken, file.routingId == command.routingId else {
                return .refused("its resumeToken or routingId is not that of the upload “\(file.id)”")
            }
            guard file.sha256 == command.casHash, file.size == command.size else {
                return .refused("its casHash or size is not that of the staged file: \(file.sha256 ?? "not staged"), \(file.size ?? 0) bytes")
            }
            guard file.status != .uploading else { return .settled("parts of it are missing: it is asked for again when they have come") }
            return .go(file, upload)
        }
    }

    private func change<Value: Sendable>(
        _ id: String, by actor: String? = nil, _ body: @escaping @Sendable (MCMSTransaction, inout RoutingFile) throws -> Value
    ) async throws -> Value {
        let file = try await file(id)
        let caller = Caller(actor: actor ?? file.uploader, correlationID: file.correlationId)
        return try await store.transaction(by: caller) { transaction in
            guard var file = try Self.find(transaction.db, id) else { throw FileError.noSuchFile(id) }
            return try body(transaction, &file)
        }
    }

    /// Says where a file is, if it isn't there already.
    package func mark(_ id: String, _ status: RoutingFileStatus, reason: String? = nil) async throws {
        try await change(id) { transaction, file in
            guard file.status != status || file.reason != reason else { return }
            guard ![.committed, .quarantined].contains(file.status) else { return }
            try Self.move(transaction, &file, to: status, reason: reason)
        }
    }

    /// Says what a file that is under way waits for; its status stays.
    func note(_ id: String, reason: String) async throws {
        try await change(id) { transaction, file in
            guard [.staged, .scanning, .ingesting].contains(file.status), file.reason != reason else { return }
            try Self.move(transaction, &file, to: file.status, reason: reason)
        }
    }

    func record(_ verdict: ScanVerdict, of id: String) async throws {
        try await change(id, by: "scanner") { transaction, file in
            file.verdict = verdict
            try Self.save(transaction.db, file)
        }
    }

    /// Keeps a file from everybody, until an operator decides.
    func quarantine(_ id: String, _ verdict: ScanVerdict?, reason: String) async throws {
        try await change(id, by: "scanner") { transaction, file in
            guard ![.quarantined, .committed].contains(file.status) else { return }
            file.verdict = verdict ?? file.verdict
            try Self.move(transaction, &file, to: .quarantined, reason: reason)
            try transaction.history(.fileQuarantined, routing: file.routingId, message: "\(file.logicalName): \(reason)")
            try Self.alert(.fileQuarantined, transaction, file, [.reason: reason])
        }
    }

    /// Tells operators that files have waited for something for long: once an hour, however many files wait.
    func alert(of wait: FileWait, for id: String, reason: String) async throws {
        try await change(id, by: wait.rawValue) { transaction, file in
            let key = "\(wait.rawValue)-alert/\(transaction.now.milliseconds / 3_600_000)"
            guard try !MCMSTransaction.isHandled(transaction.db, key) else { return }
            try transaction.markHandled(key)
            try Self.alert(wait.alert, transaction, file, [.reason: reason])
        }
    }

    // MARK: Committing

    func audit(
        _ file: RoutingFile, _ upload: UploadRecord, chunkCount: Int, answer: String, _ verdict: IntegrityAudit.Verdict, detail: String? = nil
    ) async throws {
        try await store.transaction(by: Caller(actor: file.uploader, correlationID: file.correlationId)) { transaction in
            try Self.audit(transaction, file, upload, chunkCount: chunkCount, answer: answer, verdict, detail: detail)
        }
    }

    private static func audit(
        _ transaction: MCMSTransaction, _ file: RoutingFile, _ upload: UploadRecord, chunkCount: Int, answer: String,
        _ verdict: IntegrityAudit.Verdict, detail: String?
    ) throws {
        // One for each try and verdict, however often its message comes.
        let key = "\(file.id)/\(file.retryCount)/\(verdict.rawValue)/\(file.stagedAt?.milliseconds ?? 0)"
        guard try !transaction.db.exists("SELECT 1 FROM integrityAudit WHERE attemptKey = $1", [key]) else { return }
        try transaction.db.execute(
            """
            INSERT INTO integrityAudit (fileId, routingId, hash, algorithm, chunkCount, uploader, uploadSessionId, storeAnswer, scan, verdict,
                detail, attemptKey, time)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            """,
            [
                file.id, file.routingId, file.sha256 ?? "", ContentAddress.algorithm, chunkCount, file.uploader, upload.id, answer,
                try file.verdict.map(Self.json), verdict.rawValue, detail, key, transaction.now,
            ])
    }

    /// The digests of what lay at a file's place on the share before: of its earlier versions, deleted ones too.
    func published(before file: RoutingFile) async throws -> Set<String> {
        try await store.database.read { db in
            Set(
                try db.values(
                    """
                    SELECT DISTINCT sha256 FROM routingFile WHERE routingId = $1 AND id <> $2 AND sharePath = $3 AND sha256 IS NOT NULL
                        AND nameKey = (SELECT nameKey FROM routingFile WHERE id = $2)
                    """, [file.routingId, file.id, file.logicalPath], as: String.self))
        }
    }

    private static func predecessors(_ db: any SQLConnection, of file: RoutingFile) throws -> [RoutingFile] {
        try db.rows(
            """
            \(select) WHERE f.routingId = $1 AND f.revision = $2 AND f.id <> $3 AND f.status = 'committed' AND f.supersededAt IS NULL
                AND f.deletedAt IS NULL AND f.nameKey = (SELECT nameKey FROM routingFile WHERE id = $3)
            ORDER BY f.id
            """, [file.routingId, file.revision, file.id]
        ).map { try RoutingFile($0) }
    }

    /// The end of an ingest: what refers to the payload, its history, the alert, and what is forgotten, in one transaction.
    /// - Returns: false: the attempt has lost its claim, and nothing was changed.
    package func commit(_ id: String, attempt: Int, _ digests: [Int: [UInt8]], share: SharePublisher.Outcome) async throws -> Bool {
        try await change(id) { transaction, file in
            let db = transaction.db
            guard file.status != .committed, let hash = file.sha256, try Self.holds(db, attempt, file: id) else { return false }
            file.committedAt = transaction.now
            file.sharePath = share == .occupied ? nil : file.logicalPath
            let grid = ChunkGrid(bytes: file.size ?? 0)
            let list = try Self.chunkList((0..<grid.count).compactMap { digests[$0] })
            try db.execute(
                """
                INSERT INTO casPayload (hash, size, md5, chunkList, state, storedAt, orphanedAt) VALUES ($1, $2, $3, $4, 'present', $5, NULL)
                ON CONFLICT (hash) DO UPDATE SET orphanedAt = NULL
                """, [hash, file.size, file.md5 ?? "", list, transaction.now])
            for (index, digest) in digests {
                try db.execute(
                    "INSERT INTO casChunk (sha256, hash, chunkIndex) VALUES ($1, $2, $3) ON CONFLICT (hash, chunkIndex) DO NOTHING",
                    [digest, hash, index])
            }
            let before = try Self.predecessors(db, of: file)
            try Self.move(
                transaction, &file, to: .committed,
                reason: share == .occupied ? "another file lies at \(file.logicalPath) on the share; it was left alone" : nil)
            // After it is committed: it may be the same bytes.
            for before in before {
                try db.execute("UPDATE routingFile SET supersededAt = $2 WHERE id = $1", [before.id, transaction.now])
                try Self.orphan(transaction, before)
            }
            try Self.endClaims(db, of: id)
            try Self.endUpload(transaction, id)
            try transaction.history(
                .fileCommitted, routing: file.routingId, message: "\(file.logicalName), \(file.size ?? 0) bytes, sha256 \(hash)")
            try Self.alert(share == .occupied ? .fileShareOccupied : .fileCommitted, transaction, file)
            return true
        }
    }

    /// Lets the payload of a file that is no longer referred to be collected, where it was the last.
    /// - Parameter isDeleted: its ref is to be removed as well.
    static func orphan(_ transaction: MCMSTransaction, _ file: RoutingFile, isDeleted: Bool = false) throws {
        guard let hash = file.sha256 else { return }
        let isLast = try references(transaction.db, to: hash) == 0
        if isLast { try transaction.db.execute("UPDATE casPayload SET orphanedAt = $2 WHERE hash = $1", [hash, transaction.now]) }
        // A new version's ref has taken the old one's place; a deleted file's is still there.
        guard isLast || isDeleted else { return }
        try transaction.command(
            FileQueues.garbageTask, taskID: hash, to: FileQueues.garbage, routing: file.routingId,
            CasGarbageCommand(hash: hash, fileId: isDeleted ? file.id : nil))
    }

    static func references(_ db: any SQLConnection, to hash: String) throws -> Int {
        try db.value(
            """
            SELECT count(*) FROM routingFile WHERE sha256 = $1 AND status = 'committed' AND supersededAt IS NULL AND deletedAt IS NULL
            """, [hash], as: Int.self) ?? 0
    }

    // MARK: What goes wrong

    /// Bytes that had come are not there: they are asked for again, and nothing else.
    package func missing(_ id: String, _ indexes: [Int], _ command: FileIngestCommand) async throws {
        try await change(id, by: "worker") { transaction, file in
            guard let upload = try Self.upload(transaction.db, id), let grid = upload.grid else { return }
            for index in indexes {
                try transaction.db.execute("DELETE FROM fileChunk WHERE uploadId = $1 AND chunkIndex = $2", [id, index])
            }
            // A payload that the store had is no longer relied on.
            let received = upload.way == .parts ? upload.receivedBytes - indexes.reduce(0) { $0 + grid.bytes(of: $1) } : grid.offset(of: indexes[0])
            try transaction.db.execute("UPDATE fileUpload SET receivedBytes = $2, sameAs = NULL WHERE id = $1", [id, received])
            let parts = indexes.map { index in
                MissingPartsCommand.Part(
                    index: index, offset: grid.offset(of: index), size: grid.bytes(of: index),
                    hash: command.chunks.first { $0.index == index }?.hash)
            }
            try Self.audit(
                transaction, file, upload, chunkCount: grid.count, answer: "-", .missing, detail: "chunks \(Self.list(indexes)) are missing")
            try Self.move(transaction, &file, to: .uploading, reason: "chunks \(Self.list(indexes)) are missing, and asked for again")
            try transaction.command(
                FileQueues.missingTask, taskID: "\(id)/\(file.retryCount)", to: FileQueues.missing, routing: file.routingId,
                MissingPartsCommand(resumeToken: upload.resumeToken, uploadSessionId: id, routingId: file.routingId, parts: parts))
            try Self.alert(.fileMissingParts, transaction, file, [.missing: "\(indexes.count)", .parts: "\(grid.count)"])
        }
    }

    /// What is here is not what came. Tried again, `retriesMax` times at most.
    func mismatch(_ id: String, detail: String, chunkCount: Int, retriesMax: Int) async throws {
        try await change(id, by: "worker") { transaction, file in
            guard let upload = try Self.upload(transaction.db, id) else { return }
            try Self.audit(transaction, file, upload, chunkCount: chunkCount, answer: "-", .mismatch, detail: detail)
            let isFirst = file.retryCount == 0
            file.retryCount += 1
            guard file.retryCount <= retriesMax else {
                return try Self.giveUp(transaction, &file, detail)
            }
            try Self.move(transaction, &file, to: .invalid, reason: detail)
            try Self.freeClaim(transaction.db, of: id)
            try transaction.history(.fileInvalid, routing: file.routingId, message: "\(file.logicalName): \(detail)")
            if isFirst {
                try Self.alert(.fileInvalid, transaction, file, [.reason: detail])
            }
            try Self.askForIngest(transaction, file, upload, to: FileQueues.retry)
        }
    }

    /// The file can't be stored: its uploader is asked to send it again.
    static func giveUp(_ transaction: MCMSTransaction, _ file: inout RoutingFile, _ reason: String) throws {
        try move(transaction, &file, to: .invalid, reason: reason)
        try forgetUpload(transaction.db, file.id)
        try transaction.history(.storageCommitFailed, routing: file.routingId, message: "\(file.logicalName): \(reason)")
        try alert(.fileStorageCommitFailed, transaction, file, [.reason: reason])
    }

    /// The ingest's message died. Does nothing where the file has ended already.
    package func fail(_ id: String, reason: String) async throws {
        guard let known = try await whoever(id) else { return }
        try await store.transaction(by: Caller(actor: "broker", correlationID: known.correlationId)) { transaction in
            guard var file = try Self.find(transaction.db, id), Self.isIngestible(file.status),
                try Self.upload(transaction.db, id) != nil
            else { return }
            try Self.giveUp(transaction, &file, reason)
        }
    }

    static func list(_ indexes: [Int]) -> String {
        let shown = indexes.prefix(10).map(String.init).joined(separator: ", ")
        return indexes.count > 10 ? "\(shown) … (\(indexes.count))" : shown
    }
}

/// Asks to remove a payload that nothing refers to: the payload of `CasGarbageCommand` on `cas-gc`.
package struct CasGarbageCommand: Codable, Hashable, Sendable {
    package var hash: String
    /// A deleted file, whose ref goes first.
    package var fileId: String?
}
