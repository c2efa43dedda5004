import NIOCore
import NIOHTTP1
import NIOPosix

/// What operators' HTTP requests are answered with.
struct OperationsAnswers: Sendable {
    /// Prometheus' text format.
    var metrics: @Sendable () async -> String
    /// One JSON object; empty before the log is open.
    var status: @Sendable () async -> String
    /// Why the broker takes no new work; nil when it does.
    var notReady: @Sendable () -> String?
}

/// `GET /metrics`, `/status`, `/healthz` and `/readyz`: one request a connection, bounded in bytes, time and number.
enum OperationsServer {
    private static let backlog: Int32 = 64

    static func open(
        _ listener: OperationsListener, limits: BrokerLimits, group: any EventLoopGroup, answers: OperationsAnswers
    ) async throws(BrokerStartError) -> any Channel {
        let address: SocketAddress
        do {
            address = try SocketAddress.makeAddressResolvingHost(listener.host, port: listener.port)
        } catch {
            throw BrokerStartError(.listen, "'\(listener.host)' is no address of this machine: \(error)")
        }
        guard listener.allowPlaintext || address.isLoopback else {
            throw BrokerStartError(
                .listen, "operations on \(listener.host), which other machines can reach, is plain HTTP: use a loopback address, or allow plaintext explicitly")
        }
        let loop = group.next()
        let gate = NIOLoopBoundBox.makeBoxSendingValue(0, eventLoop: loop)
        let bootstrap = ServerBootstrap(group: loop, childGroup: loop)
            .serverChannelOption(ChannelOptions.backlog, value: backlog)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    gate.value += 1
                    channel.closeFuture.whenComplete { _ in gate.value -= 1 }
                    guard gate.value <= limits.operationsConnectionsMax else { throw ChannelError.connectTimeout(.zero) }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(RequestBudget(bytesMax: limits.operationsRequestBytesMax))
                    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: true)
                    try pipeline.addHandler(OperationsHandler(answers: answers))
                    channel.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(clamping: limits.operationsMilliseconds))) {
                        channel.close(promise: nil)
                    }
                }
            }
        do {
            return try await bootstrap.bind(to: address).get()
        } catch {
            throw BrokerStartError(.listen, "cannot listen on \(listener.host), port \(listener.port), for operators: \(error)")
        }
    }
}

/// Closes a connection that sends more than a request of ours can need.
private final class RequestBudget: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var bytesLeft: Int

    init(bytesMax: Int) { bytesLeft = bytesMax }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytesLeft -= unwrapInboundIn(data).readableBytes
        guard bytesLeft >= 0 else {
            context.close(promise: nil)
            return
        }
        context.fireChannelRead(data)
    }
}

private final class OperationsHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answers: OperationsAnswers
    /// The head of the one request that this connection may make; nil before and after.
    private var head: HTTPRequestHead?
    private var isAnswered = false

    init(answers: OperationsAnswers) { self.answers = answers }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): if !isAnswered { self.head = head }
        case .body: break
        case .end:
            guard let head = head.take() else { return }
            isAnswered = true
            answer(head, context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let path = head.uri.prefix { $0 != "?" }
        guard ["/metrics", "/status", "/healthz", "/readyz"].contains(path) else {
            return write(.notFound, "there are /metrics, /status, /healthz and /readyz\n", context)
        }
        guard head.method == .GET else { return write(.methodNotAllowed, "only GET\n", context) }
        switch path {
        case "/healthz": write(.ok, "ok\n", context)
        case "/readyz":
            if let reason = answers.notReady() {
                write(.serviceUnavailable, reason + "\n", context)
            } else {
                write(.ok, "ready\n", context)
            }
        case "/status": answer(context, contentType: Self.json, answers.status)
        case _: answer(context, contentType: Self.text, answers.metrics)
        }
    }

    private static let text = "text/plain; version=0.0.4; charset=utf-8"
    private static let json = "application/json"

    private func answer(_ context: ChannelHandlerContext, contentType: String, _ body: @escaping @Sendable () async -> String) {
        let text = context.eventLoop.makeFutureWithTask { await body() }
        text.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let text) where !text.isEmpty || contentType == Self.text: self.write(.ok, text, context, contentType: contentType)
            case .success, .failure: self.write(.serviceUnavailable, "no figures\n", context)
            }
        }
    }

    private func write(
        _ status: HTTPResponseStatus, _ text: String, _ context: ChannelHandlerContext, contentType: String = OperationsHandler.text
    ) {
        guard context.channel.isActive else { return }
        let body = context.channel.allocator.buffer(string: text)
        var headers = HTTPHeaders([
            ("content-type", contentType), ("content-length", "\(body.readableBytes)"),
            ("connection", "close"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff"),
        ])
        if status == .methodNotAllowed { headers.add(name: "allow", value: "GET") }
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let done = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        done.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    }
}
