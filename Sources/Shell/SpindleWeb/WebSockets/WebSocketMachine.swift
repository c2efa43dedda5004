package import NIOCore
package import NIOWebSocket

/// Joins frames to messages, and keeps to the order of the close handshake (RFC 6455 §5.4, §5.5, §7). The decoder has checked the frames'
/// own form: opcodes, and control frames of one piece and at most 125 bytes.
package struct WebSocketMachine {
    package enum FrameAction: Sendable, Hashable {
        case ignore
        case deliver(WebSocketConnection.Message)
        case pong(ByteBuffer)
        /// Answer the peer's close frame, then close the connection.
        case answerClose(ByteBuffer)
        /// Both sides have said goodbye.
        case close
        /// Send this close frame, and close the connection.
        case fail(ByteBuffer)
    }

    private struct Fragments {
        let isText: Bool
        var data: ByteBuffer
        var count = 1
    }

    private enum State {
        case open(Fragments?)
        /// Our close frame went out.
        case closing
        case closed
    }

    private let limits: WebServerLimits
    private var state = State.open(nil)

    package init(limits: WebServerLimits) { self.limits = limits }

    /// A frame came.
    package mutating func received(_ frame: WebSocketFrame) -> FrameAction {
        guard frame.maskKey != nil, frame.reservedBits.isEmpty else { return fail(1002, "a frame was not masked, or used an extension") }
        let data = frame.unmaskedData
        switch state {
        case .closed: return .ignore
        case .closing:
            guard frame.opcode == .connectionClose else { return .ignore }
            state = .closed
            return .close
        case .open(let fragments):
            switch frame.opcode {
            case .connectionClose: return peerCloses(data)
            case .ping: return .pong(data)
            case .pong: return .ignore
            case .text, .binary:
                guard fragments == nil else { return fail(1002, "a message began within another one") }
                return collect(Fragments(isText: frame.opcode == .text, data: data), isWhole: frame.fin)
            case .continuation:
                guard var fragments else { return fail(1002, "a message went on that had not begun") }
                fragments.data.writeImmutableBuffer(data)
                fragments.count += 1
                return collect(fragments, isWhole: frame.fin)
            default: return fail(1002, "a frame has an unknown opcode")
            }
        }
    }

    /// Returns whether our close frame goes out now: only the first does, and nothing else after it.
    package mutating func closes() -> Bool {
        guard case .open = state else { return false }
        state = .closing
        return true
    }

    /// Whether frames other than close may still be sent.
    package var isOpen: Bool { if case .open = state { true } else { false } }

    private mutating func collect(_ fragments: Fragments, isWhole: Bool) -> FrameAction {
        guard fragments.data.readableBytes <= limits.webSocketMessageBytesMax, fragments.count <= limits.webSocketFragmentsMax else {
            return fail(1009, "a message is over \(limits.webSocketMessageBytesMax) bytes or \(limits.webSocketFragmentsMax) fragments")
        }
        guard isWhole else {
            state = .open(fragments)
            return .ignore
        }
        state = .open(nil)
        guard fragments.isText else { return .deliver(.binary(fragments.data)) }
        guard let text = String(validating: fragments.data.readableBytesView, as: UTF8.self) else { return fail(1007, "a text is not UTF-8") }
        return .deliver(.text(text))
    }

    private mutating func peerCloses(_ data: ByteBuffer) -> FrameAction {
        state = .closed
        // One byte is no code; what is no reason for us to say is not echoed.
        guard data.readableBytes != 1 else { return .answerClose(Self.closeData(1002, "")) }
        guard let code = data.getInteger(at: data.readerIndex, as: UInt16.self) else { return .answerClose(ByteBuffer()) }
        let isSendable = switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
        return .answerClose(Self.closeData(isSendable ? code : 1002, ""))
    }

    private mutating func fail(_ code: UInt16, _ reason: String) -> FrameAction {
        state = .closed
        return .fail(Self.closeData(code, reason))
    }

    /// The body of a close frame, which has at most 125 bytes.
    package static func closeData(_ code: UInt16, _ reason: String) -> ByteBuffer {
        var data = ByteBuffer()
        data.writeInteger(code)
        var text = reason
        while text.utf8.count > 123 { text.removeLast() }
        data.writeString(text)
        return data
    }
}
