import Foundation
import HTTPTypes
import MCMS
import MCMSServer
import SQLStore
import SpindleText
import Synchronization
import Testing

/// What happened under a correlation id, in its order.
@Suite struct TimelineTests {
    /// The relay publishes what waits, in its order.
    private static func publish(_ test: TestStore) async throws {
        let now = test.clock.read()
        try await test.store.database.write { db in
            let ids = try db.values("SELECT id FROM outbox WHERE status = 'pending' ORDER BY sequence", [], as: String.self)
            for (number, id) in ids.enumerated() {
                try db.execute("UPDATE outbox SET status = 'in_progress', lockedBy = 'relay-1', lockedUntil = $2, attempts = 1 WHERE id = $1", [id, now])
                try db.execute(
                    "UPDATE outbox SET status = 'published', publishedAt = $2, messageId = $3, lockedBy = NULL, lockedUntil = NULL WHERE id = $1",
                    [id, now, 4096 + number])
            }
        }
    }

    private func flow() async throws -> (TestStore, Routing, String) {
        let test = try TestStore()
        let draft = try await test.store.createRouting(name: "브래킷", by: Caller(actor: "kim", correlationID: "other"))
        _ = try await test.store.submit(draft.id, by: Caller(actor: "kim", correlationID: "other"))
        try await Self.publish(test)
        let began = test.clock.read()
        let lee = Caller(actor: "lee", principal: "user:lee", correlationID: "click", address: "10.0.0.7")
        let routing = try await test.store.approve(draft.id, by: lee)
        try await test.store.audit("POST /api/routings/{id}/approve", subject: "/api/routings/\(draft.id)/approve", status: 200, began: began, by: lee)
        return (test, routing, try #require(routing.lastAddinJobId))
    }

    private func report(_ test: TestStore, _ job: String, _ report: AddinReport, message: UInt64, delivery: TaskLease?) async throws {
        let handler = AddinResultHandler(store: test.store, share: FakeShare())
        _ = try await handler.handle(
            AddinJobResultCommand(jobId: job, routingId: nil, report: report, delivery: delivery),
            message: MessageIdentity(queue: "addin-result", messageID: message, taskID: "t\(message)"), correlationID: "click", attempt: 1,
            lease: TaskLease(attempt: 1, leasedAt: test.clock.read(), worker: "worker-results"))
    }

    private static func lines(_ items: [TimelineItem]) -> [String] {
        items.map { "\($0.kind.rawValue) \($0.who ?? "-"): \($0.text)" }
    }

    @Test func aClickIsFollowedToItsEvents() async throws {
        let (test, routing, job) = try await flow()
        defer { test.remove() }
        try await Self.publish(test)
        let first = TaskLease(attempt: 1, leasedAt: test.clock.read(), worker: "addin-1")
        try await report(test, job, AddinReport(.running, progress: 10), message: 1, delivery: first)
        let second = TaskLease(attempt: 2, leasedAt: test.clock.read(), worker: "addin-2")
        try await report(test, job, AddinReport(.running, progress: 10), message: 2, delivery: second)
        try await report(test, job, AddinReport(.running, progress: 50), message: 3, delivery: second)
        try await report(test, job, AddinReport(.failed, message: "no tool"), message: 4, delivery: second)
        try await Self.publish(test)
        let timeline = try await test.store.timeline(of: "click")
        #expect(
            Self.lines(timeline.items) == [
                "request lee: POST /api/routings/{id}/approve → 200",
                "change lee: RoutingApproved", "change lee: AddinJobCreated", "queued -: EspritGenerationCommand",
                "published relay-1: EspritGenerationCommand", "event relay-1: routing.approval.changed", "event relay-1: addin.job.created",
                "leased addin-1: attempt 1", "attempt addin-1: attempt 1 ended without a result", "leased addin-2: attempt 2",
                "leased worker-results: attempt 1", "handled worker-results: failed", "result addin: AddinJobFailed: no tool",
                "event relay-1: addin.job.updated", "event relay-1: addin.job.updated", "event relay-1: addin.job.updated",
                "event relay-1: addin.job.updated", "event relay-1: notification.alert",
            ])
        #expect(zip(timeline.items, timeline.items.dropFirst()).allSatisfy { $0.at <= $1.at })
        let command = try #require(timeline.items.first { $0.kind == .published })
        #expect(command.details["queue"] == "esprit-gen" && command.details["messageId"] == "1001", "\(command.details)")
        #expect(timeline.items.first { $0.kind == .leased }?.details["jobId"] == job)
        #expect(timeline.items.contains { $0.details["routingId"] == routing.id })
        #expect(timeline.open.isEmpty, "the job has ended")
    }

