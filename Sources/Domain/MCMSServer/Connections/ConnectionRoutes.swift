internal import Foundation
internal import Hummingbird
internal import MCMS
internal import SpindleText

extension APIRoutes {
    static let connectionTopicsMax = 32
    static let connectionHubsMax = 8

    /// `POST /api/connections`: a token for one connection to events, for a browser that has none of its own.
    mutating func addConnections(_ access: WebAccess, _ store: MCMSStore) {
        on(.post, "api/connections", nil, isAudited: false) { call in
            struct Asked: Decodable {
                var user: String?
                var topics: [String]?
                var hubs: [String]?
            }
            struct Given: Encodable {
                let url: String
                let token: String
                let expiresAt: Timestamp
            }
            let principal = try await access.principal(for: call.request)
            let body = try await call.body(Asked.self)
            let user = try Self.user(body.user ?? call.onBehalfOf, principal)
            let (topics, hubs, url) = try Self.scope(body.topics, body.hubs)
            let given = try await access.issue(.init(topics: topics, hubs: hubs, person: user), for: call.request)
            if let user {
                let by = Caller(actor: user, principal: principal.name, correlationID: call.correlationID, address: call.origin.address)
                try await store.audit(AuditAction.connectionGiven.rawValue, subject: user, detail: url, by: by)
            }
            return try .json(Given(url: url, token: given.token, expiresAt: given.expiresAt), status: .created)
        }
    }

    /// A server asks for a person whom it names; all others for themselves.
    private static func user(_ name: String?, _ principal: WebPrincipal) throws -> String? {
        guard let name else {
            guard !principal.permissions.contains(.nameActor) else {
                throw Problem(
                    .invalidField, "“\(principal.name)” acts for people, and the request does not say for whom.", action: "Name the person in “user”.",
                    field: "user")
            }
            return nil
        }
        return try TextLimits.check(name, field: "user", max: TextLimits.actorMax)
    }

    private static func scope(_ topics: [String]?, _ hubs: [String]?) throws -> (topics: [String]?, hubs: [String]?, url: String) {
        switch (topics, hubs) {
        case (let patterns?, nil):
            guard (1...connectionTopicsMax).contains(patterns.count) else { throw wrongCount("topics", connectionTopicsMax) }
            let names = try patterns.map { pattern in
                let found = EventTopic.matching(pattern)
                guard !found.isEmpty else { throw unknown("topics", pattern, EventTopic.allCases.map(\.rawValue)) }
                return found
            }
            let all = EventTopic.allCases.filter { topic in names.contains { $0.contains(topic) } }.map(\.rawValue)
            return (all, nil, "/events?topics=\(all.joined(separator: ","))")
        case (nil, let hubs?):
            guard (1...connectionHubsMax).contains(hubs.count), let first = hubs.first else { throw wrongCount("hubs", connectionHubsMax) }
            for hub in hubs where EventHubName(rawValue: hub) == nil { throw unknown("hubs", hub, EventHubName.allCases.map(\.rawValue)) }
            return (nil, hubs, "/hubs/\(first)")
        default:
            throw Problem(
                .malformedRequest, "A connection is for “topics” or for “hubs”, and the request names neither or both.",
                action: "Send one of the two.")
        }
    }

    private static func wrongCount(_ field: String, _ max: Int) -> Problem {
        Problem(.invalidField, "“\(field)” must have 1 to \(max) names.", action: "Correct the field.", field: field)
    }

    private static func unknown(_ field: String, _ name: String, _ known: [String]) -> Problem {
        Problem(
            .invalidField, "Nothing in “\(field)” is called “\(name.prefix(100))”.", action: "Choose of \(known.joined(separator: ", ")).", field: field)
    }
}
