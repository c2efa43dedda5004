internal import HTTPTypes
internal import Hummingbird
internal import MCMS

/// A routing as the API shows it: with what can be done with it now.
struct RoutingView: Encodable {
    let routing: Routing
    /// Why the latest generation failed; absent where it did not.
    var generationMessage: String?

    private enum Key: String, CodingKey { case legalActions, generationMessage }

    func encode(to encoder: any Encoder) throws {
        try routing.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(RoutingRules.legalActions(in: routing.state), forKey: .legalActions)
        try fields.encodeIfPresent(generationMessage, forKey: .generationMessage)
    }
}

struct RoutingListView: Encodable {
    let items: [RoutingView]
    let nextCursor: String?
}

extension APIRoutes {
    mutating func addRoutings(_ store: MCMSStore) {
        struct NewRouting: Decodable {
            var name: String
            var actor: String?
        }
        on(.post, "api/routings", .changeRoutings) { call in
            let new = try await call.body(NewRouting.self)
            let routing = try await store.createRouting(name: new.name, by: try call.caller(actor: new.actor))
            return try .json(RoutingView(routing: routing), status: .created, headers: [.location: "/api/routings/\(routing.id)"])
        }
        on(.get, "api/routings", .readRoutings) { call in
            let page = try await store.routings(try call.routingQuery(), limit: try call.limit(), cursor: call.query("cursor"))
            let failures = try await store.generationFailures(of: page.items)
            let items = page.items.map { RoutingView(routing: $0, generationMessage: failures[$0.id]) }
            return try .json(RoutingListView(items: items, nextCursor: page.nextCursor))
        }
        on(.get, "api/routings/{id}", .readRoutings) { call in
            let routing = try await store.routing(call.id)
            let failures = try await store.generationFailures(of: [routing])
            return try .json(RoutingView(routing: routing, generationMessage: failures[routing.id]))
        }
        on(.get, "api/routings/{id}/history", .readRoutings) { call in
            try .json(try await store.history(of: call.id, limit: try call.limit(), cursor: call.query("cursor")))
        }
        for action in RoutingAction.allCases { addAction(action, store) }
    }

    private mutating func addAction(_ action: RoutingAction, _ store: MCMSStore) {
        struct ActionBody: Decodable {
            var actor: String?
            var reason: String?
        }
        on(.post, "api/routings/{id}/\(action.rawValue)", .changeRoutings) { call in
            let body = try await call.body(ActionBody.self)
            let caller = try call.caller(actor: body.actor)
            let routing =
                switch action {
                case .submit: try await store.submit(call.id, by: caller)
                case .approve: try await store.approve(call.id, by: caller)
                case .reject: try await store.reject(call.id, reason: body.reason, by: caller)
                case .retryGeneration: try await store.retryGeneration(call.id, by: caller)
                }
            return try .json(RoutingView(routing: routing))
        }
    }
}

extension APIRequest {
    fileprivate func routingQuery() throws -> RoutingQuery {
        let search = query("search")
        guard search?.count ?? 0 <= RoutingQuery.searchCharactersMax else {
            throw Problem(
                .invalidField, "“search” has more than \(RoutingQuery.searchCharactersMax) characters.", action: "Search for less.",
                field: "search")
        }
        return RoutingQuery(
            search: search, status: try choice("status", RoutingStatus.self), generation: try choice("generation", GenerationStatus.self),
            order: try choice("sort", RoutingOrder.self) ?? .newest)
    }
}
