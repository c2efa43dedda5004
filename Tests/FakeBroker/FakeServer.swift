package import NIOCore
import NIOPosix
package import SpindleWire
import Synchronization

/// A frame as the fake server got it.
package struct FakeFrame: Sendable {
    package var opcode: Opcode
    package var flags: FrameFlags
    package var correlationID: UInt32
    package var body: [UInt8]
    /// Counts the connections of the server from 1.
    package var connection: Int
}

/// One connection of the fake server, on its event loop.
package struct FakePeer: Sendable {
    package let channel: any Channel
    package let number: Int

    package func send(_ opcode: Opcode, flags: FrameFlags, correlationID: UInt32, _ encode: (inout WireWriter) -> Void = { _ in }) {
        var writer = WireWriter()
        let start = writer.beginFrame(opcode, flags: flags, correlationID: correlationID)
        encode(&writer)
        writer.endFrame(start)
        raw(writer.array())
    }

    package func reply(_ frame: FakeFrame, _ encode: (inout WireWriter) -> Void = { _ in }) {
        send(frame.opcode, flags: .reply, correlationID: frame.correlationID, encode)
    }

    package func refuse(_ frame: FakeFrame, _ error: WireError) {
        send(frame.opcode, flags: [.reply, .error], correlationID: frame.correlationID) { ErrorReply(error).encode(into: &$0) }
    }

    package func push(_ opcode: Opcode, _ encode: (inout WireWriter) -> Void) { send(opcode, flags: .push, correlationID: 0, encode) }

    package func raw(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

    package func close() { channel.close(promise: nil) }
}

/// Speaks frames, opens connections like a broker, and leaves every other frame to a script. Loopback, a free port.
package final class FakeServer: Sendable {
    package typealias Script = @Sendable (FakePeer, FakeFrame) -> Void

    package struct Opening: Sendable {
        package var frameBytesMax: UInt32 = 1 << 20
        package var inFlightMax: UInt32 = 1000
        package var heartbeatMilliseconds: UInt32 = 10_000
        package var authError: WireError?
        package var serverID = [UInt8](repeating: 7, count: 16)
        package var answersPings: Bool
        package var capabilities: Capabilities = .lz4

        package init(
            frameBytesMax: UInt32 = 1 << 20, inFlightMax: UInt32 = 1000, heartbeatMilliseconds: UInt32 = 10_000, authError: WireError? = nil,
            serverID: [UInt8] = [UInt8](repeating: 7, count: 16), answersPings: Bool = true
        ) {
            self.frameBytesMax = frameBytesMax
            self.inFlightMax = inFlightMax
            self.heartbeatMilliseconds = heartbeatMilliseconds
            self.authError = authError
            self.serverID = serverID
            self.answersPings = answersPings
        }
    }

    private struct State {
        var peers: [FakePeer] = []
        var opened = 0
    }

    package let opening: Opening
    /// Every frame but HELLO, AUTH and PING.
    package let frames = Recorder<FakeFrame>()
    /// The opening ones and PING.
    package let service = Recorder<FakeFrame>()
    private let script: Script
    private let state = Mutex(State())
    private let listener = Mutex<(any Channel)?>(nil)
    package let port: Int

    private init(opening: Opening, port: Int, script: @escaping Script) {
        self.opening = opening
        self.port = port
        self.script = script
    }

    package static func start(_ opening: Opening = Opening(), port: Int = 0, script: @escaping Script) async throws -> FakeServer {
        let holder = Mutex<FakeServer?>(nil)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let server = holder.withLock({ $0 }) else { return channel.close(promise: nil) }
                    try channel.pipeline.syncOperations.addHandler(FakeHandler(server: server, peer: server.opened(channel)))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        let server = FakeServer(opening: opening, port: listener.localAddress?.port ?? 0, script: script)
        holder.withLock { $0 = server }
        server.listener.withLock { $0 = listener }
        return server
    }

    private func opened(_ channel: any Channel) -> FakePeer {
        state.withLock { state in
            state.opened += 1
            let peer = FakePeer(channel: channel, number: state.opened)
            state.peers.append(peer)
            return peer
        }
    }

    package var peers: [FakePeer] { state.withLock { $0.peers } }
    package var connectionCount: Int { state.withLock { $0.opened } }

    package func closeConnections() { for peer in peers { peer.close() } }

    package func stop() async {
        let channel = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        try? await channel?.close().get()
        for peer in peers { try? await peer.channel.close().get() }
    }

    fileprivate func received(_ frame: FakeFrame, from peer: FakePeer) {
        switch frame.opcode {
        case .hello:
            service.record(frame)
            peer.reply(frame) {
                HelloReply(
                    capabilities: opening.capabilities, frameBytesMax: opening.frameBytesMax, inFlightMax: opening.inFlightMax,
                    heartbeatMilliseconds: opening.heartbeatMilliseconds, serverID: opening.serverID, serverName: "fake",
                    serverVersion: "0",
                    opcodes: Opcode.allCases.map { .init(opcode: $0.rawValue, versionMin: 1, versionMax: 1) }
                ).encode(into: &$0)
            }
        case .auth:
            service.record(frame)
            if let error = opening.authError { return peer.refuse(frame, error) }
            peer.reply(frame) { AuthReply(principal: "tester").encode(into: &$0) }
        case .ping:
            service.record(frame)
            if !frame.flags.contains(.reply), opening.answersPings { peer.reply(frame) }
        default:
            frames.record(frame)
            script(peer, frame)
        }
    }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let server: FakeServer
    private let peer: FakePeer
    private var pending = ByteBuffer()

    init(server: FakeServer, peer: FakePeer) {
        self.server = server
        self.peer = peer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        pending.writeBuffer(&bytes)
        while pending.readableBytes >= FrameHeader.byteCount {
            guard let header = try? FrameHeader(pending.readableBytesSpan, frameBytesMax: 1 << 26) else { return context.close(promise: nil) }
            guard pending.readableBytes >= Int(header.length), let frame = pending.readBytes(length: Int(header.length)) else { return }
            guard let opcode = Opcode(rawValue: header.opcode) else { continue }
            server.received(
                FakeFrame(
                    opcode: opcode, flags: header.flags, correlationID: header.correlationID,
                    body: Array(frame[FrameHeader.byteCount...]), connection: peer.number), from: peer)
        }
    }
}

/// Remembers what happened, and lets tests wait for it with a deadline instead of sleeping.
package final class Recorder<Event: Sendable>: Sendable {
    package struct TimedOut: Error, CustomStringConvertible {
        package var description: String
    }

    private struct State {
        var events: [Event] = []
        var waiters: [(id: Int, needed: Int, matches: @Sendable (Event) -> Bool, continuation: CheckedContinuation<Bool, Never>)] = []
        var nextID = 0
    }

    private let state = Mutex(State())

    package init() {}

    package var all: [Event] { state.withLock { $0.events } }

    package func record(_ event: Event) {
        let woken = state.withLock { state in
            state.events.append(event)
            var woken: [CheckedContinuation<Bool, Never>] = []
            state.waiters.removeAll { waiter in
                guard state.events.filter(waiter.matches).count >= waiter.needed else { return false }
                woken.append(waiter.continuation)
                return true
            }
            return woken
        }
        for continuation in woken { continuation.resume(returning: true) }
    }

    /// The first `count` events that match, as soon as there are so many.
    @discardableResult
    package func wait(
        _ count: Int = 1, within limit: Duration = .seconds(10), where matches: @escaping @Sendable (Event) -> Bool = { _ in true }
    ) async throws -> [Event] {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let timeout = Task {
            try await Task.sleep(for: limit)
            let late = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index).continuation
            }
            late?.resume(returning: false)
        }
        defer { timeout.cancel() }
        let isThere = await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.events.filter(matches).count >= count { return true }
                state.waiters.append((id, count, matches, continuation))
                return false
            }
            if isThere { continuation.resume(returning: true) }
        }
        let found = all.filter(matches)
        guard isThere else { throw TimedOut(description: "\(found.count) of \(count) events within \(limit); all: \(all)") }
        return Array(found.prefix(count))
    }
}

