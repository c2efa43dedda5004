internal import GRDB
import SpindleText

/// The answer to a report over HTTP: the same for every repetition of it.
package struct AddinCallbackReceipt: Codable, Hashable, Sendable {
    package let jobId: String
    package let routingId: String
    package let taskId: String
    package let resultStatus: AddinResultStatus
}

extension MCMSStore {
    /// A repetition within this time is taken for a client that didn't get its answer. After it, for one that sees no effect: the
    /// command is sent again (it may have ended as a dead letter), and has an effect only if the first had none.
    package static let callbackRepeatMilliseconds: Int64 = 60_000

    /// Takes in a report over HTTP, by sending the same `AddinJobResultCommand` that the add-in would publish itself.
    package func acceptCallback(job jobID: String, _ report: AddinReport, by caller: Caller) async throws -> AddinCallbackReceipt {
        let fingerprint = try report.fingerprint
        return try await transaction(by: caller) { transaction in
            let db = transaction.db
            let now = transaction.now
            guard let stored = try StoredJob.find(db, id: jobID) else { throw MCMSError.notFound(.addinJob, id: jobID) }
            let earlier = try Row.fetchOne(
                db, sql: "SELECT taskId, enqueuedAt FROM addinCallback WHERE jobId = ? AND fingerprint = ?",
                arguments: [jobID, fingerprint])
            let taskID: String = earlier?["taskId"] ?? TimeOrderedID.make(at: now)
            let receipt = AddinCallbackReceipt(
                jobId: jobID, routingId: stored.job.routingId, taskId: taskID, resultStatus: report.resultStatus)
            if let earlier {
                let enqueuedAt: Timestamp = earlier["enqueuedAt"]
                if stored.job.status.isFinal || now < enqueuedAt.adding(milliseconds: Self.callbackRepeatMilliseconds) { return receipt }
            }
            try db.execute(
                sql: """
                    INSERT INTO addinCallback (jobId, fingerprint, taskId, enqueuedAt) VALUES (:job, :fingerprint, :task, :now)
                    ON CONFLICT (jobId, fingerprint) DO UPDATE SET enqueuedAt = :now
                    """,
                arguments: ["job": jobID, "fingerprint": fingerprint, "task": taskID, "now": now])
            try transaction.command(
                MCMSNames.resultTask, taskID: taskID, to: MCMSNames.resultQueue, routing: stored.job.routingId, group: jobID,
                AddinJobResultCommand(jobId: jobID, routingId: stored.job.routingId, report: report, reportedBy: caller.actor))
            return receipt
        }
    }
}
