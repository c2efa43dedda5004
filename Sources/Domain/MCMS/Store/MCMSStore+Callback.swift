internal import SQLStore
internal import SpindleText

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
            let earlier = try db.row("SELECT taskId, enqueuedAt FROM addinCallback WHERE jobId = $1 AND fingerprint = $2", [jobID, fingerprint])
            let taskID = try earlier?.value("taskId", as: String.self) ?? TimeOrderedID.make(at: now)
            let receipt = AddinCallbackReceipt(
                jobId: jobID, routingId: stored.job.routingId, taskId: taskID, resultStatus: report.resultStatus)
            if let earlier {
                let enqueuedAt: Timestamp = try earlier.value("enqueuedAt")
                if stored.job.status.isFinal || now < enqueuedAt.adding(milliseconds: Self.callbackRepeatMilliseconds) { return receipt }
            }
            try db.execute(
                """
                INSERT INTO addinCallback (jobId, fingerprint, taskId, enqueuedAt) VALUES ($1, $2, $3, $4)
                ON CONFLICT (jobId, fingerprint) DO UPDATE SET enqueuedAt = $4
                """,
                [jobID, fingerprint, taskID, now])
            try transaction.command(
                MCMSNames.resultTask, taskID: taskID, to: MCMSNames.resultQueue, routing: stored.job.routingId, group: jobID,
                AddinJobResultCommand(jobId: jobID, routingId: stored.job.routingId, report: report, reportedBy: caller.actor))
            return receipt
        }
    }
}
