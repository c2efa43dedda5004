import NIOCore
import NIOWebSocket
import SpindleWeb
import Testing

@Suite struct WebSocketMachineTests {
    private static let mask: WebSocketMaskingKey = [1, 2, 3, 4]

    private static func frame(_ opcode: WebSocketOpcode, _ bytes: [UInt8], fin: Bool = true) -> WebSocketFrame {
        var data = ByteBuffer(bytes: bytes)
        data.webSocketMask(mask)
        return WebSocketFrame(fin: fin, opcode: opcode, maskKey: mask, data: data)
    }

    private static func machine() -> WebSocketMachine {
        var limits = WebServerLimits()
        limits.webSocketMessageBytesMax = 8
        limits.webSocketFragmentsMax = 3
        return WebSocketMachine(limits: limits)
    }

    private static func code(_ action: WebSocketMachine.FrameAction) -> UInt16? {
        switch action {
        case .fail(let data), .answerClose(let data): data.getInteger(at: data.readerIndex)
        case .ignore, .deliver, .pong, .close: nil
        }
    }

    @Test func fragmentsBecomeOneMessageAndControlFramesMayComeBetween() {
        var machine = Self.machine()
        #expect(machine.received(Self.frame(.text, [0xc3], fin: false)) == .ignore)
        #expect(machine.received(Self.frame(.ping, [9])) == .pong(ByteBuffer(bytes: [9])))
        #expect(machine.received(Self.frame(.continuation, [0xbc, 0x21])) == .deliver(.text("ü!")))
        #expect(machine.received(Self.frame(.binary, [0xc3])) == .deliver(.binary(ByteBuffer(bytes: [0xc3]))))
    }

    @Test(arguments: [
        (1007, [frame(.text, [0xc3])]),
        (1009, [frame(.text, Array("123456789".utf8))]),
        (1009, [frame(.text, Array("12345".utf8), fin: false), frame(.continuation, Array("6789".utf8))]),
        (1009, [frame(.text, [], fin: false), frame(.continuation, [], fin: false), frame(.continuation, [], fin: false), frame(.continuation, [])]),
        (1002, [frame(.continuation, [1])]),
        (1002, [frame(.text, [], fin: false), frame(.text, [])]),
        (1002, [WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(string: "bare"))]),
        (1002, [frame(.connectionClose, [3])]),
        (1002, [frame(.connectionClose, [0x03, 0xed])]), // 1005 stands for no code, and is never sent
        (4001, [frame(.connectionClose, [0x0f, 0xa1])]),
    ] as [(UInt16, [WebSocketFrame])])
    func whatThePeerDoesWrongEndsTheConnection(code: UInt16, frames: [WebSocketFrame]) throws {
        var machine = Self.machine()
        for frame in frames.dropLast() { #expect(machine.received(frame) == .ignore) }
        let last = try #require(frames.last)
        #expect(Self.code(machine.received(last)) == code)
        #expect(machine.received(Self.frame(.text, [65])) == .ignore)
        #expect(!machine.closes() && !machine.isOpen)
    }

    @Test func weCloseOnceAndWaitForTheAnswer() {
        var machine = Self.machine()
        #expect(machine.closes() && !machine.closes() && !machine.isOpen)
        #expect(machine.received(Self.frame(.text, [65])) == .ignore)
        #expect(machine.received(Self.frame(.connectionClose, [])) == .close)
        let long = WebSocketMachine.closeData(1000, String(repeating: "한", count: 100))
        #expect(long.readableBytes == 125)
    }
}
