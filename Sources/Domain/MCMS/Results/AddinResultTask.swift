internal import Logging
internal import SpindleClient
internal import SpindleText
package import SpindleWorker

/// Lets a worker of the queue `addin-result` handle `AddinJobResultCommand`:
/// `worker.register(AddinResultTask(AddinResultHandler(store: store, share: share)))`
package struct AddinResultTask: TaskHandler {
    package var taskType: String { MCMSNames.resultTask }
    private let handler: AddinResultHandler
    private let worker: String?

    /// - Parameter worker: this worker's name, for the timeline.
    package init(_ handler: AddinResultHandler, worker: String? = nil) {
        self.handler = handler
        self.worker = worker
    }

    package func handle(_ context: TaskContext) async throws -> TaskOutcome {
        guard let payload = context.envelope.payload else { return .dead(reason: "\(taskType) has no payload") }
        let lease = TaskLease(attempt: context.attempt, leasedAt: Timestamp.now(), worker: worker)
        let outcome = try await handler.handle(
            payload: try MCMSJSON.encode(payload),
            message: MessageIdentity(
                queue: context.queue, messageID: context.messageID.rawValue, taskID: context.envelope.taskId ?? ""),
            correlationID: context.correlationID, attempt: context.attempt, lease: lease)
        context.logger.info("add-in report", metadata: ["outcome": "\(outcome.name)"])
        return Self.taskOutcome(of: outcome)
    }

    package static func taskOutcome(of outcome: AddinReportOutcome) -> TaskOutcome {
        switch outcome {
        case .progress, .completed, .failed, .repeated, .ignored, .late, .alreadyHandled: .done
        case .retry(let reason): .retry(reason: reason)
        case .rejected(let reason): .dead(reason: reason)
        }
    }
}

extension AddinReportOutcome {
    /// For logs.
    var name: String {
        switch self {
        case .progress: "progress"
        case .completed: "completed"
        case .failed: "failed"
        case .repeated: "repeated"
        case .ignored: "ignored"
        case .late: "late"
        case .alreadyHandled: "alreadyHandled"
        case .retry: "retry"
        case .rejected: "rejected"
        }
    }
}
