import MCMS
import SQLStore
import SpindleText
import Testing

@Suite struct AddinResultTests {
    /// The flow's parts, and how to report to them.
    struct Flow {
        let test: TestStore
        let share = FakeShare()
        let routing: Routing
        let jobID: String

        init() async throws {
            test = try TestStore()
            (routing, jobID) = try await test.approved("브래킷")
            try await test.clearOutbox()
        }

        func report(_ report: AddinReport, job: String? = nil, routing: String? = nil, message: UInt64, attempt: Int = 1) async throws -> AddinReportOutcome {
            try await AddinResultHandler(store: test.store, share: share).handle(
                AddinJobResultCommand(jobId: job ?? jobID, routingId: routing ?? self.routing.id, report: report),
                message: MessageIdentity(queue: "addin-result", messageID: message, taskID: "t"), correlationID: "c-2", attempt: attempt)
        }

        func state() async throws -> Routing { try await test.store.routing(routing.id) }
    }

    @Test func completionRecordsOutputsAndRaisesTheRevision() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        flow.share.put("routings/가공.nc")
        let report = AddinReport(.completed, message: "완료", outputs: [ReportedOutput(path: "routings/가공.nc")])
        let outcome = try await flow.report(report, message: 1)
        guard case .completed(let job) = outcome else { throw UnexpectedOutcome(outcome) }
        #expect(job.status == .completed)
        #expect(job.outputs.map(\.path) == ["routings/가공.nc"])
        let routing = try await flow.state()
        #expect(routing.camRevision == 1)
        #expect(routing.lastGenerationStatus == .completed)
        #expect(routing.updatedAt > flow.routing.updatedAt)
        let entry = try #require(try await flow.test.store.history(of: routing.id).items.last)
        #expect(entry.event == .addinJobCompleted)
        #expect(entry.generationOutcome == .completed)
        #expect(entry.message == "완료")
        #expect(entry.actor == "addin")
        #expect(entry.correlationId == "c-2")
        let outbox = try await flow.test.outbox()
        #expect(outbox.map(\.destination) == ["addin.job.updated", "notification.alert"])
        #expect(
            outbox[0].payload
                == [
                    "jobId": .text(flow.jobID), "routingId": .text(routing.id), "status": "completed", "message": "완료",
                    "updatedAt": .text(job.updatedAt.rfc3339),
                ])
        let parameters: JSON = .object([
            "routing": "브래킷", "routingId": .text(routing.id), "jobId": .text(flow.jobID), "message": "완료", "revision": "1", "files": "1",
        ])
        #expect(
            outbox[1].payload == [
                "id": 1, "type": "addin.job.completed", "title": "CAM generation completed: 브래킷", "message": "완료", "severity": "info",
                "parameters": parameters,
            ])
    }

    @Test func failureKeepsTheRoutingApprovedAndAlerts() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        _ = try await flow.report(AddinReport(.failed, message: "라이선스 없음"), message: 1)
        let routing = try await flow.state()
        #expect(routing.status == .approved)
        #expect(routing.lastGenerationStatus == .failed)
        #expect(routing.camRevision == 0)
        #expect(try await flow.test.store.job(flow.jobID).message == "라이선스 없음")
        #expect(try await flow.test.events(routing.id).last == .addinJobFailed)
        let outbox = try await flow.test.outbox()
        #expect(outbox.map(\.destination) == ["addin.job.updated", "notification.alert"])
        #expect(
            outbox[1].payload
                == [
                    "id": 1, "type": "addin.job.failed", "title": "CAM generation failed: 브래킷", "message": "라이선스 없음", "severity": "error",
                    "parameters": .object([
                        "routing": "브래킷", "routingId": .text(routing.id), "jobId": .text(flow.jobID), "message": "라이선스 없음",
                    ]),
                ])
    }

    @Test(arguments: [AddinReport(.completed, message: "ok"), AddinReport(.failed, message: "no")])
    func fiveTimesTheSameHasOneEffect(report: AddinReport) async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        _ = try await flow.report(report, message: 1)
        let after = try await flow.test.dump().filter { !$0.hasPrefix("handledMessage") }
        for _ in 0..<4 { #expect(try await flow.report(report, message: 1) == .alreadyHandled) }
        let job = try await flow.test.store.job(flow.jobID)
        for message in UInt64(2)...5 { #expect(try await flow.report(report, message: message) == .repeated(job)) }
        #expect(try await flow.test.dump().filter { !$0.hasPrefix("handledMessage") } == after)
    }

    @Test func aDifferentLaterResultIsNotedOnceAndChangesNothing() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        _ = try await flow.report(AddinReport(.failed, message: "first"), message: 1)
        let routing = try await flow.state()
        let job = try await flow.test.store.job(flow.jobID)
        try await flow.test.clearOutbox()
        for message in UInt64(2)...6 {
            #expect(try await flow.report(AddinReport(.completed, message: "second"), message: message) == .ignored(job))
        }
        #expect(try await flow.report(AddinReport(.failed, message: "third"), message: 7) == .ignored(job))
        #expect(try await flow.state() == routing)
        #expect(try await flow.test.store.job(flow.jobID) == job)
        #expect(try await flow.test.events(routing.id).filter { $0 == .addinJobResultIgnored }.count == 2)
        #expect(try await flow.test.outbox().isEmpty)
    }

    @Test func progressLeasesTheJobAndNeverRunsBackwards() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        _ = try await flow.report(AddinReport(.running, message: "열림", progress: 10), message: 1)
        #expect(try await flow.state().lastGenerationStatus == .running)
        #expect(try await flow.test.store.job(flow.jobID).status == .leased)
        _ = try await flow.report(AddinReport(.running, progress: 60), message: 2)
        _ = try await flow.report(AddinReport(.running, progress: 30), message: 3)
        let job = try await flow.test.store.job(flow.jobID)
        #expect(job.progress == 60)
        #expect(job.message == "열림")
        #expect(try await flow.test.outbox().map { $0.payload["status"] } == ["leased", "leased", "leased"])

        _ = try await flow.report(AddinReport(.completed), message: 4)
        let finished = try await flow.test.store.job(flow.jobID)
        #expect(try await flow.report(AddinReport(.running, progress: 70), message: 5) == .late(finished))
        #expect(try await flow.state().lastGenerationStatus == .completed)
    }

    @Test func retryAfterFailureMakesANewJobAndOnlyNewOutputRaisesTheRevision() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let outputs = [ReportedOutput(path: "a.nc")]
        flow.share.put("a.nc")
        _ = try await flow.report(AddinReport(.failed, message: "no"), message: 1)
        let retried = try await flow.test.store.retryGeneration(flow.routing.id, by: flow.test.caller())
        let second = try #require(retried.lastAddinJobId)
        #expect(second != flow.jobID)
        #expect(retried.lastGenerationStatus == .queued)
        #expect(try await flow.test.outbox().suffix(2).map(\.destination) == ["esprit-gen", "addin.job.created"])
        // A late, differing word about the first job doesn't touch the second.
        _ = try await flow.report(AddinReport(.completed, outputs: outputs), message: 2)
        #expect(try await flow.state().lastGenerationStatus == .queued)
        _ = try await flow.report(AddinReport(.completed, outputs: outputs), job: second, message: 3)
        #expect(try await flow.state().camRevision == 1)
    }

    @Test func outputThatIsNotThereIsLookedForAgainAndThenFailsTheJob() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let report = AddinReport(.completed, outputs: [ReportedOutput(path: "a.nc")])
        let before = try await flow.test.dump()
        for attempt in 1..<AddinResultHandler.outputAttemptsDefault {
            #expect(
                try await flow.report(report, message: 1, attempt: attempt) == .retry(reason: "the output “a.nc” is not on the share"))
        }
        #expect(try await flow.test.dump() == before)
        _ = try await flow.report(report, message: 1, attempt: AddinResultHandler.outputAttemptsDefault)
        #expect(try await flow.state().lastGenerationStatus == .failed)
        #expect(
            try await flow.test.store.job(flow.jobID).message
                == "The add-in reported that it completed, but the output “a.nc” is not on the share.")
    }

    @Test func aShareThatIsAwayIsWaitedForWhateverTheAttempt() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let share = FakeShare(["a": .failure(.unavailable(reason: "not mounted")), "b": .failure(.refused(path: "b", reason: "a link"))])
        let handler = AddinResultHandler(store: flow.test.store, share: share)
        func handle(_ path: String) async throws -> AddinReportOutcome {
            try await handler.handle(
                AddinJobResultCommand(jobId: flow.jobID, routingId: nil, report: AddinReport(.completed, outputs: [ReportedOutput(path: path)])),
                message: MessageIdentity(queue: "q", messageID: 1, taskID: "t"), correlationID: "c", attempt: 100)
        }
        #expect(try await handle("a") == .retry(reason: "the share cannot be read: not mounted"))
        // A path that must not be used fails at once.
        _ = try await handle("b")
        #expect(try await flow.state().lastGenerationStatus == .failed)
    }

    @Test func whatCannotBeMeantForUsIsRejectedWithItsReason() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let before = try await flow.test.dump()
        #expect(try await flow.report(AddinReport(.failed), job: "nothing", message: 1) == .rejected(reason: "there is no add-in job “nothing”"))
        let foreign = try await flow.report(AddinReport(.failed), routing: "other", message: 2)
        #expect(foreign == .rejected(reason: "the job \(flow.jobID) belongs to the routing \(flow.routing.id), not to “other”"))
        let garbage = try await AddinResultHandler(store: flow.test.store, share: flow.share).handle(
            payload: Array("쓰레기".utf8), message: MessageIdentity(queue: "q", messageID: 3, taskID: "t"), correlationID: "c", attempt: 1)
        #expect(garbage == .rejected(reason: "the payload of AddinJobResultCommand is not understood: the content is not valid JSON"))
        #expect(try await flow.test.dump() == before)
    }

    @Test(arguments: [
        "BEFORE UPDATE ON addinJob", "BEFORE UPDATE ON routing", "BEFORE INSERT ON historyEntry", "BEFORE INSERT ON handledMessage",
        "BEFORE INSERT ON outbox WHEN NEW.destination = 'addin.job.updated'", "BEFORE INSERT ON outbox WHEN NEW.destination = 'notification.alert'",
    ])
    func aCrashInsideAResultLeavesNothingAndTheNextDeliveryDoesItAll(point: String) async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let before = try await flow.test.dump()
        try await flow.test.store.database.write { _ = try $0.execute("CREATE TRIGGER crash \(point) BEGIN SELECT RAISE(ABORT, 'crash'); END") }
        await #expect(throws: SQLError.self) { try await flow.report(AddinReport(.failed, message: "x"), message: 1) }
        #expect(try await flow.test.dump() == before)
        try await flow.test.store.database.write { _ = try $0.execute("DROP TRIGGER crash") }
        guard case .failed = try await flow.report(AddinReport(.failed, message: "x"), message: 1, attempt: 2) else {
            throw UnexpectedOutcome(.alreadyHandled)
        }
        #expect(try await flow.test.outbox().count == 2)
    }

    @Test func manyWorkersWithTheSameResultHaveOneEffect() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        flow.share.put("a.nc")
        let other = try flow.test.another()
        let report = AddinReport(.completed, outputs: [ReportedOutput(path: "a.nc")])
        let outcomes = try await withThrowingTaskGroup(of: AddinReportOutcome.self) { group in
            for index in 0..<8 {
                group.addTask {
                    try await AddinResultHandler(store: index.isMultiple(of: 2) ? other : flow.test.store, share: flow.share).handle(
                        AddinJobResultCommand(jobId: flow.jobID, routingId: nil, report: report),
                        message: MessageIdentity(queue: "q", messageID: UInt64(index / 2), taskID: "t"), correlationID: "c", attempt: 1)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { if case .completed = $0 { true } else { false } }.count == 1)
        #expect(try await flow.state().camRevision == 1)
        #expect(try await flow.test.events(flow.routing.id).filter { $0 == .addinJobCompleted }.count == 1)
        #expect(try await flow.test.outbox().map(\.destination) == ["addin.job.updated", "notification.alert"])
    }

    @Test func aLongMessageIsShortenedAndNotLost() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        _ = try await flow.report(AddinReport(.failed, message: String(repeating: "스택", count: 10_000)), message: 1)
        let message = try #require(try await flow.test.store.job(flow.jobID).message)
        #expect(message.hasSuffix("… (shortened)"))
        #expect(message.count < 4_100)
    }

    @Test func handledMarksAreForgottenAfterTheirRetention() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        _ = try await flow.report(AddinReport(.completed), message: 1)
        try await flow.test.store.prune()
        #expect(try await flow.report(AddinReport(.completed), message: 1) == .alreadyHandled)
        flow.test.clock.advance(MCMSStore.handledRetentionMilliseconds + 1_000)
        try await flow.test.store.prune()
        // Even then the job itself knows.
        #expect(try await flow.report(AddinReport(.completed), message: 1) == .repeated(try await flow.test.store.job(flow.jobID)))
    }

    /// C# writes names with capital letters, unless it is told otherwise.
    @Test func namesMayBeginWithACapitalLetter() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let text = #"{"JobId":"\#(flow.jobID)","RoutingId":"\#(flow.routing.id)","ResultStatus":"Completed","Message":"ok","Outputs":[{"Path":"a.nc","Size":3,"SHA256":"\#(String(repeating: "a", count: 64))"}],"Progress":100}"#
        let command = try MCMSJSON.decode(AddinJobResultCommand.self, from: Array(text.utf8))
        let output = ReportedOutput(path: "a.nc", size: 3, sha256: String(repeating: "a", count: 64))
        #expect(
            command
                == AddinJobResultCommand(
                    jobId: flow.jobID, routingId: flow.routing.id, report: AddinReport(.completed, message: "ok", outputs: [output], progress: 100)))
        let problem = #expect(throws: MalformedJSON.self) { try MCMSJSON.decode(AddinReport.self, from: Array(#"{"ResultStatus":"done"}"#.utf8)) }
        #expect(problem?.field == "resultStatus")
    }

    /// Reading gigabytes on a slow share keeps nobody from the database.
    @Test func aSlowShareHoldsUpNothingElse() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let share = SlowShare()
        let handler = AddinResultHandler(store: flow.test.store, share: share)
        let command = AddinJobResultCommand(
            jobId: flow.jobID, routingId: nil, report: AddinReport(.completed, outputs: [ReportedOutput(path: "a.nc")]))
        async let outcome = handler.handle(
            command, message: MessageIdentity(queue: "q", messageID: 1, taskID: "t"), correlationID: "c", attempt: 1)
        await share.asked()
        // While it is read: others approve, and the same result arrives a second time and waits too.
        _ = try await flow.test.approved("other")
        share.answer()
        guard case .completed = try await outcome else { throw UnexpectedOutcome(try await outcome) }
    }

    @Test func callbacksAreSentOnceAndAnsweredTheSame() async throws {
        let flow = try await Flow()
        defer { flow.test.remove() }
        let store = flow.test.store
        let caller = Caller(actor: "addin", correlationID: "c-3")
        let report = AddinReport(.failed, message: "no")
        let receipt = try await store.acceptCallback(job: flow.jobID, report, by: caller)
        for _ in 0..<4 { #expect(try await store.acceptCallback(job: flow.jobID, report, by: caller) == receipt) }
        let outbox = try await flow.test.outbox()
        #expect(outbox.map(\.destination) == ["addin-result"])
        #expect(outbox[0].payload["taskType"] == "AddinJobResultCommand")
        #expect(outbox[0].payload["taskId"] == .text(receipt.taskId))
        let command = try MCMSJSON.decode(AddinJobResultCommand.self, from: MCMSJSON.encode(outbox[0].payload["payload"]))
        #expect(
            command == AddinJobResultCommand(jobId: flow.jobID, routingId: flow.routing.id, report: report, reportedBy: "addin"))

        // Still without effect after a minute: sent again, as the same task.
        flow.test.clock.advance(MCMSStore.callbackRepeatMilliseconds)
        #expect(try await store.acceptCallback(job: flow.jobID, report, by: caller) == receipt)
        #expect(try await flow.test.outbox().map { $0.payload["taskId"] } == [.text(receipt.taskId), .text(receipt.taskId)])
        // With an effect: never again.
        _ = try await flow.report(report, message: 1)
        flow.test.clock.advance(MCMSStore.callbackRepeatMilliseconds)
        try await flow.test.clearOutbox()
        #expect(try await store.acceptCallback(job: flow.jobID, report, by: caller) == receipt)
        #expect(try await flow.test.outbox().isEmpty)
        // Another report is passed on, so that the history notes it.
        let other = try await store.acceptCallback(job: flow.jobID, AddinReport(.completed), by: caller)
        #expect(other.taskId != receipt.taskId)
        #expect(try await flow.test.outbox().count == 1)
    }
}

struct UnexpectedOutcome: Error {
    let outcome: AddinReportOutcome
    init(_ outcome: AddinReportOutcome) { self.outcome = outcome }
}
