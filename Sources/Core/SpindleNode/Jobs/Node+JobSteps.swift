internal import SpindleLog
internal import SpindleQueue
import SpindleText
internal import SpindleWire

// What jobs do: step by step, each in one log entry together with how far it came, so that a crash neither repeats nor skips.
extension Node {
    /// Messages that a job looks at in one step.
    private static let jobLooksMax = 4096
    /// Of them, those that it changes.
    static let jobChangesMax = 256
    /// A job with a rate takes so many steps a second, where the rate has as many messages.
    private static let jobStepsPerSecond: UInt64 = 20
    /// Pause between two steps of a job without a rate, microseconds: others come in between.
    private static let jobPauseMicroseconds: UInt64 = 1_000
    /// How far a job that was held up may catch up with its rate, microseconds.
    private static let jobCatchUpMicroseconds: UInt64 = 100_000

    /// Jobs that run, for metrics.
    package var jobsRunning: Int { state.jobs.runningCount }

    /// When a job takes its next step, node time; nil: none runs, or waits for time.
    var jobDeadline: UInt64? {
        guard !isDraining else { return nil }
        var next: UInt64?
        for run in jobRuns where !run.isFetching {
            guard let job = state.jobs.running(run.job) else { continue }
            let due = max((job.nextStepAtMicroseconds + 999) / 1000, run.notBefore)
            next = min(next ?? due, due)
        }
        return next
    }

    /// Lets every job take its step that is due.
    mutating func runJobs(now: UInt64) {
        guard !isDraining, !jobRuns.isEmpty else { return }
        let end = work.units + UInt64(NodeWork.unitsPerTurnMax)
        for id in jobRuns.map(\.job) {
            guard work.units < end else { return }
            guard let index = jobRuns.firstIndex(where: { $0.job == id }), let job = state.jobs.running(id) else { continue }
            guard !jobRuns[index].isFetching, jobRuns[index].notBefore <= now, job.nextStepAtMicroseconds <= now * 1000 else { continue }
            takeStep(job, index, now: now)
            // Where a turn has no time for all, the others come first in the next.
            if let place = jobRuns.firstIndex(where: { $0.job == id }) { jobRuns.append(jobRuns.remove(at: place)) }
        }
    }

    private mutating func takeStep(_ job: Job, _ index: Int, now: UInt64) {
        // Jobs leave the log's reserve to those who end their work.
        guard log.roomForPublish(payloadCount: stepBytesMax(job)) == .available, log.canAppend(payloadCount: stepBytesMax(job)) else {
            jobRuns[index].notBefore = now + Self.retryMilliseconds
            return
        }
        let matcher = jobRuns[index].matcher
        var looked = look(job.queue, after: job.cursor, matcher, max: Self.jobLooksMax)
        // What came later is not meant.
        if looked.cursor >= job.idEnd { looked.isEnd = true }
        looked.messages.removeAll { isLater($0, than: job) }
        guard matcher.readsHeaders, !looked.messages.isEmpty else {
            return finishStep(job, looked.messages, cursor: looked.cursor, isEnd: looked.isEnd, now: now)
        }
        let heads = HeadFetch(looked, for: matcher, bytesMax: Self.fetchBytesMax)
        work.charge(heads.units)
        guard heads.ranges.allSatisfy({ isDurable($0) }) else {
            jobRuns[index].notBefore = now + 1
            return
        }
        jobRuns[index].isFetching = true
        fetch(heads.ranges, for: .job(job.id, heads))
    }

    private func isLater(_ message: MessageView, than job: Job) -> Bool {
        if message.id >= job.idEnd { return true }
        guard let death = state.engine.history(of: message.id)?.death else { return false }
        return death.at > job.beganAt
    }

    private static let stepOverhead = 4096

    private func stepBytesMax(_ job: Job) -> Int { Self.stepOverhead + job.reason.utf8.count + changesMax(job) * changeByteCountMax(job) }

