import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Keeps the fields of an HTTP/2 stream within the rules: of a request no more than ``WebServerLimits/headerFieldsMax`` and
/// ``WebServerLimits/headerFieldBytesMax``, of an answer none that speaks about the connection (RFC 9113 §8.2.2).
final class StreamFieldsHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: WebServerLimits
    private var isRefused = false

    init(limits: WebServerLimits) { self.limits = limits }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data), exceeds(head) {
            isRefused = true
            let answer = HTTPResponse(status: .requestHeaderFieldsTooLarge, headerFields: [.contentLength: "0"])
            context.write(wrapOutboundOut(.head(answer)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
        if !isRefused { context.fireChannelRead(data) }
    }

    private func exceeds(_ head: HTTPRequest) -> Bool {
        head.headerFields.count > limits.headerFieldsMax
            || head.headerFields.contains { $0.value.utf8.count > limits.headerFieldBytesMax }
            || (head.path?.utf8.count ?? 0) > limits.headerFieldBytesMax
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        for name in Self.connectionFields { head.headerFields[name] = nil }
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }

    private static let connectionFields: [HTTPField.Name] =
        [.connection, .transferEncoding, .upgrade] + ["Keep-Alive", "Proxy-Connection"].compactMap { HTTPField.Name($0) }
}
