internal import NIOCore
internal import SpindleWire

/// Whoever a ``Connection`` reports to. All calls come on its event loop.
protocol ConnectionOwner: AnyObject {
    func connectionIsReady(_ connection: Connection, server: ServerInfo)
    /// A reply; the request is out of the connection's hands.
    func connection(_ connection: Connection, answered request: Request, with result: Result<Request.Reply, SpindleError>)
    /// A reply to a frame sent by ``Connection/sendRaw(_:opcode:context:deadline:)``.
    func connection(_ connection: Connection, answeredRaw context: UInt64, with result: Result<ByteBuffer, SpindleError>)
    func connection(_ connection: Connection, pushed opcode: UInt16, body: ByteBuffer) throws(WireError)
    func connectionIsGoingAway(_ connection: Connection, notice: GoingAwayNotice)
    /// There may be room for more requests.
    func connectionHasRoom(_ connection: Connection)
    /// The end; `unanswered` in order of sending, those of raw frames by their contexts.
    func connectionEnded(_ connection: Connection, error: SpindleError, unanswered: [Request], unansweredRaw: [UInt64])
}

/// One channel to a broker: frames in and out, requests by correlation id. Lives on its channel's event loop only.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Buffers from this size on are written as they are instead of being copied behind the frames before them.
    private static let copiedBytesMax = 16 * 1024
    /// Frames collected within a tick go out at this size at the latest.
    private static let outboxBytesMax = 256 * 1024
    /// Deadlines are looked at no more often than this.
    private static let tickMin = TimeAmount.milliseconds(10)
    /// And so often while a frame comes in slowly.
    private static let receivingTick = TimeAmount.milliseconds(250)

    private enum Pending {
        case request(Request)
        case raw(context: UInt64)
        /// A WITHDRAW: the request that it names is answered, whatever this one's own answer is.
        case withdrawal
    }

    /// Tells connections of one link apart.
    let number: Int
    private var machine: ConnectionMachine
    private var owner: (any ConnectionOwner)?
    private var context: ChannelHandlerContext?
    private var frames = FrameAccumulator(frameBytesMax: ConnectionMachine.openingFrameBytesMax)
    private var table = RequestTable<Pending>()
    private var outbox = ByteBuffer()
    private var writer = WireWriter(capacity: 512)
    private var isReading = false
    private var isReceivingSlowly = false
    private var isFlushScheduled = false
    private var timer: Scheduled<Void>?
    private var timerDue = NIODeadline.distantFuture
    private var isWritable = true
    private(set) var server: ServerInfo?
    private let inFlightMaxOwn: Int
    private var failure: SpindleError?
    private var consulting = Consulting()

    init(number: Int, settings: ConnectionMachine.Settings, inFlightMax: Int, owner: any ConnectionOwner) {
        self.number = number
        machine = ConnectionMachine(settings)
        inFlightMaxOwn = max(1, inFlightMax)
        self.owner = owner
    }

    private var inFlightMax: Int { min(inFlightMaxOwn, server?.inFlightMax ?? 1, RequestTable<Pending>.slotsMax - 1) }

    /// A request may be sent now.
    var hasRoom: Bool { machine.isReady && isWritable && table.count < inFlightMax }
    /// Likewise for raw frames, whose window is their sender's own.
    var isReady: Bool { machine.isReady }
    var unansweredCount: Int { table.count }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { open() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(failure ?? .connectionLost("the connection was taken apart"))
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        open()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(failure ?? .connectionLost("the broker closed the connection"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(Connector.error(from: error))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable { owner?.connectionHasRoom(self) }
        context.fireChannelWritabilityChanged()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        frames.append(unwrapInboundIn(data))
        let now = NIODeadline.now()
        machine.heard(now: now)
        do throws(WireError) {
            while failure == nil, let frame = try frames.next() { try receive(frame, now: now) }
        } catch {
            fail(SpindleError(
                code: SpindleError.Code(error.code), message: "the broker's bytes can't be read: \(error.message)", isRetryable: true,
                blastRadius: .connection))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if hasRoom { owner?.connectionHasRoom(self) }
        if isFlushScheduled { flush() }
        context.fireChannelReadComplete()
    }

    // MARK: Frames in

    private func open() {
        let hello = machine.opened(now: .now())
        let ok = writeOwnFrame(.hello, correlationID: ConnectionMachine.helloID) { hello.encode(into: &$0) }
        guard ok else {
            return fail(SpindleError(
                code: .invalidArgument,
                message: "the client's name and labels don't fit the \(WireLimits.preAuthenticationFrameBytesMax) bytes of a HELLO",
                blastRadius: .connection))
        }
        rearm()
    }

    private func receive(_ frame: FrameAccumulator.Frame, now: NIODeadline) throws(WireError) {
        switch machine.received(frame.header, body: frame.body.readableBytesSpan, now: now) {
        case .none:
            break
        case .authenticate(let auth, let frameBytesMax):
            frames.frameBytesMax = frameBytesMax
            authenticate(auth)
        case .begin(let mechanism, let frameBytesMax):
            frames.frameBytesMax = frameBytesMax
            let exchange = mechanism.exchange()
            consulting.exchange = exchange
            consult { .answer(try await exchange.begin()) }
        case .consult(let challenge):
            guard let exchange = consulting.exchange else { preconditionFailure("the machine consults a mechanism that has begun") }
            consult {
                switch challenge {
                case .answer(let challenge): return .answer(try await exchange.answer(challenge))
                case .accepted(let proof):
                    try await exchange.accepted(proof)
                    return .accepted
                }
            }
        case .becomeReady(let server):
            becomeReady(server)
        case .reply(let id, let isError):
            try complete(id, isError: isError, body: frame.body)
        case .answerPing(let id):
            _ = writeOwnFrame(.ping, flags: .reply, correlationID: id) { _ in }
        case .push(let opcode):
            try owner?.connection(self, pushed: opcode, body: frame.body)
        case .drain(let notice):
            owner?.connectionIsGoingAway(self, notice: notice)
            tick()
        case .fail(let error):
            fail(error)
        }
    }

    // MARK: Authentication

    private func authenticate(_ auth: AuthRequest) {
        let dataBytes = auth.data?.count ?? 0
        let frameBytesMax = auth.data == nil ? WireLimits.preAuthenticationFrameBytesMax : WireLimits.authenticationFrameBytesMax
        guard dataBytes <= WireLimits.authenticationDataBytesMax,
            writeOwnFrame(.auth, correlationID: ConnectionMachine.authID, frameBytesMax: frameBytesMax, encode: { auth.encode(into: &$0) })
        else {
            return fail(SpindleError(
                code: .invalidArgument, message: "the credential is too long for an AUTH frame", blastRadius: .connection))
        }
    }

    /// Has the mechanism's `work` done off the loop. What ends the connection meanwhile cancels it.
    private func consult(_ work: @escaping @Sendable () async throws -> Consulting.Answer) {
        guard let context else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        consulting.task = Task {
            let answer: Result<Consulting.Answer, any Error>
            do { answer = .success(try await work()) } catch { answer = .failure(error) }
            bound.eventLoop.execute { bound.value.consulted(answer) }
        }
    }

    private func consulted(_ answer: Result<Consulting.Answer, any Error>) {
        guard failure == nil else { return }
        switch answer {
        case .success(.answer(let data)):
            if let auth = machine.answered(data) { authenticate(auth) }
        case .success(.accepted):
            if let server = machine.accepted() { becomeReady(server) }
        case .failure(let error):
            fail(error as? SpindleError ?? SpindleError(
                code: .authenticationFailed, message: "the client's side of the authentication failed: \(error)", blastRadius: .connection, cause: error))
        }
    }

    private func becomeReady(_ server: ServerInfo) {
        self.server = server
        consulting = Consulting()
        rearm()
        owner?.connectionIsReady(self, server: server)
    }

    private func complete(_ id: UInt32, isError: Bool, body: ByteBuffer) throws(WireError) {
        guard let pending = table.remove(id) else { return } // given up before: an expected race
        let refusal: SpindleError? = isError ? SpindleError(try ErrorReply(body.readableBytesSpan)) : nil
        if refusal?.code == .goingAway { machine.refusedAsGoingAway(now: .now()) }
        switch pending {
        case .request(let request):
            let result: Result<Request.Reply, SpindleError> =
                if let refusal { .failure(refusal) } else { .success(Request.Reply(body: body, connectionNumber: number)) }
            owner?.connection(self, answered: request, with: result)
        case .raw(let context):
            owner?.connection(self, answeredRaw: context, with: refusal.map { .failure($0) } ?? .success(body))
        case .withdrawal: break
        }
        if let refusal, refusal.blastRadius == .connection { return fail(refusal) }
        if machine.isDraining { tick() }
    }

    // MARK: Frames out

    /// Sends a request; only while ``hasRoom``.
    func send(_ request: Request) {
        var request = request
        request.sendings += 1
        if server?.remembersSettles != true { request.wasSentUnremembered = true }
        let frameBytesMax = server?.frameBytesMax ?? 0
        guard FrameHeader.byteCount + request.payload.byteCount <= frameBytesMax else {
            owner?.connection(self, answered: request, with: .failure(SpindleError(
                code: .frameTooLarge,
                message: "the \(request.opcode.name) takes \(FrameHeader.byteCount + request.payload.byteCount) bytes; the broker accepts frames of \(frameBytesMax)")))
            return
        }
        guard let id = table.insert(.request(request), deadline: request.deadline) else {
            owner?.connection(self, answered: request, with: .failure(Self.tableFull))
            return
        }
        switch request.payload {
        case .plain(let body):
            appendHeader(request.opcode, correlationID: id, bodyBytes: body.readableBytes)
            append(body)
        case .publish(let name, let batch, let producerID, let firstSequence):
            appendPublish(request.opcode, name: name, batch: batch, producerID: producerID, firstSequence: firstSequence, id: id)
        }
        if request.deadline < timerDue { rearm() }
        didAppend()
    }

    /// Sends a publish that is not repeated when the connection ends; its confirmation names `context`. False where there is no room.
    func sendRawPublish(_ batch: MessageBatch, to queue: String, producerID: UInt64, firstSequence: UInt64, context: UInt64) -> Bool {
        guard isReady, let id = table.insert(.raw(context: context), deadline: .distantFuture) else { return false }
        appendPublish(.publish, name: queue, batch: batch, producerID: producerID, firstSequence: firstSequence, id: id)
        didAppend()
        return true
    }

    /// Sends any request that is not repeated when the connection ends. False where there is no room.
    func sendRaw(_ opcode: Opcode, context: UInt64, encode: (inout WireWriter) -> Void) -> Bool {
        guard isReady, let id = table.insert(.raw(context: context), deadline: .distantFuture) else { return false }
        writer.removeAll()
        let start = writer.beginFrame(opcode, correlationID: id)
        encode(&writer)
        writer.endFrame(start)
        appendWritten()
        didAppend()
        return true
    }

    /// Takes back the requests that wait at the broker and that nobody waits for any more; their answers come as ever.
    func withdrawAbandoned() {
        guard isReady, server?.answersWithdraw == true else { return }
        var named: [UInt32] = []
        table.update { id, pending in
            guard case .request(var request) = pending, !request.isWithdrawn, request.opcode.waits, request.isAbandoned?() == true else { return }
            request.isWithdrawn = true
            pending = .request(request)
            named.append(id)
        }
        for id in named {
            guard let own = table.insert(.withdrawal, deadline: .distantFuture) else { return }
            writer.removeAll()
            let start = writer.beginFrame(.withdraw, correlationID: own)
            WithdrawRequest(correlationID: id).encode(into: &writer)
            writer.endFrame(start)
            appendWritten()
        }
        if !named.isEmpty { didAppend() }
    }

    /// Sends a request that has no reply.
    func sendUnanswered(_ opcode: Opcode, encode: (inout WireWriter) -> Void) {
        guard isReady else { return }
        writer.removeAll()
        let start = writer.beginFrame(opcode, correlationID: 0)
        encode(&writer)
        writer.endFrame(start)
        appendWritten()
        didAppend()
    }

    private static let tableFull = SpindleError(
        code: .tooManyInFlight, message: "too many requests are unanswered on this connection", isRetryable: true)

    /// A frame of the opening or of the heartbeat; false where it is larger than the broker takes then.
    private func writeOwnFrame(
        _ opcode: Opcode, flags: FrameFlags = [], correlationID: UInt32, frameBytesMax: Int = WireLimits.preAuthenticationFrameBytesMax,
        encode: (inout WireWriter) -> Void
    ) -> Bool {
        writer.removeAll()
        let start = writer.beginFrame(opcode, flags: flags, correlationID: correlationID)
        encode(&writer)
        writer.endFrame(start)
        guard writer.count <= frameBytesMax else { return false }
        appendWritten()
        didAppend()
        return true
    }

    private func appendPublish(_ opcode: Opcode, name: String, batch: MessageBatch, producerID: UInt64, firstSequence: UInt64, id: UInt32) {
        writer.removeAll()
        let start = writer.beginFrame(opcode, correlationID: id)
        PublishRequest.encodeHead(
            producerID: producerID, firstSequence: firstSequence, queue: name, count: batch.count, recordsByteCount: batch.byteCount,
            into: &writer)
        writer.endFrame(start, following: batch.byteCount)
        appendWritten()
        append(batch.records)
    }

    private func appendHeader(_ opcode: Opcode, correlationID: UInt32, bodyBytes: Int) {
        writer.removeAll()
        let start = writer.beginFrame(opcode, correlationID: correlationID)
        writer.endFrame(start, following: bodyBytes)
        appendWritten()
    }

    private func appendWritten() {
        writer.withUnsafeBytes { _ = outbox.writeBytes($0) }
    }

    private func append(_ bytes: ByteBuffer) {
        if bytes.readableBytes <= Self.copiedBytesMax {
            outbox.writeImmutableBuffer(bytes)
        } else {
            writeOutbox()
            context?.write(wrapOutboundOut(bytes), promise: nil)
        }
    }

    private func didAppend() {
        if outbox.readableBytes >= Self.outboxBytesMax { writeOutbox() }
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        guard !isReading, let context else { return } // at the end of this read
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.flush() }
    }

    private func writeOutbox() {
        guard outbox.readableBytes > 0, let context else { return }
        let full = outbox
        outbox = context.channel.allocator.buffer(capacity: min(full.readableBytes, Self.outboxBytesMax + Self.copiedBytesMax))
        context.write(wrapOutboundOut(full), promise: nil)
    }

    private func flush() {
        guard isFlushScheduled else { return }
        isFlushScheduled = false
        writeOutbox()
        machine.wrote(now: .now())
        context?.flush()
    }

    // MARK: Time

    /// Sets the one timer to the earliest of: a request's deadline, what the machine waits for.
    private func rearm() {
        guard let context else { return }
        let now = NIODeadline.now()
        let due = max(min(machine.nextTick(now: now), table.earliestDeadline ?? .distantFuture), now + (isReceivingSlowly ? Self.receivingTick : Self.tickMin))
        guard timer == nil || due != timerDue else { return }
        timer?.cancel()
        timerDue = due
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: due) { bound.value.timerFired() }
    }

    private func timerFired() {
        timer = nil
        // A slow reply delays the replies after it: while its bytes arrive, no request is overdue.
        isReceivingSlowly = frames.isWithinFrame && machine.isHearing(now: .now())
        for pending in isReceivingSlowly ? [] : table.removeExpired(at: .now()) {
            guard case .request(let request) = pending else { continue } // the others have no deadline
            owner?.connection(self, answered: request, with: .failure(SpindleError(
                code: .timedOut, message: "no reply to \(request.opcode.name) in time; whether it was carried out is not known",
                isRetryable: true)))
        }
        tick()
        if failure == nil { rearm() }
    }

    private func tick() {
        switch machine.tick(now: .now(), unanswered: table.count) {
        case .none: break
        case .ping: _ = writeOwnFrame(.ping, correlationID: ConnectionMachine.pingID) { _ in }
        case .fail(let error): fail(error)
        }
    }

    // MARK: The end

    /// Closes the connection; all that is unanswered is handed back with `error`.
    func fail(_ error: SpindleError) {
        guard failure == nil else { return }
        failure = error
        end(error)
        context?.close(promise: nil)
    }

    private func end(_ error: SpindleError) {
        if failure == nil { failure = error }
        consulting.task?.cancel()
        consulting = Consulting()
        guard let owner else { return }
        self.owner = nil
        machine.closed()
        timer?.cancel()
        timer = nil
        var requests: [Request] = []
        var raw: [UInt64] = []
        for pending in table.removeAll() {
            switch pending {
            case .request(let request): requests.append(request)
            case .raw(let context): raw.append(context)
            case .withdrawal: break // what it named was of this connection too
            }
        }
        owner.connectionEnded(self, error: error, unanswered: requests, unansweredRaw: raw)
    }
}
