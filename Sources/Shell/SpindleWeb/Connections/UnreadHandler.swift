import Logging
import NIOCore

/// Closes a connection whose peer takes nothing for ``WebServerLimits/unreadMilliseconds`` while more waits than the socket takes.
final class UnreadHandler: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    typealias InboundOut = NIOAny

    private let milliseconds: Int64
    private let logger: Logger
    private var timer: Scheduled<Void>?

    init(limits: WebServerLimits, logger: Logger) {
        milliseconds = limits.unreadMilliseconds
        self.logger = logger
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stop()
        } else if timer == nil {
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) {
                self.logger.debug("connection closed", metadata: ["reason": "\(RequestPace.Lateness.answer.rawValue)"])
                context.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    private func stop() {
        timer?.cancel()
        timer = nil
    }
}
