internal import HTTPTypes
internal import Hummingbird
internal import MCMS
internal import Outbox
internal import SpindleText

/// Why something is where it is, as the API answers it. `next` is null where nothing happens by itself.
struct WhyAnswer: Encodable {
    struct Next: Encodable {
        let event: String
        let at: Timestamp
    }

    let state: String
    let cause: String
    let since: Timestamp
    var next: Next?
    let text: String
    var details: [String: String] = [:]

    private enum Key: String, CodingKey { case state, cause, since, next, text, details }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(state, forKey: .state)
        try fields.encode(cause, forKey: .cause)
        try fields.encode(since, forKey: .since)
        // A missing one would leave it open whether there is none.
        if let next { try fields.encode(next, forKey: .next) } else { try fields.encodeNil(forKey: .next) }
        try fields.encode(text, forKey: .text)
        try fields.encode(details, forKey: .details)
    }
}

extension WhyAnswer {
    init(_ why: MessageWhy, in language: HealthLanguage) {
        self.init(
            state: why.state, cause: why.cause, since: why.since, next: why.next.map { Next(event: $0.event, at: $0.at) },
            text: WhyText(language: language).text(of: why))
        let known: [String: String?] = [
            "queue": why.queue, "messageId": why.id, "subject": why.subject, "reason": why.reason, "count": why.count.map { "\($0)" },
            "limit": why.limit.map { "\($0)" }, "first": why.first,
        ]
        details = known.compactMapValues { $0 }
    }
}

extension APIRoutes {
    /// Why a message or a job is where it is, and what happened under a correlation id.
    mutating func addInsight(_ store: MCMSStore, _ operations: OperationsServices?) {
        on(.get, "api/why/{id}", .readRoutings) { call in
            if let place = try await store.commandPlace(ofJob: call.id) { return try .json(try await Self.why(place, store, operations, call)) }
            guard call.principal.permissions.contains(.readOperations) else { throw Problem.nothingKnown(of: call.id) }
            guard let operations, let why = try await Self.why(message: call.id, call.query("queue"), operations) else {
                throw Problem.nothingKnown(of: call.id)
            }
            return try .json(WhyAnswer(why, in: try call.language()))
        }
        on(.get, "api/timeline/{id}", .readRoutings) { call in
            var timeline = try await store.timeline(of: call.id)
            var note: String?
            for command in timeline.open {
                guard let operations, let message = command.messageID else { continue }
                do {
                    timeline.items += try await Self.steps(of: String(message, radix: 16), job: command.jobID, operations)
                } catch OperationsError.noSuchMessage, OperationsError.noSuchQueue {
                    continue
                } catch is OperationsError {
                    note = WhyText(language: try call.language()).unreachable
                }
            }
            guard !timeline.items.isEmpty else { throw Problem.nothingKnown(of: call.id) }
            return try .json(TimelineAnswer(correlationId: call.id, items: TimelineItem.sorted(timeline.items), note: note))
        }
    }

    private struct TimelineAnswer: Encodable {
        let correlationId: String
        let items: [TimelineItem]
        /// What is missing, and why.
        let note: String?
    }

    // MARK: Why

    private static func why(
        _ place: MCMSStore.CommandPlace, _ store: MCMSStore, _ operations: OperationsServices?, _ call: APIRequest
    ) async throws -> WhyAnswer {
        let (job, text) = (place.job, WhyText(language: try call.language()))
        if job.status.isFinal {
            return WhyAnswer(
                state: job.status.rawValue, cause: "ended", since: job.finishedAt ?? job.updatedAt, text: text.ended(job), details: ["jobId": job.jobId])
        }
        guard let message = place.messageID else { return try await waiting(place, store, text) }
        guard let operations else { throw OperationsError.unreachable("this server knows no broker") }
        let id = String(message, radix: 16)
        do {
            var answer = WhyAnswer(try await operations.broker.why(id, in: MCMSNames.generationQueue), in: try call.language())
            answer.details["jobId"] = job.jobId
            return answer
        } catch OperationsError.noSuchMessage {
            // Its end is written by whoever handles the add-in's answer, or the word of its death.
            return WhyAnswer(
                state: "answered", cause: "resultUnderWay", since: job.updatedAt, text: text.resultUnderWay, details: ["jobId": job.jobId, "messageId": id])
        }
    }

