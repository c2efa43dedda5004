internal import Logging
internal import NIOCore
internal import SpindleWire

/// The working half of a ``Consumer``. Everything but ``next()``, the settling calls and ``stop()`` runs on its link's event loop, which
/// is what makes `@unchecked Sendable` true.
final class ConsumerCore: @unchecked Sendable, LeaseHolder {
    /// Shortest pause after a LEASE was refused with a retryable error that names none.
    private static let retryPause = TimeAmount.milliseconds(250)

    enum Settling: Sendable {
        case acknowledge(DeliveryToken, result: [UInt8]?)
        case negativeAcknowledge(NegativeAcknowledgement)

        var token: DeliveryToken {
            switch self {
            case .acknowledge(let token, _): token
            case .negativeAcknowledge(let item): item.token
            }
        }
    }

    private struct Offer: Sendable {
        var grant: LeaseGrant
        var received: ContinuousClock.Instant
        var watch: LeaseWatch
    }

    private struct WeakWatch {
        weak var watch: LeaseWatch?
    }

    private typealias Waiter = CheckedContinuation<SettleOutcome, Never>

    let queue: String
    private let configuration: Consumer.Configuration
    private let link: Link
    private let logger: Logger
    private let compressionThreshold: Int?
    private let offers = AsyncBuffer<Offer>()

    // On the event loop:
    private var machine: ConsumerMachine
    private var watches: [DeliveryToken: WeakWatch] = [:]
    private var isStarted = false
    private var isStopped = false
    private var isPausing = false
    private var timer: Scheduled<Void>?
    private var timerDue = NIODeadline.distantFuture
    private var acknowledgements: [(token: DeliveryToken, result: [UInt8]?, waiter: Waiter)] = []
    private var negativeAcknowledgements: [(item: NegativeAcknowledgement, waiter: Waiter)] = []
    private var isFlushScheduled = false
    private var logGeneration = 0

    init(queue: String, configuration: Consumer.Configuration, link: Link, logger: Logger, compressionThreshold: Int?) {
        self.queue = queue
        self.configuration = configuration
        self.link = link
        self.logger = logger
        self.compressionThreshold = compressionThreshold
        machine = ConsumerMachine(.init(
            inFlightMax: configuration.inFlightMax, leasesMax: configuration.leasesMax,
            messagesPerLeaseMax: WireLimits.messagesPerFrameMax))
    }

    // MARK: The application's side

    func start() {
        link.eventLoop.execute { [self] in
            guard !isStarted else { return }
            isStarted = true
            link.leaseHolders.add(self)
            lease()
        }
    }

    func next() async throws -> Delivery? {
        while let offer = try await offers.next() {
            do throws(SpindleError) {
                return try offer.grant.delivery(queue: queue, received: offer.received, watch: offer.watch)
            } catch {
                // The others must not be held up.
                logger.error("a message can't be decoded and is given back", metadata: [
                    "queue": "\(queue)", "messageID": "\(offer.grant.token.messageID)", "error": "\(error)",
                ])
                _ = await settle(.negativeAcknowledge(NegativeAcknowledgement(undecodable: offer.grant.token, because: error)))
            }
        }
        return nil
    }

    func settle(_ settling: Settling) async -> SettleOutcome {
        await withCheckedContinuation { waiter in
            link.eventLoop.execute { [self] in
                machine.settling(settling.token)
                switch settling {
                case .acknowledge(let token, let result): acknowledgements.append((token, result, waiter))
                case .negativeAcknowledge(let item): negativeAcknowledgements.append((item, waiter))
                }
                guard !isFlushScheduled else { return }
                isFlushScheduled = true
                link.eventLoop.execute { self.flushSettlements() } // behind what other tasks have posted by now
            }
        }
    }

    func settle(_ settlement: Settlement) async throws {
        let frame = try SettlementEncoder.encode(settlement, compressionThreshold: compressionThreshold)
        let promise = link.eventLoop.makePromise(of: Void.self)
        link.eventLoop.execute { [self] in
            for token in settlement.acknowledgements { machine.settling(token) }
            submit(.settle, frame, afterLoss: .repeatedAsNamed) { [self] result in
                for token in settlement.acknowledgements { remove(token) }
                lease()
                promise.completeWith(result.flatMap { reply in
                    read(reply) { body throws(WireError) in _ = try SettleReply(body) }
                }.mapError { $0 })
            }
        }
        try await promise.futureResult.get()
    }

    func report(_ progress: ConsumerMachine.Progress, for token: DeliveryToken) {
        link.eventLoop.execute { [self] in
            if machine.report(progress, for: token, now: leaseNow) { armTimer() }
        }
    }

    func stop() {
        link.eventLoop.execute { [self] in
            guard !isStopped else { return }
            isStopped = true
            machine.stop()
            let untaken = offers.drain()
            offers.finish()
            for offer in untaken { remove(offer.grant.token) }
            release(untaken.map(\.grant))
            link.withdrawAbandoned()
        }
    }

