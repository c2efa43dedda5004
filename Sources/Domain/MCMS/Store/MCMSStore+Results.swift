internal import SQLStore

/// Which message a command came in, so that a redelivery of it is recognised.
package struct MessageIdentity: Hashable, Sendable {
    package let queue: String
    /// The broker's id of the message, the same at every delivery.
    package let messageID: UInt64
    package let taskID: String

    package init(queue: String, messageID: UInt64, taskID: String) {
        self.queue = queue
        self.messageID = messageID
        self.taskID = taskID
    }

    /// The broker's ids begin again when its data is deleted; together with the task's id they never meet again.
    var key: String { "\(queue)/\(messageID)/\(taskID)" }
}

/// What became of a report from the add-in.
package enum AddinReportOutcome: Hashable, Sendable {
    case progress(AddinJob)
    case completed(AddinJob)
    case failed(AddinJob)
    /// The recorded result once more. Nothing changed.
    case repeated(AddinJob)
    /// Another result than the recorded one, which stays.
    case ignored(AddinJob)
    /// Progress after the result. Nothing changed.
    case late(AddinJob)
    /// This very message was handled before. Nothing changed.
    case alreadyHandled
    /// Not now: try again later. Nothing changed.
    case retry(reason: String)
    /// Never: the message belongs to the dead letters. Nothing changed.
    case rejected(reason: String)
}

/// How a result ends its job.
enum AddinVerdict: Sendable {
    case completed([OutputFile])
    /// The add-in failed, or says that it completed and its output isn't there.
    case failed(message: String)
}

extension MCMSStore {
    enum ReportCheck: Sendable {
        case settled(AddinReportOutcome)
        /// Something is to be written; for `finish` after the outputs were looked at.
        case open(AddinReportDecision)
    }

    /// What a report would do now. Reads only.
    func check(_ command: AddinJobResultCommand, in message: MessageIdentity) async throws -> ReportCheck {
        let fingerprint = try command.report.fingerprint
        return try await database.read { db in
            if try MCMSTransaction.isHandled(db, message.key) { return .settled(.alreadyHandled) }
            switch try Self.decide(db, command, fingerprint) {
            case .failure(let problem): return .settled(.rejected(reason: problem.description))
            case .success(let (_, decision)): return .open(decision)
            }
        }
    }

    private struct UnknownJob: Error, CustomStringConvertible {
        let description: String
    }

    private static func decide(
        _ db: any SQLConnection, _ command: AddinJobResultCommand, _ fingerprint: String
    ) throws -> Result<(StoredJob, AddinReportDecision), UnknownJob> {
        guard let stored = try StoredJob.find(db, id: command.jobId) else {
            return .failure(UnknownJob(description: "there is no add-in job “\(command.jobId.prefix(80))”"))
        }
        if let routing = command.routingId, routing != stored.job.routingId {
            return .failure(
                UnknownJob(
                    description: "the job \(stored.job.jobId) belongs to the routing \(stored.job.routingId), not to “\(routing.prefix(80))”"))
        }
        let decision = AddinJobRules.decide(
            job: stored.job.status, recorded: stored.fingerprint, report: command.report.resultStatus, reported: fingerprint)
        return .success((stored, decision))
    }

    /// Writes a report's effect, and that its message was handled, in one transaction. The decision is made again inside it: another
    /// worker may have recorded a result since ``check(_:in:)``.
    func record(
        _ command: AddinJobResultCommand, verdict: AddinVerdict?, in message: MessageIdentity, lease: TaskLease? = nil, by caller: Caller
    ) async throws -> AddinReportOutcome {
        let fingerprint = try command.report.fingerprint
        return try await transaction(by: caller) { transaction in
            if try MCMSTransaction.isHandled(transaction.db, message.key) { return .alreadyHandled }
            switch try Self.decide(transaction.db, command, fingerprint) {
            case .failure(let problem):
                return .rejected(reason: problem.description)
            case .success((var stored, let decision)):
                let outcome = try Self.apply(transaction, decision, command.report, verdict, fingerprint, to: &stored)
                try Self.note(transaction, command, in: message, lease: lease, stored.job)
                try transaction.markHandled(message.key)
                return outcome
            }
        }
    }

    /// What the timeline tells: who had the command, who has the report, and that it is done. Of progress only the first of each attempt.
    private static func note(
        _ transaction: MCMSTransaction, _ command: AddinJobResultCommand, in message: MessageIdentity, lease: TaskLease?, _ job: AddinJob
    ) throws {
        if let delivery = command.delivery { try transaction.noteCommandLease(delivery, of: job) }
        guard let lease, command.report.resultStatus != .running else { return }
        try transaction.noteHandled(lease, of: job, command.report.resultStatus.rawValue, in: message)
    }