    @Test func anotherCorrelationIsAnotherTimeline() async throws {
        let (test, _, _) = try await flow()
        defer { test.remove() }
        let lines = Self.lines(try await test.store.timeline(of: "other").items)
        #expect(lines.filter { $0.hasPrefix("change") } == ["change kim: RoutingCreated: 브래킷", "change kim: RoutingSubmitted"])
        #expect(try await test.store.timeline(of: "nobody's").items.isEmpty)
    }

    @Test func theAttemptsOfADeadCommandAreKept() async throws {
        let (test, _, job) = try await flow()
        defer { test.remove() }
        try await Self.publish(test)
        let at = test.clock.read()
        let attempt = TaskAttempt(
            lease: TaskLease(attempt: 1, leasedAt: at, worker: "addin/cam-3"), endedAt: at.adding(milliseconds: 2), outcome: "expired",
            reason: "the lease ended")
        test.clock.advance(1_000)
        let handler = DeadMessageHandler(store: test.store) { _, _ in .init(body: [], correlationID: nil, attempts: [attempt]) }
        let death = DeadMessage(
            queue: "esprit-gen", messageId: "1001", ending: .dead, reason: "attempts used up", attempts: 1, deadLetterQueue: "esprit-gen.dead",
            diedAt: test.clock.read())
        let outcome = try await handler.handle(death, at: "1:1")
        guard case .failed(let failed) = outcome, failed.jobId == job else {
            Issue.record("the job did not fail: \(outcome)")
            return
        }
        let lines = Self.lines(try await test.store.timeline(of: "click").items)
        #expect(lines.suffix(3) == [
            "leased addin/cam-3: attempt 1", "attempt addin/cam-3: attempt 1 expired: the lease ended",
            "result broker: AddinJobFailed: The command to the add-in died after 1 attempt: attempts used up",
        ])
    }

    @Test func whatOnlyTheTimelineTellsIsKept90Days() async throws {
        let (test, _, _) = try await flow()
        defer { test.remove() }
        test.clock.advance(MCMSStore.timelineRetentionMilliseconds - 60_000)
        try await test.store.prune()
        #expect(try await test.store.timeline(of: "click").items.contains { $0.kind == .queued })
        test.clock.advance(60_000)
        try await test.store.prune()
        let kinds = Set(try await test.store.timeline(of: "click").items.map(\.kind))
        #expect(kinds == [.request, .change], "the audit and the history stay")
    }

    @Test func aRowThatIsGivenUpIsTold() async throws {
        let (test, _, _) = try await flow()
        defer { test.remove() }
        try await test.store.database.write { db in
            try db.execute("UPDATE outbox SET status = 'in_progress', lockedBy = 'relay-1', lockedUntil = 1 WHERE taskType IS NOT NULL")
            try db.execute(
                "UPDATE outbox SET status = 'dead', error = 'too large', lockedBy = NULL, lockedUntil = NULL WHERE taskType IS NOT NULL")
        }
        #expect(Self.lines(try await test.store.timeline(of: "click").items).contains("unpublished relay-1: EspritGenerationCommand: too large"))
    }

    // MARK: HTTP

    @Test func theTimelineOfAJobUnderWayHasTheBrokersPart() async throws {
        let broker = FakeOperationsBroker()
        let api = try TestAPI(operations: OperationsServices(broker: broker))
        defer { api.test.remove() }
        let (_, job) = try await api.test.approved()
        try await Self.publish(api.test)
        let place = try #require(try await api.test.store.commandPlace(ofJob: job))
        let id = String(try #require(place.messageID), radix: 16)
        let at = api.test.clock.read()
        broker.state.withLock { state in
            state.queues = [QueueFigures(name: "esprit-gen", counts: .init(leased: 1))]
            state.messages["esprit-gen"] = [
                QueueMessage(
                    summary: .init(id: id, state: "leased", attempts: 2, publishedAt: at), headers: [],
                    attempts: [.init(number: 1, at: at, endedAt: at, worker: "addin/cam-1", outcome: "expired", error: "the lease ended")]),
            ]
            var why = MessageWhy(
                queue: "esprit-gen", id: id, state: "leased", cause: "leased", since: at.adding(milliseconds: 1),
                next: .init(event: "leaseEnds", at: at.adding(milliseconds: 30_000)))
            why.subject = "addin/cam-2"
            why.count = 2
            state.explanations[id] = why
        }
        let answer = try await api.send(.get, "/api/timeline/c-1", as: "admin")
        #expect(answer.status == 200)
        let steps = Self.steps(answer.body)
        for step in ["leased addin/cam-1", "attempt addin/cam-1", "leased addin/cam-2"] { #expect(steps.contains(step), "\(steps)") }
        #expect(answer.body["note"] == nil)

        let why = try await api.send(.get, "/api/why/\(job)", as: "admin").body
        #expect(why["state"] == "leased" && why["cause"] == "leased" && why["next"]["event"] == "leaseEnds", "\(why)")
        let korean = try await api.send(.get, "/api/why/\(job)?language=ko", as: "admin").body
        #expect(Self.text(korean["text"]).contains("처리 중"), "\(korean)")
        #expect(try await api.send(.get, "/api/why/\(id)", as: "admin").body["details"]["subject"] == "addin/cam-2")

        broker.state.withLock { $0.failure = .unreachable("away") }
        let without = try await api.send(.get, "/api/timeline/c-1", as: "admin")
        #expect(without.status == 200 && Self.text(without.body["note"]).contains("does not answer"), "\(without.body)")
    }

    private static func text(_ json: JSON?) -> String {
        guard case .text(let text) = json else { return "" }
        return text
    }

    private static func steps(_ body: JSON) -> [String] {
        guard case .list(let items) = body["items"] else { return [] }
        return items.map { item in
            guard case .text(let kind) = item["kind"] else { return "?" }
            guard case .text(let who) = item["who"] else { return kind }
            return "\(kind) \(who)"
        }
    }

    @Test func whyFollowsAJobThroughTheOutbox() async throws {
        let broker = FakeOperationsBroker(.init(queues: [QueueFigures(name: "esprit-gen")]))
        let api = try TestAPI(operations: OperationsServices(broker: broker))
        defer { api.test.remove() }
        let (_, job) = try await api.test.approved()
        let queued = try await api.send(.get, "/api/why/\(job)", as: "admin").body
        #expect(queued["state"] == "queued" && queued["cause"] == "outbox" && queued["next"]["event"] == "published", "\(queued)")
        try await Self.publish(api.test)
        #expect(try await api.send(.get, "/api/why/\(job)", as: "admin").body["cause"] == "resultUnderWay", "the broker has no such message any more")
        try await report(api.test, job, AddinReport(.failed, message: "no tool"), message: 1, delivery: nil)
        let ended = try await api.send(.get, "/api/why/\(job)", as: "admin").body
        #expect(ended["state"] == "failed" && ended["cause"] == "ended" && ended["next"] == .null && ended["text"] == "failed: no tool", "\(ended)")
        #expect(try await api.send(.get, "/api/why/nothing", as: "admin").status == 404)
    }

    @Test func messagesAreExplainedToOperatorsOnly() async throws {
        let at = Timestamp(milliseconds: 1)
        let broker = FakeOperationsBroker(
            .init(
                queues: [QueueFigures(name: "a"), QueueFigures(name: "b")],
                messages: ["b": [QueueMessage(summary: .init(id: "7f", state: "ready", publishedAt: at), headers: [], attempts: [])]]))
        let api = try TestAPI(operations: OperationsServices(broker: broker))
        defer { api.test.remove() }
        #expect(try await api.send(.get, "/api/why/7f", as: "admin").body["details"]["queue"] == "b")
        #expect(try await api.send(.get, "/api/why/7f?queue=b", as: "admin").status == 200)
        #expect(try await api.send(.get, "/api/why/7f?queue=a", as: "admin").status == 404)
        #expect(try await api.send(.get, "/api/why/7f", as: "worker").status == 404)
    }
}
