import FakeBroker
import Logging
import ServiceLifecycle
import SpindleClient
import SpindleWire
import SpindleWorker
import Synchronization
import Testing

@Suite struct WorkerTests {
    struct Broken: Error, CustomStringConvertible {
        var description: String { "it broke" }
    }

    static let policy = NackItem.delayByPolicy

    /// One task through a worker with a handler for `T`; what the broker was told.
    static func settle(
        _ body: String, configuration: WorkerConfiguration = .init(queues: [.init("work")]),
        handler: @escaping SpindleWorker.Handler = { _ in .done }
    ) async throws -> Settled {
        let script = QueueScript([body])
        let server = try await script.start()
        let worker = server.worker(configuration)
        worker.on("T", handler)
        let run = Task { await worker.run() }
        let settled = try await script.settled.wait { if case .extended = $0 { false } else { true } }
        worker.stop()
        await run.value
        await server.stop()
        return settled[0]
    }

    @Test(arguments: [
        (#"{"taskType":"T"}"#, Settled.acknowledged(1)),
        (#"{"taskType":"T","taskId":5,"correlationId":null,"schemaVersion":"2","payload":[1],"more":{}}"#, .acknowledged(1)),
        (#"{"taskId":"t"}"#, .givenBack(1, .dead, delayMilliseconds: policy, reason: "envelope has no taskType")),
        (#"{"taskType":7}"#, .givenBack(1, .dead, delayMilliseconds: policy, reason: "envelope has no taskType")),
        (#"{"taskType":""}"#, .givenBack(1, .dead, delayMilliseconds: policy, reason: "envelope has no taskType")),
        (#"["T"]"#, .givenBack(1, .dead, delayMilliseconds: policy, reason: "envelope is not a JSON object")),
        (
            #"{"taskType":"U"}"#,
            .givenBack(1, .dead, delayMilliseconds: policy, reason: "no handler for taskType 'U'; known here: T")
        ),
    ]) func envelopes(body: String, expected: Settled) async throws {
        #expect(try await Self.settle(body) == expected)
    }

    @Test func brokenJSONIsDead() async throws {
        guard case .givenBack(1, .dead, _, let reason) = try await Self.settle("{") else { Issue.record("not dead"); return }
        #expect(reason.hasPrefix("envelope is not JSON: "))
    }

    @Test func unknownTaskTypesMayBeLeftToOthers() async throws {
        let settled = try await Self.settle(
            #"{"taskType":"U"}"#, configuration: .init(queues: [.init("work")], unknownTaskType: .retry(after: .seconds(3))))
        #expect(settled == .givenBack(1, .retry, delayMilliseconds: 3000, reason: "no handler for taskType 'U'; known here: T"))
    }

    @Test(arguments: [
        (TaskOutcome.done, Settled.acknowledged(1)),
        (.cancelled, .acknowledged(1)),
        (.doneAndPublish([]), .acknowledged(1)),
        (.doneWithResult(Array("42".utf8)), .acknowledged(1, result: "42")),
        (
            .doneWithResult(Array("42".utf8), publish: [OutgoingMessage(to: .queue("next"), Message(text: "a"))]),
            .settled([1], ["queue next [corr-1]: a"], result: "42")
        ),
        (
            .doneWithResult([UInt8](repeating: 0, count: 4097)),
            .givenBack(
                1, .dead, delayMilliseconds: policy, reason: "its result has 4097 bytes: at most 4096 are kept, store larger ones elsewhere")
        ),
        (.retry(after: .milliseconds(1500), reason: "later"), .givenBack(1, .retry, delayMilliseconds: 1500, reason: "later")),
        (.retry(reason: "again"), .givenBack(1, .retry, delayMilliseconds: policy, reason: "again")),
        (.dead(reason: "never"), .givenBack(1, .dead, delayMilliseconds: policy, reason: "never")),
        (
            .doneAndPublish([
                OutgoingMessage(to: .queue("next"), Message(text: "a")), OutgoingMessage(to: .topic("told"), Message(text: "b")),
                OutgoingMessage(to: .queue("next"), Message(body: Array("c".utf8), correlationID: "own")),
            ]),
            .settled([1], ["queue next [corr-1]: a", "queue next [own]: c", "topic told [corr-1]: b"])
        ),
    ]) func outcomes(outcome: TaskOutcome, expected: Settled) async throws {
        #expect(try await Self.settle(#"{"taskType":"T","correlationId":"corr-1"}"#) { _ in outcome } == expected)
    }

    @Test func whatAHandlerThrowsIsTheReasonOfTheRetry() async throws {
        let settled = try await Self.settle(#"{"taskType":"T"}"#) { _ in throw Broken() }
        #expect(settled == .givenBack(1, .retry, delayMilliseconds: Self.policy, reason: "it broke"))
    }

    @Test func aTypedHandlerThatCanNotReadItsPayloadMakesTheTaskDead() async throws {
        struct Payload: Decodable { var jobId: String }
        let script = QueueScript([#"{"taskType":"J","payload":{"jobId":5}}"#, #"{"taskType":"J","payload":{"jobId":"j"}}"#])
        let server = try await script.start()
        let worker = server.worker()
        worker.on("J", payload: Payload.self) { payload, _ in payload.jobId == "j" ? .done : .dead(reason: "another") }
        let run = Task { await worker.run() }
        let settled = try await script.settled.wait(2)
        guard case .givenBack(1, .dead, _, let reason) = settled[0] else { Issue.record("\(settled)"); return }
        #expect(reason.hasPrefix("the payload of J can't be read"))
        #expect(settled[1] == .acknowledged(2))
        worker.stop()
        await run.value
        await server.stop()
    }

    @Test func aTaskThatFollowsCarriesTheCorrelationID() async throws {
        let settled = try await Self.settle(#"{"taskType":"T","taskId":"t-9"}"#) { context in
            // Without being told: from the task at hand.
            let message = try TaskEnvelope.make(taskType: "Next", payload: ["n": 1], taskId: "t-10")
            return .doneAndPublish([OutgoingMessage(to: .queue("next"), message)])
        }
        guard case .settled([1], let published, _) = settled, let text = published.first else { Issue.record("\(settled)"); return }
        #expect(text.hasPrefix("queue next [t-9]: "))
        #expect(text.contains(#""correlationId":"t-9""#))
    }

    @Test func progressAndExtensionsReachTheBroker() async throws {
        let script = QueueScript([#"{"taskType":"T"}"#], leaseMilliseconds: 300)
        let server = try await script.start()
        let worker = server.worker()
        worker.on("T") { context in
            context.reportProgress(percent: 40, note: "milling")
            _ = try await script.settled.wait(3) { if case .extended = $0 { true } else { false } }
            return .done
        }
        let run = Task { await worker.run() }
        try await script.settled.wait { $0 == .acknowledged(1) }
        #expect(script.settled.all.first == .extended(1, percent: 40, note: "milling"))
        #expect(script.settled.all.dropFirst().first == .extended(1, percent: 255, note: ""))
        worker.stop()
        await run.value
        await server.stop()
    }

    @Test func aLostLeaseCancelsTheHandlerAndDiscardsItsResult() async throws {
        // Only the first extension is refused: on a slow machine the second task is extended too.
        let isLost = Mutex(false)
        let script = QueueScript([#"{"taskType":"T"}"#, #"{"taskType":"U"}"#], leaseMilliseconds: 60, refuses: { frame in
            guard frame.opcode == .extend else { return nil }
            return isLost.withLock { isLost in
                defer { isLost = true }
                return isLost ? nil : .leaseLost
            }
        })
        let server = try await script.start()
        let worker = server.worker()
        let noticed = Recorder<Bool>()
        worker.on("T") { context in
            try? await Task.sleep(for: .seconds(20)) // ended by the cancellation
            noticed.record(context.isCancelled)
            return .done
        }
        worker.on("U") { _ in .done }
        let run = Task { await worker.run() }
        #expect(try await noticed.wait() == [true])
        // The next task is settled; nothing was said about the first.
        try await script.settled.wait { $0 == .acknowledged(2) }
        #expect(!script.settled.all.contains(.acknowledged(1)))
        worker.stop()
        await run.value
        await server.stop()
    }

    @Test func aCancelledTaskIsAcknowledgedWhenItsHandlerStops() async throws {
        let script = QueueScript([#"{"taskType":"T"}"#], leaseMilliseconds: 60, refuses: { $0.opcode == .extend ? .cancelled : nil })
        let server = try await script.start()
        let worker = server.worker()
        worker.on("T") { _ in
            try await Task.sleep(for: .seconds(20))
            return .retry(reason: "was not cancelled")
        }
        let run = Task { await worker.run() }
        try await script.settled.wait { $0 == .acknowledged(1) }
        worker.stop()
        await run.value
        await server.stop()
    }

    @Test func aGracefulStopLetsHandlersFinishAndTakesNothingNew() async throws {
        let script = QueueScript([#"{"taskType":"T"}"#])
        let server = try await script.start()
        let worker = server.worker()
        let began = Recorder<Void>()
        let mayEnd = Recorder<Void>()
        worker.on("T") { _ in
            began.record(())
            try await mayEnd.wait()
            return .done
        }
        let group = ServiceGroup(configuration: .init(services: [.init(service: worker)], logger: Logger(label: "test")))
        let run = Task { try await group.run() }
        try await began.wait()
        await group.triggerGracefulShutdown()
        mayEnd.record(())
        try await run.value
        #expect(script.settled.all == [.acknowledged(1)])
        await server.stop()
    }

    @Test func whatIsNotFinishedAtTheDeadlineIsHandedBack() async throws {
        let script = QueueScript([#"{"taskType":"T"}"#])
        let server = try await script.start()
        let worker = server.worker(.init(queues: [.init("work", prefetch: 1)], stopDeadline: .milliseconds(50)))
        let began = Recorder<Void>()
        let never = Recorder<Void>()
        worker.on("T") { _ in
            began.record(())
            while true { if (try? await never.wait()) != nil { return .done } } // heeds no cancellation
        }
        let run = Task { await worker.run() }
        try await began.wait()
        worker.stop()
        await run.value
        #expect(script.settled.all == [.givenBack(1, .release, delayMilliseconds: Self.policy, reason: "the worker stopped")])
        never.record(())
        await server.stop()
    }

    @Test func anOperatorQuietsResumesAndEndsIt() async throws {
        let script = QueueScript([#"{"taskType":"T"}"#, #"{"taskType":"T"}"#])
        let server = try await script.start()
        let worker = server.worker()
        let mayLease = Mutex(true)
        script.onLease { if !mayLease.withLock(\.self) { Issue.record("a quiet worker asks for messages") } }
        let began = Recorder<Void>()
        let mayEnd = Recorder<Void>()
        worker.on("T") { _ in
            began.record(())
            try await mayEnd.wait()
            return .done
        }
        let run = Task { await worker.run() }
        try await began.wait()
        let peer = try await script.asked.wait()[0]
        peer.push(.quiet) { QuietNotice(action: .quiet, graceMilliseconds: 0, reason: "service").encode(into: &$0) }
        let end = ContinuousClock.now + .seconds(20)
        while !worker.isQuiet, ContinuousClock.now < end { await Task.yield() }
        #expect(worker.isQuiet)
        // It runs as many tasks as it may, so that no LEASE is under way.
        mayLease.withLock { $0 = false }
        mayEnd.record(())
        try await script.settled.wait()
        #expect(script.settled.all == [.acknowledged(1)])
        mayLease.withLock { $0 = true }
        peer.push(.quiet) { QuietNotice(action: .resume, graceMilliseconds: 0, reason: "").encode(into: &$0) }
        try await script.settled.wait(2)
        #expect(script.settled.all == [.acknowledged(1), .acknowledged(2)])
        peer.push(.quiet) { QuietNotice(action: .terminate, graceMilliseconds: 1000, reason: "").encode(into: &$0) }
        await run.value
        await server.stop()
    }

    @Test func aRefusedSettlementIsTriedAgainLater() async throws {
        let script = QueueScript([#"{"taskType":"T"}"#], refuses: { $0.opcode == .settle ? .queueFull : nil })
        let server = try await script.start()
        let worker = server.worker()
        worker.on("T") { _ in .doneAndPublish([OutgoingMessage(to: .queue("full"), Message(text: "x"))]) }
        let run = Task { await worker.run() }
        let settled = try await script.settled.wait()
        guard case .givenBack(1, .retry, _, let reason) = settled[0] else { Issue.record("\(settled)"); return }
        #expect(reason.contains("QUEUE_FULL"))
        worker.stop()
        await run.value
        await server.stop()
    }

    @Test func aQueueThatIsRefusedIsAskedForAgain() async throws {
        let refusals = Mutex(2)
        let script = QueueScript([#"{"taskType":"T"}"#], refuses: { frame in
            guard frame.opcode == .lease else { return nil }
            return refusals.withLock { left in
                left -= 1
                return left >= 0 ? .noSuchQueue : nil
            }
        })
        let server = try await script.start()
        let worker = server.worker(.init(queues: [.init("work")], refusalPause: .milliseconds(5)))
        worker.on("T") { _ in .done }
        let run = Task { await worker.run() }
        try await script.settled.wait { $0 == .acknowledged(1) }
        worker.stop()
        await run.value
        await server.stop()
    }
}
