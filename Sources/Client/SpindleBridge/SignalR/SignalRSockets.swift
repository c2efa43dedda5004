package import HTTPTypes
internal import Hummingbird
internal import Logging
package import NIOCore
internal import ServiceLifecycle
package import SpindleWeb

/// The hubs over WebSockets: with the `id` of a negotiation, or without one.
package struct SignalRSockets: WebSocketRouter {
    private let hubs: SignalRHubs

    package init(hubs: SignalRHubs) { self.hubs = hubs }

    package func answer(_ request: HTTPRequest, from peer: SocketAddress?) async -> WebSocketAnswer? {
        let request = Request(head: request, body: RequestBody(buffer: ByteBuffer()))
        guard let name = hubs.names.first(where: { request.uri.path == "/hubs/\($0)" }) else { return nil }
        do {
            let session = try hubs.connect(name, try await caller(name, request))
            return .accept { connection in await Self.serve(session, connection) }
        } catch let refusal as SignalRHubs.Refusal {
            return EventProblem(refusal).answer(namespace: hubs.hub.configuration.namespace)
        } catch let problem as EventProblem {
            return problem.answer(namespace: hubs.hub.configuration.namespace)
        } catch {
            hubs.logger.error("audit.error", metadata: ["what": "hub: caller unknown", "error": "\(error)"])
            return EventProblem.callerUnknown.answer(namespace: hubs.hub.configuration.namespace)
        }
    }

    private func caller(_ name: String, _ request: Request) async throws -> EventCaller {
        if let id = request.uri.queryParameters["id"], !id.isEmpty {
            guard let caller = try await hubs.access.redeem(String(id), name, request) else { throw EventProblem.unknownConnection }
            return caller
        }
        switch try await hubs.access.admit(request, name) {
        case .caller(let caller): return caller
        case .notAuthenticated: throw EventProblem.notAuthenticated
        case .notPermitted: throw EventProblem.notPermitted
        }
    }

    private static func serve(_ session: SignalRSession, _ connection: WebSocketConnection) async {
        await withGracefulShutdownHandler {
            await carry(session, connection)
        } onGracefulShutdown: {
            session.goAway()
        }
    }

    private static func carry(_ session: SignalRSession, _ connection: WebSocketConnection) async {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await session.run()
                return false
            }
            group.addTask {
                // An error: the peer is gone, as at the end of its messages.
                try? await read(session, connection)
                session.leave()
                return false
            }
            group.addTask {
                try? await write(session, connection)
                session.leave()
                return true
            }
            group.addTask {
                await session.waitForCut()
                return true
            }
            // Until all is written, or nothing can be.
            while let isEnd = await group.next() { if isEnd { break } }
            group.cancelAll()
        }
    }

    private static func read(_ session: SignalRSession, _ connection: WebSocketConnection) async throws {
        for try await message in connection.messages {
            switch message {
            case .text(let text): session.received(Array(text.utf8))
            case .binary(let bytes): session.received(Array(bytes.readableBytesView))
            }
        }
    }

    private static func write(_ session: SignalRSession, _ connection: WebSocketConnection) async throws {
        while case .text(let text) = await session.take() { try await connection.send(text: text) }
    }
}

extension EventProblem {
    func answer(namespace: String) -> WebSocketAnswer { .refuse(status: status, headers: fields(namespace: namespace), body: document(namespace: namespace)) }
}
