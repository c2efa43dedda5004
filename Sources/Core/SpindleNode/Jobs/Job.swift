internal import SpindleWire

/// A change by filter that goes on in the background, as the log makes it: REDRIVE and BULK. Source: `protocol/queues.md`.
struct Job: Equatable, Sendable {
    enum Action: UInt8, Equatable, Sendable {
        case cancel = 0
        case redrive = 1
        case move = 2
        case reschedule = 3
    }

    /// Patterns of a principal that are held against each message's target at most; REDRIVE and a moving BULK are refused beyond.
    static let patternsMax = 1024

    // What it is to do.
    var id: UInt64
    var action: Action
    var queue: UInt32
    /// Kept for those who ask after the queue was deleted.
    var queueName: String
    /// Empty for redrive: each to its queue of origin.
    var target: String
    var delayMilliseconds: UInt64
    /// 0: all that match.
    var messagesMax: UInt64
    /// Messages a second; 0: as fast as the broker likes.
    var ratePerSecond: UInt64
    var reason: String
    /// Who began it, and to which queues that one may publish: every message's target is held against it.
    var principal: String
    var publish: [String]
    var filter: MessageFilter
    /// Ages count from here, and what comes to the queue later is not meant.
    var beganAt: UInt64
    /// No message from this id on was there when it began.
    var idEnd: UInt64

    // How far it is.
    /// The last message that was looked at.
    var cursor: UInt64 = 0
    var matched: UInt64 = 0
    var done: UInt64 = 0
    var failed: UInt64 = 0
    /// Why the last of the failed ones failed.
    var lastFailure = ""
    /// When the next step may be taken, microseconds of node time.
    var nextStepAtMicroseconds: UInt64 = 0
    var state: State = .running

    enum State: Equatable, Sendable {
        /// Can transition to: done, stopped.
        case running
        case done(at: UInt64)
        /// By an operator, or with its queue.
        case stopped(at: UInt64)
    }

    var isRunning: Bool { state == .running }

    /// When it ended; nil while it runs.
    var endedAt: UInt64? {
        switch state {
        case .running: nil
        case .done(let at), .stopped(let at): at
        }
    }

    var reply: JobReply {
        let state: JobReply.State = switch state {
        case .running: .running
        case .done: .done
        case .stopped: .stopped
        }
        return JobReply(job: id, matched: matched, done: done, failed: failed, state: state, lastFailure: lastFailure)
    }
}

/// The jobs that run, and those that ended lately.
struct JobTable: Equatable, Sendable {
    /// Jobs that run at once.
    static let runningMax = 16
    /// How long an ended one is remembered.
    static let rememberedMilliseconds: UInt64 = 24 * 3600 * 1000
    /// Ended ones that are remembered; beyond them the oldest is forgotten earlier.
    static let endedMax = 1024
    /// Jobs at once: before one begins, those that ended may be one more than are remembered.
    static let countMax = runningMax + endedMax + 1

    /// By rising id.
    private(set) var jobs: [Job] = []
    /// The last id that was given.
    private(set) var lastID: UInt64 = 0

    var runningCount: Int { jobs.reduce(0) { $0 + ($1.isRunning ? 1 : 0) } }

    private func index(_ id: UInt64) -> Int? { jobs.firstIndex { $0.id == id } }

    /// The job, unless it ended so long ago that it is forgotten.
    func find(_ id: UInt64, now: UInt64) -> Job? {
        guard let job = index(id).map({ jobs[$0] }) else { return nil }
        return Self.isForgotten(job, now: now) ? nil : job
    }

    private static func isForgotten(_ job: Job, now: UInt64) -> Bool {
        job.endedAt.map { $0 + rememberedMilliseconds <= now } ?? false
    }

    /// The job, if it runs.
    func running(_ id: UInt64) -> Job? {
        guard let job = index(id).map({ jobs[$0] }), job.isRunning else { return nil }
        return job
    }

    // MARK: Facts, live and at replay

    /// A job begins; those that ended long ago are forgotten. False where its id is not the next one.
    mutating func begin(_ job: Job) -> Bool {
        guard job.id == lastID + 1 else { return false }
        lastID = job.id
        jobs.removeAll { Self.isForgotten($0, now: job.beganAt) }
        let ended = jobs.count - runningCount
        if ended > Self.endedMax, let oldest = jobs.firstIndex(where: { !$0.isRunning }) { jobs.remove(at: oldest) }
        jobs.append(job)
        return true
    }

    /// What one step of a job did.
    struct Step: Equatable, Sendable {
        enum Ending: UInt8, Equatable, Sendable {
            case none = 0
            case done = 1
            case stopped = 2
        }

        var job: UInt64
        var cursor: UInt64
        var matched: UInt32 = 0
        var done: UInt32 = 0
        var failed: UInt32 = 0
        /// Empty where none failed.
        var lastFailure = ""
        var nextStepAtMicroseconds: UInt64
        var ending: Ending = .none
    }

    /// False where there is no such job that runs.
    mutating func step(_ step: Step, now: UInt64) -> Bool {
        guard let index = index(step.job), jobs[index].isRunning else { return false }
        jobs[index].cursor = step.cursor
        jobs[index].matched += UInt64(step.matched)
        jobs[index].done += UInt64(step.done)
        jobs[index].failed += UInt64(step.failed)
        if !step.lastFailure.isEmpty { jobs[index].lastFailure = step.lastFailure }
        jobs[index].nextStepAtMicroseconds = step.nextStepAtMicroseconds
        switch step.ending {
        case .none: break
        case .done: end(index, .done(at: now))
        case .stopped: end(index, .stopped(at: now))
        }
        return true
    }

    /// The queue was deleted: its number may soon be another's.
    mutating func queueDeleted(_ queue: UInt32, now: UInt64) {
        for index in jobs.indices where jobs[index].isRunning && jobs[index].queue == queue { end(index, .stopped(at: now)) }
    }

    /// What is kept of an ended job is what it is asked for.
    private mutating func end(_ index: Int, _ state: Job.State) {
        jobs[index].state = state
        jobs[index].filter = MessageFilter()
        jobs[index].publish = []
    }

    // MARK: Checkpoint

    mutating func restore(_ jobs: [Job], lastID: UInt64) -> Bool {
        guard zip(jobs, jobs.dropFirst()).allSatisfy({ $0.id < $1.id }), (jobs.last?.id ?? 0) <= lastID else { return false }
        self.jobs = jobs
        self.lastID = lastID
        return true
    }
}
