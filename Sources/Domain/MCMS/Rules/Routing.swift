package import SpindleText

/// Where a routing stands between its author and its approver.
package enum RoutingStatus: String, Codable, CaseIterable, Sendable {
    case draft
    case pendingApproval
    case approved
    case rejected
}

/// How the latest generation of the routing's CAM output went. It is kept apart from ``RoutingStatus`` on purpose: a failed
/// generation leaves the routing approved.
package enum GenerationStatus: String, Codable, CaseIterable, Sendable {
    case none
    case queued
    case running
    case completed
    case failed
}

/// The plan by which a part is machined.
package struct Routing: Codable, Hashable, Sendable {
    package let id: String
    package var name: String
    /// Raised each time that a generation brings new output. 0: never generated.
    package var camRevision: Int
    package var status: RoutingStatus
    /// Who approved it.
    package var approver: String?
    package let createdAt: Timestamp
    package var updatedAt: Timestamp
    package var submittedAt: Timestamp?
    package var approvedAt: Timestamp?
    package var lastAddinJobId: String?
    package var lastGenerationStatus: GenerationStatus
    package var lastGenerationAt: Timestamp?

    package var state: RoutingState { RoutingState(status: status, generation: lastGenerationStatus) }
}
