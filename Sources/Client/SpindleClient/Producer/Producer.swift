internal import NIOCore
internal import SpindleWire
internal import Synchronization

extension SpindleClient {
    /// A publisher for many tasks that send one message each: what comes together goes out together.
    public func makeProducer(queue: String, configuration: Producer.Configuration = .init()) -> Producer {
        Producer(
            queue: queue, configuration: configuration, link: link(for: queue),
            compressionThreshold: self.configuration.ownCompressionThreshold)
    }
}

/// Batches messages of one queue without a timer: the first one goes out at once, and while frames are under way those that follow
/// collect for the next one. Order of ``send(_:)`` calls by one task is kept.
public final class Producer: Sendable {
    public struct Configuration: Sendable {
        /// Most messages in one frame, up to 65,536.
        public var batchMessagesMax: Int
        /// A frame is closed when it has this many bytes.
        public var batchBytesMax: Int
        /// Unanswered frames.
        public var windowMax: Int
        /// Messages that wait for a frame; more are refused with ``SpindleError/Code/tooManyInFlight``.
        public var waitingMax: Int

        public init(batchMessagesMax: Int = 4096, batchBytesMax: Int = 512 * 1024, windowMax: Int = 8, waitingMax: Int = 65_536) {
            self.batchMessagesMax = min(max(1, batchMessagesMax), WireLimits.messagesPerFrameMax)
            self.batchBytesMax = max(1, batchBytesMax)
            self.windowMax = max(1, windowMax)
            self.waitingMax = max(1, waitingMax)
        }
    }

    typealias Waiter = CheckedContinuation<PublishOutcome, any Error>

    private struct State: ~Copyable {
        var builder: MessageBatchBuilder
        var waiters: [Waiter] = []
        /// Closed batches that wait for the window.
        var closed = CircularBuffer<(batch: MessageBatch, waiters: [Waiter])>()
        var waitingCount = 0
        var inFlight = 0
        var isFlushScheduled = false
    }

    public let queue: String
    private let configuration: Configuration
    private let link: Link
    private let compressionThreshold: Int?
    private let state: Mutex<State>

    init(queue: String, configuration: Configuration, link: Link, compressionThreshold: Int?) {
        self.queue = queue
        self.configuration = configuration
        self.link = link
        self.compressionThreshold = compressionThreshold
        state = Mutex(State(builder: MessageBatchBuilder(compressionThreshold: nil)))
    }

    /// Publishes one message and returns what became of it, once that is on the broker's disk.
    ///
    /// - Throws: ``SpindleError`` as ``SpindleClient/publish(_:to:)-([Message],_)`` does. Not cancelled by the task: the message may be
    ///   under way already.
    public func send(_ message: Message) async throws -> PublishOutcome {
        let record = RecordCodec.record(of: message, compressionThreshold: compressionThreshold)
        return try await withCheckedThrowingContinuation { continuation in
            enum Next { case wait, flush, fail(SpindleError) }
            let next = state.withLock { state -> Next in
                guard state.waitingCount < configuration.waitingMax else {
                    return .fail(SpindleError(
                        code: .tooManyInFlight, message: "\(configuration.waitingMax) messages wait to be sent already; try again later",
                        isRetryable: true))
                }
                // What is collected and this record must fit one frame.
                let bytesMax = min(configuration.batchBytesMax, link.batchBytes)
                if state.builder.byteCount + record.body.count > bytesMax { Self.closeBatch(&state) }
                do throws(SpindleError) { try state.builder.append(record) } catch { return .fail(error) }
                state.waiters.append(continuation)
                state.waitingCount += 1
                if state.waiters.count >= configuration.batchMessagesMax { Self.closeBatch(&state) }
                guard !state.isFlushScheduled else { return .wait }
                state.isFlushScheduled = true
                return .flush
            }
            switch next {
            case .wait: break
            case .flush: link.eventLoop.execute { self.flush() }
            case .fail(let error): continuation.resume(throwing: error)
            }
        }
    }

    private static func closeBatch(_ state: inout State) {
        guard !state.waiters.isEmpty else { return }
        state.closed.append((state.builder.finish(), state.waiters))
        state.waiters = []
    }

    private func flush() {
        let ready = state.withLock { state -> [(batch: MessageBatch, waiters: [Waiter])] in
            state.isFlushScheduled = false
            var ready: [(batch: MessageBatch, waiters: [Waiter])] = []
            while state.inFlight < configuration.windowMax {
                if state.closed.isEmpty { Self.closeBatch(&state) }
                guard let next = state.closed.popFirst() else { break }
                state.inFlight += 1
                state.waitingCount -= next.waiters.count
                ready.append(next)
            }
            return ready
        }
        for (batch, waiters) in ready {
            link.submit(Request(
                .publish, .publish(name: queue, batch: batch, producerID: 0, firstSequence: 0), afterLoss: .repeated,
                deadline: .now() + link.configuration.requestTimeout.timeAmount
            ) { [self] result in
                state.withLock { $0.inFlight -= 1 }
                answer(waiters, batch, result)
                flush()
            })
        }
    }

    private func answer(_ waiters: [Waiter], _ batch: MessageBatch, _ result: Result<Request.Reply, SpindleError>) {
        switch result {
        case .failure(let error):
            for waiter in waiters { waiter.resume(throwing: error) }
        case .success(let reply):
            do throws(WireError) {
                let outcomes = try PublishOutcomes.outcomes(of: try PublishReply(reply.body.readableBytesSpan), sizes: batch.sizes)
                for (waiter, outcome) in zip(waiters, outcomes) { waiter.resume(returning: outcome) }
            } catch {
                let unreadable = SpindleError(error, blastRadius: .connection)
                for waiter in waiters { waiter.resume(throwing: unreadable) }
                link.condemn(connectionNumber: reply.connectionNumber, error: unreadable)
            }
        }
    }
}