    private static func apply(
        _ transaction: MCMSTransaction, _ decision: AddinReportDecision, _ report: AddinReport, _ verdict: AddinVerdict?,
        _ fingerprint: String, to stored: inout StoredJob
    ) throws -> AddinReportOutcome {
        switch decision {
        case .repeated: return .repeated(stored.job)
        case .late:
            // A job that has ended is worked on: its command is in the queue again, as when its dead letter was redriven.
            try transaction.withdrawCommand(of: stored.job.jobId)
            return .late(stored.job)
        case .ignored:
            try noteIgnored(transaction, report, fingerprint, stored.job)
            return .ignored(stored.job)
        case .progress:
            try progress(transaction, report, &stored)
            return .progress(stored.job)
        case .finish:
            guard let verdict else { preconditionFailure("a result is recorded only after its outputs were looked at") }
            stored.fingerprint = fingerprint
            try transaction.withdrawCommand(of: stored.job.jobId)
            switch verdict {
            case .completed(let outputs):
                try complete(transaction, report, outputs, &stored)
                return .completed(stored.job)
            case .failed(let message):
                try fail(transaction, TextLimits.shortened(message), &stored)
                return .failed(stored.job)
            }
        }
    }

    private static func progress(_ transaction: MCMSTransaction, _ report: AddinReport, _ stored: inout StoredJob) throws {
        stored.job.status = .leased
        stored.job.leasedAt = stored.job.leasedAt ?? transaction.now
        stored.job.message = report.message.map(TextLimits.shortened) ?? stored.job.message
        // Reports may overtake each other; a bar that runs backwards helps nobody.
        stored.job.progress = report.progress.map { max($0, stored.job.progress ?? 0) } ?? stored.job.progress
        try finishUpdate(transaction, &stored) { $0.lastGenerationStatus = .running }
    }

    private static func complete(
        _ transaction: MCMSTransaction, _ report: AddinReport, _ outputs: [OutputFile], _ stored: inout StoredJob
    ) throws {
        let job = stored.job
        let known = try knownOutputs(transaction.db, routing: job.routingId)
        let hasNew = outputs.contains { !known.contains($0) }
        stored.job.status = .completed
        stored.job.message = report.message.map(TextLimits.shortened)
        stored.job.outputs = outputs
        stored.job.progress = 100
        stored.job.finishedAt = transaction.now
        try transaction.history(
            .addinJobCompleted, routing: job.routingId, job: job.jobId, generation: .completed, message: stored.job.message)
        let routing = try finishUpdate(transaction, &stored) { routing in
            routing.lastGenerationStatus = .completed
            if hasNew { routing.camRevision += 1 }
        }
        try transaction.alert(
            Alert(
                .jobCompleted, routing: job.routingId,
                [
                    .routing: routing.name, .jobId: job.jobId, .message: stored.job.message, .revision: "\(routing.camRevision)",
                    .files: "\(outputs.count)",
                ]))
    }

    static func fail(_ transaction: MCMSTransaction, _ message: String, _ stored: inout StoredJob) throws {
        let job = stored.job
        stored.job.status = .failed
        stored.job.message = message
        stored.job.finishedAt = transaction.now
        try transaction.history(.addinJobFailed, routing: job.routingId, job: job.jobId, generation: .failed, message: message)
        let routing = try finishUpdate(transaction, &stored) { $0.lastGenerationStatus = .failed }
        try transaction.alert(
            Alert(.jobFailed, routing: job.routingId, [.routing: routing.name, .jobId: job.jobId, .message: message]))
    }

    /// Writes the job, its routing (if this is still the routing's latest job) and the event that both changed.
    @discardableResult
    private static func finishUpdate(
        _ transaction: MCMSTransaction, _ stored: inout StoredJob, _ change: (inout Routing) -> Void
    ) throws -> Routing {
        stored.job.updatedAt = transaction.now
        try stored.update(transaction.db)
        var routing = try Routing.find(transaction.db, id: stored.job.routingId)
        if routing.lastAddinJobId == stored.job.jobId {
            change(&routing)
            routing.updatedAt = transaction.now
            routing.lastGenerationAt = transaction.now
            try routing.update(transaction.db)
        }
        try transaction.event(
            MCMSNames.jobUpdatedTopic, routing: routing.id,
            AddinJobUpdatedEvent(
                jobId: stored.job.jobId, routingId: routing.id, status: stored.job.status, message: stored.job.message,
                updatedAt: transaction.now))
        return routing
    }

    /// Notes a differing result once, however often it comes.
    private static func noteIgnored(
        _ transaction: MCMSTransaction, _ report: AddinReport, _ fingerprint: String, _ job: AddinJob
    ) throws {
        let isNew = try transaction.db.execute(
            "INSERT INTO addinIgnoredResult (jobId, fingerprint) VALUES ($1, $2) ON CONFLICT (jobId, fingerprint) DO NOTHING",
            [job.jobId, fingerprint]) == 1
        guard isNew else { return }
        let said = report.message.map { ": \($0)" } ?? ""
        try transaction.history(
            .addinJobResultIgnored, routing: job.routingId, job: job.jobId,
            message: TextLimits.shortened("the job is \(job.status.rawValue) already; ignored “\(report.resultStatus.rawValue)”\(said)"))
    }

    /// What earlier jobs of the routing have left on the share.
    private static func knownOutputs(_ db: any SQLConnection, routing: String) throws -> Set<OutputFile> {
        let lists = try db.values("SELECT outputs FROM addinJob WHERE routingId = $1 AND status = 'completed'", [routing], as: String.self)
        return try lists.reduce(into: Set()) { known, list in
            known.formUnion(try MCMSJSON.decode([OutputFile].self, from: list.utf8))
        }
    }
}
