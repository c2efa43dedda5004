public import Logging
public import ServiceLifecycle
public import SpindleClient
internal import Synchronization

/// Leases tasks from queues and runs handlers by `taskType`.
///
/// ```swift
/// let worker = SpindleWorker(client: client, configuration: .init(queues: [.init("orders", concurrency: 4)]))
/// worker.on("PackOrder") { context in
///     context.reportProgress(percent: 50)
///     return .done
/// }
/// try await worker.run() // or in a ServiceGroup
/// ```
/// Leases are extended while a handler runs. A lost lease cancels its handler, whose result is discarded: somebody else has the task.
/// A cancelled task's handler is cancelled, and whatever it returns then settles the task. An operator may wish that the worker be quiet
/// (it leases nothing new and finishes what it has), that it resume, or that it terminate, which is a graceful stop within his grace.
/// A graceful shutdown stops leasing, lets handlers finish within ``WorkerConfiguration/stopDeadline``, then hands their tasks back.
public final class SpindleWorker: Service {
    /// Handles one task.
    public typealias Handler = @Sendable (TaskContext) async throws -> TaskOutcome

    let client: SpindleClient
    let configuration: WorkerConfiguration
    let logger: Logger
    private let closesClient: Bool
    private let handlers = Mutex<[String: Handler]>([:])
    let stopping: StopSignal
    let quiet = QuietSignal()

    /// - Parameter closesClient: whether the client is closed when ``run()`` ends.
    public init(
        client: SpindleClient, configuration: WorkerConfiguration, closesClient: Bool = false,
        logger: Logger = Logger(label: "spindle.worker")
    ) {
        self.client = client
        self.configuration = configuration
        self.closesClient = closesClient
        self.logger = logger
        stopping = StopSignal()
    }

    /// Registers the handler of a task type; a later one replaces an earlier one.
    public func on(_ taskType: String, _ handler: @escaping Handler) {
        handlers.withLock { $0[taskType] = handler }
    }

    /// Registers a handler that takes its payload as a type. A payload that can't be read makes the task dead.
    public func on<Payload: Decodable & Sendable>(
        _ taskType: String, payload: Payload.Type, _ handler: @escaping @Sendable (Payload, TaskContext) async throws -> TaskOutcome
    ) {
        on(taskType) { context in
            let value: Payload
            do {
                value = try context.envelope.decodePayload(as: Payload.self)
            } catch {
                return .dead(reason: "the payload of \(taskType) can't be read: \(error)")
            }
            return try await handler(value, context)
        }
    }

    public func register(_ handler: some TaskHandler) {
        on(handler.taskType) { try await handler.handle($0) }
    }

    func handler(of taskType: String) -> Handler? { handlers.withLock { $0[taskType] } }

    /// The task types that have a handler.
    public var taskTypes: [String] { knownTaskTypes }

    var knownTaskTypes: [String] { handlers.withLock { $0.keys.sorted() } }

    /// Works until the graceful shutdown of its service group, ``stop()``, or the cancellation of its task, which hands everything back
    /// at once. Throws nothing for what a broker says: it goes on trying.
    public func run() async {
        let wishes = client.onWish { [weak self] wish in self?.obey(wish) }
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await withDiscardingTaskGroup { group in
                    for queue in configuration.queues {
                        group.addTask { await QueueWorker(worker: self, queue: queue).run() }
                    }
                }
            } onGracefulShutdown: {
                self.stop()
            }
        } onCancel: {
            self.stopping.handBack()
        }
        stopping.finish()
        client.forgetWishes(wishes)
        if closesClient { await client.close() }
    }

    /// Begins the graceful stop: ``run()`` returns when all is finished or handed back.
    public func stop() { stop(within: configuration.stopDeadline) }

    /// An operator told it to lease nothing new.
    public var isQuiet: Bool { quiet.isQuiet }

    private func obey(_ wish: WorkerWish) {
        let metadata: Logger.Metadata = ["reason": "\(wish.reason)"]
        switch wish.action {
        case .quiet:
            if quiet.set(true) { logger.notice("an operator told this worker to be quiet: it leases nothing new", metadata: metadata) }
        case .resume:
            if quiet.set(false) { logger.notice("an operator told this worker to lease again", metadata: metadata) }
        case .terminate:
            _ = quiet.set(true)
            logger.notice("an operator told this worker to terminate", metadata: metadata)
            stop(within: wish.grace)
        }
    }

    private func stop(within deadline: Duration) {
        guard stopping.stop() else { return }
        logger.info("the worker stops", metadata: ["deadline": "\(deadline)"])
        let stopping = stopping
        let timer = Task {
            try await Task.sleep(for: deadline)
            stopping.handBack()
        }
        stopping.onFinish { timer.cancel() }
    }
}

/// The two steps of a stop, for everybody whom they concern.
final class StopSignal: Sendable {
    enum Phase: Int, Comparable {
        case running, stopping, handingBack, finished
        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    private struct State {
        var phase = Phase.running
        var nextID = 0
        var actions: [Int: (phase: Phase, action: @Sendable () -> Void)] = [:]
    }

    private let state = Mutex(State())

    var phase: Phase { state.withLock { $0.phase } }

    /// Calls `action` when the phase is reached; at once where it is already. Returns what ``forget(_:)`` takes.
    @discardableResult
    func when(_ phase: Phase, _ action: @escaping @Sendable () -> Void) -> Int {
        let id = state.withLock { state -> Int? in
            guard state.phase < phase else { return nil }
            state.nextID += 1
            state.actions[state.nextID] = (phase, action)
            return state.nextID
        }
        if id == nil { action() }
        return id ?? 0
    }

    func forget(_ id: Int) { state.withLock { _ = $0.actions.removeValue(forKey: id) } }

    func onFinish(_ action: @escaping @Sendable () -> Void) { when(.finished, action) }

    /// False: stopping already.
    func stop() -> Bool { advance(to: .stopping) }
    func handBack() { _ = advance(to: .handingBack) }
    func finish() { _ = advance(to: .finished) }

    private func advance(to phase: Phase) -> Bool {
        let due = state.withLock { state -> [@Sendable () -> Void]? in
            guard state.phase < phase else { return nil }
            state.phase = phase
            let due = state.actions.filter { $0.value.phase <= phase }.sorted { $0.key < $1.key }
            for entry in due { state.actions[entry.key] = nil }
            return due.map(\.value.action)
        }
        for action in due ?? [] { action() }
        return due != nil
    }
}