    private func changeByteCountMax(_ job: Job) -> Int { 32 + (job.action == .cancel ? endByteCountMax : 0) }

    /// Messages that a step changes at most: a log with small segments takes fewer, and must not wait for room that never comes.
    private func changesMax(_ job: Job) -> Int {
        min(Self.jobChangesMax, max(1, (log.payloadBytesMax - Self.stepOverhead - job.reason.utf8.count) / changeByteCountMax(job)))
    }

    /// The bytes that a job's step asked for have come; nil: they could not be read.
    mutating func fetchedForJob(_ id: UInt64, _ heads: HeadFetch, bytes: RawSpan?, now: UInt64) {
        guard let index = jobRuns.firstIndex(where: { $0.job == id }), let job = state.jobs.running(id) else { return }
        jobRuns[index].isFetching = false
        guard log.canAppend(payloadCount: stepBytesMax(job)) else {
            jobRuns[index].notBefore = now + Self.retryMilliseconds
            return
        }
        guard let bytes else {
            // Whether they are meant can't be told: to go on would leave out what should have been changed.
            beginTransaction(now: now)
            var step = JobTable.Step(job: id, cursor: job.cursor, nextStepAtMicroseconds: job.nextStepAtMicroseconds, ending: .stopped)
            step.lastFailure = "stored messages could not be read; look at the broker's log"
            return log(step)
        }
        let messages = heads.matching(jobRuns[index].matcher, in: bytes).compactMap { state.engine.view($0, in: job.queue) }
        finishStep(job, messages, cursor: heads.cursor, isEnd: heads.isEnd, now: now)
    }

    /// Changes the messages, as many as the job may change now, and logs that with how far it came.
    private mutating func finishStep(_ job: Job, _ messages: [MessageView], cursor: UInt64, isEnd: Bool, now: UInt64) {
        beginTransaction(now: now)
        var messagesMax = UInt64(changesMax(job))
        if job.ratePerSecond > 0 { messagesMax = min(messagesMax, max(1, job.ratePerSecond / Self.jobStepsPerSecond)) }
        if job.messagesMax > 0 { messagesMax = min(messagesMax, job.messagesMax - min(job.matched, job.messagesMax)) }
        var step = JobTable.Step(job: job.id, cursor: cursor, nextStepAtMicroseconds: 0, ending: isEnd ? .done : .none)
        if UInt64(messages.count) > messagesMax {
            step.cursor = messagesMax > 0 ? messages[Int(messagesMax) - 1].id : job.cursor
            step.ending = .none
        }
        var change = JobChange(job: job, until: rescheduledUntil(delay: job.delayMilliseconds))
        for message in messages.prefix(Int(messagesMax)) {
            step.matched += 1
            if let failure = perform(&change, on: message) {
                step.failed += 1
                step.lastFailure = failure
            } else {
                step.done += 1
            }
        }
        transaction.end(&change)
        if job.messagesMax > 0, job.matched + UInt64(step.matched) >= job.messagesMax { step.ending = .done }
        step.nextStepAtMicroseconds = Self.nextStep(job, changes: UInt64(step.matched), now: now)
        log(step)
        // Where it came from, nobody will learn of its end.
        for id in change.moved { ended(id) }
        tellHolders(change.flagged, reason: job.reason)
    }

    /// Room was asked for before anything changed.
    private mutating func log(_ step: JobTable.Step) {
        do throws(WireError) {
            try logStep(step)
        } catch {
            preconditionFailure("the log had room for a step of a job: \(error.message)")
        }
    }

    private static func nextStep(_ job: Job, changes: UInt64, now: UInt64) -> UInt64 {
        guard job.ratePerSecond > 0, changes > 0 else { return now * 1000 + jobPauseMicroseconds }
        let from = max(job.nextStepAtMicroseconds, now * 1000 - min(now * 1000, jobCatchUpMicroseconds))
        return from + changes * 1_000_000 / job.ratePerSecond
    }

