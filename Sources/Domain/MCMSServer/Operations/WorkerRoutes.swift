internal import HTTPTypes
internal import Hummingbird
internal import MCMS
internal import Outbox

extension APIRoutes {
    /// Connections to the broker, and what an operator may tell them.
    mutating func addWorkers(_ operations: OperationsServices) {
        struct Workers: Encodable { let items: [WorkerFigures] }
        struct Told: Encodable { let told: Int }
        on(.get, "api/workers", .readOperations) { _ in try .json(Workers(items: try await operations.broker.workers())) }
        for command in WorkerOrder.allCases {
            on(.post, "api/workers/{id}/\(command.rawValue)", .manageQueues) { call in
                let reason = try await call.reason(or: command.rawValue)
                let told = try await operations.broker.control(worker: call.id, command, reason: reason)
                guard told > 0 else { throw OperationsError.noSuchWorker(call.id) }
                return try .json(Told(told: told))
            }
        }
    }

    /// What waits in the database for the broker.
    mutating func addOutbox(_ store: MCMSStore) {
        on(.get, "api/outbox", .readOperations) { call in
            let figures = try await store.outboxFigures()
            let rows = try await store.outboxRows(statuses: [.pending, .inProgress, .dead], limit: try call.limit())
            return try .json(OutboxAnswer(figures, rows))
        }
    }
}
