import Foundation
import Logging
import MCMS
import Outbox
import SQLStore
import SpindleText
import Synchronization
import Testing

/// A table test of the flow in a tiny language: a line does one thing, and what follows `->` is what must come back. After each line the
/// flow's invariants are checked.
///
/// ```
/// create r | submit r | approve r by lee | reject r by lee because … | retry r      -> pendingApproval none
/// relay                     -> esprit-gen addin.job.created       what the outbox sent, to queues and topics
/// lease cam                 -> r#1        the add-in leases a command: its routing, and the attempt
/// progress cam 40 | answer cam completed a.nc | answer cam failed no license -> ok | lease lost
/// say r completed           -> ok         a result on addin-result from an add-in that holds nothing
/// post r completed a.nc     -> accepted   the same over HTTP
/// nack cam reason | kill cam | cancel r reason
/// results                   -> completed  what a worker makes of each message on addin-result
/// told                      -> failed     what a worker makes of each word of a dead message
/// withdraw                  -> 1          commands of ended jobs that were taken out of their queue
/// redrive esprit-gen        -> 1          dead letters go back
/// tick 60s | clock -2h      time passes; the wall clock is set
/// pause Q | resume Q | full Q | room Q | broker away|back | database away|back
/// share missing|gone|back | file a.nc     what is on the share
/// job r                     -> failed: why
/// badge r                   -> approved failed rev 0
/// history r                 -> RoutingCreated RoutingSubmitted …
/// alerts                    -> error info      their severities, since the last time
/// queue Q                   -> ready 1 leased 0 dead 0
/// ```
final class FlowScript {
    private let test: TestStore
    private let share = ScriptedShare()
    private let broker = ScriptedBroker()
    private let relay: OutboxRelay
    private var routings: [String: String] = [:]
    private var alertsSeen = 0

    private init() throws {
        test = try TestStore()
        let clock = test.clock
        broker.now = { clock.now }
        let publisher = broker
        relay = OutboxRelay(
            database: test.store.database, publisher: publisher, logger: quiet, now: { clock.read().milliseconds }, randomUnit: { 0.5 })
    }

    static func run(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let script = try FlowScript()
        defer { script.test.remove() }
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            let parts = String(line).split(separator: "->", maxSplits: 1).map { $0.split(separator: " ").joined(separator: " ") }
            guard let command = parts.first, !command.isEmpty else { continue }
            let result = try await script.perform(command.split(separator: " ").map(String.init))
            if parts.count == 2 { #expect(result == parts[1], "\(command)", sourceLocation: sourceLocation) }
            try await script.check("after “\(command)”", sourceLocation)
        }
    }

    private func perform(_ words: [String]) async throws -> String {
        switch words[0] {
        case "create", "submit", "approve", "reject", "retry": return try await act(words)
        case "relay": return try await relayAll()
        case "lease", "progress", "answer", "nack", "kill", "say", "post", "cancel": return try await addin(words)
        case "results": return try await results()
        case "told": return try await told()
        case "withdraw":
            let broker = broker
            let service = CommandWithdrawals(store: test.store, logger: quiet) { try broker.cancel($0, in: MCMSNames.generationQueue) }
            do { return "\(try await service.step())" } catch { return "\(error)" }
        case "redrive": return "\(broker.redrive(words[1]))"
        case "tick":
            test.clock.advance(Self.milliseconds(words[1]))
            broker.expire()
            return "ok"
        case "clock":
            // The broker's own time goes on: it follows the boot clock.
            test.clock.advance(Self.milliseconds(words[1]))
            broker.step(by: Self.milliseconds(words[1]))
            return "ok"
        case "pause", "resume", "full", "room", "broker": return broker.set(words)
        case "database": return try await database(words[1])
        case "share", "file": return share.set(words)
        default: return try await look(words)
        }
    }

    static func milliseconds(_ text: String) -> Int64 {
        let number = Int64(text.filter { $0.isNumber || $0 == "-" }) ?? 0
        return number * (text.hasSuffix("ms") ? 1 : text.hasSuffix("s") ? 1_000 : text.hasSuffix("m") ? 60_000 : 3_600_000)
    }

    // MARK: People

