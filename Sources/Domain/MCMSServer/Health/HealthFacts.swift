package import SpindleText

/// What is looked at, each by itself: one that hangs holds up no other.
package enum HealthSource: String, Sendable, Hashable, CaseIterable {
    case queues, workers, database, share, store, disks, scanner, certificates
}

/// A moment, by two clocks: the wall's, which people read and which may be set, and one that only goes on.
package struct HealthTime: Sendable, Hashable {
    package var wall: Timestamp
    /// Milliseconds since some moment.
    package var steady: Int64

    package init(wall: Timestamp, steady: Int64) {
        self.wall = wall
        self.steady = steady
    }

    func seconds(since earlier: HealthTime) -> Double { Double(steady - earlier.steady) / 1000 }
}

/// What a look found out.
package enum HealthFacts: Sendable, Hashable {
    case queues([HealthQueue])
    case workers(HealthWorkers)
    case database(HealthWork)
    case share(HealthShare)
    /// Files can be written there.
    case store
    case disks([HealthDisk])
    case scanner(HealthScanner)
    case certificates([HealthCertificate])

    package var source: HealthSource {
        switch self {
        case .queues: .queues
        case .workers: .workers
        case .database: .database
        case .share: .share
        case .store: .store
        case .disks: .disks
        case .scanner: .scanner
        case .certificates: .certificates
        }
    }
}

/// Why a look found out nothing.
package enum HealthFailure: Error, Sendable, Hashable {
    /// It did not answer, or can't be used.
    case unavailable(String)
    /// It answered that this server may not ask.
    case refused(String)

    var reason: String {
        switch self {
        case .unavailable(let reason), .refused(let reason): reason
        }
    }
}

package struct HealthQueue: Sendable, Hashable {
    /// Counts since the queue was made.
    package struct Flow: Sendable, Hashable {
        package var acknowledged: Int
        /// Attempts that ended without success: refused by the worker, or their lease expired.
        package var failed: Int

        package init(acknowledged: Int = 0, failed: Int = 0) {
            self.acknowledged = acknowledged
            self.failed = failed
        }
    }

    /// Nil: no limit.
    package struct Limits: Sendable, Hashable {
        package var length: Int?
        package var bytes: Int?

        package init(length: Int? = nil, bytes: Int? = nil) {
            self.length = length
            self.bytes = bytes
        }
    }

    package var name: String
    package var ready: Int
    package var delayed: Int
    package var leased: Int
    package var bytes: Int
    package var oldestAgeSeconds: Double
    package var flow: Flow
    package var limits: Limits
    /// Nil: not paused; else the words of who paused it.
    package var pauseReason: String?
    package var deadLetterQueue: String?

    package init(
        name: String, ready: Int = 0, delayed: Int = 0, leased: Int = 0, bytes: Int = 0, oldestAgeSeconds: Double = 0, flow: Flow = Flow(),
        limits: Limits = Limits(), pauseReason: String? = nil, deadLetterQueue: String? = nil
    ) {
        self.name = name
        self.ready = ready
        self.delayed = delayed
        self.leased = leased
        self.bytes = bytes
        self.oldestAgeSeconds = oldestAgeSeconds
        self.flow = flow
        self.limits = limits
        self.pauseReason = pauseReason
        self.deadLetterQueue = deadLetterQueue
    }

    var held: Int { ready + delayed + leased }
}

/// Who is connected to the broker.
package struct HealthWorkers: Sendable, Hashable {
    package struct Session: Sendable, Hashable {
        package var id: String
        package var name: String
        package var principal: String
        package var role: String?
        /// Of a worker.
        package var groups: [String]
        package var isQuiet: Bool

        package init(id: String, name: String, principal: String, role: String? = nil, groups: [String] = [], isQuiet: Bool = false) {
            self.id = id
            self.name = name
            self.principal = principal
            self.role = role
            self.groups = groups
            self.isQuiet = isQuiet
        }
    }

    package var sessions: [Session]
    /// How far the broker's clock is ahead of this machine's; nil: not known.
    package var clockAheadMilliseconds: Int64?

    package init(sessions: [Session], clockAheadMilliseconds: Int64? = nil) {
        self.sessions = sessions
        self.clockAheadMilliseconds = clockAheadMilliseconds
    }
}

