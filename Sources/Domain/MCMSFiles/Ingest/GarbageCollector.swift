package import ContentStore
internal import MCMS
internal import SQLStore
internal import SpindleText

/// Removes payloads that no file refers to.
///
/// A payload is removed in three steps: its row is marked as being removed, in a transaction that sees no reference, no ingest that uses it
/// (a pin), and that it has been without references for the grace time; then its bytes are removed; then its row. An ingest takes a pin
/// before it looks for the payload, and gets none while the payload is being removed.
package struct GarbageCollector: Sendable {
    package enum Outcome: Hashable, Sendable {
        case removed
        case inUse
        /// Milliseconds until its grace is over.
        case notYet(Int64)
        case unknown
    }

    private let files: FilesStore
    private let payloads: any PayloadStore
    private let repair: RefRepair
    private let graceMilliseconds: Int64
    /// A ref that an ingest is writing is looked at again after so long.
    private static let takenMilliseconds: Int64 = 15_000

    package init(files: FilesStore, payloads: any PayloadStore, refs: RefFolder, graceMilliseconds: Int64) {
        self.files = files
        self.payloads = payloads
        repair = RefRepair(files: files, refs: refs, store: payloads.name)
        self.graceMilliseconds = graceMilliseconds
    }

    /// Removes a deleted file's ref, and the payload that nothing refers to any more.
    package func collect(_ command: CasGarbageCommand) async throws -> Outcome {
        if let id = command.fileId, try await !repair.mend(afterEndOf: id) { return .notYet(Self.takenMilliseconds) }
        return try await collect(command.hash)
    }

    package func collect(_ hash: String) async throws -> Outcome {
        guard let address = ContentAddress(hash: hash) else { return .unknown }
        let outcome = try await files.beginRemoval(of: hash, graceMilliseconds: graceMilliseconds)
        guard outcome == .removed else { return outcome }
        try await payloads.remove(address)
        try await files.endRemoval(of: hash)
        return .removed
    }

    /// What could be collected now.
    package struct Report: Codable, Hashable, Sendable {
        package var removed: [String] = []
        package var bytes: Int64 = 0
        package var waiting: [String] = []
        /// In the store, and not in the database: left by an ingest that died for good.
        package var strays: [String] = []
    }

    /// Collects all that can be; also what an ingest left that never ended, if it is older than the grace time.
    package func collectAll(isDry: Bool, now: Int64) async throws -> Report {
        var report = Report()
        for (hash, bytes, orphanedAt) in try await files.orphans() {
            guard now - orphanedAt >= graceMilliseconds else {
                report.waiting.append(hash)
                continue
            }
            if !isDry { guard case .removed = try await collect(hash) else { continue } }
            report.removed.append(hash)
            report.bytes += bytes
        }
        for stray in try await strays(now: now) {
            report.strays.append(stray.address.hash)
            report.bytes += stray.bytes
            if !isDry, try await files.adopt(stray: stray.address.hash, bytes: stray.bytes, graceMilliseconds: graceMilliseconds) {
                _ = try await collect(stray.address.hash)
            }
        }
        return report
    }

    private func strays(now: Int64) async throws -> [(address: ContentAddress, bytes: Int64)] {
        var found: [(ContentAddress, Int64)] = []
        for address in try await payloads.all() where try await !files.isKnown(payload: address.hash) {
            guard let facts = try await payloads.facts(of: address), let storedAt = facts.storedAt, now - storedAt >= graceMilliseconds else { continue }
            found.append((address, facts.bytes))
        }
        return found
    }
}

extension FilesStore {
    package func beginRemoval(of hash: String, graceMilliseconds: Int64) async throws -> GarbageCollector.Outcome {
        let clock = store.clock
        return try await store.database.write { db in
            guard let row = try db.row("SELECT state, orphanedAt FROM casPayload WHERE hash = $1", [hash]) else { return .unknown }
            let facts = RemovalRule.Facts(
                isBeingRemoved: try row.value("state", as: String.self) == "removing", references: try Self.references(db, to: hash),
                claims: try db.value("SELECT count(*) FROM casPin WHERE hash = $1", [hash], as: Int.self) ?? 0,
                orphanedAt: try row.optional("orphanedAt"))
            switch RemovalRule.verdict(facts, now: clock().milliseconds, graceMilliseconds: graceMilliseconds) {
            case .inUse: return .inUse
            case .notYet(let left): return .notYet(left)
            case .remove:
                try db.execute("UPDATE casPayload SET state = 'removing' WHERE hash = $1", [hash])
                return .removed
            }
        }
    }

