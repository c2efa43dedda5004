internal import Foundation
package import GRDB
internal import Outbox
package import SpindleText

extension Timestamp: DatabaseValueConvertible {
    package var databaseValue: DatabaseValue { milliseconds.databaseValue }

    package static func fromDatabaseValue(_ value: DatabaseValue) -> Timestamp? {
        Int64.fromDatabaseValue(value).map(Timestamp.init(milliseconds:))
    }
}

// Enums with raw text are stored as that text.
extension RoutingStatus: DatabaseValueConvertible {}
extension GenerationStatus: DatabaseValueConvertible {}
extension AddinJobStatus: DatabaseValueConvertible {}
extension HistoryEvent: DatabaseValueConvertible {}
extension ApprovalOutcome: DatabaseValueConvertible {}
extension GenerationOutcome: DatabaseValueConvertible {}

extension Routing {
    init(_ row: Row) {
        self.init(
            id: row["id"], name: row["name"], camRevision: row["camRevision"], status: row["status"], approver: row["approver"],
            createdAt: row["createdAt"], updatedAt: row["updatedAt"], submittedAt: row["submittedAt"], approvedAt: row["approvedAt"],
            lastAddinJobId: row["lastAddinJobId"], lastGenerationStatus: row["lastGenerationStatus"],
            lastGenerationAt: row["lastGenerationAt"])
    }

    static func find(_ db: Database, id: String) throws -> Routing {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM routing WHERE id = ?", arguments: [id]) else {
            throw MCMSError.notFound(.routing, id: id)
        }
        return Routing(row)
    }

    func insert(_ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO routing (id, name, camRevision, status, createdAt, updatedAt, lastGenerationStatus)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [id, name, camRevision, status, createdAt, updatedAt, lastGenerationStatus])
    }

    func update(_ db: Database) throws {
        try db.execute(
            sql: """
                UPDATE routing SET camRevision = ?, status = ?, approver = ?, updatedAt = ?, submittedAt = ?, approvedAt = ?,
                    lastAddinJobId = ?, lastGenerationStatus = ?, lastGenerationAt = ?
                WHERE id = ?
                """,
            arguments: [
                camRevision, status, approver, updatedAt, submittedAt, approvedAt, lastAddinJobId, lastGenerationStatus, lastGenerationAt,
                id,
            ])
    }
}

/// A job with what only the store knows of it.
struct StoredJob {
    var job: AddinJob
    /// Of the result that decided, if there is one.
    var fingerprint: String?

    init(job: AddinJob) {
        self.job = job
    }

    init(_ row: Row) throws {
        let outputs: String = row["outputs"]
        job = AddinJob(
            jobId: row["jobId"], routingId: row["routingId"], status: row["status"], message: row["message"], progress: row["progress"],
            outputs: try MCMSJSON.decode([OutputFile].self, from: outputs.utf8), requestedBy: row["requestedBy"],
            correlationId: row["correlationId"], createdAt: row["createdAt"], leasedAt: row["leasedAt"], finishedAt: row["finishedAt"],
            updatedAt: row["updatedAt"])
        fingerprint = row["resultFingerprint"]
    }

    static func find(_ db: Database, id: String) throws -> StoredJob? {
        try Row.fetchOne(db, sql: "SELECT * FROM addinJob WHERE jobId = ?", arguments: [id]).map(StoredJob.init)
    }

    func insert(_ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO addinJob (jobId, routingId, status, requestedBy, correlationId, createdAt, updatedAt)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [job.jobId, job.routingId, job.status, job.requestedBy, job.correlationId, job.createdAt, job.updatedAt])
    }

    func update(_ db: Database) throws {
        try db.execute(
            sql: """
                UPDATE addinJob SET status = ?, message = ?, progress = ?, outputs = ?, leasedAt = ?, finishedAt = ?, updatedAt = ?,
                    resultFingerprint = ?
                WHERE jobId = ?
                """,
            arguments: [
                job.status, job.message, job.progress, String(decoding: try MCMSJSON.encode(job.outputs), as: UTF8.self), job.leasedAt,
                job.finishedAt, job.updatedAt, fingerprint, job.jobId,
            ])
    }
}

extension HistoryEntry {
    init(_ row: Row) {
        self.init(
            id: row["id"], routingId: row["routingId"], jobId: row["jobId"], event: row["event"], approvalOutcome: row["approvalOutcome"],
            generationOutcome: row["generationOutcome"], message: row["message"], actor: row["actor"], principal: row["principal"],
            correlationId: row["correlationId"], time: row["time"])
    }
}
