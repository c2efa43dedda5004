import Foundation
import Logging
import MCMS
import MCMSFiles
import SQLStore
import SpindleText
import Synchronization
import Testing

/// A clock that moves one millisecond each time it is read, and further when it is told to.
final class SteppingClock: Sendable {
    private let time = Mutex<Int64>(1_800_000_000_000)
    func read() -> Timestamp {
        time.withLock { time in
            time += 1
            return Timestamp(milliseconds: time)
        }
    }
    func advance(_ milliseconds: Int64) { time.withLock { $0 += milliseconds } }
    /// Without moving it.
    var now: Timestamp { Timestamp(milliseconds: time.withLock { $0 }) }
}

/// A store in a folder of its own.
struct TestStore: Sendable {
    let folder: URL
    let clock = SteppingClock()
    let store: MCMSStore

    init(approval: ApprovalRule = .anyone) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("mcms-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        store = try MCMSStore(
            path: folder.appendingPathComponent("mcms.sqlite").path, approval: approval, extending: FilesSchema.add, clock: clock.read)
    }

    /// The same file through other connections, as another process has it.
    func another() throws -> MCMSStore {
        try MCMSStore(path: folder.appendingPathComponent("mcms.sqlite").path, extending: FilesSchema.add, clock: clock.read)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    func caller(_ actor: String = "김철수") -> Caller { Caller(actor: actor, correlationID: "c-1") }

    /// A routing that is approved, with its first job.
    func approved(_ name: String = "브래킷") async throws -> (routing: Routing, jobID: String) {
        let draft = try await store.createRouting(name: name, by: caller())
        _ = try await store.submit(draft.id, by: caller())
        let routing = try await store.approve(draft.id, by: caller("이영희"))
        return (routing, try #require(routing.lastAddinJobId))
    }

    /// What waits in the outbox, in order: `destination` and the decoded payload.
    func outbox() async throws -> [(destination: String, payload: [String: JSON], key: String?)] {
        try await store.database.read { db in
            try db.rows("SELECT * FROM outbox ORDER BY sequence").map { row in
                let payload: [UInt8] = try row.value("payload")
                return (try row.value("destination"), try JSONDecoder().decode([String: JSON].self, from: Data(payload)), try row.optional("key"))
            }
        }
    }

    func clearOutbox() async throws { _ = try await store.database.write { try $0.execute("DELETE FROM outbox") } }

    /// Every row of every table, as text: two equal dumps are two equal states.
    func dump() async throws -> [String] {
        try await store.database.read { db in
            try ["routing", "addinJob", "historyEntry", "handledMessage", "addinCallback", "addinIgnoredResult", "outbox"].flatMap { table in
                try db.rows("SELECT * FROM \(table)").map { "\(table) \($0)" }
            }
        }
    }

    func events(_ routing: String) async throws -> [HistoryEvent] {
        try await store.history(of: routing, limit: 100).items.map(\.event)
    }
}

/// Any JSON value, to look into what was written.
enum JSON: Codable, Equatable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    case text(String)
    case number(Double)
    case truth(Bool)
    case list([JSON])
    case object([String: JSON])
    case null

    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(Double(value)) }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .truth(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .truth(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        case .null: try container.encodeNil()
        }
    }

    subscript(_ key: String) -> JSON? {
        guard case .object(let fields) = self else { return nil }
        return fields[key]
    }

    var text: String? {
        guard case .text(let value) = self else { return nil }
        return value
    }

    var list: [JSON]? {
        guard case .list(let value) = self else { return nil }
        return value
    }
}

/// A share whose files are told to it.
final class FakeShare: OutputShare {
    private let answers: Mutex<[String: Result<OutputFile, OutputShareError>]>
    private let askedFor = Mutex<[String]>([])

    init(_ answers: [String: Result<OutputFile, OutputShareError>] = [:]) { self.answers = Mutex(answers) }

    var asked: [String] { askedFor.withLock { $0 } }

    func put(_ path: String, sha256: String = String(repeating: "a", count: 64)) {
        answers.withLock { $0[path] = .success(OutputFile(path: path, size: 3, sha256: sha256)) }
    }

    func validate(_ output: ReportedOutput) async throws(OutputShareError) -> OutputFile {
        askedFor.withLock { $0.append(output.path) }
        let answer = answers.withLock { $0[output.path] }
        return try (answer ?? .failure(.missing(path: output.path))).get()
    }
}

/// A share that answers when it is told to.
final class SlowShare: OutputShare {
    private let questions = AsyncStream<Void>.makeStream()
    private let answers = AsyncStream<Void>.makeStream()

    func asked() async { for await _ in questions.stream { return } }
    func answer() { answers.continuation.yield() }

    func validate(_ output: ReportedOutput) async throws(OutputShareError) -> OutputFile {
        questions.continuation.yield()
        for await _ in answers.stream { break }
        return OutputFile(path: output.path, size: 3, sha256: String(repeating: "a", count: 64))
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
