internal import Logging
internal import NIOCore
internal import NIOPosix
internal import SpindleWire
internal import Synchronization

/// What a ``RawConnection`` reports, on its event loop: no task, no continuation, no allocation per frame.
public enum RawEvent: Sendable {
    /// A PUBLISH was answered: how many of its messages are stored or were before, and how many were refused.
    case published(context: UInt64, stored: Int, refused: Int)
    /// A LEASE was answered. The records stay as they came.
    case leased(context: UInt64, tokens: [DeliveryToken], recordBytes: Int)
    /// An ACK was answered.
    case acknowledged(context: UInt64, done: Int, lost: Int)
    /// The request was refused as a whole.
    case refused(context: UInt64, SpindleError)
    /// The connection is gone, and with it the answers to what was under way. Nothing is repeated.
    case ended(SpindleError)
}

/// One connection without retries, for load generators: frames out as fast as they are asked for, answers by a callback.
///
/// ```swift
/// let connection = try await RawConnection.connect(configuration: configuration) { connection, event in … }
/// connection.run { sender in for _ in 0..<window { sender.publish(batch, to: "bench", context: 0) } }
/// ```
/// From the callback, send the next frame: that keeps a window of unanswered ones. The caller's window is the only bound, up to
/// 65,000 frames and to what the broker announced (``inFlightMax``).
public final class RawConnection: @unchecked Sendable {
    // Everything but `run` and `close` happens on the event loop, which is what makes `@unchecked Sendable` true.

    public typealias Handler = @Sendable (Sender, RawEvent) -> Void

    /// Sends frames; only within ``RawConnection/run(_:)`` and the handler, on the event loop.
    public struct Sender {
        let connection: RawConnection

        /// Publishes a batch that was encoded before. False: the connection is gone, or has no room.
        @discardableResult
        public func publish(_ batch: MessageBatch, to queue: String, context: UInt64) -> Bool {
            connection.publish(batch, to: queue, context: context)
        }

        /// Leases up to `max` messages; the answer is ``RawEvent/leased(context:tokens:recordBytes:)``.
        @discardableResult
        public func lease(from queue: String, max: Int, bytesMax: Int, wait: Duration, context: UInt64) -> Bool {
            let request = LeaseRequest(
                queue: queue, messagesMax: UInt32(clamping: max), bytesMax: UInt32(clamping: bytesMax), leaseMilliseconds: 0,
                waitMilliseconds: UInt32(wait.milliseconds(max: UInt64(UInt32.max))))
            return connection.send(.lease, context) { request.encode(into: &$0) }
        }

        /// Acknowledges; the answer is ``RawEvent/acknowledged(context:done:lost:)``.
        @discardableResult
        public func acknowledge(_ tokens: [DeliveryToken], context: UInt64) -> Bool {
            connection.send(.ack, context) { AckRequest(tokens: tokens.map(\.wire)).encode(into: &$0) }
        }

        /// Requests whose answer is awaited.
        public var unanswered: Int { connection.connection?.unansweredCount ?? 0 }
    }

    private let eventLoop: any EventLoop
    private let settings: ConnectionMachine.Settings
    private let handler: Handler
    private let producerID = UInt64.random(in: 1 ... .max)
    private var nextSequence: UInt64 = 1
    private var connection: Connection?
    private var readiness: EventLoopPromise<Int>?
    /// Requests that the broker lets wait at once.
    public private(set) var inFlightMax = 0
    /// Opcodes of what is under way, by slot in ``contexts``.
    private var pending = PendingContexts()

    private init(_ configuration: ClientConfiguration, eventLoop: any EventLoop, readiness: EventLoopPromise<Int>, handler: @escaping Handler) {
        self.eventLoop = eventLoop
        self.readiness = readiness
        self.handler = handler
        settings = ConnectionMachine.Settings(configuration)
    }

    /// Connects to the first endpoint of the configuration, and waits until the connection is ready.
    public static func connect(configuration: ClientConfiguration, handler: @escaping Handler) async throws -> RawConnection {
        guard let endpoint = configuration.endpoints.first else {
            throw SpindleError(code: .invalidArgument, message: "the configuration names no endpoint")
        }
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let readiness = eventLoop.makePromise(of: Int.self)
        let raw = RawConnection(configuration, eventLoop: eventLoop, readiness: readiness, handler: handler)
        Connector(configuration).connect(to: endpoint, on: eventLoop) {
            let connection = Connection(number: 1, settings: raw.settings, inFlightMax: RequestTable<Never>.slotsMax, owner: raw)
            raw.connection = connection
            return connection
        }.whenFailure { raw.fail(Connector.error(from: $0, endpoint: endpoint)) }
        _ = try await readiness.futureResult.get()
        return raw
    }

