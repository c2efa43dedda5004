public import Logging
public import NIOCore
internal import NIOPosix
internal import SpindleText
internal import SpindleWire
internal import Synchronization

/// A client of a Spindle broker: publishes, leases, settles, subscribes.
///
/// Connects lazily and comes back by itself: a request waits for a connection until its time is over, and what was under way when a
/// connection ended is repeated where that has no second effect. Safe to use from any task. Call ``close()`` when done.
///
/// ```swift
/// let client = SpindleClient(configuration: .init(host: "127.0.0.1", port: 7420, credential: .token(token)))
/// let outcomes = try await client.publish([Message(text: "hello")], to: "orders")
/// ```
public final class SpindleClient: Sendable {
    /// Sent in HELLO.
    public static let version = SpindleVersion.current

    public let configuration: ClientConfiguration
    let logger: Logger
    private let links: [Link]
    private let nextLink = Atomic<Int>(0)
    let wishes = WishListeners()

    /// Makes a client; nothing is connected yet, and no fault of the configuration is reported before the first request.
    ///
    /// - Parameter eventLoopGroup: nil: the process's own.
    public init(
        configuration: ClientConfiguration, eventLoopGroup: (any EventLoopGroup)? = nil,
        logger: Logger = Logger(label: "spindle.client")
    ) {
        self.configuration = configuration
        self.logger = logger
        let connector = Connector(configuration)
        let group = eventLoopGroup ?? MultiThreadedEventLoopGroup.singleton
        let wishes = wishes
        links = (0..<max(1, configuration.poolSize)).map { _ in
            Link(eventLoop: group.next(), configuration: configuration, connector: connector, wishes: wishes, logger: logger)
        }
    }

    /// Makes a client and waits for its first connection.
    ///
    /// - Throws: ``SpindleError``: `AUTHENTICATION_FAILED`, `TLS_FAILED`, … at once, `TIMED_OUT` when no broker was reached within
    ///   ``ClientConfiguration/requestTimeout``.
    public static func connect(
        configuration: ClientConfiguration, eventLoopGroup: (any EventLoopGroup)? = nil,
        logger: Logger = Logger(label: "spindle.client")
    ) async throws(SpindleError) -> SpindleClient {
        let client = SpindleClient(configuration: configuration, eventLoopGroup: eventLoopGroup, logger: logger)
        do {
            try await client.links[0].whenReady().get()
        } catch {
            await client.close()
            throw Connector.error(from: error)
        }
        return client
    }

    /// Waits until the broker was reached and has taken the credential.
    ///
    /// - Throws: ``SpindleError`` where it refused, which later attempts of the client may mend.
    public func connected() async throws(SpindleError) {
        do {
            try await links[0].whenReady().get()
        } catch {
            throw Connector.error(from: error)
        }
    }

    /// Closes the connections; what is unanswered fails with ``SpindleError/Code/clientClosed``, subscriptions and consumers end.
    public func close() async {
        for link in links { _ = try? await link.close().get() } // a loop that is shut down has closed them already
    }

    /// Makes the requests of `body` in the name of `actor`: the broker's audit and the holders of leases show both names.
    ///
    /// For programs that serve several people, as a web server does; the client's principal needs the right `actFor`, or the broker answers
    /// `PERMISSION_DENIED`. Holds for the requests of `body`'s task and its child tasks, whichever client sends them. A ``publish(_:to:)``
    /// leaves no holder and no audit, and does not carry the name; producers, consumers and subscriptions work for the client itself.
    ///
    /// - Parameter actor: 1 to 255 bytes of visible characters.
    public static func acting<Value>(
        for actor: String, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
    ) async rethrows -> Value {
        try await $actor.withValue(actor, operation: body, isolation: isolation)
    }

    // MARK: Inside

    /// The link of a queue or topic: always the same, so that sequences rise.
    func link(for name: String) -> Link {
        guard links.count > 1 else { return links[0] }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 // FNV-1a: the same in every process, unlike Hasher
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return links[Int(hash % UInt64(links.count))]
    }

    /// Any link, in turn.
    func anyLink() -> Link {
        guard links.count > 1 else { return links[0] }
        let turn = nextLink.wrappingAdd(1, ordering: .relaxed).oldValue
        return links[Int(UInt(bitPattern: turn) % UInt(links.count))]
    }

