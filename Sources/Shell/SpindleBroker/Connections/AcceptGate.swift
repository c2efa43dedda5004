import Logging
import NIOCore

/// Pauses a listener while as many sockets are open as may be; the system keeps further connections waiting meanwhile.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = Channel
    typealias OutboundIn = Never

    /// After a failed accept (mostly for want of files): when it is tried again.
    private static let retry = TimeAmount.milliseconds(100)

    private let shard: Shard
    private var context: ChannelHandlerContext?
    private var readIsHeld = false
    private var isRetrying = false

    init(shard: Shard) { self.shard = shard }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        shard.sockets.gates.append(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        shard.sockets.gates.removeAll { $0 === self }
    }

    func read(context: ChannelHandlerContext) {
        if isRetrying || !shard.mayAccept {
            readIsHeld = true
            if !isRetrying { shard.acceptPaused() }
        } else {
            context.read()
        }
    }

    /// Sockets were closed.
    func reopen() {
        guard readIsHeld, !isRetrying, shard.mayAccept, let context else { return }
        readIsHeld = false
        context.read()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        shard.acceptFailed(error)
        guard !isRetrying else { return }
        isRetrying = true
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.retry) {
            self.isRetrying = false
            self.reopen()
        }
    }
}

extension Shard {
    /// Whether another client's socket may be opened.
    var mayAccept: Bool { sockets.counts.total < sockets.budget.socketsMax }

    func acceptPaused() {
        figures.acceptPauses += 1
        logThrottled(.warning, "as many clients are connected as files may be open; further ones wait", ["sockets": "\(sockets.counts.total)"])
    }

    func acceptFailed(_ error: any Error) {
        logThrottled(.error, "a connection could not be accepted", ["error": "\(error)"])
    }
}
