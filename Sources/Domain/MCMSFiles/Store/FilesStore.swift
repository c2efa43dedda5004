internal import Digests
package import MCMS
internal import SQLStore
package import SpindleText

/// What the domain's database knows of files.
package struct FilesStore: Sendable {
    let store: MCMSStore

    package init(_ store: MCMSStore) {
        self.store = store
    }

    package var now: Timestamp { store.clock() }

    package func file(_ id: String) async throws -> RoutingFile {
        let found = try await store.database.read { db in try Self.find(db, id) }
        guard let found else { throw FileError.noSuchFile(id) }
        return found
    }

    /// The routing's files, oldest first: each name's newest version, and uploads that may become one.
    package func files(of routing: String?, limit: Int, cursor: String?) async throws -> Page<RoutingFile> {
        let items = try await store.database.read { db in
            var parameters = SQLParameters([cursor ?? ""])
            let condition = routing.map { "AND f.routingId = \(parameters.add($0))" } ?? ""
            let rows = try db.rows(
                """
                \(Self.select) WHERE f.id > $1 AND f.supersededAt IS NULL AND f.deletedAt IS NULL \(condition)
                ORDER BY f.id LIMIT \(parameters.add(limit + 1))
                """, parameters.values)
            return try rows.map { try RoutingFile($0) }
        }
        let page = Array(items.prefix(limit))
        return Page(items: page, nextCursor: items.count > limit ? page.last?.id : nil)
    }

    package func audits(of file: String) async throws -> [IntegrityAudit] {
        try await store.database.read { db in
            guard try Self.find(db, file, deletedToo: true) != nil else { throw FileError.noSuchFile(file) }
            return try db.rows("SELECT * FROM integrityAudit WHERE fileId = $1 ORDER BY id", [file]).map { try IntegrityAudit($0) }
        }
    }

    static let select = """
        SELECT f.*, u.receivedBytes, u.expiresAt FROM routingFile f LEFT JOIN fileUpload u ON u.id = f.id
        """

    static func find(_ db: any SQLConnection, _ id: String, deletedToo: Bool = false) throws -> RoutingFile? {
        let condition = deletedToo ? "" : "AND f.deletedAt IS NULL"
        return try db.row("\(select) WHERE f.id = $1 \(condition)", [id]).map { try RoutingFile($0) }
    }

    /// Moves a file on, and tells everybody who looks. Returns false where its status is none of `from`.
    @discardableResult
    static func move(
        _ transaction: MCMSTransaction, _ file: inout RoutingFile, from: [RoutingFileStatus]? = nil, to status: RoutingFileStatus,
        reason: String? = nil
    ) throws -> Bool {
        if let from, !from.contains(file.status) { return false }
        file.status = status
        file.reason = reason
        file.updatedAt = transaction.now
        try save(transaction.db, file)
        try tell(transaction, file)
        return true
    }

    static func save(_ db: any SQLConnection, _ file: RoutingFile) throws {
        try db.execute(
            """
            UPDATE routingFile SET size = $2, status = $3, reason = $4, sha256 = $5, md5 = $6, verdict = $7, sharePath = $8, retryCount = $9,
                updatedAt = $10, stagedAt = $11, committedAt = $12
            WHERE id = $1
            """,
            [
                file.id, file.size, file.status, file.reason, file.sha256, file.md5, try file.verdict.map(Self.json), file.sharePath,
                file.retryCount, file.updatedAt, file.stagedAt, file.committedAt,
            ])
    }

    static func tell(_ transaction: MCMSTransaction, _ file: RoutingFile) throws {
        try transaction.event(FileNamesOnTopics.fileUpdated, routing: file.routingId, FileUpdatedEvent(file))
    }

    static func json(_ value: some Encodable) throws -> String { String(decoding: try MCMSJSON.encode(value), as: UTF8.self) }

    static func alert(
        _ type: AlertType, _ transaction: MCMSTransaction, _ file: RoutingFile, _ parameters: [AlertParameter: String?] = [:]
    ) throws {
        let own: [AlertParameter: String?] = [
            .file: file.logicalName, .fileId: file.id, .uploader: file.uploader, .path: file.logicalPath, .bytes: file.size.map { "\($0)" },
        ]
        try transaction.alert(Alert(type, routing: file.routingId, own.merging(parameters) { $1 }))
    }
}

/// Topics, queues and task types of files.
package enum FileNamesOnTopics {
    package static let fileUpdated = "file.updated"
}

package enum FileQueues {
    package static let ingest = "file-ingest"
    package static let retry = "storage-retry"
    package static let missing = "missingParts"
    package static let garbage = "cas-gc"

    package static let ingestTask = "FileIngestCommand"
    package static let missingTask = "MissingPartsCommand"
    package static let garbageTask = "CasGarbageCommand"
}

/// What is published on `file.updated`.
package struct FileUpdatedEvent: Codable, Hashable, Sendable {
    package var fileId: String
    package var routingId: String
    package var logicalName: String
    package var status: RoutingFileStatus
    package var reason: String?
    package var updatedAt: Timestamp

    init(_ file: RoutingFile) {
        fileId = file.id
        routingId = file.routingId
        logicalName = file.logicalName
        status = file.status
        reason = file.reason
        updatedAt = file.updatedAt
    }

    /// A field without a value is null.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(fileId, forKey: .fileId)
        try container.encode(routingId, forKey: .routingId)
        try container.encode(logicalName, forKey: .logicalName)
        try container.encode(status, forKey: .status)
        try container.encode(reason, forKey: .reason)
        try container.encode(updatedAt, forKey: .updatedAt)
    }
}

extension RoutingFileStatus: SQLConvertible {}

extension RoutingFile {
    init(_ row: SQLRow) throws {
        let verdict = try row.optional("verdict", as: String.self)
        let size = try row.optional("size", as: Int64.self)
        self.init(
            id: try row.value("id"), routingId: try row.value("routingId"), revision: try row.value("revision"),
            logicalName: try row.value("logicalName"), logicalPath: try row.value("logicalPath"), size: size,
            receivedBytes: try row.optional("receivedBytes") ?? size ?? 0, status: try row.value("status"), reason: try row.optional("reason"),
            sha256: try row.optional("sha256"), md5: try row.optional("md5"),
            verdict: try verdict.map { try MCMSJSON.decode(ScanVerdict.self, from: $0.utf8) }, uploader: try row.value("uploader"),
            sharePath: try row.optional("sharePath"), retryCount: try row.value("retryCount"), correlationId: try row.value("correlationId"),
            createdAt: try row.value("createdAt"), updatedAt: try row.value("updatedAt"), stagedAt: try row.optional("stagedAt"),
            committedAt: try row.optional("committedAt"), expiresAt: try row.optional("expiresAt"))
        if ![.uploading, .invalid].contains(status) { expiresAt = nil }
    }
}

extension IntegrityAudit {
    init(_ row: SQLRow) throws {
        let scan = try row.optional("scan", as: String.self)
        let verdict = try row.value("verdict", as: String.self)
        self.init(
            id: try row.value("id"), fileId: try row.value("fileId"), routingId: try row.value("routingId"), hash: try row.value("hash"),
            algorithm: try row.value("algorithm"), chunkCount: try row.value("chunkCount"), uploader: try row.value("uploader"),
            uploadSessionId: try row.value("uploadSessionId"), storeAnswer: try row.value("storeAnswer"),
            scan: try scan.map { try MCMSJSON.decode(ScanVerdict.self, from: $0.utf8) }, verdict: Verdict(rawValue: verdict) ?? .failed,
            detail: try row.optional("detail"), time: try row.value("time"))
    }
}
