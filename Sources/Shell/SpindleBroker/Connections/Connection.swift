internal import Glibc
import NIOCore
import SpindleNode
import SpindleWire

/// One client's socket: gathers bytes into frames for the shard, and takes its output. Lives on the shard's event loop.
final class Connection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Can transition to: `open` → `closing` → `closed`, `open` → `closed`.
    enum State {
        case open
        /// The last output is on its way; input is thrown away.
        case closing
        case closed
    }

    let id: SessionID
    /// Address of the peer without its port.
    let address: String
    /// Asks TLS for the client's certificate, which it has verified; nil without TLS.
    var peerCertificate: (() -> ClientCertificate?)?
    /// Asked for first when the client authenticates, which is after TLS's handshake.
    private(set) lazy var certificate = peerCertificate?()
    /// On the shard's list of those that are not read from for now.
    var isHeld = false

    private(set) var state: State = .open
    var deadlines: ConnectionDeadlines
    var standing = ConnectionStanding.unauthenticated
    /// Set once authenticated.
    var principal: String? { if case .principal(let name) = standing { name } else { nil } }
    var turns = ConnectionTurns()
    /// What a frame may measure now, bytes.
    var frameBytesMax = WireLimits.preAuthenticationFrameBytesMax

    private let shard: Shard
    private var context: ChannelHandlerContext?
    /// Input that is not handed on yet: an unfinished frame, or more while reading is paused.
    private var input: ByteBuffer?
    /// Output gathered in this tick.
    private var pending: ByteBuffer?
    private var output = WaitingOutput()
    /// Bytes that the peer's side had acknowledged when the sweep looked last.
    private var acknowledgedBytes: UInt64 = 0
    /// A read that the channel asked for while reading was paused.
    private var readIsHeld = false
    private var isTouched = false

    init(id: SessionID, address: String, shard: Shard, now: UInt64) {
        self.id = id
        self.address = address
        self.shard = shard
        deadlines = ConnectionDeadlines(connectedAt: now)
    }

    var isOpen: Bool { if case .open = state { true } else { false } }
    var inputBytes: Int { input?.readableBytes ?? 0 }
    var outputBytes: Int { output.byteCount + (pending?.readableBytes ?? 0) }

    func authenticated(as principal: String) {
        standing = .principal(principal)
        deadlines.authenticated()
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        shard.connected(self)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .closed
        shard.disconnected(self)
        dropBuffers()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        shard.transportFailed(self, error)
        closeNow()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard isOpen else { return }
        var incoming = unwrapInboundIn(data)
        if var input {
            self.input = nil
            shard.heldInputBytes -= input.readableBytes
            input.writeBuffer(&incoming)
            incoming = input
        }
        consume(incoming)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        shard.scheduleFlush()
        context.fireChannelReadComplete()
    }

    /// Back-pressure: a read is only passed on while there is room for what it brings.
    func read(context: ChannelHandlerContext) {
        if isOpen, turns.isWaiting {
            readIsHeld = true
        } else if isOpen, shard.holdsReading(of: self) {
            readIsHeld = true
            shard.noteHeld(self)
        } else {
            context.read()
        }
    }

    /// Goes on where reading was paused, if there is room now; returns false if not.
    func resumeReading() -> Bool {
        // In the line for its turn it is resumed from there.
        guard isOpen, !turns.isWaiting else { return true }
        if shard.holdsReading(of: self) { return false }
        deadlines.forgiveInput(at: shard.now)
        if let held = input {
            input = nil
            shard.heldInputBytes -= held.readableBytes
            consume(held)
            if turns.isWaiting { return true }
            if isOpen, shard.holdsReading(of: self) { return false }
        }
        if readIsHeld {
            readIsHeld = false
            context?.read()
        }
        return true
    }

    /// Hands whole frames to the shard and keeps the rest.
    private func consume(_ bytes: ByteBuffer) {
        var bytes = bytes
        let before = bytes.readableBytes
        shard.receive(&bytes, from: self)
        guard isOpen else { return }
        let left = bytes.readableBytes
        deadlines.read(at: shard.now, finishedFrame: left < before, partial: left > 0)
        guard left > 0 else { return }
        // A small rest is copied out, or it would pin the whole buffer that it came in.
        input = left < bytes.storageCapacity / 4 ? ByteBuffer(bytes: bytes.readableBytesView) : bytes
        shard.heldInputBytes += left
    }

    // MARK: Output

    /// The buffer to append output to; it goes out with ``writePending()``.
    func withOutput(_ body: (inout ByteBuffer) -> Void) {
        guard let context, isOpen else { return }
        if let full = pending, full.readableBytes >= WaitingOutput.bufferBytesMax {
            enqueue(full)
            pending = nil
        }
        if pending == nil { pending = context.channel.allocator.buffer(capacity: 512) }
        if !isTouched {
            isTouched = true
            shard.touched.append(self)
        }
        // Taken out and put back: a mutation in place would find the buffer shared, and copy it.
        guard var buffer = pending.take() else { return }
        body(&buffer)
        pending = buffer
    }

    /// Everything that this tick made begins to leave.
    func writePending() {
        isTouched = false
        if let buffer = pending.take(), buffer.readableBytes > 0 { enqueue(buffer) }
        writeOn()
    }

    private func enqueue(_ buffer: ByteBuffer) {
        shard.unsentBytes += buffer.readableBytes
        output.append(buffer)
        deadlines.wrote(at: shard.now)
    }

    /// Gives the channel what it may hold, in pieces, so that each counts as soon as the socket has taken it. `all`: the connection ends,
    /// and the channel gets everything.
    private func writeOn(all: Bool = false) {
        guard let context else { return }
        var isWritten = false
        while let piece = output.next(all: all) {
            let count = piece.readableBytes
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { self.left(count, $0) }
            context.write(wrapOutboundOut(piece), promise: written)
            isWritten = true
        }
        if isWritten { context.flush() }
    }

    /// A piece left the channel: the socket took it, or the connection is gone.
    private func left(_ count: Int, _ result: Result<Void, any Error>) {
        output.left(count)
        shard.unsentBytes -= count
        guard case .success = result else { return }
        deadlines.outputTaken(at: shard.now, waiting: output.byteCount > 0)
        shard.outputTaken(self, count)
        if isOpen { writeOn() }
    }

    /// Asks the kernel whether the peer's side took something of what the socket holds: a slow reader takes less than a piece for a long
    /// time. Called by the sweep.
    func noteProgress() {
        guard output.byteCount > 0, let provider = context?.channel as? any SocketOptionProvider else { return }
        provider.unsafeGetSocketOption(level: .tcp, name: .init(rawValue: TCPInfo.option)).assumeIsolated().whenSuccess { (info: TCPInfo) in
            guard info.acknowledgedBytes != self.acknowledgedBytes else { return }
            self.acknowledgedBytes = info.acknowledgedBytes
            self.deadlines.outputTaken(at: self.shard.now, waiting: self.output.byteCount > 0)
        }
    }

    // MARK: Closing

    /// Writes what is there, then closes: in order, so that the peer can read why. A peer that doesn't is not waited for.
    func closeAfterOutput(lingerMilliseconds: UInt64) {
        guard isOpen, let context else { return }
        writePending()
        writeOn(all: true)
        state = .closing
        if let input { shard.heldInputBytes -= input.readableBytes }
        input = nil
        context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(clamping: lingerMilliseconds))) {
            self.endLinger()
        }
        // Half-closed only, and input read on: a close with unread input would reset the connection under the last words.
        context.close(mode: .output, promise: nil)
        if readIsHeld {
            readIsHeld = false
            context.read()
        }
    }

    /// Closes at once; output that waits is lost.
    func closeNow() {
        guard let context else { return }
        if isOpen { state = .closing }
        context.close(promise: nil)
    }

    /// Closes at once. The kernel's output is lost too: it would be kept for minutes for a peer that takes nothing.
    func reset() {
        let atOnce = linger(l_onoff: 1, l_linger: 0)
        (context?.channel as? any SocketOptionProvider)?.setSoLinger(atOnce).assumeIsolated().whenFailure { _ in }
        closeNow()
    }

    /// The peer had time to take the last words: closes in order, and resets the connection where it has not taken them.
    private func endLinger() {
        guard let context else { return }
        guard let provider = context.channel as? any SocketOptionProvider else { return context.close(promise: nil) }
        provider.unsafeGetSocketOption(level: .tcp, name: .init(rawValue: TCPInfo.option)).assumeIsolated().whenComplete {
            (result: Result<TCPInfo, any Error>) in
            if case .success(let info) = result, info.holdsOutput || self.output.byteCount > 0 { return self.reset() }
            self.context?.close(promise: nil)
        }
    }

    private func dropBuffers() {
        if let input { shard.heldInputBytes -= input.readableBytes }
        input = nil
        pending = nil
        shard.unsentBytes -= output.dropUnwritten()
    }
}
