package import MCMS
internal import SQLStore
internal import SpindleText

extension FilesStore {
    /// Lets the scanner look again at a file that is quarantined.
    package func rescan(_ id: String, by caller: Caller) async throws -> RoutingFile {
        try await decide(id, by: caller) { transaction, file, upload in
            file.verdict = nil
            try Self.move(transaction, &file, to: .staged)
            try transaction.history(.fileRescanned, routing: file.routingId, message: file.logicalName)
            file.retryCount += 1
            try Self.save(transaction.db, file)
            try Self.askForIngest(transaction, file, upload, to: FileQueues.ingest)
        }
    }

    /// Lets a file that is quarantined pass, by an explicit decision that the history and the audit keep.
    package func release(_ id: String, reason: String?, by caller: Caller) async throws -> RoutingFile {
        let reason = try TextLimits.check(reason ?? "", field: "reason", max: TextLimits.reasonMax)
        return try await decide(id, by: caller) { transaction, file, upload in
            let before = file.verdict?.detail ?? file.reason ?? ""
            file.verdict = ScanVerdict(
                .released, detail: "\(caller.actor): \(reason) (\(before))", engine: file.verdict?.engine, scannedBytes: file.verdict?.scannedBytes ?? 0,
                totalBytes: file.size ?? 0, scannedAt: transaction.now)
            try Self.move(transaction, &file, to: .staged)
            try transaction.history(.fileReleased, routing: file.routingId, message: "\(file.logicalName): \(reason)")
            file.retryCount += 1
            try Self.save(transaction.db, file)
            try Self.askForIngest(transaction, file, upload, to: FileQueues.ingest)
        }
    }

    private func decide(
        _ id: String, by caller: Caller, _ body: @escaping @Sendable (MCMSTransaction, inout RoutingFile, UploadRecord) throws -> Void
    ) async throws -> RoutingFile {
        try await store.transaction(by: caller) { transaction in
            guard var file = try Self.find(transaction.db, id) else { throw FileError.noSuchFile(id) }
            guard file.status == .quarantined else {
                throw FileError.wrongState(status: file.status, problem: "only a file that is quarantined can be rescanned or released")
            }
            guard let upload = try Self.upload(transaction.db, id) else {
                throw FileError.wrongState(status: file.status, problem: "its bytes are gone")
            }
            try body(transaction, &file, upload)
            return file
        }
    }

    /// Deletes a file. Returns whether staged bytes are to be removed; the payload of a committed file is collected later.
    package func delete(_ id: String, by caller: Caller) async throws -> Bool {
        try await store.transaction(by: caller) { transaction in
            let db = transaction.db
            guard var file = try Self.find(db, id) else { throw FileError.noSuchFile(id) }
            guard file.status != .ingesting else {
                throw FileError.wrongState(status: file.status, problem: "it can be deleted when its ingest has ended")
            }
            let wasCommitted = file.status == .committed
            try db.execute("UPDATE routingFile SET deletedAt = $2, updatedAt = $2 WHERE id = $1", [id, transaction.now])
            file.updatedAt = transaction.now
            file.reason = "deleted by \(caller.actor)"
            try transaction.history(
                .fileDeleted, routing: file.routingId, message: "\(file.logicalName), sha256 \(file.sha256 ?? "not known")")
            try Self.tell(transaction, file)
            try Self.forgetUpload(db, id)
            if wasCommitted {
                try Self.keepPayload(db, of: file)
                try Self.orphan(transaction, file, isDeleted: true)
            }
            return !wasCommitted
        }
    }

    /// Keeps who downloaded what: once an hour for each person and file, since a download may be resumed, or read in pieces.
    package func noteDownload(_ file: RoutingFile, by caller: Caller) async throws {
        try await store.transaction(by: caller) { transaction in
            let key = "download/\(file.id)/\(caller.principal ?? caller.actor)/\(transaction.now.milliseconds / 3_600_000)"
            guard try !MCMSTransaction.isHandled(transaction.db, key) else { return }
            try transaction.markHandled(key)
            try transaction.history(.fileDownloaded, routing: file.routingId, message: "\(file.logicalName), sha256 \(file.sha256 ?? "")")
        }
    }
}