    /// Leases nothing new until ``resume()``. A LEASE that is under way is withdrawn; what comes for it nevertheless is handed back.
    func pause() {
        link.eventLoop.execute { [self] in
            machine.pause()
            link.withdrawAbandoned()
        }
    }

    func resume() {
        link.eventLoop.execute { [self] in
            machine.resume()
            lease()
        }
    }

    /// Leases of a log that was replaced are gone, and must not be named to the new one.
    private func checkLog() {
        guard link.logGeneration != logGeneration else { return }
        logGeneration = link.logGeneration
        for token in machine.loseAll() { watches[token]?.watch?.end(.lost) }
        watches = [:]
    }

    // MARK: Leasing

    private func lease() {
        guard isStarted, !isPausing else { return }
        while let count = machine.ask() {
            let request = LeaseRequest(
                queue: queue, messagesMax: UInt32(count), bytesMax: UInt32(clamping: configuration.bytesMax),
                leaseMilliseconds: UInt32(configuration.lease?.milliseconds(max: UInt64(UInt32.max)) ?? 0),
                waitMilliseconds: UInt32(configuration.wait.milliseconds(max: UInt64(UInt32.max))))
            var writer = WireWriter()
            request.encode(into: &writer)
            // Asked on the event loop only.
            submit(
                .lease, writer.byteBuffer(), afterLoss: .repeated, longer: configuration.wait.timeAmount,
                isAbandoned: { [self] in !machine.isLeasing }
            ) { [self] in leased($0, asked: count) }
        }
    }

    private func leased(_ result: Result<Request.Reply, SpindleError>, asked: Int) {
        let grants: [LeaseGrant]
        switch result.flatMap({ reply in read(reply) { _ throws(WireError) in try LeaseGrant.grants(in: reply.body) } }) {
        case .success(let granted): grants = granted
        case .failure(let error): return leaseFailed(error, asked: asked)
        }
        checkLog()
        let now = leaseNow
        let lease = grants.first?.lease.timeAmount ?? .zero
        guard machine.granted(grants.map(\.token), lease: lease, asked: asked, now: now) else { return release(grants) }
        if !grants.isEmpty {
            let received = ContinuousClock.now
            offers.push(grants.map { grant in
                let watch = LeaseWatch()
                watches[grant.token] = WeakWatch(watch: watch)
                return Offer(grant: grant, received: received, watch: watch)
            })
            armTimer()
        }
        self.lease()
    }

    private func leaseFailed(_ error: SpindleError, asked: Int) {
        machine.leaseEnded(asked: asked)
        guard !isStopped else { return }
        // It was withdrawn during a pause, which may be over.
        if error.code == .cancelled { return lease() }
        guard error.isRetryable else {
            machine.stop()
            isStopped = true
            offers.finish(throwing: error.code == .clientClosed ? nil : error)
            return
        }
        logger.debug("no lease; trying again", metadata: ["queue": "\(queue)", "error": "\(error)"])
        guard !isPausing else { return }
        isPausing = true
        link.eventLoop.scheduleTask(in: error.retryAfter?.timeAmount ?? Self.retryPause) { [self] in
            isPausing = false
            lease()
        }
    }

    /// Best effort: what is not given back comes back when its lease ends.
    private func release(_ grants: [LeaseGrant]) {
        guard !grants.isEmpty else { return }
        link.giveBack(grants.map {
            NegativeAcknowledgement(token: $0.token, disposition: .release, reason: "the consumer stopped before it was taken")
        })
    }

    // MARK: Settling

    private func flushSettlements() {
        isFlushScheduled = false
        while !acknowledgements.isEmpty {
            let batch = Array(acknowledgements.prefix(acknowledgementsOfAFrame()))
            acknowledgements.removeFirst(batch.count)
            var writer = WireWriter(capacity: 16 + batch.count * SpindleWire.DeliveryToken.byteCount)
            let results = batch.enumerated().compactMap { index, item in item.result.map { AckResult(index: UInt32(index), bytes: $0) } }
            AckRequest(tokens: batch.map(\.token.wire), results: results).encode(into: &writer)
            submit(.ack, writer.byteBuffer(), afterLoss: .repeated) { [self] in settled(batch.map { ($0.token, $0.waiter) }, $0) }
        }
        while !negativeAcknowledgements.isEmpty {
            let batch = Array(negativeAcknowledgements.prefix(SettlingLimits.sentencesPerFrame))
            negativeAcknowledgements.removeFirst(batch.count)
            var writer = WireWriter()
            NackRequest(items: batch.map(\.item.wire)).encode(into: &writer)
            submit(.nack, writer.byteBuffer(), afterLoss: .repeated) { [self] in settled(batch.map { ($0.item.token, $0.waiter) }, $0) }
        }
    }

    /// How many of the acknowledgements that wait fit one frame: by their number, and by the bytes of their results.
    private func acknowledgementsOfAFrame() -> Int {
        var byteCount = 0
        for (index, item) in acknowledgements.enumerated() {
            byteCount += item.result?.count ?? 0
            if index > 0, index == SettlingLimits.tokensPerFrame || byteCount > SettlingLimits.resultBytesPerFrame { return index }
        }
        return acknowledgements.count
    }

