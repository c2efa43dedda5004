import NIOCore
import NIOPosix
import Testing

/// A client that reads from its socket only when it is told to, into small buffers.
final class SlowReader: Sendable {
    private let channel: any Channel
    private let inbox: NIOLoopBound<Counter>

    private init(channel: any Channel, inbox: NIOLoopBound<Counter>) {
        self.channel = channel
        self.inbox = inbox
    }

    static func connect(port: Int) async throws -> SlowReader {
        let loop = TestClient.group.next()
        let inbox = try await loop.submit { NIOLoopBound(Counter(), eventLoop: loop) }.get()
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(ChannelOptions.autoRead, value: false)
            .channelOption(ChannelOptions.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 40_000))
            .channelOption(ChannelOptions.maxMessagesPerRead, value: 1)
            // Small, so that what is not read is soon not taken either.
            .channelOption(ChannelOptions.socketOption(.so_rcvbuf), value: 64 << 10)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(inbox.value) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return SlowReader(channel: channel, inbox: inbox)
    }

    func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }

    /// Reads once, when `pause` is over.
    func readOnce(after pause: TimeAmount) async throws {
        try await channel.eventLoop.scheduleTask(in: pause) { [channel] in channel.read() }.futureResult.get()
    }

    /// Reads until so many bytes came in all; fails where the broker closes the connection before.
    func readAll(until byteCount: Int) async throws {
        try await channel.setOption(ChannelOptions.autoRead, value: true).get()
        try await channel.eventLoop.flatSubmit { [inbox] in inbox.value.whenReceived(byteCount) }.get()
    }
}

/// Counts what comes.
private final class Counter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    struct Ended: Error {}

    private var byteCount = 0
    private var isClosed = false
    private var waiting: (byteCount: Int, promise: EventLoopPromise<Void>)?
    private var loop: (any EventLoop)?

    func handlerAdded(context: ChannelHandlerContext) { loop = context.eventLoop }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        byteCount += unwrapInboundIn(data).readableBytes
        answer()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        answer()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func whenReceived(_ byteCount: Int) -> EventLoopFuture<Void> {
        guard let loop else { preconditionFailure("asked before it was added") }
        let promise = loop.makePromise(of: Void.self)
        waiting = (byteCount, promise)
        loop.scheduleTask(in: TestClient.patience) { promise.fail(DeadlinePassed()) }
        answer()
        return promise.futureResult
    }

    private func answer() {
        guard let waiting else { return }
        if byteCount >= waiting.byteCount { waiting.promise.succeed() } else if isClosed { waiting.promise.fail(Ended()) } else { return }
        self.waiting = nil
    }
}
