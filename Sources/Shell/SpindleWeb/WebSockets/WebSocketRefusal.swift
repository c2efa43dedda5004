import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import Synchronization

/// The answer to a request for a WebSocket that is not given.
struct WebSocketRefusal: Sendable {
    let status: HTTPResponse.Status
    let headers: HTTPFields
    let body: String
}

/// Answers the first request of a connection with a refusal, and those after it as ever.
struct RefusingHandler: HTTPChannelHandler {
    let responder: HTTPChannelHandler.Responder
    private let wrapped: WebChannel

    init(refusal: WebSocketRefusal, wrapped: WebChannel) {
        self.wrapped = wrapped
        let isFirst = FirstRequest()
        responder = { request, writer, channel in
            guard isFirst.take() else { return try await wrapped.responder(request, writer, channel) }
            var headers = refusal.headers
            headers[.contentLength] = "\(refusal.body.utf8.count)"
            var body = try await writer.writeHead(HTTPResponse(status: refusal.status, headerFields: headers))
            try await body.write(ByteBuffer(string: refusal.body))
            try await body.finish(nil)
        }
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<WebChannel.Value> { wrapped.setup(channel: channel, logger: logger) }

    func handle(value: WebChannel.Value, logger: Logger) async { await wrapped.handle(value: value, logger: logger) }
}

/// True once.
private final class FirstRequest: Sendable {
    private let isTaken = Atomic(false)

    func take() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}