    /// Runs `body` on the event loop, where it may send.
    public func run(_ body: @escaping @Sendable (Sender) -> Void) {
        eventLoop.execute { body(Sender(connection: self)) }
    }

    /// Closes; the handler hears ``RawEvent/ended(_:)``.
    public func close() async {
        _ = try? await eventLoop.submit { self.connection?.fail(.clientClosed) }.get() // a loop that is shut down has closed it
    }

    private func publish(_ batch: MessageBatch, to queue: String, context: UInt64) -> Bool {
        guard let connection, connection.isReady, let id = pending.insert(.publish, context) else { return false }
        let first = nextSequence
        guard connection.sendRawPublish(batch, to: queue, producerID: producerID, firstSequence: first, context: id) else {
            _ = pending.remove(id)
            return false
        }
        nextSequence += UInt64(batch.count)
        return true
    }

    private func send(_ opcode: Opcode, _ context: UInt64, encode: (inout WireWriter) -> Void) -> Bool {
        guard let connection, connection.isReady, let id = pending.insert(opcode, context) else { return false }
        guard connection.sendRaw(opcode, context: id, encode: encode) else {
            _ = pending.remove(id)
            return false
        }
        return true
    }

    private func fail(_ error: SpindleError) {
        readiness?.fail(error)
        readiness = nil
    }

    private func event(_ opcode: Opcode, _ context: UInt64, _ body: ByteBuffer) throws(WireError) -> RawEvent {
        switch opcode {
        case .publish:
            let runs = try PublishReply(body.readableBytesSpan).runs
            var stored = 0
            var refused = 0
            for run in runs {
                if run.status == .ok || run.status == .duplicate { stored += Int(run.count) } else { refused += Int(run.count) }
            }
            return .published(context: context, stored: stored, refused: refused)
        case .lease:
            var reader = WireReader(body.readableBytesSpan)
            let head = try LeaseReplyHead(&reader)
            return .leased(context: context, tokens: head.items.map { DeliveryToken($0.token) }, recordBytes: reader.remaining)
        default:
            var done = 0
            var lost = 0
            for run in try StatusReply(body.readableBytesSpan).runs {
                if run.status == .ok { done += Int(run.count) } else { lost += Int(run.count) }
            }
            return .acknowledged(context: context, done: done, lost: lost)
        }
    }
}

/// What the raw requests under way were, by small numbers.
private struct PendingContexts {
    private var entries: [(opcode: Opcode, context: UInt64)] = []
    private var free: [UInt64] = []

    mutating func insert(_ opcode: Opcode, _ context: UInt64) -> UInt64? {
        if let reused = free.popLast() {
            entries[Int(reused)] = (opcode, context)
            return reused
        }
        guard entries.count < RequestTable<Never>.slotsMax else { return nil }
        entries.append((opcode, context))
        return UInt64(entries.count - 1)
    }

    mutating func remove(_ id: UInt64) -> (opcode: Opcode, context: UInt64) {
        free.append(id)
        return entries[Int(id)]
    }
}

extension RawConnection: ConnectionOwner {
    func connectionIsReady(_ connection: Connection, server: ServerInfo) {
        inFlightMax = server.inFlightMax
        readiness?.succeed(server.inFlightMax)
        readiness = nil
    }

    func connection(_ connection: Connection, answeredRaw context: UInt64, with result: Result<ByteBuffer, SpindleError>) {
        let (opcode, own) = pending.remove(context)
        let sender = Sender(connection: self)
        switch result {
        case .failure(let error):
            handler(sender, .refused(context: own, error))
        case .success(let body):
            do throws(WireError) {
                handler(sender, try event(opcode, own, body))
            } catch {
                connection.fail(SpindleError(error, blastRadius: .connection))
            }
        }
    }

    func connectionEnded(_ connection: Connection, error: SpindleError, unanswered: [Request], unansweredRaw: [UInt64]) {
        self.connection = nil
        fail(error)
        handler(Sender(connection: self), .ended(error))
    }

    func connection(_ connection: Connection, answered request: Request, with result: Result<Request.Reply, SpindleError>) {
        request.completion(result)
    }

    func connection(_ connection: Connection, pushed opcode: UInt16, body: ByteBuffer) {}
    func connectionIsGoingAway(_ connection: Connection, notice: GoingAwayNotice) {}
    func connectionHasRoom(_ connection: Connection) {}
}
