package import Logging
internal import ServiceLifecycle
package import SpindleClient
internal import Synchronization

/// One subscription to the broker, fanned out to the clients of the event streams. See ``EventHubMachine`` for how.
///
/// Run it as a service; streams connect before that too, and wait. When it stops, every stream ends.
package final class EventHub: Service, Sendable {
    package typealias Clock = @Sendable () -> Int64

    package let configuration: EventBridgeConfiguration
    private let source: any EventFeedSource
    private let clock: Clock
    let logger: Logger
    private let state: Mutex<State>
    private let replayRequests: AsyncStream<(EventHubMachine.ReplayID, TopicCursor)>
    private let replayRequested: AsyncStream<(EventHubMachine.ReplayID, TopicCursor)>.Continuation

    private struct State {
        var machine: EventHubMachine
        var clients: [EventHubMachine.ClientID: EventHubClient.Signals] = [:]
        var replays: [EventHubMachine.ReplayID: ReplayHandle] = [:]
    }

    private struct ReplayHandle {
        let wakes: AsyncStream<Void>
        let wake: AsyncStream<Void>.Continuation
        /// Once it is there.
        var feed: EventFeed?
    }

    /// - Parameters:
    ///   - source: a connected ``SpindleClient``, whose principal may subscribe to the topics.
    ///   - clock: milliseconds, never running back; nil: the system's.
    package init(
        configuration: EventBridgeConfiguration, source: any EventFeedSource, logger: Logger, clock: Clock? = nil
    ) {
        self.configuration = configuration
        self.source = source
        self.logger = logger
        let start = ContinuousClock.now
        self.clock = clock ?? { Self.milliseconds(ContinuousClock.now - start) }
        state = Mutex(State(machine: EventHubMachine(configuration: configuration)))
        (replayRequests, replayRequested) = AsyncStream.makeStream()
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1_000 + duration.components.attoseconds / 1_000_000_000_000_000
    }

    /// The place behind which everything is still to come; nil until the broker answered first.
    package var cursor: TopicCursor? { state.withLock { $0.machine.cursor } }
    package var clientCount: Int { state.withLock { $0.machine.clientCount } }
    /// Subscriptions that read history now.
    package var replayCount: Int { state.withLock { $0.machine.replayCount } }

    // MARK: Running

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.follow() }
                group.addTask { await self.keepTime() }
                for await (id, cursor) in self.replayRequests { group.addTask { await self.replay(id, from: cursor) } }
                group.cancelAll()
            }
        }
        let clients = clientCount
        change { (machine: inout EventHubMachine) in ((), machine.stop()) }
        logger.info("event streams end", metadata: ["clients": "\(clients)"])
    }

    private static let retryMillisecondsMax: Int64 = 10_000

    /// Keeps the subscription. The client below reconnects by itself; it ends only where the broker refuses, or never answered.
    private func follow() async {
        var wait: Int64 = 250
        while !Task.isCancelled {
            do {
                let feed = try await source.subscribe(to: configuration.pattern, from: cursor.map { .after($0) } ?? .latest)
                defer { feed.cancel() }
                change { machine in ((), machine.started(at: feed.start)) }
                logger.info("event streams follow the broker", metadata: ["cursor": "\(feed.start)", "topics": "\(configuration.pattern)"])
                wait = 250
                while let element = try await feed.next() {
                    if case .gap(let cursor, let reason) = element {
                        logger.warning("events were missed", metadata: ["cursor": "\(cursor)", "reason": "\(reason)"])
                    }
                    change { machine in ((), machine.received(element)) }
                }
            } catch {
                if Task.isCancelled { return }
                logger.error("audit.error", metadata: ["what": "event streams can't follow the broker", "error": "\(error)"])
            }
            try? await Task.sleep(for: .milliseconds(wait)) // ends early only by cancellation, which the loop sees
            wait = min(wait * 2, Self.retryMillisecondsMax)
        }
    }

    private func keepTime() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(configuration.tickMilliseconds)) // as above
            tick()
        }
    }

    /// Looks at the timers, as `run` does every ``EventBridgeConfiguration/tickMilliseconds``.
    package func tick() {
        let now = clock()
        change { machine in ((), machine.tick(now: now)) }
    }

    private func replay(_ id: EventHubMachine.ReplayID, from cursor: TopicCursor) async {
        defer { state.withLock { $0.replays[id] = nil } }
        guard let wakes = state.withLock({ $0.replays[id]?.wakes }) else { return }
        do {
            let feed = try await source.subscribe(to: configuration.pattern, from: .after(cursor))
            defer { feed.cancel() }
            state.withLock { $0.replays[id]?.feed = feed }
            var awakened = wakes.makeAsyncIterator()
            while true {
                switch state.withLock({ $0.machine.replayStep(id) }) {
                case .stop: return
                case .wait: guard await awakened.next() != nil else { return }
                case .read:
                    guard let element = try await feed.next() else { return }
                    change { machine in ((), machine.replayed(id, element)) }
                }
            }
        } catch {
            if !Task.isCancelled {
                logger.error("audit.error", metadata: ["what": "missed events can't be read", "cursor": "\(cursor)", "error": "\(error)"])
            }
            change { machine in ((), machine.replayFailed(id)) }
        }
    }

    /// Has every client's right to listen checked now: tokens have changed.
    package func recheckAll() {
        let now = clock()
        change { machine in ((), machine.recheckAll(now: now)) }
    }

    // MARK: Clients

    package enum Connection {
        case client(EventHubClient)
        case full
        case callerFull
        case stopping
    }

    /// Connects a client of a stream or a hub.
    ///
    /// - Parameters:
    ///   - stream: its number in the configuration; hubs follow the streams.
    ///   - caller: who listens.
    ///   - lastEventID: as the client sent it.
    package func connect(stream: Int, caller: EventCaller, lastEventID: String?) -> Connection {
        // A client of a hub can't go on where it was: it stays.
        let isHub = stream >= configuration.streams.count
        return connect(topics: configuration.all[stream].topics, caller: caller, lastEventID: lastEventID, staysConnected: isHub)
    }

    /// Connects a client.
    ///
    /// - Parameters:
    ///   - topics: of the configuration's.
    ///   - caller: who listens, and may listen to these.
    ///   - lastEventID: as the client sent it.
    ///   - staysConnected: its connection does not end by plan.
    package func connect(
        topics: [String], framing: EventFraming = .serverSentEvents, caller: EventCaller, lastEventID: String?, staysConnected: Bool = false
    ) -> Connection {
        let now = clock()
        let newcomer = EventHubMachine.Newcomer(
            caller: caller.name, topics: topics, framing: framing, resume: EventHubMachine.Resume(lastEventID),
            rotateAt: staysConnected ? Int64.max / 2 : now + Int64.random(in: configuration.rotationMilliseconds),
            retryMilliseconds: Int64.random(in: configuration.retryMilliseconds))
        return state.withLock { state in
            switch state.machine.connect(newcomer, now: now) {
            case .full: return .full
            case .callerFull: return .callerFull
            case .stopping: return .stopping
            case .client(let id, let effects):
                let signals = EventHubClient.Signals()
                state.clients[id] = signals
                perform(effects, &state)
                return .client(EventHubClient(id: id, hub: self, signals: signals))
            }
        }
    }

    func take(_ id: EventHubMachine.ClientID) -> EventHubMachine.Step {
        let now = clock()
        return change { machine in machine.take(id, now: now) }
    }

    func leave(_ id: EventHubMachine.ClientID, _ reason: EventHubMachine.End) {
        change { machine in ((), machine.leave(id, reason)) }
    }

    func gone(_ id: EventHubMachine.ClientID) {
        state.withLock { state in
            let effects = state.machine.gone(id)
            state.clients.removeValue(forKey: id)?.finish()
            perform(effects, &state)
        }
    }

    // MARK: Effects

    @discardableResult
    private func change<Value: Sendable>(_ body: (inout EventHubMachine) -> (Value, [EventHubMachine.Effect])) -> Value {
        state.withLock { state in
            let (value, effects) = body(&state.machine)
            perform(effects, &state)
            return value
        }
    }

    /// Only signals, so it may run under the lock: nothing here waits.
    private func perform(_ effects: [EventHubMachine.Effect], _ state: inout State) {
        for effect in effects {
            switch effect {
            case .wake(let id): state.clients[id]?.wake.yield()
            case .cut(let id): state.clients[id]?.cut.finish()
            case .startReplay(let id, let cursor):
                let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
                state.replays[id] = ReplayHandle(wakes: wakes, wake: wake, feed: nil)
                replayRequested.yield((id, cursor))
            case .stopReplay(let id):
                state.replays[id]?.feed?.cancel()
                state.replays[id]?.wake.finish()
            case .wakeReplay(let id): state.replays[id]?.wake.yield()
            }
        }
    }
}

