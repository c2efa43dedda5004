package import SpindleText

/// What operators ask of the broker, through this server.
///
/// The real one speaks to the broker with the web server's own principal; this server has checked by then that the caller may ask.
/// Every method throws ``OperationsError`` where the broker refuses or does not answer.
package protocol OperationsBroker: Sendable {
    /// All queues, by name.
    func queues() async throws -> [QueueFigures]
    func pause(queue: String, reason: String) async throws
    func resume(queue: String) async throws
    /// Messages in the order of ids. An empty page may have a cursor: the broker looks at a bounded number at a time.
    func messages(in queue: String, where query: MessageQuery, after: String?, max: Int) async throws -> QueueMessagePage
    func message(_ id: String, in queue: String) async throws -> QueueMessage
    /// Why a message is where it is, and what comes next.
    func why(_ id: String, in queue: String) async throws -> MessageWhy
    /// The body as it was published.
    func body(of id: String, in queue: String) async throws -> [UInt8]
    func cancel(_ id: String, in queue: String, reason: String) async throws -> CancelAnswer
    /// Counts what matches now, up to `max`.
    func count(in queue: String, where query: MessageQuery, max: Int) async throws -> Int
    /// Moves dead letters back to their queues of origin. Returns after the job has ended, or after a few seconds while it runs.
    func redrive(_ queue: String, where query: MessageQuery) async throws -> RedriveReceipt
    /// How far a redrive is that was begun.
    func redrive(_ queue: String, job: String) async throws -> RedriveReceipt
    func workers() async throws -> [WorkerFigures]
    /// Returns how many connections were told.
    func control(worker id: String, _ action: WorkerOrder, reason: String) async throws -> Int
}

/// Why the broker did not do what an operator asked.
package enum OperationsError: Error, Sendable, Hashable {
    case noSuchQueue(String)
    case noSuchMessage(queue: String, id: String)
    case noSuchWorker(String)
    case noSuchJob(String)
    /// The broker understood, and refused.
    case refused(String)
    /// The broker can't be reached, or did not answer in time.
    case unreachable(String)
}

package enum WorkerOrder: String, Sendable, CaseIterable { case quiet, resume, terminate }

package enum CancelAnswer: String, Sendable, Codable {
    /// It is gone.
    case removed
    /// It is leased: its holder is told, and the end of the lease removes it.
    case flagged
}

/// A queue as operators see it.
package struct QueueFigures: Sendable, Hashable {
    package struct Counts: Sendable, Hashable, Codable {
        package var ready: Int
        package var delayed: Int
        package var leased: Int

        package init(ready: Int = 0, delayed: Int = 0, leased: Int = 0) {
            self.ready = ready
            self.delayed = delayed
            self.leased = leased
        }

        package var total: Int { ready + delayed + leased }
    }

    /// Counts since the queue was made.
    package struct Flow: Sendable, Hashable {
        package var published: Int
        /// Acknowledged, dead, or otherwise ended.
        package var settled: Int

        package init(published: Int = 0, settled: Int = 0) {
            self.published = published
            self.settled = settled
        }
    }

    package struct Pause: Sendable, Hashable, Codable {
        package var deliveries: Bool
        package var publishes: Bool
        package var reason: String

        package init(deliveries: Bool, publishes: Bool, reason: String) {
            self.deliveries = deliveries
            self.publishes = publishes
            self.reason = reason
        }
    }

    package var name: String
    package var counts: Counts
    package var bytes: Int
    /// How long the oldest ready message has waited; zero: none is ready.
    package var oldestAgeSeconds: Double
    package var flow: Flow
    /// LEASE requests that wait for a message: idle workers.
    package var waiters: Int
    /// Nil: not paused.
    package var pause: Pause?
    /// Where dead letters go, if anywhere.
    package var deadLetterQueue: String?
    /// The most messages it takes; nil: no limit.
    package var lengthMax: Int?

    package init(
        name: String, counts: Counts = Counts(), bytes: Int = 0, oldestAgeSeconds: Double = 0, flow: Flow = Flow(), waiters: Int = 0,
        pause: Pause? = nil, deadLetterQueue: String? = nil, lengthMax: Int? = nil
    ) {
        self.name = name
        self.counts = counts
        self.bytes = bytes
        self.oldestAgeSeconds = oldestAgeSeconds
        self.flow = flow
        self.waiters = waiters
        self.pause = pause
        self.deadLetterQueue = deadLetterQueue
        self.lengthMax = lengthMax
    }
}

/// A connection to the broker, and what it holds.
package struct WorkerFigures: Sendable, Hashable, Codable {
    package struct Lease: Sendable, Hashable, Codable {
        package var queue: String
        package var messageId: String
        package var attempt: Int
        package var since: Timestamp
        package var leaseUntil: Timestamp
        package var percent: Int?

        package init(queue: String, messageId: String, attempt: Int, since: Timestamp, leaseUntil: Timestamp, percent: Int? = nil) {
            self.queue = queue
            self.messageId = messageId
            self.attempt = attempt
            self.since = since
            self.leaseUntil = leaseUntil
            self.percent = percent
        }
    }

    package enum State: String, Sendable, Codable {
        case running
        /// Told to lease nothing more, or to end.
        case quiet
        /// Its connection is gone; its leases have not run out yet.
        case gone
    }

    package var id: String
    package var name: String
    package var principal: String
    package var host: String?
    package var role: String?
    package var connectedSince: Timestamp
    package var heardAt: Timestamp
    package var state: State
    /// It waits for messages.
    package var isIdle: Bool
    /// At most 1,000.
    package var holds: [Lease]

    package init(
        id: String, name: String, principal: String, host: String? = nil, role: String? = nil, connectedSince: Timestamp, heardAt: Timestamp,
        state: State = .running, isIdle: Bool = false, holds: [Lease] = []
    ) {
        self.id = id
        self.name = name
        self.principal = principal
        self.host = host
        self.role = role
        self.connectedSince = connectedSince
        self.heardAt = heardAt
        self.state = state
        self.isIdle = isIdle
        self.holds = holds
    }
}

/// What became of a redrive.
package struct RedriveReceipt: Sendable, Hashable, Codable {
    package enum State: String, Sendable, Codable { case running, done, stopped }

    /// The broker's number of the job.
    package var id: String
    package var moved: Int
    /// Could not be moved, and stayed.
    package var skipped: Int
    package var state: State
    /// Why the last of the skipped ones was.
    package var lastFailure: String?
    package var at: Timestamp

    package init(id: String, moved: Int, skipped: Int, state: State, lastFailure: String? = nil, at: Timestamp) {
        self.id = id
        self.moved = moved
        self.skipped = skipped
        self.state = state
        self.lastFailure = lastFailure
        self.at = at
    }
}
