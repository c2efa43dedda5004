import MCMSServer
import SpindleText
import Synchronization

/// A broker of queues in memory, for the operators' part of the API.
final class FakeOperationsBroker: OperationsBroker {
    struct State {
        var queues: [QueueFigures] = []
        var messages: [String: [QueueMessage]] = [:]
        var workers: [WorkerFigures] = []
        /// By message; those that are not here have no consumer.
        var explanations: [String: MessageWhy] = [:]
        /// What every request is answered with, in place of an answer.
        var failure: OperationsError?
        /// What it was told, in order.
        var told: [String] = []
    }

    let state: Mutex<State>

    init(_ state: State = State()) { self.state = Mutex(state) }

    private func with<Value>(_ body: (inout State) throws -> Value) throws -> Value {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return try body(&state)
        }
    }

    private static func index(of queue: String, _ state: State) throws -> Int {
        guard let index = state.queues.firstIndex(where: { $0.name == queue }) else { throw OperationsError.noSuchQueue(queue) }
        return index
    }

    func queues() async throws -> [QueueFigures] { try with { $0.queues } }

    func pause(queue: String, reason: String) async throws {
        try with { $0.queues[try Self.index(of: queue, $0)].pause = .init(deliveries: true, publishes: false, reason: reason) }
    }

    func resume(queue: String) async throws { try with { $0.queues[try Self.index(of: queue, $0)].pause = nil } }

    private static func matching(_ queue: String, _ query: MessageQuery, _ state: State) throws -> [QueueMessage] {
        _ = try index(of: queue, state)
        let headers = try query.namedHeaders()
        return (state.messages[queue] ?? []).filter { message in
            let summary = message.summary
            return [(query.state?.rawValue, summary.state), (query.id, summary.id), (query.type, summary.type), (query.group, summary.group)]
                .allSatisfy { wanted, actual in wanted == nil || wanted == actual }
                && (query.error.map { summary.error?.contains($0) ?? false } ?? true)
                && headers.allSatisfy { header in message.headers.contains { $0.name == header.name && $0.value == header.value } }
        }
    }

    func messages(in queue: String, where query: MessageQuery, after: String?, max: Int) async throws -> QueueMessagePage {
        try with { state in
            let all = try Self.matching(queue, query, state).map(\.summary).filter { $0.id > after ?? "" }
            return QueueMessagePage(items: Array(all.prefix(max)), nextCursor: all.count > max ? all[max - 1].id : nil)
        }
    }

    func message(_ id: String, in queue: String) async throws -> QueueMessage {
        try with { state in
            guard let found = try Self.matching(queue, MessageQuery(id: id), state).first else { throw OperationsError.noSuchMessage(queue: queue, id: id) }
            return found
        }
    }

    func why(_ id: String, in queue: String) async throws -> MessageWhy {
        let message = try await message(id, in: queue)
        return try with { state in
            if let why = state.explanations[id] { return why }
            return MessageWhy(queue: queue, id: id, state: message.summary.state, cause: "noConsumer", since: message.summary.publishedAt)
        }
    }

    func body(of id: String, in queue: String) async throws -> [UInt8] { Array(try await message(id, in: queue).body?.value.utf8 ?? "".utf8) }

    func cancel(_ id: String, in queue: String, reason: String) async throws -> CancelAnswer {
        let message = try await message(id, in: queue)
        return try with { state in
            state.told.append("cancel \(queue) \(id): \(reason)")
            if message.summary.state == "leased" { return .flagged }
            state.messages[queue]?.removeAll { $0.summary.id == id }
            return .removed
        }
    }

    func count(in queue: String, where query: MessageQuery, max: Int) async throws -> Int {
        try with { min(max, try Self.matching(queue, query, $0).count) }
    }

    func redrive(_ queue: String, where query: MessageQuery) async throws -> RedriveReceipt {
        try with { state in
            let moved = try Self.matching(queue, query, state).map(\.summary.id)
            state.messages[queue]?.removeAll { moved.contains($0.summary.id) }
            state.told.append("redrive \(queue): \(moved.joined(separator: ","))")
            return RedriveReceipt(id: "1a", moved: moved.count, skipped: 0, state: .done, at: Timestamp(milliseconds: 0))
        }
    }

    func redrive(_ queue: String, job: String) async throws -> RedriveReceipt {
        try with { state in
            _ = try Self.index(of: queue, state)
            guard job == "1a" else { throw OperationsError.noSuchJob(job) }
            return RedriveReceipt(id: job, moved: 1, skipped: 0, state: .done, at: Timestamp(milliseconds: 0))
        }
    }

    func workers() async throws -> [WorkerFigures] { try with { $0.workers } }

    func control(worker id: String, _ action: WorkerOrder, reason: String) async throws -> Int {
        try with { state in
            guard state.workers.contains(where: { $0.id == id }) else { return 0 }
            state.told.append("\(action.rawValue) \(id): \(reason)")
            return 1
        }
    }
}

extension JSON: ExpressibleByBooleanLiteral, ExpressibleByFloatLiteral {
    init(booleanLiteral value: Bool) { self = .truth(value) }
    init(floatLiteral value: Double) { self = .number(value) }
}

/// Paths into answers: what is not there is nil.
extension JSON? {
    subscript(key: String) -> JSON? { self.flatMap { $0[key] } }
    subscript(index: Int) -> JSON? { self?.list.flatMap { $0.indices.contains(index) ? $0[index] : nil } }
    var string: String? { self?.text }

    var int: Int? {
        guard case .number(let value)? = self else { return nil }
        return Int(value)
    }
}
