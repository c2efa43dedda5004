import NIOCore

/// Closes a connection that does not finish its TLS handshake in time, or at once when the server stops. It is removed after the handshake.
final class NegotiationHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny
    typealias InboundOut = NIOAny

    private let milliseconds: Int64
    private var timer: Scheduled<Void>?

    init(limits: WebServerLimits) { milliseconds = limits.firstRequestMilliseconds }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) { context.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    /// Removes the handler of `channel`.
    static func end(on channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        pipeline.removeHandler(context: try pipeline.context(handlerType: NegotiationHandler.self), promise: nil)
    }
}
