internal import Foundation
internal import HTTPTypes
package import Hummingbird
internal import Logging
internal import ServiceLifecycle
internal import SpindleText

/// The hubs on a router: negotiation, server-sent events, long polling, and what clients send by them. WebSockets: ``SignalRSockets``.
///
/// Source: dotnet/aspnetcore, "Transport Protocols".
package struct SignalRRoutes: Sendable {
    private let hubs: SignalRHubs
    private let hasWebSockets: Bool

    package init(hubs: SignalRHubs, hasWebSockets: Bool) {
        self.hubs = hubs
        self.hasWebSockets = hasWebSockets
    }

    package func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
        for name in hubs.names {
            router.post(RouterPath("hubs/\(name)/negotiate")) { request, _ in await answer(request) { try await negotiate(name, request) } }
            router.get(RouterPath("hubs/\(name)")) { request, _ in await answer(request) { try await carry(name, request) } }
            router.post(RouterPath("hubs/\(name)")) { request, _ in await answer(request) { try await receive(name, request) } }
            router.delete(RouterPath("hubs/\(name)")) { request, _ in await answer(request) { try await end(name, request) } }
        }
    }

    private var namespace: String { hubs.hub.configuration.namespace }

    private func answer(_ request: Request, _ body: () async throws -> Response) async -> Response {
        do {
            return try await body()
        } catch let refusal as SignalRHubs.Refusal {
            return EventProblem(refusal).response(namespace: namespace)
        } catch let problem as EventProblem {
            return problem.response(namespace: namespace)
        } catch {
            hubs.logger.error("audit.error", metadata: ["what": "hub: caller unknown", "error": "\(error)"])
            return EventProblem.callerUnknown.response(namespace: namespace)
        }
    }

    // MARK: Negotiation

    private func negotiate(_ name: String, _ request: Request) async throws -> Response {
        let id: String
        switch try await hubs.access.negotiate(request, name) {
        case .agreed(let agreed): id = agreed
        case .notAuthenticated: throw EventProblem.notAuthenticated
        case .notPermitted: throw EventProblem.notPermitted
        }
        // Of later versions the newest that is known here.
        let version = min(1, max(0, request.uri.queryParameters["negotiateVersion"].flatMap { Int($0) } ?? 0))
        let transports = (hasWebSockets ? ["WebSockets"] : []) + ["ServerSentEvents", "LongPolling"]
        let available = transports.map { #"{"transport":"\#($0)","transferFormats":["Text"]}"# }.joined(separator: ",")
        let ids =
            version == 0
            ? #""connectionId":\#(JSONText.quoted(id))"#
            : #""connectionToken":\#(JSONText.quoted(id)),"connectionId":"\#(UUID().uuidString.lowercased())""#
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(
                byteBuffer: ByteBuffer(string: #"{\#(ids),"negotiateVersion":\#(version),"availableTransports":[\#(available)]}"#)))
    }

    // MARK: What carries a connection

    private func session(_ name: String, _ request: Request) async throws -> SignalRSession {
        guard let id = request.uri.queryParameters["id"], !id.isEmpty else { throw EventProblem.noConnectionID }
        guard let session = try await hubs.session(String(id), name, request) else { throw EventProblem.unknownConnection }
        return session
    }

    private func carry(_ name: String, _ request: Request) async throws -> Response {
        let session = try await session(name, request)
        let isEvents = request.headers[.accept]?.contains("text/event-stream") == true
        let (isAgreed, isFirst) = session.carry(by: isEvents ? .events : .polls)
        guard isAgreed else { throw EventProblem.connectionInUse }
        return isEvents ? events(session, request) : await poll(session, isFirst: isFirst)
    }

    private func events(_ session: SignalRSession, _ request: Request) -> Response {
        Response(status: .ok, headers: EventRoutes.streamHeaders, body: ResponseBody { writer in
            let output = StreamOutput(writer)
            let isCut = try await withGracefulShutdownHandler {
                try await request.body.consumeWithInboundCloseHandler { _ in
                    try await write(session, to: output)
                } onInboundClosed: {
                    session.leave()
                }
            } onGracefulShutdown: {
                session.goAway()
            }
            // Closing in the middle of the body tells the client that this was no proper end.
            if isCut { throw CancellationError() }
            try await output.finish()
        })
    }

    /// Returns whether the connection was cut off.
    private func write(_ session: SignalRSession, to output: StreamOutput) async throws -> Bool {
        // Something must come at once, or proxies hold the headers back.
        try await output.write(ServerSentEvent.comment("connected") + Array("\n".utf8))
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                while true {
                    guard case .text(let text) = await session.take() else { return false }
                    for message in text.split(separator: Character(SignalRMachine.separator)) {
                        try await output.write(Array("data: \(message)\(SignalRMachine.separator)\r\n\r\n".utf8))
                    }
                }
            }
            group.addTask {
                await session.waitForCut()
                return true
            }
            defer { group.cancelAll() }
            return try await group.next() ?? true
        }
    }

    private func poll(_ session: SignalRSession, isFirst: Bool) async -> Response {
        let taken = await withGracefulShutdownHandler {
            // The first one says only that the connection is there.
            await session.take(within: isFirst ? 0 : session.limits.pollMilliseconds)
        } onGracefulShutdown: {
            session.goAway()
        }
        return switch taken {
        case .text(let text): Self.plain(.ok, text)
        case .nothing: Self.plain(.ok, "")
        case .replaced, .end: Self.plain(.noContent, "")
        }
    }

    // MARK: What the client sends

    private func receive(_ name: String, _ request: Request) async throws -> Response {
        let session = try await session(name, request)
        guard session.beginReceiving() else { throw EventProblem.connectionInUse }
        defer { session.endReceiving() }
        let bytes: ByteBuffer
        do {
            bytes = try await request.body.collect(upTo: session.limits.messageBytesMax)
        } catch let error as any HTTPResponseError where error.status == .contentTooLarge {
            throw EventProblem.messageTooLarge
        }
        session.received(Array(bytes.readableBytesView))
        return Self.plain(.ok, "")
    }

    private func end(_ name: String, _ request: Request) async throws -> Response {
        try await session(name, request).leave()
        return Self.plain(.accepted, "")
    }

    private static func plain(_ status: HTTPResponse.Status, _ text: String) -> Response {
        Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
