import Foundation
import MCMS
import MCMSServer
import SpindleClient
import SpindleText

/// Operators' requests, carried to the broker over the web server's own connection.
struct BrokerOperations: OperationsBroker {
    /// A redrive that takes longer is answered while it runs.
    private static let redriveWait = Duration.seconds(5)
    private static let redrivePoll = Duration.milliseconds(100)
    private static let pageMessages = 1_000
    /// Bodies are shown up to here.
    private static let bodyBytesMax = 256 * 1024

    let client: SpindleClient

    func queues() async throws -> [QueueFigures] { try await asking("") { try await client.statistics().map(QueueFigures.init) } }

    func pause(queue: String, reason: String) async throws {
        try await asking(queue) { try await client.pause(queue: queue, reason: reason) }
    }

    func resume(queue: String) async throws { try await asking(queue) { try await client.resume(queue: queue) } }

    // MARK: Messages

    func messages(in queue: String, where query: MessageQuery, after: String?, max: Int) async throws -> QueueMessagePage {
        guard let filter = try filter(query) else { return QueueMessagePage(items: [], nextCursor: nil) }
        let page = try await asking(queue) {
            try await client.browsePage(queue, where: filter, after: after.flatMap { MessageID($0) }, parts: [.messages, .histories], max: max)
        }
        return QueueMessagePage(items: page.messages.map { QueueMessage.Summary($0) }, nextCursor: page.next.map { "\($0)" })
    }

    func message(_ id: String, in queue: String) async throws -> QueueMessage {
        guard let number = MessageID(id) else { throw OperationsError.noSuchMessage(queue: queue, id: id) }
        return try await asking(queue, id) { QueueMessage(try await client.message(number, in: queue), bodyBytesMax: Self.bodyBytesMax) }
    }

    func why(_ id: String, in queue: String) async throws -> MessageWhy {
        guard let number = MessageID(id) else { throw OperationsError.noSuchMessage(queue: queue, id: id) }
        return try await asking(queue, id) { MessageWhy(try await client.why(number, in: queue)) }
    }

    func body(of id: String, in queue: String) async throws -> [UInt8] {
        guard let number = MessageID(id) else { throw OperationsError.noSuchMessage(queue: queue, id: id) }
        let stored = try await asking(queue, id) { try await client.message(number, in: queue) }
        guard let message = stored.message else {
            throw OperationsError.refused("the record of the message \(id) can't be read: \(stored.unreadable.map { "\($0)" } ?? "unknown")")
        }
        return message.body
    }

    func cancel(_ id: String, in queue: String, reason: String) async throws -> CancelAnswer {
        guard let number = MessageID(id) else { throw OperationsError.noSuchMessage(queue: queue, id: id) }
        let outcomes = try await asking(queue, id) { try await client.cancel([number], in: queue, reason: reason) }
        switch outcomes.first {
        case .removed: return .removed
        case .flagged: return .flagged
        case .failed(let error): throw OperationsError(error, queue: queue, id: id)
        case .noSuchMessage, nil: throw OperationsError.noSuchMessage(queue: queue, id: id)
        }
    }

    func count(in queue: String, where query: MessageQuery, max: Int) async throws -> Int {
        guard let filter = try filter(query) else { return 0 }
        return try await asking(queue) {
            var count = 0
            for try await _ in client.browse(queue, where: filter, parts: [], pageMax: Self.pageMessages) {
                count += 1
                if count >= max { break }
            }
            return count
        }
    }

    // MARK: Redrive

    func redrive(_ queue: String, where query: MessageQuery) async throws -> RedriveReceipt {
        guard let filter = try filter(query) else { throw OperationsError.noSuchMessage(queue: queue, id: query.id ?? "") }
        let job = try await asking(queue) { try await client.redrive(queue, where: filter) }
        var progress = job.begun
        let end = ContinuousClock.now + Self.redriveWait
        // Ends at the deadline, with the job, or by being cancelled: the job goes on at the broker.
        while progress.state == .running, ContinuousClock.now < end {
            try await Task.sleep(for: Self.redrivePoll)
            progress = try await asking(queue) { try await job.progress() }
        }
        return RedriveReceipt(job.id, progress)
    }

