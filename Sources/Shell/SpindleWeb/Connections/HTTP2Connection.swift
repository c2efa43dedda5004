import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2

/// Sets up HTTP/2 (RFC 9113) with its limits, each stream as a channel of requests and answers.
///
/// ```
/// … ⇄ UnreadHandler ⇄ HTTP/2 ⇄ idle, ping and goodbye
///                        └ stream ⇄ HTTP types ⇄ StreamFieldsHandler ⇄ RequestPaceHandler ⇄ Hummingbird
/// ```
struct HTTP2Connection: Sendable {
    let limits: WebServerLimits
    let logger: Logger

    func setup(_ channel: any Channel) throws -> NIOHTTP2Handler.AsyncStreamMultiplexer<WebSession.Requests> {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(UnreadHandler(limits: limits, logger: logger))
        return try pipeline.configureAsyncHTTP2Pipeline(
            mode: .server, connectionManagerConfiguration: management, http2HandlerConfiguration: configuration
        ) { stream in
            stream.eventLoop.makeCompletedFuture { try setup(stream: stream) }
        }
    }

    private func setup(stream: any Channel) throws -> WebSession.Requests {
        let pipeline = stream.pipeline.syncOperations
        try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
        try pipeline.addHandler(StreamFieldsHandler(limits: limits))
        try pipeline.addHandler(RequestPaceHandler<HTTPRequestPart, HTTPResponsePart>(limits: limits, logger: logger))
        try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
        return try NIOAsyncChannel(wrappingChannelSynchronously: stream)
    }

    private var configuration: NIOHTTP2Handler.Configuration {
        var configuration = NIOHTTP2Handler.Configuration()
        configuration.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: limits.streamsMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headerBytesMax),
            HTTP2Setting(parameter: .initialWindowSize, value: limits.windowBytes),
        ]
        configuration.connection.targetWindowSize = limits.windowBytes
        configuration.stream.targetWindowSize = limits.windowBytes
        configuration.stream.streamResetFrameRateLimit.maximumCount = limits.resetsMax
        configuration.stream.streamResetFrameRateLimit.windowLength = .milliseconds(limits.resetsMilliseconds)
        return configuration
    }

    private var management: NIOHTTP2ServerConnectionManagementHandler.Configuration {
        .init(
            maxIdleTime: .milliseconds(limits.idleMilliseconds), maxAge: nil, maxGraceTime: .milliseconds(limits.stopMilliseconds),
            keepalive: .init(pingInterval: .milliseconds(limits.idleMilliseconds), ackTimeout: .milliseconds(limits.firstRequestMilliseconds)))
    }
}
