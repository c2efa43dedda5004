internal import DequeModule
internal import HeapModule
package import SpindleLog
internal import SpindleQueue
internal import SpindleWire

/// One shard of a broker: sessions, queues, topics and their log, as a deterministic state machine.
///
/// The shell hands in events (`connected`, `received`, `tick`, `logDurable`, …) with the time, then calls ``endOfTick(now:)``, writes what ``log``
/// holds, and performs the effects in ``outbox``. Nothing here reads a clock, blocks, or does I/O. A reply that tells of a
/// change leaves only after the change is durable.
///
/// `now` is node time: milliseconds that never fall, over restarts too (start from ``NodeState/time`` or the wall clock,
/// whichever is later, and go on by a clock that doesn't jump).
package struct Node: ~Copyable {
    package let configuration: NodeConfiguration
    package internal(set) var state: NodeState
    package var log: LogAppender
    package var outbox = Outbox()
    package internal(set) var statistics = NodeStatistics()

    var sessions: [SessionID: Session] = [:]
    /// Sessions in the order of their coming, for what concerns them all. May name some that are gone.
    var sessionOrder: Deque<SessionID> = []
    var flow: OutputFlow
    /// Requests that were taken and wait for room, but for LEASEs, which are parked in `waitingLeases`.
    var setAside: [SessionID: [SetAside]] = [:]
    var topicPush = TopicPush()
    var unsentGrants = UnsentGrants()
    /// By queue number: publishes that were answered as duplicates, since the start.
    var duplicates: [UInt64] = []
    package internal(set) var work = NodeWork()
    var quotas = Quotas()
    var queueNames: NameIndex
    var waitingLeases = WaitingLeases()
    /// When queues whose rates hold back what others wait for may go on; only the entry that `rateDeadlineByQueue` names counts.
    var rateDeadlines = Heap<RateDeadline>()
    var rateDeadlineByQueue: [UInt32: UInt64] = [:]
    /// Queues with waiters in which something became ready.
    var queuesToServe: [UInt32] = []
    var pending: Deque<(lsn: LSN, reply: PendingReply)> = []
    var transaction = TransactionWriter()
    var timeBeforeTransaction: UInt64 = 0
    var acceptedRecords = WireWriter(capacity: 4096)
    /// By ticket: fetches that the shell was asked for and has not answered.
    var fetching: [UInt64: FetchPurpose] = [:]
    var fetchTicket: UInt64 = 0
    var jobRuns: [JobRun]
    /// By message: what its holder told with EXTEND. Not durable.
    var progress: [UInt64: Progress] = [:]
    /// When the ends of what is kept for a time only were logged last.
    var trimmedAt: UInt64 = 0
    /// Ends of messages in the open transaction, and the records of their results.
    var notedEnds: [NotedEnd] = []
    var resultRecords = WireWriter(capacity: 256)
    /// Deaths in the open transaction that topics are told of, and the records of these events.
    var notedDeaths = NotedDeaths()
    var deathRecords = WireWriter(capacity: 256)
    var waitingAwaits = WaitingAwaits()
    /// Leases whose connection is gone. Some have ended since: looked through when there are more than `unownedKept`.
    var unowned: [DeliveryToken] = []
    var unownedKept = Session.leasesKept
    /// Set when the node stops taking new work.
    var isDraining = false
    /// The log had no room for what time demanded: when to try again.
    var retryTimersAt: UInt64?

    struct RateDeadline: Comparable, Sendable {
        var deadline: UInt64
        var queue: UInt32
        static func < (a: RateDeadline, b: RateDeadline) -> Bool {
            a.deadline != b.deadline ? a.deadline < b.deadline : a.queue < b.queue
        }
    }

    /// Leases, times to live and waits ended per turn at most, each, so that no turn is long.
    static let timersPerTurnMax = 1024
    /// Messages in one LEASE reply at most.
    static let messagesPerLeaseMax = 1024
    /// A record must leave this much of a frame for what goes with it in a delivery.
    static let recordFrameMargin = WireLimits.recordOverheadBytesMax
    static let retryMilliseconds: UInt64 = 50

    /// A node over a recovered log: `state` is what its entries made.
    package init(configuration: NodeConfiguration, state: NodeState, log: consuming LogAppender) {
        precondition(configuration.serverID.count == 16, "a server id has sixteen bytes")
        precondition(configuration.frameBytesMax >= NodeConfiguration.frameBytesMin, "frames must hold a record and what goes with it")
        self.configuration = configuration
        self.state = state
        self.log = log
        flow = OutputFlow(windowBytes: configuration.outputWindowBytes, budgetBytes: configuration.outputBudgetBytes)
        jobRuns = Self.jobRuns(of: state.jobs)
        queueNames = NameIndex(state.engine.queues.filter { !$0.isDeleted }.map(\.name))
        duplicates = Array(repeating: 0, count: state.engine.queues.count)
        unowned = Self.leases(in: state)
    }

    /// Names this log in topic cursors: a cursor of another log is answered with a gap.
    package var epoch: UInt64 {
        configuration.serverID.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: Time

    /// When ``tick(now:)`` is due next, node time; nil: not without another event.
    package var nextDeadline: UInt64? {
        var next = waitingLeases.nextDeadline
        if let timers = state.engine.nextDeadline {
            let due = max(timers, retryTimersAt ?? 0)
            next = min(next ?? due, due)
        }
        if let job = jobDeadline { next = min(next ?? job, job) }
        if let rate = rateDeadlines.min?.deadline { next = min(next ?? rate, rate) }
        if let end = waitingAwaits.nextDeadline { next = min(next ?? end, end) }
        if let trim = nextTrim {
            let due = max(trim, retryTimersAt ?? 0)
            next = min(next ?? due, due)
        }
        if topicPush.isWorkLeft || flow.hasResumable { next = min(next ?? 0, 0) }
        if !queuesToServe.isEmpty { next = min(next ?? .max, retryTimersAt ?? 0) }
        if hasWorkLeft { next = 0 }
        return next
    }

    /// Does what time alone demands: ends leases and times to live, makes delayed messages ready, answers waits that are over. Goes on
    /// with requests that are done in steps.
    package mutating func tick(now: UInt64) {
        resumeOutput(now: now)
        if retryTimersAt.map({ now >= $0 }) ?? true {
            retryTimersAt = nil
            endExpiredLeases(now: now)
            endTimesToLive(now: now)
            trimWhatEnded(now: now)
        }
        for queue in state.engine.promote(now: now) { becameReady(queue) }
        endRateWaits(now: now)
        endWaits(now: now)
        runJobs(now: now)
        endAwaits(now: now)
        continueLongRequests(now: now)
    }

    /// After the events of one turn: gives ready messages to those who wait. Before the shell takes the log's batch.
    package mutating func endOfTick(now: UInt64) {
        resumeOutput(now: now)
        serveWaiters(now: now)
        if log.durable == log.end || topicPush.isWorkLeft { pushTopicEvents() }
    }

    /// The log is durable up to `lsn`: what waited for it goes out.
    package mutating func logDurable(_ lsn: LSN, now: UInt64) {
        log.markDurable(lsn)
        while let first = pending.first, first.lsn <= log.durable {
            pending.removeFirst()
            release(first.reply)
        }
        pushTopicEvents()
    }

    private mutating func release(_ reply: PendingReply) {
        flow.release(reply.promisedBytes, of: reply.session)
        guard !isClosing(reply.session) else {
            if case .leased = reply.content, sessions[reply.session] != nil {
                // Nothing goes out any more: they are taken back when the connection has ended.
                unsentGrants.made(reply.content.granted, for: reply.session, at: .max)
            }
            return
        }
        free(.init(requests: 1, requestBytes: reply.requestBytes), reply.session)
        if case .refused(_, let error) = reply.content { statistics.refused(error.code) }
        switch reply.content {
        case .browse(let browse): continueBrowse(browse)
        case .awaited(let answer): readResults(answer)
        case .leased(let delivery) where !delivery.messages.isEmpty:
            accountOutput()
            unsentGrants.made(reply.content.granted, for: reply.session, at: flow.totals(reply.session).made)
            outbox.release(reply)
        default: outbox.release(reply)
        }
    }

    /// Holds `content` back until the log is durable up to its present end.
    mutating func answer(_ session: SessionID, _ correlationID: UInt32, _ content: PendingReply.Content) {
        var reply = PendingReply(session: session, correlationID: correlationID, content: content, requestBytes: quotas.receivedBytes)
        use(.init(requests: 1, requestBytes: reply.requestBytes), session)
        if pending.isEmpty, log.end <= log.durable {
            release(reply)
        } else {
            reply.promisedBytes = content.promisedBytes
            flow.promise(reply.promisedBytes, to: session)
            pending.append((log.end, reply))
        }
    }

    /// The same for a reply that is encoded at once.
    mutating func answer(_ session: SessionID, _ correlationID: UInt32, _ opcode: Opcode, _ body: (inout WireWriter) -> Void) {
        var writer = WireWriter(capacity: 64)
        body(&writer)
        answer(session, correlationID, .encoded(opcode, writer.array()))
    }

    // MARK: Log

    /// Appends the transaction in `transaction`; returns the address of the first byte of `body`.
    ///
    /// What can be refused asks ``canLog(payloadCount:)`` or `roomForPublish` first, so that state and log change together.
    mutating func appendTransaction(_ type: EntryType, body: RawSpan = RawSpan()) throws(WireError) -> UInt64 {
        if !notedEnds.isEmpty || !notedDeaths.events.isEmpty {
            precondition(body.byteCount == 0, "an entry that ends messages has its records in acceptedRecords")
            acceptedRecords.removeAll()
            return try appendTransactionWithAcceptedRecords(type)
        }
        transaction.finish()
        let address = try Self.append(type, head: transaction.writer, body: body, to: &log)
        state.engine.sweepKeys()
        return address
    }

    /// Appends one entry; returns the address of the first byte of `body`.
    static func append(
        _ type: EntryType, head: borrowing WireWriter, body: RawSpan, to log: inout LogAppender
    ) throws(WireError) -> UInt64 {
        let entry: AppendedEntry
        do throws(LogAppendError) {
            entry = try log.append(type: type.rawValue, head: head.span, body: body)
        } catch {
            throw noRoom(error)
        }
        return entry.payloadAddress + UInt64(head.count)
    }

    static func append(
        _ type: EntryType, head: borrowing WireWriter, body: borrowing WireWriter, to log: inout LogAppender
    ) throws(WireError) -> UInt64 {
        try append(type, head: head, body: body.span, to: &log)
    }

    static func noRoom(_ error: LogAppendError) -> WireError {
        switch error {
        case .entryTooLarge: WireError(.invalidArgument, "\(error): send fewer or smaller messages in one request")
        case .batchFull: WireError(.noSpace, "\(error)", retryAfterMilliseconds: 50)
        case .noRoom(.preparing), .noRoom(.available): WireError(.noSpace, "\(error)", retryAfterMilliseconds: 50)
        case .noRoom(.full): WireError(.noSpace, "\(error)", retryAfterMilliseconds: 500)
        }
    }

    /// Begins a transaction at `now`, or at the last entry's time if that is later.
    mutating func beginTransaction(now: UInt64) {
        timeBeforeTransaction = state.time
        state.set(time: now)
        transaction.begin(now: state.time)
        if !notedEnds.isEmpty { forgetNotedEnds() }
        if !notedDeaths.events.isEmpty { forgetNotedDeaths() }
    }

    /// Takes back ``beginTransaction(now:)``, where nothing happened: the state's time is the last entry's.
    mutating func cancelTransaction() { state.time = timeBeforeTransaction }
}

/// Counts since the start, for metrics.
package struct NodeStatistics: Equatable, Sendable {
    /// By opcode's raw value, below 256.
    package var requests = [UInt64](repeating: 0, count: 256)
    /// By error code's raw value, below 256: whole requests and single items.
    package var refusals = [UInt64](repeating: 0, count: 256)
    package var messagesStored: UInt64 = 0
    package var messagesDelivered: UInt64 = 0
    package var messagesAcknowledged: UInt64 = 0
    /// By CANCEL and jobs; those that are leased count when they are cancelled.
    package var messagesCancelled: UInt64 = 0
    /// By REDRIVE and BULK, from one queue to another.
    package var messagesMoved: UInt64 = 0
    /// By PURGE and DELETE.
    package var messagesRemoved: UInt64 = 0
    package var topicEventsStored: UInt64 = 0
    package var topicEventsPushed: UInt64 = 0
    package var sessions = 0

    mutating func refused(_ code: ErrorCode) { refusals[Int(code.rawValue)] += 1 }
}
