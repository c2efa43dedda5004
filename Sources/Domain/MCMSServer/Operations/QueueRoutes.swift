internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import MCMS
internal import NIOCore
internal import SpindleText

/// A queue as the API shows it.
struct QueueView: Encodable {
    let name: String
    let ready: Int
    let delayed: Int
    /// All of them: ready, delayed and leased.
    let held: Int
    let leased: Int
    let bytes: Int
    /// Of its dead-letter queue, where it has one.
    let dead: Int?
    let oldestAgeSeconds: Double
    let paused: Bool
    let pause: QueueFigures.Pause?
    let isDeadLetterQueue: Bool
    let deadLetterQueue: String?
    let publishedPerSecond: Double?
    let settledPerSecond: Double?

    init(_ queue: QueueFigures, among all: [QueueFigures], rate: QueueRate?) {
        name = queue.name
        ready = queue.counts.ready
        delayed = queue.counts.delayed
        held = queue.counts.total
        leased = queue.counts.leased
        bytes = queue.bytes
        deadLetterQueue = queue.deadLetterQueue
        dead = queue.deadLetterQueue.flatMap { name in all.first { $0.name == name } }?.counts.total
        oldestAgeSeconds = queue.oldestAgeSeconds
        paused = queue.pause != nil
        pause = queue.pause
        isDeadLetterQueue = all.contains { $0.deadLetterQueue == queue.name }
        publishedPerSecond = rate?.publishedPerSecond
        settledPerSecond = rate?.settledPerSecond
    }
}

extension APIRoutes {
    /// Queues: what they hold, their pause, their messages.
    mutating func addQueues(_ operations: OperationsServices, _ store: MCMSStore) {
        struct Queues: Encodable { let items: [QueueView] }
        on(.get, "api/queues", .readOperations) { _ in
            let all = try await operations.readQueues()
            return try .json(Queues(items: all.map { QueueView($0, among: all, rate: operations.rates.rate(of: $0.name)) }))
        }
        on(.get, "api/queues/{id}", .readOperations) { call in try .json(try await Self.view(call.queueName, operations)) }
        on(.get, "api/queues/{id}/history", .readOperations) { call in
            let history = try await store.queueHistory(of: call.queueName, hours: try call.hours())
            // The past is there without the broker, and of queues that are gone.
            if history.items.isEmpty { _ = try await Self.view(call.queueName, operations) }
            return try .json(history)
        }
        on(.post, "api/queues/{id}/pause", .manageQueues) { call in
            let reason = try await call.reason(or: "paused")
            try await operations.broker.pause(queue: call.queueName, reason: reason)
            return try .json(try await Self.view(call.queueName, operations))
        }
        on(.post, "api/queues/{id}/resume", .manageQueues) { call in
            try await operations.broker.resume(queue: call.queueName)
            return try .json(try await Self.view(call.queueName, operations))
        }
        addMessages(operations)
        addRedrive(operations)
    }

    private static func view(_ name: String, _ operations: OperationsServices) async throws -> QueueView {
        let all = try await operations.readQueues()
        guard let queue = all.first(where: { $0.name == name }) else { throw OperationsError.noSuchQueue(name) }
        return QueueView(queue, among: all, rate: operations.rates.rate(of: name))
    }

