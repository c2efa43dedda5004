package import NIOCore
internal import NIOWebSocket

/// An open WebSocket (RFC 6455), as the server sees it.
package struct WebSocketConnection: Sendable {
    /// A whole message, of at most ``WebServerLimits/webSocketMessageBytesMax``.
    package enum Message: Sendable, Hashable {
        case text(String)
        case binary(ByteBuffer)
    }

    typealias Channel = NIOAsyncChannel<Message, WebSocketFrame>

    /// What the peer sends, to be read by one task; ends when the connection does. Pings are answered below.
    ///
    /// Read it even if nothing is expected: a peer whose messages nobody takes is not read from any more, so its pongs are not seen either.
    package let messages: NIOAsyncChannelInboundStream<Message>
    private let output: NIOAsyncChannelOutboundWriter<WebSocketFrame>
    private let channel: any NIOCore.Channel

    init(messages: NIOAsyncChannelInboundStream<Message>, output: NIOAsyncChannelOutboundWriter<WebSocketFrame>, channel: any NIOCore.Channel) {
        self.messages = messages
        self.output = output
        self.channel = channel
    }

    /// Sends one message. Returns when the socket has room for more.
    package func send(text: String) async throws {
        try await output.write(WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: text)))
    }

    /// Sends one message. Returns when the socket has room for more.
    package func send(binary: ByteBuffer) async throws {
        try await output.write(WebSocketFrame(fin: true, opcode: .binary, data: binary))
    }

    /// Says goodbye: after that nothing is sent, and the connection closes when the peer has answered, or soon.
    ///
    /// - Parameters:
    ///   - code: of RFC 6455 §7.4, or 4000–4999 for the application's own.
    ///   - reason: at most 123 bytes of it are sent.
    package func close(code: UInt16, reason: String) async {
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: WebSocketMachine.closeData(code, reason))
        // Past the writer, since it refuses in a cancelled task, which is when most goodbyes are said. A closed connection is the aim anyway.
        try? await channel.writeAndFlush(frame).get()
    }

    /// Serves a connection until it is closed, by `run` or by the peer.
    static func serve(_ channel: Channel, _ run: @escaping @Sendable (WebSocketConnection) async throws -> Void) async {
        // Ends in an error when the peer is gone, which is no news.
        try? await channel.executeThenClose { messages, output in
            let connection = WebSocketConnection(messages: messages, output: output, channel: channel.channel)
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try await run(connection)
                        await connection.close(code: 1000, reason: "")
                    } catch is CancellationError {
                        await connection.close(code: 1001, reason: "the server stops")
                    } catch {
                        await connection.close(code: 1011, reason: "the server failed")
                    }
                }
                // Not cancelled by the group: whatever happens, the close handshake has its time, and then the channel is closed.
                group.addTask { try? await channel.channel.closeFuture.get() }
                await group.next()
                group.cancelAll()
            }
        }
    }
}