    func redrive(_ queue: String, job: String) async throws -> RedriveReceipt {
        guard let id = Job.ID(job) else { throw OperationsError.noSuchJob(job) }
        do {
            return RedriveReceipt(id, try await client.progress(ofJob: id, in: queue))
        } catch let error as SpindleError where error.code == .invalidArgument {
            throw OperationsError.noSuchJob(job)
        } catch let error as SpindleError {
            throw OperationsError(error, queue: queue)
        }
    }

    // MARK: Workers

    func workers() async throws -> [WorkerFigures] { try await asking("") { try await client.workers().map(WorkerFigures.init) } }

    func control(worker id: String, _ action: WorkerOrder, reason: String) async throws -> Int {
        guard let number = UInt64(id), number > 0 else { throw OperationsError.noSuchWorker(id) }
        let wish: WorkerAction =
            switch action {
            case .quiet: .quiet
            case .resume: .resume
            case .terminate: .terminate
            }
        return try await asking("") { try await client.control(.session(number), wish, reason: reason) }
    }

    // MARK: Between the two

    private func asking<Value>(_ queue: String, _ id: String = "", _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as SpindleError {
            throw OperationsError(error, queue: queue, id: id)
        }
    }

    /// Nil where nothing can match.
    private func filter(_ query: MessageQuery) throws -> MessageFilter? {
        var filter = MessageFilter()
        switch query.state {
        case .ready: filter.states = [.ready]
        case .leased: filter.states = [.leased]
        case .delayed: filter.states = [.delayed]
        case nil: break
        }
        if let id = query.id {
            guard let number = MessageID(id) else { return nil }
            filter.ids = [number]
        }
        filter.group = query.group
        filter.lastReasonContains = query.error
        filter.headers = try query.namedHeaders().map { .init(name: $0.name, value: $0.value) }
        if let type = query.type { filter.headers.append(.init(name: "taskType", value: type)) }
        return filter
    }
}

extension OperationsError {
    init(_ error: SpindleError, queue: String, id: String = "") {
        switch error.code {
        case .noSuchQueue: self = .noSuchQueue(queue)
        case .noSuchMessage: self = .noSuchMessage(queue: queue, id: id)
        case .connectFailed, .connectionLost, .clientClosed, .timedOut, .tlsFailed, .heartbeatMissed, .goingAway:
            self = .unreachable(error.message)
        default: self = .refused(error.message)
        }
    }
}

extension QueueFigures {
    init(_ queue: QueueStatistics) {
        self.init(
            name: queue.name, counts: Counts(ready: queue.ready, delayed: queue.delayed, leased: queue.leased), bytes: queue.bytes,
            oldestAgeSeconds: queue.oldestAge / .seconds(1), flow: Flow(published: queue.published, settled: queue.acknowledged + queue.dead),
            waiters: queue.waiters,
            pause: queue.isPaused
                ? Pause(deliveries: queue.isDeliveryPaused, publishes: queue.isPublishPaused, reason: queue.pauseReason) : nil,
            deadLetterQueue: queue.policy.deadLetterQueue.flatMap { $0.isEmpty ? nil : $0 },
            lengthMax: queue.policy.lengthMax.flatMap { $0 > 0 ? $0 : nil })
    }
}

extension QueueMessage.Summary {
    init(_ stored: StoredMessage) {
        let last = stored.history?.attempts.last?.reason ?? stored.history?.reason
        self.init(
            id: "\(stored.id)", state: "\(stored.state)", type: stored.message?.taskType, group: stored.message?.group,
            priority: Int(stored.message?.priority ?? Message.priorityDefault), attempts: stored.attempts,
            publishedAt: Timestamp(milliseconds: stored.storedAtMilliseconds),
            readyAt: stored.dueAtMilliseconds.map { Timestamp(milliseconds: $0) },
            error: stored.unreadable.map { "\($0)" } ?? last.flatMap { $0.isEmpty ? nil : $0 }, bytes: stored.message?.body.count ?? 0)
    }
}

