internal import Foundation
internal import SQLStore

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
    init(_ row: SQLRow) throws(OutboxRowError) {
        let row = OutboxColumns(row)
        let sequence = row.number("sequence") ?? 0
        func found<Value>(_ value: Value?, _ name: String, _ what: String) throws(OutboxRowError) -> Value {
            guard let value else { throw OutboxRowError(sequence: sequence, reason: "the column \(name) holds no \(what)") }
            return value
        }
        func text(_ name: String) throws(OutboxRowError) -> String { try found(row.text(name), name, "text") }
        func number(_ name: String) throws(OutboxRowError) -> Int64 { try found(row.number(name), name, "number") }
        func optional(_ name: String) throws(OutboxRowError) -> String? { row.isNull(name) ? nil : try text(name) }
        let name = try text("destination")
        let destination: OutboxDestination
        switch try text("destinationKind") {
        case "queue": destination = .queue(name)
        case "topic": destination = .topic(name)
        case let kind: throw OutboxRowError(sequence: sequence, reason: "destinationKind is '\(kind)': queue and topic are known")
        }
        guard let headers = try? JSONDecoder().decode([OutboxHeader].self, from: Data(try text("headers").utf8)) else {
            throw OutboxRowError(sequence: sequence, reason: #"headers must be a JSON list such as [{"name": "n", "value": "v"}]"#)
        }
        let draft = OutboxDraft(
            type: try text("type"), key: try optional("key"), destination: destination,
            payload: try found(row.bytes("payload"), "payload", "bytes"), contentType: try text("contentType"),
            taskType: try optional("taskType"), correlationID: try optional("correlationId"), group: try optional("messageGroup"),
            headers: headers, priority: UInt8(clamping: try number("priority")))
        self.init(
            sequence: sequence, id: try text("id"), draft: draft, attempts: Int(try number("attempts")),
            createdAtMilliseconds: try number("createdAt"), lockedUntilMilliseconds: try number("lockedUntil"))
    }
}

/// The columns of a row that another program may have written: bytes stand for text and text for bytes, as SQLite keeps both in any column.
struct OutboxColumns {
    private let row: SQLRow

    init(_ row: SQLRow) {
        self.row = row
    }

    /// Returns null where there is no such column.
    func value(_ name: String) -> SQLValue { (try? row.value(name)) ?? .null }

    func isNull(_ name: String) -> Bool { value(name) == .null }

    func text(_ name: String) -> String? {
        switch value(name) {
        case .text(let text): text
        case .blob(let bytes): String(validating: bytes, as: UTF8.self)
        case .null, .integer, .real: nil
        }
    }

    func bytes(_ name: String) -> [UInt8]? {
        switch value(name) {
        case .blob(let bytes): bytes
        case .text(let text): Array(text.utf8)
        case .null, .integer, .real: nil
        }
    }

    func number(_ name: String) -> Int64? {
        switch value(name) {
        case .integer(let number): number
        case .real(let number): Int64(exactly: number)
        case .null, .text, .blob: nil
        }
    }
}