    /// The command lies in the outbox.
    private static func waiting(_ place: MCMSStore.CommandPlace, _ store: MCMSStore, _ text: WhyText) async throws -> WhyAnswer {
        var answer = WhyAnswer(
            state: "queued", cause: "outbox", since: place.job.createdAt, text: text.outbox(error: nil, dead: false), details: ["jobId": place.job.jobId])
        guard let id = place.row, let row = try await store.outboxRow(id: id)?.row else { return answer }
        let isDead = row.status == .dead
        answer = WhyAnswer(
            state: "queued", cause: isDead ? "outboxDead" : "outbox", since: place.job.createdAt,
            next: row.status == .pending ? .init(event: "published", at: Timestamp(milliseconds: row.nextAttemptAt)) : nil,
            text: text.outbox(error: row.error, dead: isDead), details: ["jobId": place.job.jobId, "outboxId": row.id, "queue": row.destination])
        if !row.error.isEmpty { answer.details["reason"] = row.error }
        return answer
    }

    /// The message in the queue that is named, else in the first that has it.
    private static func why(message id: String, _ queue: String?, _ operations: OperationsServices) async throws -> MessageWhy? {
        if let queue { return try await operations.broker.why(id, in: queue) }
        var ended: MessageWhy?
        for queue in try await operations.broker.queues().prefix(queuesAskedMax) {
            do {
                let why = try await operations.broker.why(id, in: queue.name)
                if why.state == "elsewhere" { continue }
                // A message that died is told by the queue that has it now.
                if why.cause != "ended" { return why }
                ended = why
            } catch OperationsError.noSuchMessage, OperationsError.noSuchQueue {
                continue
            }
        }
        return ended
    }

    /// Queues that are asked for one message.
    private static let queuesAskedMax = 1_000

    // MARK: The timeline

    /// What only the broker knows: the attempts so far at a command that has not ended, and who has it now.
    private static func steps(of message: String, job: String, _ operations: OperationsServices) async throws -> [TimelineItem] {
        let queue = MCMSNames.generationQueue
        let stored = try await operations.broker.message(message, in: queue)
        let details = ["jobId": job, "queue": queue, "messageId": message]
        var items: [TimelineItem] = []
        for attempt in stored.attempts {
            let numbered = details.merging(["attempt": "\(attempt.number)"]) { $1 }
            let told = TaskAttempt(
                lease: TaskLease(attempt: attempt.number, leasedAt: attempt.at, worker: attempt.worker), endedAt: attempt.endedAt,
                outcome: attempt.outcome, reason: attempt.error ?? "")
            items.append(TimelineItem(at: attempt.at, kind: .leased, who: attempt.worker, text: "attempt \(attempt.number)", details: numbered))
            items.append(TimelineItem(at: attempt.endedAt, kind: .attempt, who: attempt.worker, text: told.text, details: numbered))
        }
        let why = try await operations.broker.why(message, in: queue)
        if ["leased", "cancelled"].contains(why.cause) {
            let numbered = details.merging(["attempt": "\(stored.summary.attempts)"]) { $1 }
            items.append(TimelineItem(at: why.since, kind: .leased, who: why.subject, text: "attempt \(stored.summary.attempts)", details: numbered))
        }
        return items
    }
}

extension Problem {
    fileprivate static func nothingKnown(of id: String) -> Problem {
        Problem(
            .notFound, "Nothing is known of “\(id.prefix(100))”.",
            action: "Check the id. What happened is kept for 90 days; messages that ended are known as long as their queue keeps results.")
    }
}
