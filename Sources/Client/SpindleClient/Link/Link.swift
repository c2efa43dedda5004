internal import Logging
internal import NIOCore
internal import SpindleText
internal import SpindleWire
internal import Synchronization

/// One pooled connection that comes back: requests wait here while there is none, and are repeated where that is safe.
///
/// Everything but ``submit(_:)`` and what says so runs on `eventLoop`, which is what makes `@unchecked Sendable` true.
final class Link: @unchecked Sendable, ConnectionOwner {
    let eventLoop: any EventLoop
    let configuration: ClientConfiguration
    private let connector: Connector
    private let wishes: WishListeners
    private let connectionSettings: ConnectionMachine.Settings
    private let logger: Logger
    private var complaint = ConnectionComplaint()
    /// Tells this link's publishes and SETTLEs from everybody else's, so that the broker knows a repetition: 64 random bits.
    private let producerID: UInt64
    /// Of the last broker; 0: none yet. Read by those who encode, on their own threads.
    private let frameBytesMax = Atomic<Int>(0)
    /// Names the log behind the last broker.
    private var serverID: [UInt8]?
    /// Counts the logs met. On the event loop.
    private(set) var logGeneration = 0

    private var machine: LinkMachine
    /// The channel under way or in use.
    private var connection: Connection?
    private var connectionCount = 0
    private var waiting = CircularBuffer<Request>()
    private var nextSequence: UInt64 = 1
    private var nextSerial: UInt64 = 0
    private var subscriptions: [UInt32: TopicStream] = [:]
    private var nextSubscriptionID: UInt32 = 1
    /// On the event loop.
    var leaseHolders = LeaseHolders()
    private var lastError: SpindleError?
    private var waitingTimer: Scheduled<Void>?
    private var waitingTimerDue = NIODeadline.distantFuture
    private var readinessWaiters: [EventLoopPromise<Void>] = []

