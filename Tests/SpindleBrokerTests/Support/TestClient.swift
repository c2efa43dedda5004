import NIOCore
import NIOPosix
import NIOSSL
import SpindleWire
import Testing

/// One frame as a client saw it.
struct Frame: Sendable {
    var header: FrameHeader
    var body: [UInt8]

    func requireSuccess() throws {
        guard header.flags.contains(.error) else { return }
        let error = try error()
        Issue.record("refused: \(error)")
        throw Refused()
    }

    /// What the broker refused and why; fails the test on any other frame.
    func error() throws -> ErrorReply {
        try #require(header.flags.contains(.error), "\(header) is no error")
        return try ErrorReply(body.span.bytes)
    }

    func published() throws -> [ItemStatus] {
        try requireSuccess()
        return try PublishReply(body.span.bytes).runs.map(\.status)
    }

    func principal() throws -> String { try authReply().principal }

    func authReply() throws -> AuthReply {
        try requireSuccess()
        return try AuthReply(body.span.bytes)
    }

    func errorCode() throws -> ErrorCode? { ErrorCode(rawValue: try error().code) }
}

struct DeadlinePassed: Error {}
struct Refused: Error {}

/// A client that sends exactly the bytes it is told to, and collects what comes back.
final class TestClient: Sendable {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    /// Nothing here takes so long unless it is broken.
    static let patience = TimeAmount.seconds(20)

    private let channel: any Channel
    private let inbox: NIOLoopBound<Inbox>

    private init(channel: any Channel, inbox: NIOLoopBound<Inbox>) {
        self.channel = channel
        self.inbox = inbox
    }

