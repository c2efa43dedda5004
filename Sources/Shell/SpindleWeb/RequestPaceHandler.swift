package import Logging
package import NIOCore
package import NIOHTTP1

/// Closes a connection whose peer is late, as ``RequestPace`` judges it. Its place is behind the decoder of HTTP/1.1.
package final class RequestPaceHandler: ChannelDuplexHandler {
    package typealias InboundIn = HTTPServerRequestPart
    package typealias InboundOut = HTTPServerRequestPart
    package typealias OutboundIn = HTTPServerResponsePart
    package typealias OutboundOut = HTTPServerResponsePart

    private let limits: WebServerLimits
    private let logger: Logger
    private var pace: RequestPace?
    private var timer: (task: Scheduled<Void>, at: Int64)?

    package init(limits: WebServerLimits, logger: Logger) {
        self.limits = limits
        self.logger = logger
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        pace = RequestPace(limits: limits, now: Self.now(context))
        arm(context)
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        timer?.task.cancel()
        timer = nil
        pace = nil
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: pace?.head(now: Self.now(context))
        case .body(let bytes): pace?.body(bytes: bytes.readableBytes)
        case .end: pace?.endOfRequest(now: Self.now(context))
        }
        arm(context)
        context.fireChannelRead(data)
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let isEnd = if case .end = unwrapOutboundIn(data) { true } else { false }
        context.write(data, promise: promise)
        guard isEnd else { return }
        pace?.endOfAnswer(now: Self.now(context))
        arm(context)
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        pace?.output(isWritable: context.channel.isWritable, now: Self.now(context))
        arm(context)
        context.fireChannelWritabilityChanged()
    }

    /// Sets the timer, unless one that runs down earlier is set: that one looks again.
    private func arm(_ context: ChannelHandlerContext) {
        guard let deadline = pace?.deadline else { return }
        if let timer, timer.at <= deadline.at { return }
        timer?.task.cancel()
        let wait = max(0, deadline.at - Self.now(context))
        let task = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(wait)) { self.look(context) }
        timer = (task, deadline.at)
    }

    private func look(_ context: ChannelHandlerContext) {
        timer = nil
        guard let deadline = pace?.deadline else { return }
        guard Self.now(context) >= deadline.at else { return arm(context) }
        logger.debug(
            "connection closed", metadata: ["reason": "\(deadline.lateness.rawValue)", "peer": "\(context.remoteAddress?.description ?? "unknown")"])
        context.close(promise: nil)
    }

    /// Milliseconds of the loop's clock, rounded up: a timer never looks a moment too early.
    private static func now(_ context: ChannelHandlerContext) -> Int64 {
        Int64((context.eventLoop.now.uptimeNanoseconds + 999_999) / 1_000_000)
    }
}