    init(eventLoop: any EventLoop, configuration: ClientConfiguration, connector: Connector, wishes: WishListeners, logger: Logger) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.connector = connector
        self.wishes = wishes
        self.logger = logger
        producerID = .random(in: 1 ... .max) // 0 would mean: no deduplication
        machine = LinkMachine(initial: configuration.backoff.initial.timeAmount, cap: configuration.backoff.cap.timeAmount)
        connectionSettings = ConnectionMachine.Settings(configuration)
    }

    /// The size at which batches of records are closed. Callable from everywhere.
    var batchBytes: Int {
        let known = frameBytesMax.load(ordering: .relaxed)
        return RecordCodec.batchBytes(frameBytesMax: known == 0 ? nil : known)
    }

    // MARK: Requests

    /// A broker remembers this many batches of a producer; what lies further back it could not tell from new ones.
    /// Source: `protocol/messages.md`, "Publishing without doubling".
    private static let unansweredMax = 1024

    /// Takes a request; callable from everywhere. Requests of one thread keep their order.
    func submit(_ request: Request) {
        if eventLoop.inEventLoop { accept(request) } else { eventLoop.execute { self.accept(request) } }
    }

    private func accept(_ request: Request) {
        eventLoop.assertInEventLoop()
        guard !machine.isClosed else { return request.completion(.failure(.clientClosed)) }
        guard waiting.count < configuration.waitingMax else {
            return request.completion(.failure(SpindleError(
                code: .tooManyInFlight, message: "\(waiting.count) requests wait for this connection already; try again when some are answered",
                isRetryable: true)))
        }
        var request = request
        nextSerial += 1
        request.serial = nextSerial
        if case .publish(let name, let batch, _, _) = request.payload {
            request.payload = .publish(name: name, batch: batch, producerID: producerID, firstSequence: nextSequence)
            nextSequence += UInt64(batch.count)
        }
        if request.opcode == .settle { request.payload = request.payload.named(SettleIdentity(settler: producerID, sequence: nextSerial)) }
        waiting.append(request)
        pump()
        if !waiting.isEmpty { armWaitingTimer(for: request.deadline) }
    }

    /// Sends what may be sent; connects where there is no connection.
    private func pump() {
        if machine.isUp, let connection {
            while connection.hasRoom, let request = waiting.popFirst() {
                if request.isAbandoned?() == true {
                    request.completion(.failure(Self.abandoned))
                } else {
                    connection.send(request)
                }
            }
        }
        guard hasWork else { return }
        if machine.workArrived() { connect() }
    }

    private var hasWork: Bool { !waiting.isEmpty || !subscriptions.isEmpty || !readinessWaiters.isEmpty }

    /// A task that waited for a request was cancelled: requests that wait at the broker are taken back. Callable from everywhere.
    func withdrawAbandoned() {
        eventLoop.execute { self.connection?.withdrawAbandoned() }
    }

    private static let abandoned = SpindleError(code: .cancelled, message: "nobody waits for this request any more")

    // MARK: Connecting

    private func connect() {
        let endpoints = connector.endpoints
        guard !endpoints.isEmpty else {
            return connectFailed(SpindleError(code: .invalidArgument, message: "the configuration names no endpoint"), number: connectionCount)
        }
        let endpoint = endpoints[machine.failures % endpoints.count]
        connectionCount += 1
        let number = connectionCount
        logger.debug("connecting", metadata: ["endpoint": "\(endpoint)"])
        connector.connect(to: endpoint, on: eventLoop) { [self] in
            let connection = Connection(
                number: number, settings: connectionSettings, inFlightMax: min(configuration.inFlightMax, Self.unansweredMax), owner: self)
            self.connection = connection
            return connection
        }.whenComplete { [self] result in
            switch result {
            case .success(let channel):
                if machine.isClosed { channel.close(promise: nil) }
            case .failure(let error):
                connectFailed(Connector.error(from: error, endpoint: endpoint), number: number)
            }
        }
    }

    /// Called once per attempt: by the channel's failure or by the connection's end, whichever is first.
    private func connectFailed(_ error: SpindleError, number: Int) {
        guard number == connectionCount, !machine.isClosed else { return }
        ended(error)
    }

    private func ended(_ error: SpindleError) {
        guard let delay = machine.ended(now: .now(), random: .random(in: 0...1), atLeast: error.retryAfter?.timeAmount) else { return }
        lastError = error
        connection = nil
        for subscription in subscriptions.values { subscription.connectionEnded() }
        // A warning every few seconds tells people that there is no connection; the failures between are for debugging.
        let level: Logger.Level = complaint.isDue(now: .now()) ? .warning : .debug
        logger.log(
            level: level, "no connection to the broker; trying again",
            metadata: ["error": "\(error)", "retryAfterMilliseconds": "\(delay.nanoseconds / 1_000_000)"])
        if Self.isPermanent(error) { failAllWaiting(error) }
        eventLoop.scheduleTask(in: delay) { [self] in
            if machine.waitEnded(hasWork: hasWork) { connect() }
        }
    }

    /// No later attempt with the same configuration can be expected to do better: whoever waits should know now.
    static func isPermanent(_ error: SpindleError) -> Bool {
        switch error.code {
        case .authenticationFailed, .notAuthenticated, .unsupportedVersion, .tlsFailed, .invalidArgument: true
        default: false
        }
    }

    private func failAllWaiting(_ error: SpindleError) {
        let failed = waiting
        waiting.removeAll()
        for request in failed { request.completion(.failure(error)) }
        let promises = readinessWaiters
        readinessWaiters = []
        for promise in promises { promise.fail(error) }
        for stream in subscriptions.keys.sorted().compactMap({ subscriptions[$0] }) { stream.connectingIsHopeless(error) }
    }

    // MARK: ConnectionOwner

    func connectionIsReady(_ connection: Connection, server: ServerInfo) {
        guard connection === self.connection else { return }
        machine.connected(now: .now())
        lastError = nil
        complaint = ConnectionComplaint()
        frameBytesMax.store(server.frameBytesMax, ordering: .relaxed)
        if let serverID, serverID != server.serverID {
            logGeneration += 1
            failRepetitions()
        }
        serverID = server.serverID
        logger.info("connected", metadata: [
            "server": "\(server.serverName)", "serverVersion": "\(server.serverVersion)", "principal": "\(server.principal)",
        ])
        for id in subscriptions.keys.sorted() { subscriptions[id]?.connected() }
        let promises = readinessWaiters
        readinessWaiters = []
        for promise in promises { promise.succeed() }
        pump()
    }

    /// The broker has another log than before: repeating what was sent to the old one would double publishes, and settle messages
    /// that only happen to have the same ids.
    private func failRepetitions() {
        logger.warning("the broker's data was replaced; what was under way can't be repeated")
        let sentBefore = waiting.filter { $0.sendings > 0 && $0.opcode != .lease }
        waiting.removeAll { $0.sendings > 0 && $0.opcode != .lease }
        for request in sentBefore {
            request.completion(.failure(.connectionLost(
                "the broker's data was replaced before the reply to \(request.opcode.name) came; whether it was carried out is not known")))
        }
    }

    func connection(_ connection: Connection, answered request: Request, with result: Result<Request.Reply, SpindleError>) {
        if case .failure(let error) = result {
            // The broker refused because it stops: nothing was done, so the next one may do it.
            if error.code == .goingAway, !machine.isClosed, request.afterLoss != .failed {
                requeue([request])
                return
            }
            return request.completion(.failure(request.final(error)))
        }
        request.completion(result)
    }

    func connection(_ connection: Connection, answeredRaw context: UInt64, with result: Result<ByteBuffer, SpindleError>) {
        preconditionFailure("a link sends no raw frames")
    }

    func connection(_ connection: Connection, pushed opcode: UInt16, body: ByteBuffer) throws(WireError) {
        switch Opcode(rawValue: opcode) {
        case .topicEvents:
            var reader = WireReader(body.readableBytesSpan)
            let head = try TopicEventsHead(&reader)
            // An unknown id: the subscription was cancelled while events were under way.
            try subscriptions[head.subscriptionID]?.received(head, records: body, from: reader.offset)
        case .topicGap:
            let notice = try TopicGapNotice(body.readableBytesSpan)
            subscriptions[notice.subscriptionID]?.received(notice)
        case .quiet:
            wishes.received(try QuietNotice(body.readableBytesSpan))
        case .cancelled:
            leaseHolders.cancelled(try CancelledNotice(body.readableBytesSpan))
        default:
            break // what later brokers may push
        }
    }

    func connectionIsGoingAway(_ connection: Connection, notice: GoingAwayNotice) {
        logger.info("the broker is going away", metadata: [
            "reason": "\(notice.reason)", "graceMilliseconds": "\(notice.graceMilliseconds)",
        ])
    }

    func connectionHasRoom(_ connection: Connection) {
        if connection === self.connection { pump() }
    }

    func connectionEnded(_ connection: Connection, error: SpindleError, unanswered: [Request], unansweredRaw: [UInt64]) {
        guard !machine.isClosed else {
            for request in unanswered { request.completion(.failure(.clientClosed)) }
            return
        }
        var again: [Request] = []
        for request in unanswered {
            if request.mayBeRepeated {
                again.append(request)
            } else {
                request.completion(.failure(.connectionLost(
                    "the connection ended before the reply to \(request.opcode.name) came; whether it was carried out is not known",
                    cause: error)))
            }
        }
        requeue(again)
        if connection.number == connectionCount { ended(error) }
    }

    /// Puts requests that were sent already before those that were not, in order of submission: sequences must not fall within a queue.
    private func requeue(_ requests: [Request]) {
        guard let first = requests.first else { return }
        let sentBefore = waiting.prefix { $0.sendings > 0 }
        let rest = waiting.dropFirst(sentBefore.count)
        var merged = CircularBuffer<Request>()
        merged.reserveCapacity(waiting.count + requests.count)
        merged.append(contentsOf: (Array(sentBefore) + requests).sorted { $0.serial < $1.serial })
        merged.append(contentsOf: rest)
        waiting = merged
        armWaitingTimer(for: requests.lazy.map(\.deadline).min() ?? first.deadline)
    }

    // MARK: Deadlines of those who wait

    private func armWaitingTimer(for deadline: NIODeadline) {
        guard waitingTimer == nil || deadline < waitingTimerDue else { return }
        waitingTimer?.cancel()
        waitingTimerDue = deadline
        waitingTimer = eventLoop.scheduleTask(deadline: deadline) { [self] in
            waitingTimer = nil
            let now = NIODeadline.now()
            let expired = waiting.filter { $0.deadline <= now }
            if !expired.isEmpty { waiting.removeAll { $0.deadline <= now } }
            for request in expired { request.completion(.failure(timedOut(request))) }
            if let next = waiting.lazy.map(\.deadline).min() { armWaitingTimer(for: next) }
        }
    }

    private func timedOut(_ request: Request) -> SpindleError {
        let why = lastError.map { "the last attempt to connect ended with: \($0.message)" } ?? "too many requests were before it"
        return SpindleError(
            code: .timedOut,
            message: request.sendings == 0
                ? "the \(request.opcode.name) could not be sent in time; \(why)"
                : "no reply to \(request.opcode.name) in time; whether it was carried out is not known; \(why)",
            isRetryable: true, cause: lastError)
    }

    // MARK: Whole link

    /// Succeeds when a connection is ready; fails where none can ever be. Callable from everywhere.
    func whenReady() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        eventLoop.execute { [self] in
            if machine.isClosed { return promise.fail(SpindleError.clientClosed) }
            if machine.isUp { return promise.succeed() }
            readinessWaiters.append(promise)
            let timeout = eventLoop.scheduleTask(in: configuration.requestTimeout.timeAmount) { [self] in
                promise.fail(SpindleError(
                    code: .timedOut, message: "no connection in time; \(lastError?.message ?? "no attempt has ended yet")", isRetryable: true,
                    cause: lastError))
            }
            promise.futureResult.whenComplete { _ in timeout.cancel() }
            pump()
        }
        return promise.futureResult
    }

    /// Closes the connection that a reply came over which can't be read; everything else is repeated on the next one.
    func condemn(connectionNumber: Int, error: SpindleError) {
        eventLoop.execute { [self] in
            guard let connection, connection.number == connectionNumber else { return }
            connection.fail(error)
        }
    }

    /// Fails all that is unanswered with `CLIENT_CLOSED` and closes. Callable from everywhere.
    func close() -> EventLoopFuture<Void> {
        eventLoop.submit { [self] in
            guard !machine.isClosed else { return }
            machine.close()
            failAllWaiting(.clientClosed)
            let streams = subscriptions.keys.sorted().compactMap { subscriptions[$0] }
            subscriptions = [:]
            for stream in streams { stream.finish(throwing: nil) }
            connection?.fail(.clientClosed)
            connection = nil
            waitingTimer?.cancel()
        }
    }

    // MARK: Subscriptions

    func add(_ stream: TopicStream) {
        eventLoop.assertInEventLoop()
        guard !machine.isClosed else { return stream.finish(throwing: .clientClosed) }
        stream.id = nextSubscriptionID
        nextSubscriptionID += 1
        subscriptions[stream.id] = stream
        if machine.isUp { stream.connected() } else { pump() }
    }

    func remove(_ stream: TopicStream) {
        eventLoop.assertInEventLoop()
        guard subscriptions.removeValue(forKey: stream.id) != nil, machine.isUp else { return }
        var writer = WireWriter()
        TopicUnsubscribeRequest(subscriptionID: stream.id).encode(into: &writer)
        accept(Request(
            .topicUnsubscribe, .plain(writer.byteBuffer()), afterLoss: .failed, deadline: .now() + configuration.requestTimeout.timeAmount
        ) { _ in })
    }

    func grant(_ more: Int, to stream: TopicStream) {
        guard machine.isUp else { return }
        connection?.sendUnanswered(.topicCredit) {
            TopicCreditRequest(subscriptionID: stream.id, more: UInt32(clamping: more)).encode(into: &$0)
        }
    }
}

