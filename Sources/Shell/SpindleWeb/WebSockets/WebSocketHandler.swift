import Logging
import NIOCore
import NIOWebSocket

/// Performs what ``WebSocketMachine`` says, pings a silent peer, and closes a connection whose peer answers nothing.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = WebSocketConnection.Message
    typealias OutboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let limits: WebServerLimits
    private var machine: WebSocketMachine
    private var pingTimer: Scheduled<Void>?
    private var closeTimer: Scheduled<Void>?
    /// Our ping went out, and nothing came since.
    private var isPinged = false

    init(limits: WebServerLimits) {
        self.limits = limits
        machine = WebSocketMachine(limits: limits)
    }

    func handlerAdded(context: ChannelHandlerContext) { listen(context) }

    func handlerRemoved(context: ChannelHandlerContext) {
        pingTimer?.cancel()
        closeTimer?.cancel()
        (pingTimer, closeTimer) = (nil, nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        listen(context)
        switch machine.received(unwrapInboundIn(data)) {
        case .ignore: break
        case .deliver(let message): context.fireChannelRead(wrapInboundOut(message))
        case .pong(let data): context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: data)), promise: nil)
        case .close: context.close(promise: nil)
        case .answerClose(let data), .fail(let data):
            context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: data)), promise: nil)
            context.close(promise: nil)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard unwrapOutboundIn(data).opcode == .connectionClose else {
            guard machine.isOpen else {
                promise?.fail(ChannelError.outputClosed)
                return
            }
            return context.write(data, promise: promise)
        }
        guard machine.closes() else {
            promise?.succeed()
            return
        }
        context.write(data, promise: promise)
        closeLater(context) { context.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Who serves the connection may say goodbye in its own words first.
        if event is ChannelShouldQuiesceEvent, machine.isOpen { closeLater(context) { self.goAway(context) } }
        context.fireUserInboundEventTriggered(event)
    }

    private func goAway(_ context: ChannelHandlerContext) {
        closeTimer = nil
        guard machine.closes() else { return }
        let data = WebSocketMachine.closeData(1001, "the server stops")
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: data)), promise: nil)
        closeLater(context) { context.close(promise: nil) }
    }

    private func closeLater(_ context: ChannelHandlerContext, _ action: @escaping () -> Void) {
        closeTimer?.cancel()
        let wait = TimeAmount.milliseconds(limits.webSocketCloseMilliseconds)
        closeTimer = context.eventLoop.assumeIsolated().scheduleTask(in: wait, action)
    }

    /// The peer lives: it is pinged when it has been silent for long.
    private func listen(_ context: ChannelHandlerContext) {
        isPinged = false
        pingTimer?.cancel()
        let wait = TimeAmount.milliseconds(limits.webSocketPingMilliseconds)
        pingTimer = context.eventLoop.assumeIsolated().scheduleTask(in: wait) { self.silence(context) }
    }

    private func silence(_ context: ChannelHandlerContext) {
        guard !isPinged, machine.isOpen else { return context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer())), promise: nil)
        listen(context)
        isPinged = true
    }
}
