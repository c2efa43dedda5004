import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// Asks the router about a connection's first request if it wants a WebSocket, and takes `Upgrade` out of every request that gets none.
///
/// NIO's upgrade handler behind it loses a request whose upgrade is refused, so it is shown only those that are accepted. NIO's decoder reads
/// nothing more after a request for an upgrade, so the connection of one that is refused ends with its answer. While the router thinks, nothing
/// more is read.
final class WebSocketDoor: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case waiting
        /// The router was asked; meanwhile came these parts.
        case asking(held: [HTTPServerRequestPart], isReadHeld: Bool)
        case passed
    }

    private let router: any WebSocketRouter
    private let isSecure: Bool
    private var state = State.waiting
    /// A request for an upgrade was refused or unknown.
    private var isLast = false
    /// What the router said to the first request; nil: it was not asked, or knows no WebSocket there.
    private(set) var answer: WebSocketAnswer?

    init(router: any WebSocketRouter, isSecure: Bool) {
        self.router = router
        self.isSecure = isSecure
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch state {
        case .waiting:
            guard case .head(let head) = part, Self.asksForWebSocket(head), let request = try? HTTPRequest(head, secure: isSecure, splitCookie: false)
            else {
                state = .passed
                return context.fireChannelRead(wrapInboundOut(withoutUpgrade(part)))
            }
            state = .asking(held: [part], isReadHeld: false)
            ask(request, context)
        case .asking(let held, let isReadHeld): state = .asking(held: held + [part], isReadHeld: isReadHeld)
        case .passed: context.fireChannelRead(wrapInboundOut(withoutUpgrade(part)))
        }
    }

    func read(context: ChannelHandlerContext) {
        guard case .asking(let held, _) = state else { return context.read() }
        state = .asking(held: held, isReadHeld: true)
    }

    private func ask(_ request: HTTPRequest, _ context: ChannelHandlerContext) {
        let here = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.makeFutureWithTask { [router, peer = context.remoteAddress] in
            await router.answer(request, from: peer)
        }.whenSuccess { answer in
            let (door, context) = here.value
            door.decided(answer, context)
        }
    }

    private func decided(_ answer: WebSocketAnswer?, _ context: ChannelHandlerContext) {
        guard case .asking(let held, let isReadHeld) = state, context.channel.isActive else { return }
        state = .passed
        self.answer = answer
        let isAccepted = if case .accept = answer { true } else { false }
        for (number, part) in held.enumerated() {
            context.fireChannelRead(wrapInboundOut(isAccepted && number == 0 ? part : withoutUpgrade(part)))
        }
        context.fireChannelReadComplete()
        // From the end of the pipeline: this handler may have left it by now.
        if isReadHeld { context.channel.read() }
    }

    /// RFC 6455 §4.2.1, for requests without a body.
    private static func asksForWebSocket(_ head: HTTPRequestHead) -> Bool {
        func words(_ name: String) -> [String] { head.headers[canonicalForm: name].map { $0.lowercased() } }
        return head.method == .GET && head.version == .http1_1
            && words("upgrade").contains("websocket") && words("connection").contains("upgrade")
            && head.headers["sec-websocket-version"] == ["13"] && head.headers["sec-websocket-key"].count == 1
            && !head.headers.contains(name: "content-length") && !head.headers.contains(name: "transfer-encoding")
    }

    private func withoutUpgrade(_ part: HTTPServerRequestPart) -> HTTPServerRequestPart {
        guard case .head(var head) = part, head.headers.contains(name: "upgrade") else { return part }
        head.headers.remove(name: "upgrade")
        head.headers.replaceOrAdd(name: "connection", value: "close")
        isLast = true
        return .head(head)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard isLast, case .head(var head) = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        head.headers.replaceOrAdd(name: "connection", value: "close")
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }
}
