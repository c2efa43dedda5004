import Foundation

/// One routing on its way through the cluster: created, submitted, approved, and its result awaited on the event streams.
struct DemoRun {
    /// What came from an event stream, and when.
    private struct Arrival: Sendable {
        var stream: String
        var event: StreamEvent
        var time: ContinuousClock.Instant
    }

    private enum Signal: Sendable {
        case arrival(Arrival)
        case streamEnded(CommandFailure)
        case deadline
    }

    /// The fields that the demonstration reads of any event's data.
    private struct EventFields: Decodable {
        var routingId: String?
        var status: String?
        var message: String?
        var title: String?
        var jobId: String?
    }

    enum Ending: String, Encodable { case completed, failed, timedOut = "timed_out" }

    private static let advice = "Is the cluster running? `spindle status` shows it, `spindle up` starts it."

    let api: DemoAPI
    let timeout: Duration
    var timeline: DemoTimeline

    private(set) var routing: DemoAPI.Routing?
    /// Paths on the share.
    private(set) var outputs: [String] = []
    /// What is still missing for the whole flow to have been seen.
    private(set) var missing: [String] = []

    init(api: DemoAPI, timeout: Duration, isPrinting: Bool) {
        self.api = api
        self.timeout = timeout
        timeline = DemoTimeline(isPrinting: isPrinting)
    }

    mutating func run() async throws -> Ending {
        let (signals, signal) = AsyncStream.makeStream(of: Signal.self)
        let followers = ["updates", "alerts"].map { stream in
            Task { [api] in
                do {
                    try await EventStream(client: api.client, url: "\(api.base)/events/\(stream)", token: api.token).follow { event in
                        signal.yield(.arrival(Arrival(stream: stream, event: event, time: .now)))
                    }
                    signal.yield(.streamEnded(CommandFailure("the server ended the stream “\(stream)”.", advice: Self.advice)))
                } catch let failure as CommandFailure {
                    signal.yield(.streamEnded(failure))
                } catch {
                    signal.yield(
                        .streamEnded(CommandFailure("\(api.base) does not answer: \(ConnectionProblem.sentence(error)).", advice: Self.advice)))
                }
            }
        }
        let timer = Task { [timeout] in
            try await Task.sleep(for: timeout)
            signal.yield(.deadline)
        }
        defer {
            for follower in followers { follower.cancel() }
            timer.cancel()
        }
        var iterator = signals.makeAsyncIterator()
        guard try await awaitStreams(&iterator) else { return .timedOut }
        try await order()
        guard let ending = try await awaitResult(&iterator) else { return .timedOut }
        try await look(after: ending)
        return missing.isEmpty ? ending : .timedOut
    }

    /// Takes over what a file's way added.
    mutating func take(_ files: DemoFileRun) {
        timeline = files.timeline
        missing = files.missing
    }

    /// Both streams greet who listens: from then on nothing is missed.
    private mutating func awaitStreams(_ signals: inout AsyncStream<Signal>.AsyncIterator) async throws -> Bool {
        var open: Set<String> = []
        while open.count < 2 {
            switch await signals.next() {
            case .arrival(let arrival):
                if open.insert(arrival.stream).inserted { timeline.add(arrival.stream, "listening", "/events/\(arrival.stream)", at: arrival.time) }
            case .streamEnded(let failure): throw failure
            case .deadline, nil:
                missing = ["the event streams"]
                return false
            }
        }
        return true
    }

    private mutating func order() async throws {
        let created = try await api.create(name: "Demo bracket \(String(UInt32.random(in: .min ... .max), radix: 16))")
        routing = created
        timeline.add("you", "routing created", created.name)
        let submitted = try await api.act("submit", on: created.id)
        timeline.add("you", "submitted", "status \(submitted.status)")
        let approved = try await api.act("approve", on: created.id)
        routing = approved
        timeline.add("you", "approved", "generation \(approved.lastGenerationStatus)")
    }

    /// Nil at the deadline.
    private mutating func awaitResult(_ signals: inout AsyncStream<Signal>.AsyncIterator) async throws -> Ending? {
        guard let routing else { return nil }
        missing = ["routing.approval.changed (approved)", "addin.job.created", "addin.job.updated (completed or failed)"]
        var ending: Ending?
        while !missing.isEmpty {
            guard let next = await signals.next() else { return nil }
            switch next {
            case .deadline: return nil
            case .streamEnded(let failure): throw failure
            case .arrival(let arrival):
                guard let fields = try? JSONDecoder().decode(EventFields.self, from: Data(arrival.event.data.utf8)), concerns(routing, fields) else { continue }
                show(arrival, fields)
                switch (arrival.event.name, fields.status) {
                case ("routing.approval.changed", "approved"): missing.removeAll { $0.hasPrefix("routing.") }
                case ("addin.job.created", _): missing.removeAll { $0 == "addin.job.created" }
                case ("addin.job.updated", "completed"):
                    ending = .completed
                    missing.removeAll { $0.hasPrefix("addin.job.updated") }
                case ("addin.job.updated", "failed"):
                    ending = .failed
                    missing.removeAll { $0.hasPrefix("addin.job.updated") }
                    if !timeline.steps.contains(where: { $0.source == "alerts" && $0.what == "notification.alert" }) { missing.append("notification.alert") }
                case ("notification.alert", _): missing.removeAll { $0 == "notification.alert" }
                case _: break
                }
            }
        }
        return ending
    }

    private func concerns(_ routing: DemoAPI.Routing, _ fields: EventFields) -> Bool {
        fields.routingId == routing.id || fields.title?.contains(routing.name) ?? false
    }

    private mutating func show(_ arrival: Arrival, _ fields: EventFields) {
        let detail = [fields.status, fields.title, fields.message].compactMap(\.self).joined(separator: ": ")
        timeline.add(arrival.stream, arrival.event.name, detail, at: arrival.time)
    }

    /// What is left of it: the routing's badge, its history, the files.
    private mutating func look(after ending: Ending) async throws {
        guard let id = routing?.id else { return }
        let last = try await api.routing(id)
        routing = last
        timeline.add("server", "badge", "\(last.status), generation \(last.lastGenerationStatus), revision \(last.camRevision)")
        if last.lastGenerationStatus != ending.rawValue { missing.append("the badge “\(ending.rawValue)”") }
        if let jobID = last.lastAddinJobId {
            let job = try await api.job(jobID)
            outputs = job.outputs.map(\.path)
            for output in job.outputs {
                let name = output.path.split(separator: "/").last ?? ""
                timeline.add("server", "output on the share", "\(name), \(output.size) bytes, SHA-256 \(output.sha256.prefix(12))…")
            }
            if ending == .completed, job.outputs.isEmpty { missing.append("an output on the share") }
        }
        let history = try await api.history(of: id).items
        timeline.add("server", "history", history.map(\.event).joined(separator: " → "))
        let expected = ending == .completed ? "AddinJobCompleted" : "AddinJobFailed"
        guard let entry = history.last(where: { $0.event == expected }) else { return missing.append("\(expected) in the history") }
        if ending == .failed { timeline.add("server", expected, entry.message ?? "") }
    }
}
