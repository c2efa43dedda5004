internal import HTTPTypes
package import Hummingbird
package import Logging
internal import ServiceLifecycle
internal import SpindleClient
import SpindleText

/// The event streams on a router: `GET /events?topics=a,b.*`, `GET /events/<stream>` for each stream, and `GET /events/cursor`.
///
/// A stream answers with `text/event-stream`: `hello` (or `gap`) first, then the topics' events under the topics' names with their bodies
/// as published, `ping` while nothing happens, `gap` where history is missing (read the state anew), `reauth` before it ends because the
/// caller's right has ended. The id of each is a cursor: `Last-Event-ID`, or else the query's `lastEventId`, goes on behind it.
package struct EventRoutes: Sendable {
    private let door: EventDoor

    package init(door: EventDoor) { self.door = door }

    package init(hub: EventHub, trustedOrigins: Set<String> = [], logger: Logger, authenticate: @escaping EventDoor.Authenticate) {
        self.init(door: EventDoor(hub: hub, trustedOrigins: trustedOrigins, logger: logger, authenticate: authenticate))
    }

    package func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
        router.get("events") { request, _ in
            await answer { () async throws(EventProblem) -> Response in try await open(request, try door.topics(of: request)) }
        }
        for stream in door.hub.configuration.streams {
            router.get(RouterPath("events/\(stream.name)")) { request, _ in
                await answer { () async throws(EventProblem) -> Response in try await open(request, stream.topics) }
            }
        }
        // The page reads this before the state: with it, no event between the state and the stream is missed.
        router.get("events/cursor") { request, _ in
            await answer { () async throws(EventProblem) -> Response in
                _ = try await door.caller(of: request, topics: [])
                guard let cursor = door.hub.cursor else { throw EventProblem.noCursor }
                return Response(
                    status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
                    body: ResponseBody(byteBuffer: ByteBuffer(string: JSONText.object([("cursor", cursor.description)]))))
            }
        }
    }

    private func answer(_ body: () async throws(EventProblem) -> Response) async -> Response {
        do throws(EventProblem) {
            return try await body()
        } catch {
            return error.response(namespace: door.namespace)
        }
    }

    private func open(_ request: Request, _ topics: [String]) async throws(EventProblem) -> Response {
        let caller = try await door.caller(of: request, topics: topics)
        let query = request.uri.queryParameters["lastEventId"].map { String($0) }
        let client = try door.connect(caller, topics: topics, framing: .serverSentEvents, lastEventID: request.headers[Names.lastEventID] ?? query)
        var logger = door.logger
        logger[metadataKey: "path"] = "\(request.uri.path)"
        logger[metadataKey: "caller"] = "\(caller.name)"
        logger.debug("event stream begins")
        return Response(status: .ok, headers: Self.streamHeaders, body: body(client, caller, request, logger))
    }

    private func body(_ client: EventHubClient, _ caller: EventCaller, _ request: Request, _ logger: Logger) -> ResponseBody {
        ResponseBody { writer in
            let output = StreamOutput(writer)
            // The handler below needs the request's own body: no middleware before this route may have replaced it.
            let end = try await withGracefulShutdownHandler {
                try await request.body.consumeWithInboundCloseHandler { _ in
                    try await serve(client, caller, output)
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

    private func serve(_ client: EventHubClient, _ caller: EventCaller, _ output: StreamOutput) async throws -> EventHubMachine.End {
        try await withThrowingTaskGroup(of: EventHubMachine.End.self) { group in
            group.addTask {
                try await client.run(recheck: { await door.mayStillListen(caller) }, write: output.write)
            }
            group.addTask {
                await client.waitForCut()
                return .slow
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .left
        }
    }

    /// Proxies must neither store, compress nor gather the stream. Its end closes the connection (a field of HTTP/1.1 only).
    static let streamHeaders: HTTPFields = [
        .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store, no-transform", Names.accelBuffering: "no",
        .xContentTypeOptions: "nosniff", .connection: "close",
    ]

    private enum Names {
        static let lastEventID = name("Last-Event-ID")
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