    /// Makes a payload that the database does not know one that nobody refers to, and asks to collect it. False: it is known now.
    package func adopt(stray hash: String, bytes: Int64, graceMilliseconds: Int64) async throws -> Bool {
        try await store.transaction(by: Caller(actor: "worker", correlationID: TimeOrderedID.make(at: store.clock()))) { transaction in
            let db = transaction.db
            guard try !db.exists("SELECT 1 FROM casPayload WHERE hash = $1", [hash]), try !db.exists("SELECT 1 FROM casPin WHERE hash = $1", [hash])
            else { return false }
            try db.execute(
                """
                INSERT INTO casPayload (hash, size, md5, chunkList, state, storedAt, orphanedAt) VALUES ($1, $2, '', '', 'present', $3, $4)
                """, [hash, bytes, transaction.now, transaction.now.milliseconds - graceMilliseconds])
            try transaction.command(
                FileQueues.garbageTask, taskID: hash, to: FileQueues.garbage, routing: hash, CasGarbageCommand(hash: hash, fileId: nil))
            return true
        }
    }

    package func endRemoval(of hash: String) async throws {
        try await store.database.write { db in
            try db.execute("DELETE FROM casChunk WHERE hash = $1", [hash])
            try db.execute("DELETE FROM casPayload WHERE hash = $1 AND state = 'removing'", [hash])
        }
    }

    func orphans() async throws -> [(hash: String, bytes: Int64, orphanedAt: Int64)] {
        try await store.database.read { db in
            try db.rows("SELECT hash, size, orphanedAt FROM casPayload WHERE orphanedAt IS NOT NULL ORDER BY orphanedAt LIMIT 100000").map {
                (try $0.value("hash"), try $0.value("size"), try $0.value("orphanedAt"))
            }
        }
    }

    package func isKnown(payload hash: String) async throws -> Bool {
        try await store.database.read { db in
            try db.exists("SELECT 1 FROM casPayload WHERE hash = $1", [hash]) || db.exists("SELECT 1 FROM casPin WHERE hash = $1", [hash])
        }
    }

    /// What the store holds.
    package struct Figures: Codable, Hashable, Sendable {
        package var payloads: Int
        package var bytes: Int64
        /// Bytes of all files, had each its own copy.
        package var referredBytes: Int64
        package var files: Int
        package var orphans: Int
        package var uploads: Int
    }

    package func figures() async throws -> Figures {
        try await store.database.read { db in
            let current = "status = 'committed' AND supersededAt IS NULL AND deletedAt IS NULL"
            return Figures(
                payloads: try db.value("SELECT count(*) FROM casPayload", as: Int.self) ?? 0,
                bytes: try db.value("SELECT coalesce(sum(size), 0) FROM casPayload", as: Int64.self) ?? 0,
                referredBytes: try db.value("SELECT coalesce(sum(size), 0) FROM routingFile WHERE \(current)", as: Int64.self) ?? 0,
                files: try db.value("SELECT count(*) FROM routingFile WHERE \(current)", as: Int.self) ?? 0,
                orphans: try db.value("SELECT count(*) FROM casPayload WHERE orphanedAt IS NOT NULL", as: Int.self) ?? 0,
                uploads: try db.value("SELECT count(*) FROM fileUpload WHERE endedAt IS NULL", as: Int.self) ?? 0)
        }
    }

    /// All payloads that are referred to, for verification.
    package func payloads() async throws -> [(hash: String, bytes: Int64)] {
        try await store.database.read { db in
            try db.rows("SELECT hash, size FROM casPayload WHERE state = 'present' ORDER BY hash").map { (try $0.value("hash"), try $0.value("size")) }
        }
    }

    /// The latest audits of all files.
    package func audits(limit: Int) async throws -> [IntegrityAudit] {
        try await store.database.read { db in
            try db.rows("SELECT * FROM integrityAudit ORDER BY id DESC LIMIT $1", [limit]).map { try IntegrityAudit($0) }
        }
    }

    /// Tells everybody who looks which parts are missing; the list itself is what the upload lacks.
    func noteMissing(_ command: MissingPartsCommand) async throws {
        guard let file = try? await file(command.uploadSessionId), file.status == .uploading else { return }
        try await store.transaction(by: Caller(actor: "worker", correlationID: file.correlationId)) { transaction in
            if let file = try Self.find(transaction.db, command.uploadSessionId) { try Self.tell(transaction, file) }
        }
    }
}