    private func act(_ words: [String]) async throws -> String {
        let name = words[1]
        let actor = words.firstIndex(of: "by").map { words[$0 + 1] } ?? "kim"
        let reason = words.firstIndex(of: "because").map { words[($0 + 1)...].joined(separator: " ") }
        let caller = Caller(actor: actor, correlationID: "c-\(name)")
        if words[0] == "create" {
            let routing = try await test.store.createRouting(name: name, by: caller)
            routings[name] = routing.id
            return "\(routing.status)"
        }
        let id = try #require(routings[name])
        do {
            let routing =
                switch words[0] {
                case "submit": try await test.store.submit(id, by: caller)
                case "approve": try await test.store.approve(id, by: caller)
                case "reject": try await test.store.reject(id, reason: reason, by: caller)
                default: try await test.store.retryGeneration(id, by: caller)
                }
            return "\(routing.status) \(routing.lastGenerationStatus)"
        } catch is MCMSError {
            return "refused"
        } catch is SQLError {
            return "the database is away"
        }
    }

    // MARK: Programs

    private func relayAll() async throws -> String {
        broker.takeSent()
        var reason = ""
        for _ in 0..<20 {
            do {
                switch try await relay.step() {
                case .handled: continue
                case .idle: break
                case .unavailable(let why): reason = why
                }
            } catch is SQLError {
                reason = "the database is away"
            }
            break
        }
        let sent = broker.takeSent()
        return reason.isEmpty ? (sent.isEmpty ? "nothing" : sent.joined(separator: " ")) : reason
    }

