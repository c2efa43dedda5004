package import Logging
package import NIOCore

/// Closes a connection of HTTP/1.1, or a stream of HTTP/2, whose peer is late, as ``RequestPace`` judges it. Its place is behind the decoder.
package final class RequestPaceHandler<Input: MessagePart, Output: MessagePart>: ChannelDuplexHandler, RemovableChannelHandler {
    package typealias InboundIn = Input
    package typealias InboundOut = Input
    package typealias OutboundIn = Output
    package typealias OutboundOut = Output

    private let limits: WebServerLimits
    private let logger: Logger
    private let start: NIODeadline?
    private var pace: RequestPace?
    private var timer: (task: Scheduled<Void>, at: Int64)?

    /// - Parameter start: when the connection began; nil: when this handler is added.
    package init(limits: WebServerLimits, logger: Logger, start: NIODeadline? = nil) {
        self.limits = limits
        self.logger = logger
        self.start = start
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        pace = RequestPace(limits: limits, now: start.map { Int64($0.uptimeNanoseconds / 1_000_000) } ?? Self.now(context))
        arm(context)
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        timer?.task.cancel()
        timer = nil
        pace = nil
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data).kind {
        case .head: pace?.head(now: Self.now(context))
        case .body(let bytes): pace?.body(bytes: bytes)
        case .end: pace?.endOfRequest(now: Self.now(context))
        }
        arm(context)
        context.fireChannelRead(data)
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let isEnd = unwrapOutboundIn(data).kind == .end
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

    /// A connection without a request has nothing to finish when the server stops.
    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, pace?.isFresh == true { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
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
