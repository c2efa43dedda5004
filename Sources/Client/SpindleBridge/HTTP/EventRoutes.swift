internal import HTTPTypes
package import Hummingbird
package import Logging
internal import ServiceLifecycle
internal import SpindleClient
import SpindleText

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

/// The event streams on a router: `GET /events/<stream>` for each stream, and `GET /events/cursor`.
///
/// A stream answers with `text/event-stream`: `hello` (or `gap`) first, then the topics' events under the topics' names with their bodies
/// as published, `ping` while nothing happens, `gap` where history is missing (read the state anew), `reauth` before it ends because the
/// caller's right has ended. The id of each is a cursor: `Last-Event-ID`, or else the query's `lastEventId`, goes on behind it.
package struct EventRoutes: Sendable {
    /// Who a request is from, and whether they may listen to these topics; without topics, whether they may ask for the place. Asked once.
    package typealias Authenticate = @Sendable (Request, _ topics: [String]) async throws -> EventAdmission

    private let hub: EventHub
    private let trustedOrigins: Set<String>
    private let authenticate: Authenticate
    private let logger: Logger

    /// - Parameter trustedOrigins: further origins of our own page, where a proxy changes the host's name.
    package init(hub: EventHub, trustedOrigins: Set<String> = [], logger: Logger, authenticate: @escaping Authenticate) {
        self.hub = hub
        self.trustedOrigins = trustedOrigins
        self.authenticate = authenticate
        self.logger = logger
    }

    package func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
        for (index, stream) in hub.configuration.streams.enumerated() {
            router.get(RouterPath("events/\(stream.name)")) { request, _ in
                await answer(request, stream.topics) { caller in open(index, request, caller) }
            }
        }
        // The page reads this before the state: with it, no event between the state and the stream is missed.
        router.get("events/cursor") { request, _ in
            await answer(request, []) { _ in
                guard let cursor = hub.cursor else { return EventProblem.noCursor.response(namespace: hub.configuration.namespace) }
                return Response(
                    status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
                    body: ResponseBody(byteBuffer: ByteBuffer(string: JSONText.object([("cursor", cursor.description)]))))
            }
        }
    }

    private func answer(_ request: Request, _ topics: [String], _ body: (EventCaller) -> Response) async -> Response {
        guard isOurPage(request) else { return EventProblem.foreignPage.response(namespace: hub.configuration.namespace) }
        do {
            switch try await authenticate(request, topics) {
            case .caller(let caller): return body(caller)
            case .notAuthenticated: return EventProblem.notAuthenticated.response(namespace: hub.configuration.namespace)
            case .notPermitted: return EventProblem.notPermitted.response(namespace: hub.configuration.namespace)
            }
        } catch {
            logger.error("audit.error", metadata: ["what": "event stream: caller unknown", "error": "\(error)"])
            return EventProblem.callerUnknown.response(namespace: hub.configuration.namespace)
        }
    }

    /// A browser sends the cookie whoever's page asks; a token is sent only on purpose.
    private func isOurPage(_ request: Request) -> Bool {
        if request.headers[.authorization] != nil || request.uri.queryParameters["access_token"] != nil { return true }
        if let origin = request.headers[.origin] {
            if trustedOrigins.contains(origin) { return true }
            guard let authority = request.head.authority?.lowercased() else { return false }
            return ["http://\(authority)", "https://\(authority)"].contains(origin.lowercased())
        }
        switch request.headers[Names.secFetchSite] {
        case nil, "same-origin", "none": return true
        default: return false
        }
    }

    private func open(_ stream: Int, _ request: Request, _ caller: EventCaller) -> Response {
        let query = request.uri.queryParameters["lastEventId"].map { String($0) }
        switch hub.connect(stream: stream, caller: caller, lastEventID: request.headers[Names.lastEventID] ?? query) {
        case .full: return EventProblem.full.response(namespace: hub.configuration.namespace)
        case .callerFull: return EventProblem.callerFull.response(namespace: hub.configuration.namespace)
        case .stopping: return EventProblem.stopping.response(namespace: hub.configuration.namespace)
        case .client(let client):
            var logger = logger
            logger[metadataKey: "stream"] = "\(hub.configuration.streams[stream].name)"
            logger[metadataKey: "caller"] = "\(caller.name)"
            logger.debug("event stream begins")
            return Response(status: .ok, headers: Self.streamHeaders, body: body(client, caller, request, logger))
        }
    }

    private func body(_ client: EventHubClient, _ caller: EventCaller, _ request: Request, _ logger: Logger) -> ResponseBody {
        ResponseBody { writer in
            let output = StreamOutput(writer)
            // The handler below needs the request's own body: no middleware before this route may have replaced it.
            let end = try await withGracefulShutdownHandler {
                try await request.body.consumeWithInboundCloseHandler { _ in
                    try await serve(client, caller, output, logger)
                } onInboundClosed: {
                    client.leave(.left)
                }
            } onGracefulShutdown: {
                client.leave(.shutdown)
            }
            logger.log(level: end == .slow ? .info : .debug, "event stream ends", metadata: ["reason": "\(end.rawValue)"])
            // Closing in the middle of the body tells the client that this was no proper end.
            if end == .slow { throw CancellationError() }
            try await output.finish()
        }
    }

    private func serve(
        _ client: EventHubClient, _ caller: EventCaller, _ output: StreamOutput, _ logger: Logger
    ) async throws -> EventHubMachine.End {
        try await withThrowingTaskGroup(of: EventHubMachine.End.self) { group in
            group.addTask {
                try await client.run(recheck: { await mayStillListen(caller, logger) }, write: output.write)
            }
            group.addTask {
                await client.waitForCut()
                return .slow
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .left
        }
    }

    private func mayStillListen(_ caller: EventCaller, _ logger: Logger) async -> Bool {
        do {
            return try await caller.mayStillListen()
        } catch {
            // Not known now: asked again at the next turn.
            logger.error("audit.error", metadata: ["what": "event stream: caller can't be checked", "error": "\(error)"])
            return true
        }
    }

    /// Proxies must neither store, compress nor gather the stream. Its end closes the connection (a field of HTTP/1.1 only).
    static let streamHeaders: HTTPFields = [
        .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store, no-transform", Names.accelBuffering: "no",
        .xContentTypeOptions: "nosniff", .connection: "close",
    ]

    private enum Names {
        static let lastEventID = name("Last-Event-ID")
        static let secFetchSite = name("Sec-Fetch-Site")
        static let accelBuffering = name("X-Accel-Buffering")

        private static func name(_ text: String) -> HTTPField.Name {
            guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is a valid field name") }
            return name
        }
    }
}

/// A response's writer for the task that serves the stream. Unchecked: it's used by one task at a time, that one, and after its end the one
/// that began it.
final class StreamOutput: @unchecked Sendable {
    private let writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    /// Returns when the connection has taken the bytes.
    func write(_ bytes: [UInt8]) async throws {
        var writer = writer
        try await writer.write(ByteBuffer(bytes: bytes))
    }

    func finish() async throws { try await writer.finish(nil) }
}