    private func settled(_ batch: [(token: DeliveryToken, waiter: Waiter)], _ result: Result<Request.Reply, SpindleError>) {
        for (token, _) in batch { remove(token) }
        let outcomes = result.flatMap { reply in
            read(reply) { body throws(WireError) in try SettleOutcome.outcomes(in: body, count: batch.count) }
        }
        switch outcomes {
        case .success(let outcomes): for (item, outcome) in zip(batch, outcomes) { item.waiter.resume(returning: outcome) }
        case .failure(let error): for item in batch { item.waiter.resume(returning: .failed(error)) }
        }
        lease()
    }

    func cancelled(_ tokens: [DeliveryToken]) {
        // Those of other consumers, and those that were settled meanwhile, are not watched here.
        for token in tokens { watches[token]?.watch?.end(.cancelled) }
    }

    private func remove(_ token: DeliveryToken) {
        machine.remove(token)
        watches[token] = nil
    }

    // MARK: Extending

    /// Now, on the clock on which leases run.
    private var leaseNow: NIODeadline { .uptimeNanoseconds(link.configuration.bootNanoseconds()) }

    /// Sets the loop's timer to the next extension. The loop's clock stands still while the machine is suspended, so the timer looks again
    /// before long: what was due meanwhile is extended, or found to be lost, right after the resume.
    private func armTimer() {
        guard let next = machine.nextExtension else { return }
        let due = NIODeadline.now() + min(max(.zero, next - leaseNow), BootTime.lookAgain)
        guard timer == nil || due < timerDue else { return }
        timer?.cancel()
        timerDue = due
        timer = link.eventLoop.scheduleTask(deadline: due) { [self] in
            timer = nil
            extend()
            armTimer()
        }
    }

    private func extend() {
        checkLog()
        let sent = leaseNow
        var items: [(token: DeliveryToken, progress: ConsumerMachine.Progress?)] = []
        var isAnyDropped = false
        for item in machine.dueExtensions(now: sent) {
            if watches[item.token]?.watch == nil {
                // Dropped without being settled: nobody works on it any more, so it shall come back.
                remove(item.token)
                isAnyDropped = true
            } else {
                items.append(item)
            }
        }
        if isAnyDropped { lease() }
        while !items.isEmpty {
            let batch = items.prefix(SettlingLimits.sentencesPerFrame)
            var writer = WireWriter()
            ExtendRequest(
                leaseMilliseconds: UInt32(configuration.lease?.milliseconds(max: UInt64(UInt32.max)) ?? 0),
                items: batch.map { LeaseExtension(token: $0.token, percent: $0.progress?.percent, note: $0.progress?.note ?? "").wire }
            ).encode(into: &writer)
            let tokens = batch.map(\.token)
            items.removeFirst(batch.count)
            submit(.extend, writer.byteBuffer(), afterLoss: .repeated) { [self] in extended(tokens, $0, sent: sent) }
        }
    }

    private func extended(_ tokens: [DeliveryToken], _ result: Result<Request.Reply, SpindleError>, sent: NIODeadline) {
        let answer = result.flatMap { reply in
            read(reply) { body throws(WireError) in try ExtensionOutcome.outcomes(in: body, count: tokens.count) }
        }
        let now = leaseNow
        switch answer {
        case .failure:
            for token in tokens { machine.extensionFailed(token, now: now) }
        case .success(let (lease, outcomes)):
            for (token, outcome) in zip(tokens, outcomes) {
                switch outcome {
                case .extended(let cancelled):
                    if machine.extended(token, lease: lease.timeAmount, sent: sent, cancelled: cancelled) {
                        watches[token]?.watch?.end(.cancelled)
                    }
                case .leaseLost:
                    if machine.lost(token) {
                        watches.removeValue(forKey: token)?.watch?.end(.lost)
                    }
                case .failed:
                    machine.extensionFailed(token, now: now)
                }
            }
            self.lease()
        }
        armTimer()
    }

    // MARK: Requests

    private func submit(
        _ opcode: Opcode, _ body: ByteBuffer, afterLoss: Request.AfterLoss, longer: TimeAmount = .zero,
        isAbandoned: (@Sendable () -> Bool)? = nil, completion: @escaping @Sendable (Result<Request.Reply, SpindleError>) -> Void
    ) {
        link.submit(Request(
            opcode, .plain(body), afterLoss: afterLoss, deadline: .now() + link.configuration.requestTimeout.timeAmount + longer,
            isAbandoned: isAbandoned, completion: completion))
    }

    private func read<Value>(
        _ reply: Request.Reply, _ decode: (RawSpan) throws(WireError) -> Value
    ) -> Result<Value, SpindleError> {
        do throws(WireError) {
            return .success(try decode(reply.body.readableBytesSpan))
        } catch {
            let unreadable = SpindleError(
                code: .malformedFrame, message: "the broker's reply can't be read: \(error.message)", isRetryable: true,
                blastRadius: .connection, cause: error)
            link.condemn(connectionNumber: reply.connectionNumber, error: unreadable)
            return .failure(unreadable)
        }
    }
}
