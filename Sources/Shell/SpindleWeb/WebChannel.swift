package import HummingbirdCore
package import Logging
package import NIOCore
internal import NIOHTTP2
internal import NIOHTTPTypes
internal import NIOSSL

/// One connection to the web server: a place among the others, TLS, HTTP/1.1 or HTTP/2 or a WebSocket, each with its limits.
///
/// ```
/// socket ⇄ AdmissionHandler ⇄ TLS (with ServerTLS, NegotiationHandler) ⇄ ALPN ┬ http/1.1 ⇄ HTTP1Connection ┬ requests ⇄ Hummingbird
///                                                                             │                            └ WebSocket ⇄ WebSocketRouter
///                                                                             └ h2 ⇄ HTTP2Connection ⇄ streams ⇄ Hummingbird
/// ```
/// Without TLS it is HTTP/1.1: no browser speaks HTTP/2 in the clear.
package struct WebChannel: ServerChildChannel, HTTPChannelHandler {
    /// A connection that is set up up to TLS; the rest follows.
    package struct Value: ServerChildChannelValue {
        package let channel: any Channel
        let session: EventLoopFuture<WebSession>
    }

    package let responder: HTTPChannelHandler.Responder
    private let admission: ConnectionAdmission
    private let limits: WebServerLimits
    private let tls: ServerTLS?
    private let webSockets: (any WebSocketRouter)?

    /// - Parameters:
    ///   - tls: nil: plain HTTP.
    ///   - webSockets: nil: a request for an upgrade is an ordinary one.
    package init(
        responder: @escaping HTTPChannelHandler.Responder, tls: ServerTLS?, limits: WebServerLimits, webSockets: (any WebSocketRouter)? = nil
    ) {
        self.responder = responder
        admission = ConnectionAdmission(limits: limits)
        self.limits = limits
        self.tls = tls
        self.webSockets = webSockets
    }

    /// Builds the server of an `Application`.
    package static func server(
        tls: ServerTLS?, limits: WebServerLimits = WebServerLimits(), webSockets: (any WebSocketRouter)? = nil
    ) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in WebChannel(responder: responder, tls: tls, limits: limits, webSockets: webSockets) }
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let http1 = HTTP1Connection(limits: limits, logger: logger, isSecure: tls != nil, webSockets: webSockets, start: channel.eventLoop.now)
        return channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(AdmissionHandler(admission: admission))
            guard let tls else { return try http1.setup(channel) }
            try pipeline.addHandler(NIOSSLServerHandler(context: tls.context))
            try pipeline.addHandler(NegotiationHandler(limits: limits))
            return channel.eventLoop.makeSucceededVoidFuture().flatMap { negotiate(channel, http1, logger) }
        }.map { Value(channel: channel, session: $0) }
    }

    /// The client chose one of the protocols that ``ServerTLS`` offers; none means HTTP/1.1.
    private func negotiate(_ channel: any Channel, _ http1: HTTP1Connection, _ logger: Logger) -> EventLoopFuture<WebSession> {
        let http2 = HTTP2Connection(limits: limits, logger: logger)
        return channel.configureHTTP2AsyncSecureUpgrade { channel in
            channel.eventLoop.makeCompletedFuture {
                try NegotiationHandler.end(on: channel)
                return try http1.setup(channel)
            }
        } http2ConnectionInitializer: { channel in
            channel.eventLoop.makeCompletedFuture {
                try NegotiationHandler.end(on: channel)
                return try http2.setup(channel)
            }
        }.flatMap { $0 }.flatMap { version in
            switch version {
            case .http1_1(let session): session
            case .http2(let streams): channel.eventLoop.makeSucceededFuture(.streams(streams))
            }
        }
    }

    package func handle(value: Value, logger: Logger) async {
        do {
            let session = try await withTaskCancellationHandler {
                try await value.session.get()
            } onCancel: {
                value.channel.close(promise: nil)
            }
            await serve(session, logger)
        } catch {
            logger.debug("connection ended before a request", metadata: ["error": "\(error)"])
            value.channel.close(promise: nil)
        }
    }

    private func serve(_ session: WebSession, _ logger: Logger) async {
        switch session {
        case .requests(let channel): await handleHTTP(asyncChannel: channel, logger: logger)
        case .refused(let channel, let refusal):
            await RefusingHandler(refusal: refusal, wrapped: self).handleHTTP(asyncChannel: channel, logger: logger)
        case .webSocket(let channel, let run): await WebSocketConnection.serve(channel, run)
        case .streams(let streams):
            do {
                try await withThrowingDiscardingTaskGroup { group in
                    for try await stream in streams.inbound {
                        group.addTask { await handleHTTP(asyncChannel: stream, logger: logger) }
                    }
                }
            } catch {
                logger.debug("HTTP/2 connection ended", metadata: ["error": "\(error)"])
            }
        }
    }
}

/// What a connection turned out to be.
enum WebSession: Sendable {
    typealias Requests = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    /// HTTP/1.1.
    case requests(Requests)
    /// HTTP/1.1 whose first request asked for a WebSocket that it does not get.
    case refused(Requests, WebSocketRefusal)
    case webSocket(WebSocketConnection.Channel, run: @Sendable (WebSocketConnection) async throws -> Void)
    /// HTTP/2.
    case streams(NIOHTTP2Handler.AsyncStreamMultiplexer<Requests>)
}
