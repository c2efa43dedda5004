package import SpindleText

package enum HealthSeverity: String, Sendable, Hashable, Comparable, CaseIterable, Codable {
    case ok, info, warning, error

    private var rank: Int {
        switch self {
        case .ok: 0
        case .info: 1
        case .warning: 2
        case .error: 3
        }
    }

    package static func < (left: HealthSeverity, right: HealthSeverity) -> Bool { left.rank < right.rank }
}

/// Every kind of problem. `docs/operations.md` has them all, with what to do.
package enum HealthKind: String, Sendable, Hashable, CaseIterable {
    case brokerUnreachable = "broker.unreachable"
    case brokerRefuses = "broker.refuses"
    case databaseUnavailable = "database.unavailable"
    case shareUnreadable = "share.unreadable"
    case shareReadOnly = "share.readOnly"
    case storeUnwritable = "store.unwritable"
    case scannerUnreachable = "scanner.unreachable"
    case scannerUndecided = "scanner.undecided"
    case workersMissing = "workers.missing"
    case workersQuiet = "workers.quiet"
    case addinMissing = "addin.missing"
    case queuePaused = "queue.paused"
    case queueFull = "queue.full"
    case queueWaits = "queue.waits"
    case queueFails = "queue.fails"
    case deadLetters = "queue.deadLetters"
    case outboxStuck = "outbox.stuck"
    case outboxDead = "outbox.dead"
    case diskFull = "disk.full"
    case diskFiles = "disk.files"
    case certificateEnds = "certificate.ends"
    case certificateUnusable = "certificate.unusable"
    case clockJumped = "clock.jumped"
    case clockDiffers = "clock.differs"
}

/// Something that is not as it should be, as facts; ``HealthText`` says it in words.
package struct HealthProblem: Sendable, Hashable {
    package struct Key: Sendable, Hashable {
        package var kind: HealthKind
        /// Which one: the queue, the group, the file. Empty where there is only one.
        package var subject: String

        package init(_ kind: HealthKind, _ subject: String = "") {
            self.kind = kind
            self.subject = subject
        }
    }

    package var key: Key
    package var severity: HealthSeverity
    package var since: Timestamp
    /// How many are affected: jobs, messages, files, rows; nil where nothing is counted.
    package var count: Int?
    /// As the part that failed said it, in its own language; empty: it said nothing.
    package var reason: String
    /// Of the kind: percent, seconds, days.
    package var amount: Double?

    package init(
        _ kind: HealthKind, _ subject: String = "", severity: HealthSeverity, since: Timestamp, count: Int? = nil, reason: String = "",
        amount: Double? = nil
    ) {
        key = Key(kind, subject)
        self.severity = severity
        self.since = since
        self.count = count
        self.reason = reason
        self.amount = amount
    }
}

/// All that the first screen says, as facts.
package struct HealthReport: Sendable, Hashable {
    package struct Numbers: Sendable, Hashable {
        package var jobsRunning: Int
        package var jobsWaiting: Int
        /// Zero: none waits.
        package var oldestWaitSeconds: Int
        package var failedToday: Int

        package init(jobsRunning: Int = 0, jobsWaiting: Int = 0, oldestWaitSeconds: Int = 0, failedToday: Int = 0) {
            self.jobsRunning = jobsRunning
            self.jobsWaiting = jobsWaiting
            self.oldestWaitSeconds = oldestWaitSeconds
            self.failedToday = failedToday
        }
    }

    package var severity: HealthSeverity
    package var at: Timestamp
    /// Nil: the database has not told yet.
    package var numbers: Numbers?
    /// Samples of the past, oldest first.
    package var past: [Numbers]
    /// Worst first.
    package var problems: [HealthProblem]
    /// What was not looked at yet since the start.
    package var unseen: Set<HealthSource>
}
