package import HTTPTypes
package import NIOCore

/// What a server says to a request for an upgrade.
package enum WebSocketAnswer: Sendable {
    /// The socket closes when `run` returns; `run` is cancelled when the socket closes.
    case accept(run: @Sendable (WebSocketConnection) async throws -> Void)
    case refuse(status: HTTPResponse.Status, headers: HTTPFields, body: String)
}

/// Decides who gets a WebSocket.
package protocol WebSocketRouter: Sendable {
    /// Answers one request for an upgrade. Returns nil if no WebSocket lives at this path: the request goes on as ordinary HTTP.
    func answer(_ request: HTTPRequest, from peer: SocketAddress?) async -> WebSocketAnswer?
}

/// Routers of which each has its own paths.
package struct WebSocketRouters: WebSocketRouter {
    private let routers: [any WebSocketRouter]

    package init(_ routers: [any WebSocketRouter]) { self.routers = routers }

    /// Answers with the first router that knows the path.
    package func answer(_ request: HTTPRequest, from peer: SocketAddress?) async -> WebSocketAnswer? {
        for router in routers {
            if let answer = await router.answer(request, from: peer) { return answer }
        }
        return nil
    }
}