extension ConnectionMachine.Settings {
    init(_ configuration: ClientConfiguration) {
        let hello = HelloRequest(
            capabilities: configuration.acceptsCompression ? [.lz4, .settleIdentity] : .settleIdentity,
            clientName: configuration.clientName.cut(toBytes: WireLimits.nameBytesMax),
            clientVersion: SpindleClient.version,
            labels: configuration.labels.prefix(WireLimits.labelsMax).map { HelloRequest.Label(name: $0.name, value: $0.value) })
        let auth: Authentication =
            switch configuration.credential {
            case .token(let token): .request(AuthRequest(method: .token, credential: token))
            case .clientCertificate: .request(AuthRequest(method: .clientCertificate, credential: ""))
            case .mechanism(let mechanism): .mechanism(mechanism)
            }
        self.init(
            hello: hello, auth: auth, heartbeat: configuration.heartbeat.timeAmount,
            openingTimeout: configuration.connectTimeout.timeAmount)
    }
}

/// When it is said again that there is no connection.
struct ConnectionComplaint {
    static let interval = TimeAmount.seconds(5)

    private var saidAt: NIODeadline?

    /// Returns whether it is to be said now; then it was.
    mutating func isDue(now: NIODeadline) -> Bool {
        if let saidAt, now < saidAt + Self.interval { return false }
        saidAt = now
        return true
    }
}