    /// In whose name this task's requests are made; nil: the client's own. Set by ``acting(for:_:)``.
    @TaskLocal static var actor: String?

    /// Sends a request and waits for its reply, which `decode` reads. A reply that can't be read condemns its connection.
    func call<Value>(
        _ opcode: Opcode, on link: Link, afterLoss: Request.AfterLoss, timeout: Duration? = nil,
        onAbandonedReply: (@Sendable (ByteBuffer) -> Void)? = nil, encode: (inout WireWriter) -> Void,
        decode: (RawSpan) throws(WireError) -> Value
    ) async throws -> Value {
        var writer = WireWriter()
        encode(&writer)
        let reply = try await send(
            opcode, .plain(writer.byteBuffer()), on: link, afterLoss: afterLoss, timeout: timeout, onAbandonedReply: onAbandonedReply)
        return try read(reply, opcode, on: link, decode)
    }

    func read<Value>(
        _ reply: Request.Reply, _ opcode: Opcode, on link: Link, _ decode: (RawSpan) throws(WireError) -> Value
    ) throws(SpindleError) -> Value {
        do {
            return try decode(reply.body.readableBytesSpan)
        } catch {
            let unreadable = SpindleError(
                code: .malformedFrame, message: "the broker's reply to \(opcode.name) can't be read: \(error.message)",
                blastRadius: .connection, cause: error)
            link.condemn(connectionNumber: reply.connectionNumber, error: unreadable)
            throw unreadable
        }
    }

    /// Throws ``SpindleError``, or `CancellationError` when the task is cancelled; then the request may have been carried out.
    func send(
        _ opcode: Opcode, _ payload: Request.Payload, on link: Link, afterLoss: Request.AfterLoss, timeout: Duration? = nil,
        onAbandonedReply: (@Sendable (ByteBuffer) -> Void)? = nil
    ) async throws -> Request.Reply {
        let payload = payload.acting(for: Self.actor)
        let waiter = ReplyWaiter()
        let deadline = NIODeadline.now() + (timeout ?? configuration.requestTimeout).timeAmount
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard waiter.wait(continuation) else { return }
                link.submit(Request(opcode, payload, afterLoss: afterLoss, deadline: deadline, isAbandoned: { waiter.isAbandoned }) { result in
                    if !waiter.resume(result), case .success(let reply) = result { onAbandonedReply?(reply.body) }
                })
            }
        } onCancel: {
            if waiter.cancel(), opcode.waits { link.withdrawAbandoned() }
        }
    }
}

/// Joins a continuation, which must be resumed once, with the two that want to: the reply and the task's cancellation.
final class ReplyWaiter: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Request.Reply, any Error>)
        case done
        case cancelled
    }

    private let state = Mutex(State.idle)

    var isAbandoned: Bool { state.withLock { if case .cancelled = $0 { true } else { false } } }

    /// False: cancelled already, and the continuation is resumed.
    func wait(_ continuation: CheckedContinuation<Request.Reply, any Error>) -> Bool {
        let isWaiting = state.withLock { state in
            guard case .idle = state else { return false }
            state = .waiting(continuation)
            return true
        }
        if !isWaiting { continuation.resume(throwing: CancellationError()) }
        return isWaiting
    }

    /// False: nobody waits any more.
    func resume(_ result: Result<Request.Reply, SpindleError>) -> Bool {
        let waiting = state.withLock { state -> CheckedContinuation<Request.Reply, any Error>? in
            guard case .waiting(let continuation) = state else { return nil }
            state = .done
            return continuation
        }
        guard let waiting else { return false }
        waiting.resume(with: result.mapError { $0 })
        return true
    }

    /// Returns whether it was waiting.
    func cancel() -> Bool {
        let waiting = state.withLock { state -> CheckedContinuation<Request.Reply, any Error>? in
            switch state {
            case .idle, .cancelled:
                state = .cancelled
                return nil
            case .waiting(let continuation):
                state = .cancelled
                return continuation
            case .done:
                return nil
            }
        }
        waiting?.resume(throwing: CancellationError())
        return waiting != nil
    }
}