extension FakeFrame {
    /// Reads the body; the span lives only during `read`.
    package func read<Value>(_ read: (RawSpan) throws(WireError) -> Value) throws(WireError) -> Value { try read(body.span.bytes) }

    /// Of a PUBLISH or TOPIC_PUBLISH.
    package var publish: (producerID: UInt64, firstSequence: UInt64, name: String, count: Int)? {
        try? read { span throws(WireError) in
            let request = try PublishRequest(span)
            return (request.producerID, request.firstSequence, request.queue, request.count)
        }
    }
}

extension FakePeer {
    package func stored(_ frame: FakeFrame, count: Int, firstID: UInt64, status: ItemStatus = .ok) {
        reply(frame) { PublishReply(runs: [.init(status: status, count: UInt32(count), firstID: firstID)]).encode(into: &$0) }
    }

    /// Answers a LEASE with messages of the given texts; ids count from `firstID`, epoch 1. The record at `corrupt` gets a wrong bit.
    package func grant(
        _ frame: FakeFrame, _ texts: [String], firstID: UInt64, leaseMilliseconds: UInt32 = 30_000, attempt: UInt32 = 1, corrupt: Int? = nil,
        damaged: Int? = nil
    ) {
        var records = WireWriter()
        var items: [LeaseReplyHead.Item] = []
        for (index, text) in texts.enumerated() {
            let start = records.count
            try? MessageRecord(body: Array(text.utf8)).encode(into: &records)
            items.append(.init(
                token: .init(messageID: firstID + UInt64(index), epoch: 1), attempt: attempt, storedAtMilliseconds: 1_000,
                recordByteCount: UInt32(records.count - start)))
        }
        var bytes = records.array()
        if let corrupt {
            let end = items.prefix(corrupt + 1).reduce(0) { $0 + Int($1.recordByteCount) }
            bytes[end - 1] ^= 1
        }
        if let damaged {
            let start = items.prefix(damaged).reduce(0) { $0 + Int($1.recordByteCount) }
            bytes.withUnsafeMutableBytes { all in
                StandIn.write(into: UnsafeMutableRawBufferPointer(rebasing: all[start..<(start + Int(items[damaged].recordByteCount))]))
            }
        }
        reply(frame) {
            LeaseReplyHead(leaseMilliseconds: leaseMilliseconds, items: items).encode(into: &$0)
            $0.bytes(bytes)
        }
    }

