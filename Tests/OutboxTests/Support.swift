import Foundation
import Logging
import Outbox
import SQLStore
import Synchronization
import Testing

/// A clock that only moves when it is told to. Milliseconds since 1970.
final class ManualClock: Sendable {
    private let time: Mutex<Int64>
    init(_ start: Int64 = 1_000_000) { time = Mutex(start) }
    var now: Int64 { time.withLock { $0 } }
    func advance(_ milliseconds: Int64) { time.withLock { $0 += milliseconds } }
}

/// A publisher that answers as it is told to, and remembers what was confirmed, in order.
final class ScriptedPublisher: OutboxPublisher {
    typealias Script = @Sendable (OutboxMessage) async -> OutboxPublishResult

    private let script: Script
    private let seen = Mutex<[(id: String, payload: String)]>([])
    private let events: AsyncStream<String>.Continuation
    /// The payload of everything that was confirmed, as it happens.
    let confirmed: AsyncStream<String>

    init(_ script: @escaping Script = { _ in .published }) {
        self.script = script
        (confirmed, events) = AsyncStream.makeStream()
    }

    func publish(_ messages: [OutboxMessage]) async -> [OutboxPublishResult] {
        var results: [OutboxPublishResult] = []
        for message in messages {
            let result = await script(message)
            results.append(result)
            guard result == .published else { continue }
            let payload = String(decoding: message.draft.payload, as: UTF8.self)
            seen.withLock { $0.append((message.id, payload)) }
            events.yield(payload)
        }
        return results
    }

    var confirmedIDs: [String] { seen.withLock { $0.map(\.id) } }
    var confirmedPayloads: [String] { seen.withLock { $0.map(\.payload) } }
}

/// A database file in a folder of its own, removed at the end.
struct TemporaryDatabase {
    let folder: URL
    let store: SQLiteDatabase

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("outbox-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        store = try Self.open(folder)
    }

    /// Another connection to the same file, as another process would have.
    func another() throws -> SQLiteDatabase { try Self.open(folder) }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    private static func open(_ folder: URL) throws -> SQLiteDatabase {
        var migrations = SQLMigrations()
        Outbox.registerMigrations(in: &migrations)
        return try SQLiteDatabase.open(path: folder.appendingPathComponent("app.sqlite").path, migrations: migrations)
    }

    @discardableResult
    func enqueue(_ payload: String, key: String? = nil, type: String = "test", now: Int64 = 1_000_000) async throws -> String {
        try await store.write { try Outbox.enqueue($0, draft(payload, key: key, type: type), now: now) }
    }

    func enqueue(all payloads: [String], key: String? = nil) async throws -> [String] {
        var ids: [String] = []
        for payload in payloads { ids.append(try await enqueue(payload, key: key)) }
        return ids
    }

    struct RowState: Equatable {
        var status: String
        var attempts: Int
        var error: String?
    }

    func state(_ id: String) async throws -> RowState? {
        try await store.read { db in
            try db.row("SELECT status, attempts, error FROM outbox WHERE id = $1", [id])
                .map { RowState(status: try $0.value("status"), attempts: try $0.value("attempts"), error: try $0.optional("error")) }
        }
    }

    func counts() async throws -> [OutboxStatus: Int] { try await store.read { try Outbox.figures($0).rows } }
}

func draft(_ payload: String, key: String? = nil, type: String = "test") -> OutboxDraft {
    OutboxDraft(type: type, key: key, destination: .queue("q"), payload: Array(payload.utf8))
}

func relay(
    _ database: any SQLDatabase, _ publisher: ScriptedPublisher, clock: ManualClock, _ change: (inout OutboxRelay.Configuration) -> Void = { _ in }
) -> OutboxRelay {
    var configuration = OutboxRelay.Configuration()
    configuration.backoff = OutboxBackoff(initialMilliseconds: 100, capMilliseconds: 1_000, jitter: 0)
    change(&configuration)
    return OutboxRelay(
        database: database, publisher: publisher, configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        now: { clock.now }, randomUnit: { 0 })
}

struct DeadlinePassed: Error {}

/// Runs `body`, and fails if it isn't done in time.
func withDeadline<Value: Sendable>(seconds: Int = 20, _ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: body)
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw DeadlinePassed()
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw DeadlinePassed() }
        return value
    }
}
