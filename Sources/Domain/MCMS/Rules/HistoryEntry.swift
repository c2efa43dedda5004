package import SpindleText

package enum HistoryEvent: String, Codable, CaseIterable, Sendable {
    case routingCreated = "RoutingCreated"
    case routingSubmitted = "RoutingSubmitted"
    case routingApproved = "RoutingApproved"
    case routingRejected = "RoutingRejected"
    case addinJobCreated = "AddinJobCreated"
    case addinJobCompleted = "AddinJobCompleted"
    case addinJobFailed = "AddinJobFailed"
    case addinJobResultIgnored = "AddinJobResultIgnored"
    case fileCommitted = "FileCommitted"
    case fileQuarantined = "FileQuarantined"
    case fileInvalid = "FileInvalid"
    case fileRescanned = "FileRescanned"
    case fileReleased = "FileReleased"
    case fileDeleted = "FileDeleted"
    case fileDownloaded = "FileDownloaded"
    case storageCommitFailed = "StorageCommitFailed"
}

/// What became of a request for approval.
package enum ApprovalOutcome: String, Codable, CaseIterable, Sendable {
    case approved
    case rejected
}

/// What became of a generation.
package enum GenerationOutcome: String, Codable, CaseIterable, Sendable {
    case queued
    case completed
    case failed
}

/// One line of a routing's history. Lines are added and never changed: the database refuses it.
package struct HistoryEntry: Codable, Hashable, Sendable {
    /// Rises with time within one database.
    package let id: Int64
    package let routingId: String
    package let jobId: String?
    package let event: HistoryEvent
    package let approvalOutcome: ApprovalOutcome?
    package let generationOutcome: GenerationOutcome?
    package let message: String?
    package let actor: String
    /// Whose token or session made the request. Nil where it came as a message, and in lines of before this was kept.
    package let principal: String?
    package let correlationId: String
    package let time: Timestamp
}
