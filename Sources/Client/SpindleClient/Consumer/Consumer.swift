internal import NIOCore
internal import SpindleWire

extension SpindleClient {
    /// Deliveries of a queue as an asynchronous sequence, with their leases extended while they are held.
    public func makeConsumer(queue: String, configuration: Consumer.Configuration = .init()) -> Consumer {
        Consumer(ConsumerCore(
            queue: queue, configuration: configuration, link: link(for: queue), logger: logger,
            compressionThreshold: self.configuration.ownCompressionThreshold))
    }
}

/// Leases messages of one queue as fast as they are settled, never more than ``Configuration/inFlightMax`` at once.
///
/// Begins when the first delivery is asked for. Every delivery must be settled through the consumer
/// (``acknowledge(_:)``, ``negativeAcknowledge(_:disposition:delay:reason:)``, ``settle(_:publishes:events:)``); until then its lease is
/// extended at a third of its time. A delivery that is dropped unsettled is extended no more, and comes back when its lease ends.
/// The sequence ends after ``stop()`` and when the client is closed; it throws ``SpindleError`` that no repetition can mend, such as
/// `NO_SUCH_QUEUE` or `PERMISSION_DENIED`.
public final class Consumer: AsyncSequence, Sendable {
    public typealias Element = Delivery
    /// Most bytes of a result that an acknowledgement leaves behind.
    public static let resultBytesMax = WireLimits.resultBytesMax

    public struct Configuration: Sendable {
        /// Deliveries held at once.
        public var inFlightMax: Int
        /// Most bytes of records in one answer; one message comes in any case.
        public var bytesMax: Int
        /// Of a lease; nil: the queue's own.
        public var lease: Duration?
        /// How long the broker waits for a message before it answers with none.
        public var wait: Duration
        /// LEASE requests unanswered at once.
        public var leasesMax: Int

        public init(
            inFlightMax: Int = 64, bytesMax: Int = 1024 * 1024, lease: Duration? = nil, wait: Duration = .seconds(20), leasesMax: Int = 2
        ) {
            self.inFlightMax = Swift.max(1, inFlightMax)
            self.bytesMax = Swift.max(1, bytesMax)
            self.lease = lease
            self.wait = wait
            self.leasesMax = Swift.max(1, leasesMax)
        }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let consumer: Consumer
        public mutating func next() async throws -> Delivery? { try await consumer.core.next() }
    }

    private let core: ConsumerCore

    init(_ core: ConsumerCore) { self.core = core }

    deinit { core.stop() }

    public var queue: String { core.queue }

    /// Several iterators share the deliveries.
    public func makeAsyncIterator() -> AsyncIterator {
        core.start()
        return AsyncIterator(consumer: self)
    }

    /// Acknowledges; what comes within a tick shares a frame. After a failure the lease is extended no more.
    ///
    /// - Parameter result: what the message leaves behind for ``SpindleClient/result(of:in:wait:)``, as long as the queue's policy keeps
    ///   results; at most 4,096 bytes, else the outcome is a failure and nothing is acknowledged.
    public func acknowledge(_ delivery: Delivery, result: [UInt8]? = nil) async -> SettleOutcome {
        if delivery.isLeaseLost { return .leaseLost(reason: LostLease.reason) }
        if let result, let error = ResultLimits.refusal(of: result) { return .failed(error) }
        return await core.settle(.acknowledge(delivery.token, result: result))
    }

    /// Gives back: for another attempt, to the dead-letter queue, or as if it had never been taken.
    /// - Parameter delay: until it may be delivered again; nil: the queue's back-off decides.
    public func negativeAcknowledge(
        _ delivery: Delivery, disposition: NegativeAcknowledgement.Disposition = .retry, delay: Duration? = nil, reason: String
    ) async -> SettleOutcome {
        if delivery.isLeaseLost { return .leaseLost(reason: LostLease.reason) }
        return await core.settle(.negativeAcknowledge(NegativeAcknowledgement(
            token: delivery.token, disposition: disposition, delay: delay, reason: reason)))
    }

    /// Acknowledges the delivery, publishes what follows from it and leaves `result` behind, all of it or nothing.
    /// - Throws: ``SpindleError`` as ``SpindleClient/settle(_:)`` does.
    public func settle(
        _ delivery: Delivery, publishes: [Settlement.Batch] = [], events: [Settlement.Batch] = [], result: [UInt8]? = nil
    ) async throws {
        if delivery.isLeaseLost {
            throw SpindleError(code: .leaseLost, message: "the lease of message \(delivery.token.messageID) is lost; nothing was settled")
        }
        try await core.settle(Settlement(
            acknowledgements: [delivery.token], publishes: publishes, events: events, results: result.map { [delivery.token: $0] } ?? [:]))
    }

    /// Tells the broker how far the work is; at most as often as extensions are answered.
    public func report(_ delivery: Delivery, percent: Int?, note: String = "") {
        core.report(ConsumerMachine.Progress(percent: percent, note: note), for: delivery.token)
    }

    /// Leases nothing new until ``resume()``: the sequence goes on with what is here, and then waits.
    public func pause() { core.pause() }

    public func resume() { core.resume() }

    /// Stops leasing and ends the sequence. What nobody took yet is handed back; what is held stays held until it is settled.
    public func stop() { core.stop() }
}
