import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import SpindleBridge
import SpindleClient
import SpindleWeb
import Synchronization
import Testing

struct Agreement: Decodable {
    struct Transport: Decodable {
        let transport: String
        let transferFormats: [String]
    }

    let connectionId: String
    let connectionToken: String?
    let negotiateVersion: Int
    let availableTransports: [Transport]
}

/// A live server with two hubs.
struct HubServer: Sendable {
    static let token = "listener-token"

    let topics: FakeTopics
    let hub: EventHub
    let hubs: SignalRHubs
    let port: Int
    let client: any TestClientProtocol
    /// Takes away the right to listen.
    let revoked: BridgeServer.Flag

    static func run(hasWebSockets: Bool = false, body: @escaping @Sendable (HubServer) async throws -> Void) async throws {
        var configuration = EventBridgeConfiguration(
            streams: EventBridgeConfiguration.testStreams,
            hubs: [.init("addin", topics: ["addin.job.created", "addin.job.updated"]), .init("routing", topics: ["routing.created"])])
        configuration.tickMilliseconds = 10
        let topics = FakeTopics()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let hub = EventHub(configuration: configuration, source: topics, logger: logger)
        let revoked = BridgeServer.Flag()
        let ids = Ids()
        let admit: @Sendable (Request, String) -> EventAdmission = { request, hub in
            switch request.headers[.authorization] {
            case "Bearer \(token)": .caller(EventCaller(name: "kim") { !revoked.isSet })
            case "Bearer narrow": hub == "routing" ? .caller(EventCaller(name: "lee") { true }) : .notPermitted
            default: .notAuthenticated
            }
        }
        let access = SignalRAccess(
            negotiate: { request, hub in
                switch admit(request, hub) {
                case .caller(let caller): .agreed(id: ids.new(hub, caller))
                case .notAuthenticated: .notAuthenticated
                case .notPermitted: .notPermitted
                }
            }, redeem: { id, hub, _ in ids.take(id, hub) }, admit: admit)
        var limits = SignalRLimits()
        limits.tickMilliseconds = 10
        let hubs = SignalRHubs(hub: hub, access: access, limits: limits, logger: logger)
        let router = Router()
        SignalRRoutes(hubs: hubs, hasWebSockets: hasWebSockets).add(to: router)
        let sockets = hasWebSockets ? SignalRSockets(hubs: hubs) : nil
        let application = Application(
            router: router, server: WebChannel.server(tls: nil, webSockets: sockets), services: [hub, hubs], logger: logger)
        try await application.test(.ahc(.http)) { client in
            let server = HubServer(topics: topics, hub: hub, hubs: hubs, port: try #require(client.port), client: client, revoked: revoked)
            try await server.eventually("the hub follows") { hub.cursor != nil }
            try await body(server)
        }
    }

    /// Ids as a server gives them: each is good once, for its hub.
    private final class Ids: Sendable {
        private let known = Mutex<[String: (hub: String, caller: EventCaller)]>([:])

        func new(_ hub: String, _ caller: EventCaller) -> String {
            let id = UUID().uuidString
            known.withLock { $0[id] = (hub, caller) }
            return id
        }

        func take(_ id: String, _ hub: String) -> EventCaller? {
            known.withLock { known in
                guard known[id]?.hub == hub else { return nil }
                return known.removeValue(forKey: id)?.caller
            }
        }
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields = [.authorization: "Bearer \(token)"], body: String? = nil
    ) async throws -> TestResponse {
        try await client.execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }) { $0 }
    }

    func negotiate(_ hub: String) async throws -> String {
        let answer = try await send(.post, "/hubs/\(hub)/negotiate?negotiateVersion=1")
        return try #require(try JSONDecoder().decode(Agreement.self, from: Data(answer.body.readableBytesView)).connectionToken)
    }

    func listen(_ hub: String, _ id: String) throws -> Listener {
        try Listener("curl", ["-sSN", "--max-time", "60", "-H", "Accept: text/event-stream", "http://localhost:\(port)/hubs/\(hub)?id=\(id)"])
    }

    /// Looks again and again at a condition that has no event of its own, until a deadline.
    func eventually(_ what: String, _ condition: () -> Bool) async throws {
        guard await poll(seconds: 20, until: condition) else {
            Issue.record("not within 20 s: \(what)")
            throw CancellationError()
        }
    }

    func eventuallyAsync(_ what: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("not within 20 s: \(what)")
                throw CancellationError()
            }
        }
    }
}