    /// Answers an ACK or NACK.
    package func status(_ frame: FakeFrame, count: Int, _ status: ItemStatus = .ok) {
        reply(frame) { StatusReply(runs: [.init(status: status, count: UInt32(count))]).encode(into: &$0) }
    }
}

extension FakePeer {
    /// Accepts a TOPIC_SUBSCRIBE.
    package func accept(_ frame: FakeFrame, epoch: UInt64, offset: UInt64) {
        reply(frame) { TopicSubscribeReply(cursor: .init(epoch: epoch, offset: offset)).encode(into: &$0) }
    }

    package func events(_ subscriptionID: UInt32, epoch: UInt64, _ events: [(offset: UInt64, topic: String, text: String)]) {
        var records = WireWriter()
        var items: [TopicEventsHead.Item] = []
        for event in events {
            let start = records.count
            try? MessageRecord(body: Array(event.text.utf8)).encode(into: &records)
            items.append(.init(
                offset: event.offset, storedAtMilliseconds: 1, topic: event.topic, recordByteCount: UInt32(records.count - start)))
        }
        let bytes = records.array()
        push(.topicEvents) {
            TopicEventsHead(subscriptionID: subscriptionID, epoch: epoch, items: items).encode(into: &$0)
            $0.bytes(bytes)
        }
    }
}
