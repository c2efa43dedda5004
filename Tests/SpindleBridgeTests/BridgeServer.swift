import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import ServiceLifecycle
import SpindleBridge
import SpindleClient
import SpindleWeb
import Synchronization
import Testing

/// A live server with the event streams, for the time of `body`.
struct BridgeServer: Sendable {
    let topics: FakeTopics
    let hub: EventHub
    let port: Int
    let client: any TestClientProtocol
    /// Takes away the right to listen.
    let revoked: Flag

    final class Flag: Sendable {
        private let value = Atomic(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }

    static let token = "listener-token"
    static let authorization: HTTPFields = [.authorization: "Bearer \(token)"]

    static func run(
        topics: FakeTopics = FakeTopics(), ready: Bool = true, _ change: (inout EventBridgeConfiguration) -> Void = { _ in },
        body: @escaping @Sendable (BridgeServer) async throws -> Void
    ) async throws {
        var configuration = EventBridgeConfiguration(streams: EventBridgeConfiguration.testStreams)
        configuration.tickMilliseconds = 10
        configuration.retryMilliseconds = 10...20
        change(&configuration)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let hub = EventHub(configuration: configuration, source: topics, logger: logger)
        let revoked = Flag()
        let router = Router()
        let door = EventDoor(hub: hub, trustedOrigins: ["https://mcms.example.lan"], logger: logger) { request, topics in
            let isForAlerts = request.headers[.cookie]?.contains("session=alerts") == true
            if isForAlerts { return topics == ["notification.alert"] ? .caller(EventCaller(name: "lee") { true }) : .notPermitted }
            let cookie = request.headers[.cookie]?.contains("session=good") == true
            let bearer = request.headers[.authorization] == "Bearer \(token)"
            return (cookie || bearer) && !revoked.isSet ? .caller(EventCaller(name: "kim") { !revoked.isSet }) : .notAuthenticated
        }
        EventRoutes(door: door).add(to: router)
        let application = Application(
            router: router, server: WebChannel.server(tls: nil, webSockets: EventSockets(door: door)), services: [hub], logger: logger)
        try await application.test(.ahc(.http)) { client in
            let server = BridgeServer(topics: topics, hub: hub, port: try #require(client.port), client: client, revoked: revoked)
            if ready { try await server.eventually("the hub follows") { hub.cursor != nil } }
            try await body(server)
        }
    }

    /// Looks again and again at a condition that has no event of its own, until a deadline.
    func eventually(_ what: String, seconds: Int = 20, _ condition: () -> Bool) async throws {
        guard await poll(seconds: seconds, until: condition) else {
            Issue.record("not within \(seconds) s: \(what)")
            throw CancellationError()
        }
    }

    /// The whole answer, for streams that end.
    func get(_ path: String, _ headers: HTTPFields = authorization) async throws -> TestResponse {
        try await client.execute(uri: path, method: .get, headers: headers) { $0 }
    }

    func listen(_ path: String, curl options: [String] = [], authorized: Bool = true) throws -> Listener {
        let credentials = authorized ? ["-H", "Authorization: Bearer \(Self.token)"] : []
        return try Listener(
            "curl", ["-sSN", "--max-time", "60"] + credentials + options + ["http://localhost:\(port)\(path)"])
    }
}

/// False: it was not so by the deadline.
func poll(seconds: Int, until condition: () -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        guard ContinuousClock.now < deadline else { return false }
        try? await Task.sleep(for: .milliseconds(5)) // between two looks, up to the deadline
    }
    return true
}
