internal import Foundation
internal import GRDB

/// The rows that a relay has claimed.
struct OutboxClaim {
    /// In their order of writing.
    var messages: [OutboxMessage] = []
    /// Rows that hold no message. They are dead: nobody else could publish them either.
    var unreadable: [OutboxRowError] = []
}

/// A row that holds no message, because another program wrote it, or somebody changed it by hand.
struct OutboxRowError: Error, Hashable, Sendable {
    var sequence: Int64
    var reason: String
}

extension OutboxMessage {
    /// Reads a claimed row. SQLite keeps any type of value in any column, so every column is checked.
    init(_ row: Row) throws(OutboxRowError) {
        let sequence = Int64.fromDatabaseValue(row["sequence"]) ?? 0
        func column<Value: DatabaseValueConvertible>(_ name: String, _ type: Value.Type, _ what: String) throws(OutboxRowError) -> Value {
            guard let value = type.fromDatabaseValue(row[name]) else {
                throw OutboxRowError(sequence: sequence, reason: "the column \(name) holds no \(what)")
            }
            return value
        }
        func optional(_ name: String) throws(OutboxRowError) -> String? {
            let value: DatabaseValue = row[name]
            return value.isNull ? nil : try column(name, String.self, "text")
        }
        let name = try column("destination", String.self, "text")
        let destination: OutboxDestination
        switch try column("destinationKind", String.self, "text") {
        case "queue": destination = .queue(name)
        case "topic": destination = .topic(name)
        case let kind: throw OutboxRowError(sequence: sequence, reason: "destinationKind is '\(kind)': queue and topic are known")
        }
        let text = try column("headers", String.self, "text")
        guard let headers = try? JSONDecoder().decode([OutboxHeader].self, from: Data(text.utf8)) else {
            throw OutboxRowError(sequence: sequence, reason: #"headers must be a JSON list such as [{"name": "n", "value": "v"}]"#)
        }
        let draft = OutboxDraft(
            type: try column("type", String.self, "text"), key: try optional("key"), destination: destination,
            payload: [UInt8](try column("payload", Data.self, "bytes")), contentType: try column("contentType", String.self, "text"),
            taskType: try optional("taskType"), correlationID: try optional("correlationId"), group: try optional("messageGroup"),
            headers: headers, priority: UInt8(clamping: try column("priority", Int64.self, "number")))
        self.init(
            sequence: sequence, id: try column("id", String.self, "text"), draft: draft,
            attempts: Int(try column("attempts", Int64.self, "number")),
            createdAtMilliseconds: try column("createdAt", Int64.self, "number"),
            lockedUntilMilliseconds: try column("lockedUntil", Int64.self, "number"))
    }
}
