internal import HTTPTypes
internal import Hummingbird
internal import MCMS

extension APIRoutes {
    /// Alerts of the past, in the reader's language. Everyone who hears alerts may read them again.
    mutating func addAlerts(_ store: MCMSStore) {
        on(.get, "api/alerts", .readRoutings) { call in
            let language = try call.language()
            let page = try await store.alerts(
                severity: try call.choice("severity", AlertSeverity.self), routing: call.query("routingId"), limit: try call.limit(),
                cursor: call.query("cursor"))
            let items = page.items.map { $0.translated { language == .ko ? $0.korean : $0.english } }
            return try .json(Page(items: items, nextCursor: page.nextCursor), headers: [.contentLanguage: language.rawValue])
        }
    }
}

extension APIRequest {
    /// Of the answer's texts: what the query asks for, else what the browser likes best.
    func language() throws -> HealthLanguage {
        HealthLanguage(asked: try choice("language", HealthLanguage.self)?.rawValue, accepted: request.headers[.acceptLanguage])
    }
}