    private func job(of name: String) async throws -> AddinJob {
        let routing = try await test.store.routing(try #require(routings[name]))
        return try await test.store.job(try #require(routing.lastAddinJobId))
    }

    private func report(_ words: ArraySlice<String>) -> AddinReport {
        let rest = words.dropFirst()
        return words.first == "failed"
            ? AddinReport(.failed, message: rest.joined(separator: " "))
            : AddinReport(.completed, outputs: rest.map { ReportedOutput(path: $0) })
    }

    private func result(_ report: AddinReport, job: String, routing: String, correlation: String) throws -> [UInt8] {
        try MCMSJSON.encode(
            TaskDocument(
                taskType: MCMSNames.resultTask, taskId: "t-\(job)", correlationId: correlation, createdAt: test.clock.read(),
                payload: AddinJobResultCommand(jobId: job, routingId: routing, report: report)))
    }

    private func addin(_ words: [String]) async throws -> String {
        let who = words[1]
        switch words[0] {
        case "lease":
            guard let held = broker.lease(MCMSNames.generationQueue, by: who) else { return "none" }
            let command = try MCMSJSON.decode(TaskDocument<EspritGenerationCommand>.self, from: held.body).payload
            return "\(command.routingName)#\(held.attempts)"
        case "nack":
            broker.nack(who, reason: words.dropFirst(2).joined(separator: " "))
            return "ok"
        case "kill":
            broker.forget(who)
            return "ok"
        case "cancel":
            let job = try await job(of: who)
            let ids = broker.find(MCMSNames.generationQueue) { (try? MCMSJSON.decode(TaskDocument<EspritGenerationCommand>.self, from: $0))?.taskId == job.jobId }
            try broker.cancel(ids, in: MCMSNames.generationQueue)
            return "\(ids.count)"
        case "say", "post":
            let job = try await job(of: who)
            let report = report(words.dropFirst(2))
            if words[0] == "say" {
                broker.put(try result(report, job: job.jobId, routing: job.routingId, correlation: job.correlationId), on: MCMSNames.resultQueue)
                return "ok"
            }
            do {
                _ = try await test.store.acceptCallback(job: job.jobId, report, by: Caller(actor: "addin", correlationID: job.correlationId))
                return "accepted"
            } catch is SQLError {
                return "the database is away"
            }
        default:
            guard let held = broker.held(by: who) else { return "lease lost" }
            let command = try MCMSJSON.decode(TaskDocument<EspritGenerationCommand>.self, from: held.body)
            let report = words[0] == "progress" ? AddinReport(.running, progress: Int(words[2])) : report(words.dropFirst(2))
            let body = try result(
                report, job: command.payload.jobId, routing: command.payload.routingId, correlation: command.correlationId)
            if words[0] == "answer" { broker.acknowledge(who) }
            broker.put(body, on: MCMSNames.resultQueue)
            return "ok"
        }
    }

    /// A worker: each message that is ready, once.
    private func results() async throws -> String {
        let handler = AddinResultHandler(store: test.store, share: share)
        var outcomes: [String] = []
        let count = broker.readyCount(MCMSNames.resultQueue)
        for _ in 0..<count {
            guard let message = broker.lease(MCMSNames.resultQueue, by: "worker") else { break }
            let document = try MCMSJSON.decode(TaskDocument<AddinJobResultCommand>.self, from: message.body)
            do {
                let outcome = try await handler.handle(
                    payload: try MCMSJSON.encode(document.payload),
                    message: MessageIdentity(queue: MCMSNames.resultQueue, messageID: message.id, taskID: document.taskId),
                    correlationID: document.correlationId, attempt: message.attempts)
                switch outcome {
                case .retry(let reason):
                    outcomes.append("retry")
                    broker.nack("worker", reason: reason)
                case .rejected(let reason):
                    outcomes.append("dead")
                    broker.kill("worker", reason: reason)
                default:
                    outcomes.append(String("\(outcome)".prefix { $0 != "(" }))
                    broker.acknowledge("worker")
                }
            } catch let error as SQLError {
                outcomes.append("retry")
                broker.nack("worker", reason: "the database: \(error)")
            }
        }
        return outcomes.isEmpty ? "nothing" : outcomes.joined(separator: " ")
    }

    private func told() async throws -> String {
        let broker = broker
        let handler = DeadMessageHandler(store: test.store) { id, queue in
            broker.letter(id, in: queue).map { .init(body: $0, correlationID: nil) }
        }
        var outcomes: [String] = []
        while let (message, cursor) = broker.nextDeath() {
            do {
                outcomes.append(String("\(try await handler.handle(message, at: cursor))".prefix { $0 != "(" }))
                broker.deathWasHandled()
            } catch is SQLError {
                outcomes.append("the database is away")
                break
            }
        }
        return outcomes.isEmpty ? "nothing" : outcomes.joined(separator: " ")
    }

    private func database(_ state: String) async throws -> String {
        for table in ["outbox", "historyEntry", "addinCallback", "handledMessage"] {
            for change in ["INSERT", "UPDATE"] {
                try await test.store.database.write {
                    _ = try $0.execute(
                        state == "away"
                            ? "CREATE TRIGGER away\(table)\(change) BEFORE \(change) ON \(table) BEGIN SELECT RAISE(ABORT, 'away'); END"
                            : "DROP TRIGGER away\(table)\(change)")
                }
            }
        }
        return "ok"
    }

    // MARK: Looking

    private func look(_ words: [String]) async throws -> String {
        switch words[0] {
        case "job":
            let job = try await job(of: words[1])
            return "\(job.status)" + (job.message.map { ": \($0)" } ?? "")
        case "badge":
            let routing = try await test.store.routing(try #require(routings[words[1]]))
            return "\(routing.status) \(routing.lastGenerationStatus) rev \(routing.camRevision)"
        case "history": return try await test.events(try #require(routings[words[1]])).map(\.rawValue).joined(separator: " ")
        case "alerts":
            let all = broker.events(of: MCMSNames.alertTopic)
            defer { alertsSeen = all.count }
            let new = try all.dropFirst(alertsSeen).map { try MCMSJSON.decode(AlertEvent.self, from: $0).severity.rawValue }
            return new.isEmpty ? "none" : new.joined(separator: " ")
        case "queue": return broker.counts(words[1])
        default: throw UnknownCommand(words: words)
        }
    }

    private struct UnknownCommand: Error { let words: [String] }

    // MARK: Invariants

    private func check(_ place: String, _ location: SourceLocation) async throws {
        for (name, id) in routings {
            let routing = try await test.store.routing(id)
            let jobs = try await test.store.jobs(routing: id).items
            let history = try await test.store.history(of: id, limit: PageLimits.itemsMax).items
            #expect(jobs.filter { !$0.status.isFinal }.count <= 1, "\(name) has two open jobs \(place)", sourceLocation: location)
            for job in jobs {
                let ends = history.filter { $0.jobId == job.jobId && [.addinJobCompleted, .addinJobFailed].contains($0.event) }
                #expect(ends.count == (job.status.isFinal ? 1 : 0), "\(name): a job ends once, and the history says so \(place)", sourceLocation: location)
                #expect(
                    history.filter { $0.jobId == job.jobId && $0.event == .addinJobCreated }.count == 1, "\(name): one beginning \(place)",
                    sourceLocation: location)
            }
            guard let last = jobs.first(where: { $0.jobId == routing.lastAddinJobId }) else { continue }
            let badge: GenerationStatus =
                switch last.status {
                case .created: .queued
                case .leased: .running
                case .completed: .completed
                case .failed: .failed
                }
            #expect(routing.lastGenerationStatus == badge, "\(name): the badge is that of the last job \(place)", sourceLocation: location)
            let revisions = jobs.filter { $0.status == .completed && !$0.outputs.isEmpty }.count
            #expect(routing.camRevision <= revisions, "\(name): each revision has its job \(place)", sourceLocation: location)
        }
    }
}