/// One client of a stream. It leaves the hub when the last reference is gone.
package final class EventHubClient: Sendable {
    struct Signals: Sendable {
        let wakes: AsyncStream<Void>
        let wake: AsyncStream<Void>.Continuation
        let cuts: AsyncStream<Never>
        let cut: AsyncStream<Never>.Continuation

        init() {
            (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
            (cuts, cut) = AsyncStream.makeStream()
        }

        func finish() {
            wake.finish()
            cut.finish()
        }
    }

    private let id: EventHubMachine.ClientID
    private let hub: EventHub
    private let signals: Signals

    init(id: EventHubMachine.ClientID, hub: EventHub, signals: Signals) {
        self.id = id
        self.hub = hub
        self.signals = signals
    }

    deinit { hub.gone(id) }

    /// Ends the stream; ``run(recheck:write:)`` returns soon.
    package func leave(_ reason: EventHubMachine.End) { hub.leave(id, reason) }

    /// Returns when the connection must be closed whatever is being written.
    package func waitForCut() async {
        for await _ in signals.cuts {}
    }

    /// Serves the stream until its end.
    ///
    /// - Parameters:
    ///   - recheck: whether the caller may still listen.
    ///   - write: returns when the connection has taken the bytes.
    package func run(recheck: () async -> Bool, write: ([UInt8]) async throws -> Void) async throws -> EventHubMachine.End {
        var awakened = signals.wakes.makeAsyncIterator()
        while true {
            switch hub.take(id) {
            case .write(let bytes):
                try await write(bytes)
            case .wait:
                if await awakened.next() == nil { return .left }
            case .recheck:
                if await !recheck() { hub.leave(id, .reauthenticate) }
            case .end(let end, let farewell):
                if !farewell.isEmpty { try await write(farewell) }
                return end
            }
        }
    }
}
