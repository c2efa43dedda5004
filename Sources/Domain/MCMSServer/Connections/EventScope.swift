internal import MCMS
internal import SpindleText

/// A topic of the broker that people may listen to. `docs/events.md` tells what its events hold.
package enum EventTopic: String, CaseIterable, Codable, Sendable {
    case jobCreated = "addin.job.created"
    case jobUpdated = "addin.job.updated"
    case routingCreated = "routing.created"
    case approvalChanged = "routing.approval.changed"
    case fileUpdated = "file.updated"
    case alert = "notification.alert"

    /// What a listener needs.
    package var permission: WebPermission {
        switch self {
        case .jobCreated, .jobUpdated: .readJobs
        case .routingCreated, .approvalChanged, .fileUpdated, .alert: .readRoutings
        }
    }

    /// Returns the topics that a name or a pattern means; empty where nobody can listen to any such.
    package static func matching(_ pattern: String) -> [EventTopic] {
        guard let pattern = NamePattern(checked: pattern) else { return [] }
        return allCases.filter { pattern.matches($0.rawValue) }
    }
}

/// A SignalR hub: `/hubs/<name>`.
package enum EventHubName: String, CaseIterable, Codable, Sendable {
    case addin, routing

    package var topics: [EventTopic] {
        switch self {
        case .addin: [.jobCreated, .jobUpdated]
        case .routing: [.routingCreated, .approvalChanged, .fileUpdated]
        }
    }
}

/// What somebody wants to listen to, or may.
package enum EventScope: Hashable, Sendable {
    case topics([String])
    case hub(String)

    var hubs: [String] {
        if case .hub(let name) = self { [name] } else { [] }
    }

    /// What a listener needs, all of it.
    var permissions: Set<WebPermission> {
        switch self {
        // Without a topic: the place in the broker's history.
        case .topics(let names): names.isEmpty ? [.readRoutings] : Set(names.map { EventTopic(rawValue: $0)?.permission ?? .readRoutings })
        case .hub(let name): EventHubName(rawValue: name).map { Set($0.topics.map(\.permission)) } ?? [.readRoutings]
        }
    }
}
