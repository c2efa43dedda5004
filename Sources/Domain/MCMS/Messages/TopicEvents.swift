package import SpindleText

/// What is published on the topics; field names and meaning are the browsers' interface. Every field is in every event: one without a value is
/// null.
package struct AddinJobCreatedEvent: Codable, Hashable, Sendable {
    package var jobId: String
    package var routingId: String
    package var createdAt: Timestamp
}

package struct AddinJobUpdatedEvent: Codable, Hashable, Sendable {
    package var jobId: String
    package var routingId: String
    package var status: AddinJobStatus
    package var message: String?
    package var updatedAt: Timestamp

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(jobId, forKey: .jobId)
        try container.encode(routingId, forKey: .routingId)
        try container.encode(status, forKey: .status)
        try container.encode(message, forKey: .message)
        try container.encode(updatedAt, forKey: .updatedAt)
    }
}

package struct RoutingCreatedEvent: Codable, Hashable, Sendable {
    package var routingId: String
    package var name: String
    package var status: RoutingStatus
    package var createdBy: String
    package var createdAt: Timestamp
}

package struct RoutingApprovalChangedEvent: Codable, Hashable, Sendable {
    package var routingId: String
    package var status: RoutingStatus
    /// Who submitted, approved or rejected it.
    package var approvedBy: String
    /// Of a rejection.
    package var reason: String?
    package var timestamp: Timestamp

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(routingId, forKey: .routingId)
        try container.encode(status, forKey: .status)
        try container.encode(approvedBy, forKey: .approvedBy)
        try container.encode(reason, forKey: .reason)
        try container.encode(timestamp, forKey: .timestamp)
    }
}