    private mutating func addMessages(_ operations: OperationsServices) {
        struct Cancelled: Encodable { let outcome: CancelAnswer }
        on(.get, "api/queues/{id}/messages", .readOperations) { call in
            let query = try call.messageQuery()
            return try .json(
                try await operations.broker.messages(in: call.queueName, where: query, after: call.query("cursor"), max: try call.limit()))
        }
        on(.get, "api/queues/{id}/messages/{index}", .readOperations) { call in
            try .json(MessageView(try await operations.broker.message(call.index, in: call.queueName)))
        }
        on(.get, "api/queues/{id}/messages/{index}/body", .readOperations) { call in
            let body = try await operations.broker.body(of: call.index, in: call.queueName)
            // The browser saves what a stranger published, and never shows it as a page of this server. The id is hexadecimal: it was found.
            return Response(
                status: .ok,
                headers: [.contentType: "application/octet-stream", .contentDisposition: "attachment; filename=\"\(call.index).bin\""],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
        }
        on(.post, "api/queues/{id}/messages/{index}/cancel", .manageQueues) { call in
            let reason = try await call.reason(or: "cancelled")
            let outcome = try await operations.broker.cancel(call.index, in: call.queueName, reason: reason)
            call.note("\(outcome.rawValue): \(reason)")
            return try .json(Cancelled(outcome: outcome))
        }
    }

    private mutating func addRedrive(_ operations: OperationsServices) {
        struct Redrive: Decodable {
            var filter: MessageQuery?
            var preview: Bool?
        }
        struct Preview: Encodable {
            let count: Int
            /// There may be more: the count stopped here.
            let isCut: Bool
        }
        struct Receipt: Encodable { let receipt: RedriveReceipt }
        on(.post, "api/queues/{id}/redrive", .manageQueues) { call in
            let body = try await call.body(Redrive.self)
            let query = body.filter ?? MessageQuery()
            _ = try query.namedHeaders()
            if body.preview == true {
                let count = try await operations.broker.count(in: call.queueName, where: query, max: OperationsServices.previewMax)
                call.note("preview: \(count) messages; filter: \(query.text)")
                return try .json(Preview(count: count, isCut: count >= OperationsServices.previewMax))
            }
            let receipt = try await operations.broker.redrive(call.queueName, where: query)
            call.note("job \(receipt.id) (\(receipt.state.rawValue)): \(receipt.moved) moved, \(receipt.skipped) skipped; filter: \(query.text)")
            return try .json(Receipt(receipt: receipt))
        }
        on(.get, "api/queues/{id}/redrive/{index}", .readOperations) { call in
            try .json(Receipt(receipt: try await operations.broker.redrive(call.queueName, job: call.index)))
        }
    }
}

/// One message with everything in it.
private struct MessageView: Encodable {
    private enum Key: String, CodingKey { case holder, correlationId, headers, body, attempts, attemptCount, origin }

    let message: QueueMessage

    init(_ message: QueueMessage) { self.message = message }

    func encode(to encoder: any Encoder) throws {
        try message.summary.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encodeIfPresent(message.holder, forKey: .holder)
        try fields.encodeIfPresent(message.correlationId, forKey: .correlationId)
        try fields.encode(message.headers, forKey: .headers)
        try fields.encodeIfPresent(message.body, forKey: .body)
        // In place of the list's number, which stays under another name.
        try fields.encode(message.attempts, forKey: .attempts)
        try fields.encode(message.summary.attempts, forKey: .attemptCount)
        try fields.encodeIfPresent(message.origin, forKey: .origin)
    }
}

extension APIRequest {
    /// What stands for `{id}`, decoded: names of queues may have any characters.
    var queueName: String { id.removingPercentEncoding ?? id }

    func hours() throws -> Int {
        guard let text = query("hours") else { return QueueHistoryLimits.hoursDefault }
        guard let hours = Int(text), (1...QueueHistoryLimits.hoursMax).contains(hours) else {
            throw Problem(
                .invalidField, "“hours” must be a number from 1 to \(QueueHistoryLimits.hoursMax).", action: "Correct the query.", field: "hours")
        }
        return hours
    }

    /// The body's `reason`, or who did it; the audit keeps it.
    func reason(or action: String) async throws -> String {
        struct Reason: Decodable { var reason: String? }
        let given = try await body(Reason.self).reason ?? ""
        guard given.unicodeScalars.count <= TextLimits.reasonMax else {
            throw MCMSError.invalid(field: "reason", problem: "has more than \(TextLimits.reasonMax) characters")
        }
        let reason = given.isEmpty ? "\(action) by \(principal.actor)" : given
        note(reason)
        return reason
    }

    func messageQuery() throws -> MessageQuery {
        let headers = request.uri.queryParameters.getAll("header").filter { !$0.isEmpty }
        let query = MessageQuery(
            state: try choice("state", MessageQuery.State.self), id: query("id"), type: query("type"), group: query("group"),
            headers: headers.isEmpty ? nil : headers, error: query("error"))
        _ = try query.namedHeaders()
        return query
    }
}