    /// Why the message was left as it is; nil: it was changed.
    private mutating func perform(_ change: inout JobChange, on message: MessageView) -> String? {
        switch change.job.action {
        case .cancel:
            transaction.begin(.cancel, &change)
            guard let cancelled = cancelMessage(message, reason: change.job.reason) else { return "a message was gone" }
            if case .flagged(let message) = cancelled { change.flagged.append(message) }
        case .reschedule:
            transaction.begin(.reschedule, &change)
            guard rescheduleMessage(message, until: change.until) else { return "a message was leased" }
        case .redrive: return move(&change, message, resetsAttempts: true)
        case .move: return move(&change, message, resetsAttempts: false)
        }
        change.count += 1
        return nil
    }

    private mutating func move(_ change: inout JobChange, _ message: MessageView, resetsAttempts: Bool) -> String? {
        let job = change.job
        var name = job.target
        if name.isEmpty {
            guard let death = state.engine.history(of: message.id)?.death else { return "a message was no dead letter: it has no queue of origin" }
            name = death.originQueue
        }
        if name != change.targetName {
            change.targetName = name
            change.isAllowed = job.publish.contains { NamePattern($0).matches(name) }
        }
        guard change.isAllowed else { return "'\(job.principal)' may not publish to queue '\(name)'" }
        guard let target = state.engine.number(of: name) else { return "there is no queue '\(name)' (any more)" }
        guard target != job.queue else { return "a message came from '\(name)' itself" }
        if state.engine.queues[Int(target)].pause.publishes { return "publishes to '\(name)' are paused by an operator" }
        if case .leased = message.state { return "a message was leased" }
        guard hasRoom(Int(target), more: Int(message.byteCount), Admission()) else { return "the queue '\(name)' is full" }
        transaction.begin(.move(to: target, resetsAttempts: resetsAttempts), &change)
        guard state.engine.move(message.id, from: job.queue, to: target, group: message.group, resetsAttempts: resetsAttempts, now: state.time)
        else { return "a message was gone" }
        transaction.message(message.id, group: message.group)
        change.moved.append(message.id)
        statistics.messagesMoved += 1
        change.count += 1
        becameReady(target)
        becameReady(job.queue)
        return nil
    }
}

/// The messages that one step of a job changes, as operations of its log entry.
struct JobChange {
    enum Operation: Equatable {
        case cancel
        case reschedule
        case move(to: UInt32, resetsAttempts: Bool)
    }

    var job: Job
    /// Of rescheduled messages.
    var until: UInt64?
    /// The operation that is open, where its count lies, and where it begins.
    var operation: Operation?
    var start = 0
    var countAt = 0
    var count: UInt32 = 0
    /// The last target, and whether the job's principal may publish to it.
    var targetName = ""
    var isAllowed = false
    /// Leased messages that were cancelled.
    var flagged: [MessageView] = []
    /// Messages that are in another queue now.
    var moved: [UInt64] = []

    init(job: Job, until: UInt64?) {
        self.job = job
        self.until = until
    }
}

extension TransactionWriter {
    /// Has `operation` open for the next message.
    mutating func begin(_ operation: JobChange.Operation, _ change: inout JobChange) {
        guard change.operation != operation else { return }
        end(&change)
        change.operation = operation
        change.start = writer.count
        change.countAt = switch operation {
        case .cancel: beginCancel(in: change.job.queue, reason: change.job.reason)
        case .reschedule: beginReschedule(in: change.job.queue, until: change.until)
        case .move(let target, let resets): beginMove(from: change.job.queue, to: target, resetsAttempts: resets)
        }
    }

    /// Ends the open operation; one without messages is taken back.
    mutating func end(_ change: inout JobChange) {
        guard change.operation != nil else { return }
        if change.count > 0 { writer.patch(u32: change.count, at: change.countAt) } else { writer.truncate(to: change.start) }
        change.operation = nil
        change.count = 0
    }
}
