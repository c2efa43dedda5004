internal import HTTPTypes
package import Hummingbird
package import Logging

/// Who listens.
package struct EventCaller: Sendable {
    package let name: String
    /// Whether the right to listen still holds; asked while the connection lasts. Throws where that can't be found out now.
    package let mayStillListen: @Sendable () async throws -> Bool

    package init(name: String, mayStillListen: @escaping @Sendable () async throws -> Bool) {
        self.name = name
        self.mayStillListen = mayStillListen
    }
}

/// Whether a request's caller may listen.
package enum EventAdmission: Sendable {
    case caller(EventCaller)
    case notAuthenticated
    case notPermitted
}

/// Lets in who may listen, by whatever carries the events.
package struct EventDoor: Sendable {
    /// Who a request is from, and whether they may listen to these topics; without topics, whether they may ask for the place. Asked once.
    package typealias Authenticate = @Sendable (Request, _ topics: [String]) async throws -> EventAdmission

    let hub: EventHub
    let logger: Logger
    private let trustedOrigins: Set<String>
    private let authenticate: Authenticate

    /// - Parameter trustedOrigins: further origins of our own page, where a proxy changes the host's name.
    package init(hub: EventHub, trustedOrigins: Set<String> = [], logger: Logger, authenticate: @escaping Authenticate) {
        self.hub = hub
        self.trustedOrigins = trustedOrigins
        self.authenticate = authenticate
        self.logger = logger
    }

    var namespace: String { hub.configuration.namespace }

    /// Returns who listens.
    func caller(of request: Request, topics: [String]) async throws(EventProblem) -> EventCaller {
        guard isOurPage(request) else { throw .foreignPage }
        let admission: EventAdmission
        do {
            admission = try await authenticate(request, topics)
        } catch {
            logger.error("audit.error", metadata: ["what": "event stream: caller unknown", "error": "\(error)"])
            throw .callerUnknown
        }
        switch admission {
        case .caller(let caller): return caller
        case .notAuthenticated: throw .notAuthenticated
        case .notPermitted: throw .notPermitted
        }
    }

    /// Reads what `?topics=` asks for.
    func topics(of request: Request) throws(EventProblem) -> [String] {
        guard let text = request.uri.queryParameters["topics"] else { throw .noTopics(hub.configuration.topics) }
        do throws(EventBridgeConfiguration.TopicsUnknown) {
            return try hub.configuration.topics(matching: String(text))
        } catch {
            throw .unknownTopics(error, hub.configuration.topics)
        }
    }

    /// Connects a client to topics that the caller may hear.
    func connect(
        _ caller: EventCaller, topics: [String], framing: EventFraming, lastEventID: String?
    ) throws(EventProblem) -> EventHubClient {
        switch hub.connect(topics: topics, framing: framing, caller: caller, lastEventID: lastEventID) {
        case .full: throw .full
        case .callerFull: throw .callerFull
        case .stopping: throw .stopping
        case .client(let client): return client
        }
    }

    func mayStillListen(_ caller: EventCaller) async -> Bool {
        do {
            return try await caller.mayStillListen()
        } catch {
            // Not known now: asked again at the next turn.
            logger.error("audit.error", metadata: ["what": "event stream: caller can't be checked", "error": "\(error)"])
            return true
        }
    }

    /// A browser sends its cookie with requests of any page. A token is sent only on purpose, and then the cookie does not count.
    private func isOurPage(_ request: Request) -> Bool {
        if request.headers[.authorization] != nil || request.uri.queryParameters["access_token"] != nil { return true }
        if let origin = request.headers[.origin] {
            if trustedOrigins.contains(origin) { return true }
            guard let authority = request.head.authority?.lowercased() else { return false }
            return ["http://\(authority)", "https://\(authority)"].contains(origin.lowercased())
        }
        switch request.headers[Self.secFetchSite] {
        case nil, "same-origin", "none": return true
        default: return false
        }
    }

    private static let secFetchSite: HTTPField.Name = {
        guard let name = HTTPField.Name("Sec-Fetch-Site") else { preconditionFailure("Sec-Fetch-Site is a valid field name") }
        return name
    }()
}