/// What the database knows of the work: jobs of the add-in, files, and what waits for the broker.
package struct HealthWork: Sendable, Hashable {
    package struct Jobs: Sendable, Hashable {
        package var running: Int
        package var waiting: Int
        package var oldestWaitSince: Timestamp?
        package var failedToday: Int

        package init(running: Int = 0, waiting: Int = 0, oldestWaitSince: Timestamp? = nil, failedToday: Int = 0) {
            self.running = running
            self.waiting = waiting
            self.oldestWaitSince = oldestWaitSince
            self.failedToday = failedToday
        }
    }

    package struct OutboxRows: Sendable, Hashable {
        package var waiting: Int
        package var dead: Int
        package var oldestSince: Timestamp?
        /// Why the oldest was not sent when it was tried; nil: it was not tried, or is being sent.
        package var oldestError: String?

        package init(waiting: Int = 0, dead: Int = 0, oldestSince: Timestamp? = nil, oldestError: String? = nil) {
            self.waiting = waiting
            self.dead = dead
            self.oldestSince = oldestSince
            self.oldestError = oldestError
        }
    }

    package var jobs: Jobs
    package var outbox: OutboxRows
    /// Files that have come whole, and are not stored yet.
    package var filesWaiting: Int

    package init(jobs: Jobs = Jobs(), outbox: OutboxRows = OutboxRows(), filesWaiting: Int = 0) {
        self.jobs = jobs
        self.outbox = outbox
        self.filesWaiting = filesWaiting
    }
}

package struct HealthShare: Sendable, Hashable {
    /// Why it is not the share, or can't be read; nil: it is.
    package var problem: String?
    package var isReadOnly: Bool
    /// Nil: it is on a disk that is looked at by itself, or does not say how large it is.
    package var disk: HealthDisk?

    package init(problem: String? = nil, isReadOnly: Bool = false, disk: HealthDisk? = nil) {
        self.problem = problem
        self.isReadOnly = isReadOnly
        self.disk = disk
    }
}

package struct HealthDisk: Sendable, Hashable {
    /// What it is used for, as people know it: `data`, `files`, `share`.
    package var use: String
    package var path: String
    package var bytesFree: Int64
    package var bytesTotal: Int64
    /// Below it, uploads are refused.
    package var reserve: Int64
    /// Nil: the file system has no fixed number of files.
    package var filesFreePercent: Double?

    package init(use: String, path: String, bytesFree: Int64, bytesTotal: Int64, reserve: Int64 = 0, filesFreePercent: Double? = nil) {
        self.use = use
        self.path = path
        self.bytesFree = bytesFree
        self.bytesTotal = bytesTotal
        self.reserve = reserve
        self.filesFreePercent = filesFreePercent
    }
}

package enum HealthScanner: Sendable, Hashable {
    /// It answers, or the description switched it off.
    case answers
    /// The description doesn't say who scans: uploads wait.
    case undecided
}

package struct HealthCertificate: Sendable, Hashable {
    package enum State: Sendable, Hashable {
        case good(until: Timestamp)
        /// Its time has not begun.
        case notYet(from: Timestamp)
        case unreadable(String)
    }

    package var file: String
    package var state: State

    package init(file: String, state: State) {
        self.file = file
        self.state = state
    }
}

/// What should be there, from the description of the cluster.
package struct HealthSite: Sendable, Hashable {
    package struct Group: Sendable, Hashable {
        package var name: String
        package var queues: [String]
        package var processes: Int

        package init(name: String, queues: [String], processes: Int = 1) {
            self.name = name
            self.queues = queues
            self.processes = processes
        }
    }

    package struct Addin: Sendable, Hashable {
        package var principal: String
        package var queue: String
        /// What it answers.
        package var resultQueue: String
        /// It should always run; else it is a person's PC, which may be off while nothing waits.
        package var isPermanent: Bool

        package init(principal: String, queue: String, resultQueue: String, isPermanent: Bool) {
            self.principal = principal
            self.queue = queue
            self.resultQueue = resultQueue
            self.isPermanent = isPermanent
        }
    }

    package var groups: [Group]
    package var addin: Addin?
    /// As people know it, such as `W:\`.
    package var share: String
    /// Of the scanner, for texts.
    package var scanner: String

    package init(groups: [Group] = [], addin: Addin? = nil, share: String = #"W:\"#, scanner: String = "") {
        self.groups = groups
        self.addin = addin
        self.share = share
        self.scanner = scanner
    }
}