extension QueueMessage {
    init(_ stored: StoredMessage, bodyBytesMax: Int) {
        let history = stored.history
        self.init(
            summary: Summary(stored), holder: stored.holder.isEmpty ? nil : stored.holder, correlationId: stored.message?.correlationID,
            headers: stored.message?.userHeaders.map { Header(name: $0.name, value: $0.value) } ?? [],
            body: stored.message.map { Body($0.body, max: bodyBytesMax) }, attempts: history?.attempts.map { Attempt($0) } ?? [],
            origin: history.flatMap { note in
                note.originQueue.isEmpty
                    ? nil : Origin(queue: note.originQueue, reason: note.reason, deadAt: Timestamp(milliseconds: note.deadAtMilliseconds))
            })
    }
}

extension QueueMessage.Attempt {
    init(_ attempt: DeadLetterNote.Attempt) {
        self.init(
            number: attempt.number, at: Timestamp(milliseconds: attempt.leasedAtMilliseconds),
            endedAt: Timestamp(milliseconds: attempt.endedAtMilliseconds), worker: attempt.holder.isEmpty ? nil : attempt.holder,
            outcome: "\(attempt.outcome)", error: attempt.reason.isEmpty ? nil : attempt.reason)
    }
}

extension QueueMessage.Body {
    init(_ bytes: [UInt8], max: Int) {
        let isCut = bytes.count > max
        guard let text = String(validating: bytes, as: UTF8.self) else {
            self.init(encoding: .base64, value: Data(bytes.prefix(max)).base64EncodedString(), isCut: isCut ? true : nil)
            return
        }
        if isCut {
            // The cut may go through a character, which then shows as U+FFFD.
            self.init(encoding: .text, value: String(decoding: bytes.prefix(max), as: UTF8.self), isCut: true)
        } else {
            let isJSON = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            self.init(encoding: isJSON ? .json : .text, value: text)
        }
    }
}

extension RedriveReceipt {
    init(_ id: Job.ID, _ progress: JobProgress) {
        let state: State =
            switch progress.state {
            case .running: .running
            case .done: .done
            case .stopped: .stopped
            }
        self.init(
            id: "\(id)", moved: progress.done, skipped: progress.failed, state: state, lastFailure: progress.lastFailure, at: Timestamp.now())
    }
}

extension WorkerFigures {
    init(_ session: WorkerSession) {
        func label(_ name: String) -> String? { session.labels.first { $0.name == name }?.value }
        self.init(
            id: "\(session.id)", name: session.clientName, principal: session.principal, host: label("host"), role: label("role"),
            connectedSince: Timestamp(milliseconds: session.connectedAtMilliseconds), heardAt: Timestamp(milliseconds: session.heardAtMilliseconds),
            state: session.id == 0 ? .gone : session.isQuiet ? .quiet : .running, isIdle: session.waits,
            holds: session.leases.map {
                Lease(
                    queue: $0.queue, messageId: "\($0.token.messageID)", attempt: $0.attempt, since: Timestamp(milliseconds: $0.leasedAtMilliseconds),
                    leaseUntil: Timestamp(milliseconds: $0.endsAtMilliseconds), percent: $0.percent)
            })
    }
}

extension MessageWhy {
    init(_ told: MessageExplanation) {
        self.init(
            queue: told.queue, id: "\(told.id)", state: told.state.rawValue, cause: told.cause.rawValue,
            since: Timestamp(milliseconds: told.sinceMilliseconds))
        if let event = told.next, let at = told.nextAtMilliseconds { next = Next(event: event.rawValue, at: Timestamp(milliseconds: at)) }
        subject = told.subject
        reason = told.reason
        count = told.count
        limit = told.limit
        first = told.first.map { "\($0)" }
    }
}
