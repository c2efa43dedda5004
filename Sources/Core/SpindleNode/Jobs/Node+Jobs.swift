internal import SpindleLog
internal import SpindleQueue
internal import SpindleText
internal import SpindleWire

// REDRIVE and BULK: beginning, looking at and stopping jobs. What they do is in Node+JobSteps.
extension Node {
    mutating func redrive(_ request: Request, _ body: RawSpan) throws(WireError) {
        let redrive = try RedriveRequest(body)
        let bulk = BulkRequest(
            .redrive, queue: redrive.queue, target: redrive.target, messagesMax: redrive.messagesMax, ratePerSecond: redrive.ratePerSecond,
            filter: redrive.filter)
        try beginJob(request, .redrive, bulk, .redrive)
    }

    mutating func bulk(_ request: Request, _ body: RawSpan) throws(WireError) {
        let bulk = try BulkRequest(body)
        switch bulk.action {
        case .cancel: try beginJob(request, .bulk, bulk, .cancel)
        case .redrive: try beginJob(request, .bulk, bulk, .redrive)
        case .move: try beginJob(request, .bulk, bulk, .move)
        case .reschedule: try beginJob(request, .bulk, bulk, .reschedule)
        case .look:
            let job = try knownJob(request, bulk)
            answer(request.session, request.correlationID, .bulk) { job.reply.encode(into: &$0) }
        case .stop: try stopJob(request, bulk)
        }
    }

    private mutating func beginJob(_ request: Request, _ opcode: Opcode, _ bulk: BulkRequest, _ action: Job.Action) throws(WireError) {
        let principal = request.principal
        try Self.allow(principal.admin, bulk.queue, "change messages of queue", principal)
        let queue = try queueNumber(bulk.queue)
        switch action {
        case .cancel, .reschedule: break
        case .redrive, .move: try checkTarget(bulk, principal)
        }
        guard !isDraining else {
            throw WireError(.goingAway, "the broker is stopping; begin the job again after reconnecting", retryAfterMilliseconds: 1000)
        }
        guard state.jobs.runningCount < JobTable.runningMax else {
            throw WireError(
                .tooManyInFlight, "\(JobTable.runningMax) jobs run already; wait for one to end, or stop one", retryAfterMilliseconds: 1000)
        }
        // Patterns matter only where messages go somewhere, and only so many can be held against each message.
        let patterns = action == .redrive || action == .move ? principal.publish.map(\.description) : []
        guard patterns.count <= Job.patternsMax else {
            throw WireError(
                .invalidArgument,
                "'\(principal.name)' has \(patterns.count) patterns of queues to publish to: a change that moves messages takes \(Job.patternsMax)")
        }
        try checkRoom(forPublishOf: 4096 + 8 * WireLimits.filterIDsMax + patterns.reduce(0) { $0 + 2 + $1.utf8.count })
        beginTransaction(now: request.now)
        let job = Job(
            id: state.jobs.lastID + 1, action: action, queue: queue, queueName: bulk.queue, target: bulk.target,
            delayMilliseconds: bulk.delayMilliseconds, messagesMax: UInt64(bulk.messagesMax), ratePerSecond: UInt64(bulk.ratePerSecond),
            reason: bulk.reason, principal: principal.name, publish: patterns, filter: bulk.filter, beganAt: state.time,
            idEnd: log.end.rawValue, nextStepAtMicroseconds: state.time * 1000)
        transaction.beginJob(job)
        _ = try appendTransaction(.job)
        let began = state.jobs.begin(job)
        precondition(began, "a job's id is the next one")
        jobRuns.append(JobRun(job: job.id, matcher: MessageMatcher(bulk.filter, now: job.beganAt)))
        answer(request.session, request.correlationID, opcode) { job.reply.encode(into: &$0) }
    }

    private func checkTarget(_ bulk: BulkRequest, _ principal: Principal) throws(WireError) {
        guard !bulk.target.isEmpty else {
            // Each message's target is judged as it is moved; who may publish nowhere is told so at once.
            guard !principal.publish.isEmpty else {
                throw WireError(.permissionDenied, "'\(principal.name)' may not publish to any queue; ask for the permission in the broker's configuration")
            }
            return
        }
        try Self.allow(principal.publish, bulk.target, "publish to queue", principal)
        try checkNotPaused(try queueNumber(bulk.target))
        guard bulk.target != bulk.queue else {
            throw WireError(.invalidArgument, "the messages are in '\(bulk.queue)' already; name another target")
        }
    }

    private func knownJob(_ request: Request, _ bulk: BulkRequest) throws(WireError) -> Job {
        try Self.allow(request.principal.admin, bulk.queue, "change messages of queue", request.principal)
        guard let job = state.jobs.find(bulk.job, now: request.now), job.queueName == bulk.queue else {
            throw WireError(.invalidArgument, "there is no job \(bulk.job) over '\(bulk.queue)', or it ended more than a day ago")
        }
        return job
    }

    private mutating func stopJob(_ request: Request, _ bulk: BulkRequest) throws(WireError) {
        var job = try knownJob(request, bulk)
        if job.isRunning {
            try checkReserve(128)
            beginTransaction(now: request.now)
            try logStep(.init(job: job.id, cursor: job.cursor, nextStepAtMicroseconds: job.nextStepAtMicroseconds, ending: .stopped))
            job = try knownJob(request, bulk)
        }
        answer(request.session, request.correlationID, .bulk) { job.reply.encode(into: &$0) }
    }

    /// Ends the open transaction with what a step of a job did.
    mutating func logStep(_ step: JobTable.Step) throws(WireError) {
        transaction.stepJob(step)
        _ = try appendTransaction(.job)
        let isKnown = state.jobs.step(step, now: state.time)
        precondition(isKnown, "a job that takes a step runs")
        if step.ending != .none { forgetEndedJobRuns() }
    }

    /// A job's messages as they are looked at; not part of the state, made anew after a restart.
    struct JobRun: Sendable {
        var job: UInt64
        var matcher: MessageMatcher
        /// The shell reads for it.
        var isFetching = false
        /// Could not go on: when to try again.
        var notBefore: UInt64 = 0
    }

    /// Runs of the jobs that the log left running.
    static func jobRuns(of jobs: JobTable) -> [JobRun] {
        jobs.jobs.filter(\.isRunning).map { JobRun(job: $0.id, matcher: MessageMatcher($0.filter, now: $0.beganAt)) }
    }

    mutating func forgetEndedJobRuns() {
        jobRuns.removeAll { run in state.jobs.running(run.job) == nil }
    }
}
