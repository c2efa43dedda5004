/// What a worker works on, and how.
public struct WorkerConfiguration: Sendable {
    public struct Queue: Sendable, Hashable {
        public var name: String
        /// Tasks handled at once.
        public var concurrency: Int
        /// Leases taken ahead, so that a handler that ends finds the next task here. They are held, and not worked on.
        public var prefetch: Int
        /// Of a lease; nil: the queue's own. It is extended while the handler runs.
        public var lease: Duration?

        public init(_ name: String, concurrency: Int = 1, prefetch: Int = 0, lease: Duration? = nil) {
            self.name = name
            self.concurrency = max(1, concurrency)
            self.prefetch = max(0, prefetch)
            self.lease = lease
        }
    }

    /// What happens to a task whose type has no handler here.
    public enum UnknownTaskType: Sendable, Hashable {
        case dead
        /// Another worker may know it.
        case retry(after: Duration?)
    }

    public var queues: [Queue]
    public var unknownTaskType: UnknownTaskType
    /// After the signal to stop: how long handlers may go on before their tasks are handed back.
    public var stopDeadline: Duration
    /// How long the broker holds a LEASE back while there is nothing.
    public var wait: Duration
    /// Pause after the broker refused a lease for good (no such queue, no permission) before it is asked again.
    public var refusalPause: Duration

    public init(
        queues: [Queue], unknownTaskType: UnknownTaskType = .dead, stopDeadline: Duration = .seconds(30), wait: Duration = .seconds(20),
        refusalPause: Duration = .seconds(10)
    ) {
        self.queues = queues
        self.unknownTaskType = unknownTaskType
        self.stopDeadline = stopDeadline
        self.wait = wait
        self.refusalPause = refusalPause
    }
}
