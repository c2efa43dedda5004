package import HummingbirdCore
package import Logging
package import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// One connection to the web server: a place among the others, TLS, HTTP/1.1, each with its limits.
///
/// ```
/// socket ⇄ AdmissionHandler ⇄ TLS (with ServerTLS) ⇄ HTTP/1.1 ⇄ RequestPaceHandler ⇄ ContinueHandler ⇄ Hummingbird
/// ```
package struct WebChannel: ServerChildChannel, HTTPChannelHandler {
    package typealias Value = HTTP1Channel.Value

    private let http1: HTTP1Channel
    private let admission: ConnectionAdmission
    private let limits: WebServerLimits
    private let tls: ServerTLS?

    package var responder: HTTPChannelHandler.Responder { http1.responder }

    /// - Parameter tls: nil: plain HTTP.
    package init(responder: @escaping HTTPChannelHandler.Responder, tls: ServerTLS?, limits: WebServerLimits) {
        http1 = HTTP1Channel(
            responder: responder,
            configuration: .init(
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerFieldBytesMax, maxHeaderListSize: limits.headerBytesMax,
                    maxHeaderFieldCount: limits.headerFieldsMax)))
        admission = ConnectionAdmission(limits: limits)
        self.limits = limits
        self.tls = tls
    }

    /// Builds the server of an `Application`.
    package static func server(tls: ServerTLS?, limits: WebServerLimits = WebServerLimits()) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in WebChannel(responder: responder, tls: tls, limits: limits) }
    }

    package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(AdmissionHandler(admission: admission))
            if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls.context)) }
        }.flatMap {
            http1.setup(channel: channel, logger: logger)
        }.flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandlers([RequestPaceHandler(limits: limits, logger: logger), ContinueHandler()], position: .after(decoder))
            return value
        }
    }

    package func handle(value: Value, logger: Logger) async {
        await http1.handle(value: value, logger: logger)
    }
}