    static func connect(port: Int, tls: TLSConfiguration? = nil, reads: Bool = true, isHTTP: Bool = false) async throws -> TestClient {
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let loop = group.next()
        let inbox = try await loop.submit { NIOLoopBound(Inbox(isHTTP: isHTTP), eventLoop: loop) }.get()
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(ChannelOptions.autoRead, value: reads)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context { try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: "localhost")) }
                    try pipeline.addHandler(inbox.value)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return TestClient(channel: channel, inbox: inbox)
    }

    func close() { channel.close(promise: nil) }

    // MARK: Sending

    func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get() }

    /// Writes without waiting for the socket to take it.
    func sendLater(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

    static func frame(_ opcode: UInt16, correlationID: UInt32 = 1, _ body: [UInt8] = []) -> [UInt8] {
        var writer = WireWriter()
        FrameHeader(length: UInt32(FrameHeader.byteCount + body.count), opcode: opcode, correlationID: correlationID).encode(into: &writer)
        writer.bytes(body)
        return writer.array()
    }

    static func body(_ fill: (inout WireWriter) throws -> Void) rethrows -> [UInt8] {
        var writer = WireWriter()
        try fill(&writer)
        return writer.array()
    }

    /// Sends a request and waits for its answer; pushes in between are passed over.
    func request(_ opcode: Opcode, correlationID: UInt32 = 1, _ body: [UInt8] = []) async throws -> Frame {
        try await send(Self.frame(opcode.rawValue, correlationID: correlationID, body))
        return try await reply()
    }

    // MARK: Receiving

    /// The next frame that is no push.
    func reply() async throws -> Frame {
        while true {
            let frame = try #require(try await next(), "the connection was closed instead of an answer")
            if !frame.header.flags.contains(.push) { return frame }
        }
    }

    /// The next frame, or nil when the broker closed the connection.
    func next(within patience: TimeAmount = TestClient.patience) async throws -> Frame? {
        try await channel.eventLoop.flatSubmit { [inbox] in inbox.value.next(within: patience) }.get()
    }

    /// Waits for the end of the connection; throws if a frame comes.
    func expectClosed() async throws {
        let frame = try await next()
        #expect(frame == nil, "a frame came instead of the end: \(String(describing: frame?.header))")
    }

    /// Everything until the broker closed the connection.
    func readToEnd() async throws -> [UInt8] {
        _ = try await channel.eventLoop.flatSubmit { [inbox] in inbox.value.whenClosed(within: Self.patience) }.get()
        return try await channel.eventLoop.submit { [inbox] in inbox.value.raw }.get()
    }

    // MARK: The protocol

    func hello(_ capabilities: Capabilities = []) async throws -> HelloReply {
        let reply = try await request(.hello, Self.body { HelloRequest(capabilities: capabilities, clientName: "test", clientVersion: "1").encode(into: &$0) })
        try reply.requireSuccess()
        return try HelloReply(reply.body.span.bytes)
    }

    func authenticate(token: String) async throws -> Frame {
        try await request(.auth, Self.body { AuthRequest(method: .token, credential: token).encode(into: &$0) })
    }

    static func record(_ text: String, key: String? = nil) throws -> [UInt8] {
        var record = MessageRecord(body: Array(text.utf8))
        record.deduplicationKey = key
        return try body { try record.encode(into: &$0) }
    }

    static func publishBody(_ queue: String, _ records: [[UInt8]], producer: UInt64 = 0, sequence: UInt64 = 0) -> [UInt8] {
        body { writer in
            PublishRequest.encodeHead(
                producerID: producer, firstSequence: sequence, queue: queue, count: records.count,
                recordsByteCount: records.map(\.count).reduce(0, +), into: &writer)
            for record in records { writer.bytes(record) }
        }
    }

    func publish(_ queue: String, _ texts: String..., producer: UInt64 = 0, sequence: UInt64 = 0) async throws -> PublishReply {
        let records = try texts.map { try Self.record($0) }
        let reply = try await request(.publish, Self.publishBody(queue, records, producer: producer, sequence: sequence))
        try reply.requireSuccess()
        return try PublishReply(reply.body.span.bytes)
    }

    struct Delivery: Sendable {
        var token: DeliveryToken
        var attempt: UInt32
        var body: [UInt8]
        /// Read on demand: repairing megabytes that are no UTF-8 takes seconds.
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    static func leaseBody(_ queue: String, max: UInt32 = 10, leaseMilliseconds: UInt32 = 0, wait: UInt32 = 0, bytesMax: UInt32 = 1 << 20) -> [UInt8] {
        body {
            LeaseRequest(queue: queue, messagesMax: max, bytesMax: bytesMax, leaseMilliseconds: leaseMilliseconds, waitMilliseconds: wait)
                .encode(into: &$0)
        }
    }

    func lease(_ queue: String, max: UInt32 = 10, leaseMilliseconds: UInt32 = 0, wait: UInt32 = 0) async throws -> [Delivery] {
        let reply = try await request(.lease, Self.leaseBody(queue, max: max, leaseMilliseconds: leaseMilliseconds, wait: wait))
        try reply.requireSuccess()
        return try Self.deliveries(reply)
    }

    static func deliveries(_ reply: Frame) throws -> [Delivery] {
        let bytes = reply.body
        var reader = WireReader(bytes.span.bytes)
        let head = try LeaseReplyHead(&reader)
        var deliveries: [Delivery] = []
        for item in head.items {
            let record = try RecordView.decode(try reader.span(Int(item.recordByteCount), "record"))
            deliveries.append(Delivery(token: item.token, attempt: item.attempt, body: record.body))
        }
        return deliveries
    }

    func acknowledge(_ tokens: [DeliveryToken]) async throws -> [ItemStatus] {
        let reply = try await request(.ack, Self.body { AckRequest(tokens: tokens).encode(into: &$0) })
        try reply.requireSuccess()
        let runs = try StatusReply(reply.body.span.bytes).runs
        return runs.flatMap { Array(repeating: $0.status, count: Int($0.count)) }
    }
}

/// Cuts what comes into frames, or keeps it as it is.
private final class Inbox: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let isHTTP: Bool
    private(set) var raw: [UInt8] = []
    /// Bytes from which on another frame may be whole.
    private var frameEnd = FrameHeader.byteCount
    private var frames: [Frame] = []
    private var isClosed = false
    private var waiting: [EventLoopPromise<Frame?>] = []
    private var waitingForEnd: [EventLoopPromise<Void>] = []
    private var loop: (any EventLoop)?

    init(isHTTP: Bool) { self.isHTTP = isHTTP }

    func handlerAdded(context: ChannelHandlerContext) { loop = context.eventLoop }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        raw += Array(unwrapInboundIn(data).readableBytesView)
        guard !isHTTP else { return }
        while raw.count >= frameEnd, let header = try? FrameHeader(raw.span.bytes, frameBytesMax: 1 << 30) {
            frameEnd = Int(header.length)
            guard raw.count >= frameEnd else { break }
            frames.append(Frame(header: header, body: Array(raw[FrameHeader.byteCount..<frameEnd])))
            raw.removeFirst(frameEnd)
            frameEnd = FrameHeader.byteCount
        }
        deliver()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        deliver()
        for promise in waitingForEnd { promise.succeed() }
        waitingForEnd = []
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func deliver() {
        while !waiting.isEmpty, !frames.isEmpty || isClosed {
            waiting.removeFirst().succeed(frames.isEmpty ? nil : frames.removeFirst())
        }
    }

    func next(within patience: TimeAmount) -> EventLoopFuture<Frame?> {
        guard let loop else { preconditionFailure("asked before it was added") }
        let promise = loop.makePromise(of: Frame?.self)
        waiting.append(promise)
        loop.scheduleTask(in: patience) { promise.fail(DeadlinePassed()) }
        deliver()
        return promise.futureResult
    }

    func whenClosed(within patience: TimeAmount) -> EventLoopFuture<Void> {
        guard let loop else { preconditionFailure("asked before it was added") }
        let promise = loop.makePromise(of: Void.self)
        if isClosed { promise.succeed() } else { waitingForEnd.append(promise) }
        loop.scheduleTask(in: patience) { promise.fail(DeadlinePassed()) }
        return promise.futureResult
    }
}
