package import HTTPTypes
internal import Hummingbird
internal import Logging
package import NIOCore
internal import ServiceLifecycle
package import SpindleWeb

/// Events over a WebSocket: `GET /ws?topics=a,b.*`.
///
/// Each message is a JSON object: `hello` (or `gap`) first, then the topics' `event`s, `ping` while nothing happens, `gap` where history is
/// missing, `reauth` when the caller may no longer listen. A client resumes after the event whose cursor it sends as `cursor` or `lastEventId`.
package struct EventSockets: WebSocketRouter {
    private static let path = "/ws"

    private let door: EventDoor

    package init(door: EventDoor) { self.door = door }

    package func answer(_ request: HTTPRequest, from peer: SocketAddress?) async -> WebSocketAnswer? {
        let request = Request(head: request, body: RequestBody(buffer: ByteBuffer()))
        guard request.uri.path == Self.path else { return nil }
        do throws(EventProblem) {
            let topics = try door.topics(of: request)
            let caller = try await door.caller(of: request, topics: topics)
            let cursor = request.uri.queryParameters["cursor"] ?? request.uri.queryParameters["lastEventId"]
            let client = try door.connect(caller, topics: topics, framing: .jsonLines, lastEventID: cursor.map { String($0) })
            return .accept { connection in try await serve(client, caller, connection) }
        } catch {
            return error.answer(namespace: door.namespace)
        }
    }

    private func serve(_ client: EventHubClient, _ caller: EventCaller, _ connection: WebSocketConnection) async throws {
        var logger = door.logger
        logger[metadataKey: "caller"] = "\(caller.name)"
        let end = await withGracefulShutdownHandler {
            await carry(client, caller, connection)
        } onGracefulShutdown: {
            client.leave(.shutdown)
        }
        logger.log(level: end == .slow ? .info : .debug, "event socket ends", metadata: ["reason": "\(end.rawValue)"])
        switch end {
        case .left: return
        case .slow: throw CancellationError() // nothing fits any more, not even a goodbye
        case .reauthenticate: await connection.close(code: 4401, reason: "sign in again")
        case .rotation, .replayFailed, .shutdown: await connection.close(code: 1012, reason: "connect again with the last cursor")
        }
    }

    private func carry(_ client: EventHubClient, _ caller: EventCaller, _ connection: WebSocketConnection) async -> EventHubMachine.End {
        await withTaskGroup(of: EventHubMachine.End.self) { group in
            group.addTask {
                do {
                    return try await client.run(recheck: { await door.mayStillListen(caller) }) { bytes in
                        for line in bytes.split(separator: UInt8(ascii: "\n")) {
                            try await connection.send(text: String(decoding: line, as: UTF8.self))
                        }
                    }
                } catch {
                    return .left // the peer is gone
                }
            }
            group.addTask {
                // What clients send says nothing here; the end of their messages does.
                do { for try await _ in connection.messages {} } catch {} // an error is an end as well
                client.leave(.left)
                return .left
            }
            group.addTask {
                await client.waitForCut()
                return .slow
            }
            defer { group.cancelAll() }
            return await group.next() ?? .left
        }
    }
}
