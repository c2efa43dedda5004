internal import Foundation
package import SQLStore
internal import SpindleText

// Enums with raw text are stored as that text.
extension RoutingStatus: SQLConvertible {}
extension GenerationStatus: SQLConvertible {}
extension AddinJobStatus: SQLConvertible {}
extension HistoryEvent: SQLConvertible {}
extension ApprovalOutcome: SQLConvertible {}
extension GenerationOutcome: SQLConvertible {}

extension Routing {
    init(_ row: SQLRow) throws {
        self.init(
            id: try row.value("id"), name: try row.value("name"), camRevision: try row.value("camRevision"),
            status: try row.value("status"), approver: try row.optional("approver"), createdAt: try row.value("createdAt"),
            updatedAt: try row.value("updatedAt"), submittedAt: try row.optional("submittedAt"), approvedAt: try row.optional("approvedAt"),
            lastAddinJobId: try row.optional("lastAddinJobId"), lastGenerationStatus: try row.value("lastGenerationStatus"),
            lastGenerationAt: try row.optional("lastGenerationAt"))
    }

    package static func find(_ db: any SQLConnection, id: String) throws -> Routing {
        guard let row = try db.row("SELECT * FROM routing WHERE id = $1", [id]) else { throw MCMSError.notFound(.routing, id: id) }
        return try Routing(row)
    }

    func insert(_ db: any SQLConnection) throws {
        try db.execute(
            """
            INSERT INTO routing (id, name, camRevision, status, createdAt, updatedAt, lastGenerationStatus)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [id, name, camRevision, status, createdAt, updatedAt, lastGenerationStatus])
    }

    func update(_ db: any SQLConnection) throws {
        try db.execute(
            """
            UPDATE routing SET camRevision = $2, status = $3, approver = $4, updatedAt = $5, submittedAt = $6, approvedAt = $7,
                lastAddinJobId = $8, lastGenerationStatus = $9, lastGenerationAt = $10
            WHERE id = $1
            """,
            [
                id, camRevision, status, approver, updatedAt, submittedAt, approvedAt, lastAddinJobId, lastGenerationStatus, lastGenerationAt,
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

    init(_ row: SQLRow) throws {
        let outputs: String = try row.value("outputs")
        job = AddinJob(
            jobId: try row.value("jobId"), routingId: try row.value("routingId"), status: try row.value("status"),
            message: try row.optional("message"), progress: try row.optional("progress"),
            outputs: try MCMSJSON.decode([OutputFile].self, from: outputs.utf8), requestedBy: try row.value("requestedBy"),
            correlationId: try row.value("correlationId"), createdAt: try row.value("createdAt"), leasedAt: try row.optional("leasedAt"),
            finishedAt: try row.optional("finishedAt"), updatedAt: try row.value("updatedAt"))
        fingerprint = try row.optional("resultFingerprint")
    }

    static func find(_ db: any SQLConnection, id: String) throws -> StoredJob? {
        try db.row("SELECT * FROM addinJob WHERE jobId = $1", [id]).map(StoredJob.init)
    }

    func insert(_ db: any SQLConnection) throws {
        try db.execute(
            """
            INSERT INTO addinJob (jobId, routingId, status, requestedBy, correlationId, createdAt, updatedAt)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            [job.jobId, job.routingId, job.status, job.requestedBy, job.correlationId, job.createdAt, job.updatedAt])
    }

    func update(_ db: any SQLConnection) throws {
        try db.execute(
            """
            UPDATE addinJob SET status = $2, message = $3, progress = $4, outputs = $5, leasedAt = $6, finishedAt = $7, updatedAt = $8,
                resultFingerprint = $9
            WHERE jobId = $1
            """,
            [
                job.jobId, job.status, job.message, job.progress, String(decoding: try MCMSJSON.encode(job.outputs), as: UTF8.self),
                job.leasedAt, job.finishedAt, job.updatedAt, fingerprint,
            ])
    }
}

extension HistoryEntry {
    init(_ row: SQLRow) throws {
        self.init(
            id: try row.value("id"), routingId: try row.value("routingId"), jobId: try row.optional("jobId"), event: try row.value("event"),
            approvalOutcome: try row.optional("approvalOutcome"), generationOutcome: try row.optional("generationOutcome"),
            message: try row.optional("message"), actor: try row.value("actor"), principal: try row.optional("principal"),
            correlationId: try row.value("correlationId"), time: try row.value("time"))
    }
}
