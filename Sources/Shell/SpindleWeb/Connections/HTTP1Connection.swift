import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket

/// Sets up HTTP/1.1 (RFC 9112), whose first request may ask for a WebSocket if there is a router for them.
///
/// ```
/// … ⇄ HTTP/1.1 ⇄ RequestPaceHandler ⇄ ContinueHandler ⇄ WebSocketDoor ⇄ (upgrade) ┬ HTTP types ⇄ Hummingbird
///                                                          instead of all these: └ UnreadHandler ⇄ frames ⇄ WebSocketHandler
/// ```
struct HTTP1Connection: Sendable {
    let limits: WebServerLimits
    let logger: Logger
    let isSecure: Bool
    let webSockets: (any WebSocketRouter)?
    let start: NIODeadline

    func setup(_ channel: any Channel) throws -> EventLoopFuture<WebSession> {
        let pipeline = channel.pipeline.syncOperations
        let encoder = HTTPResponseEncoder()
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderFieldSize = limits.headerFieldBytesMax
        decoderLimits.maxHeaderListSize = limits.headerBytesMax
        decoderLimits.maxHeaderFieldCount = limits.headerFieldsMax
        let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: decoderLimits))
        let pace = RequestPaceHandler<HTTPServerRequestPart, HTTPServerResponsePart>(limits: limits, logger: logger, start: start)
        let told = ContinueHandler()
        try pipeline.addHandlers([encoder, decoder, pace, told])
        guard let webSockets else { return channel.eventLoop.makeSucceededFuture(.requests(try requests(channel))) }
        let door = WebSocketDoor(router: webSockets, isSecure: isSecure)
        let here = NIOLoopBound(door, eventLoop: channel.eventLoop)
        let upgrade = NIOTypedHTTPServerUpgradeHandler<WebSession>(
            httpEncoder: encoder, extraHTTPHandlers: [decoder, pace, told, door],
            upgradeConfiguration: .init(upgraders: [upgrader(here)]) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let requests = try requests(channel)
                    guard case .refuse(let status, let headers, let body) = here.value.answer else { return .requests(requests) }
                    return .refused(requests, WebSocketRefusal(status: status, headers: headers, body: body))
                }
            })
        try pipeline.addHandlers([door, upgrade])
        return upgrade.upgradeResultFuture
    }

    private func requests(_ channel: any Channel) throws -> WebSession.Requests {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: isSecure))
        try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
        return try NIOAsyncChannel(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    private func upgrader(_ door: NIOLoopBound<WebSocketDoor>) -> NIOTypedWebSocketServerUpgrader<WebSession> {
        NIOTypedWebSocketServerUpgrader(
            maxFrameSize: limits.webSocketMessageBytesMax,
            shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
            upgradePipelineHandler: { channel, _ in
                channel.eventLoop.makeCompletedFuture {
                    guard case .accept(let run) = door.value.answer else { throw ChannelError.inappropriateOperationForState }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(UnreadHandler(limits: limits, logger: logger))
                    try pipeline.addHandler(WebSocketHandler(limits: limits))
                    return .webSocket(try NIOAsyncChannel(wrappingChannelSynchronously: channel), run: run)
                }
            })
    }
}
