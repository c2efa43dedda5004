import ContentStore
import Digests
import Foundation
import Logging
import MCMS
import MCMSFiles
import SQLStore
import SpindleText
import Synchronization
import Testing

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Bytes that are the same in every run, and differ from place to place.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state)
    }
}

func sha256(_ bytes: [UInt8]) throws -> String { Hexadecimal.text(try DigestStream.digest(of: bytes)) }

struct Envelope<Payload: Decodable>: Decodable { let payload: Payload }

/// Everything that files need, in a folder of its own.
struct TestFiles: Sendable {
    let root: URL
    let mcms: MCMSStore
    let store: FilesStore
    let folder: DiskFolder
    let payloads: LocalPayloadStore
    let uploads: UploadService
    let share: URL
    let caller = Caller(actor: "김철수", principal: "web", correlationID: "c-1")

    init(
        _ change: (inout UploadService.Limits) -> Void = { _ in }, reserve: Int64 = 0, clock: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("files-\(UUID().uuidString)")
        share = root.appendingPathComponent("share")
        try FileManager.default.createDirectory(at: share, withIntermediateDirectories: true)
        mcms = try MCMSStore(path: root.appendingPathComponent("mcms.sqlite").path, extending: FilesSchema.add, clock: clock)
        store = FilesStore(mcms)
        folder = try DiskFolder(path: root.appendingPathComponent("store").path)
        payloads = LocalPayloadStore(folder)
        var limits = UploadService.Limits()
        change(&limits)
        uploads = UploadService(
            store: store, folder: folder, payloads: payloads, room: DiskRoom(store: folder.path, share: share.path, reserve: reserve), limits: limits, logger: quiet)
    }

    func remove() { try? FileManager.default.removeItem(at: root) }

    /// The same store, as another process that starts has it.
    func anotherService() -> UploadService {
        UploadService(store: store, folder: folder, payloads: payloads, room: DiskRoom(store: folder.path, share: share.path, reserve: 0), logger: quiet)
    }

    func routing() async throws -> String { try await mcms.createRouting(name: "브래킷", by: caller).id }

    func new(
        _ name: String, _ bytes: Int64?, routing: String, way: UploadRecord.Way = .parts, path: String? = nil, hashes: [[UInt8]]? = nil
    ) throws -> NewUpload {
        NewUpload(
            way, routing: routing, revision: nil, names: try uploads.names(name: name, path: path, routing: routing), size: bytes, chunkHashes: hashes)
    }

    func handler(
        _ scan: ScanPolicy = .off, retriesMax: Int = 2, payloads: (any PayloadStore)? = nil, alertAfter: Int64 = 600_000,
        storeAlertAfter: Int64 = 600_000, shareAlertAfter: Int64 = 600_000
    ) -> FileIngestHandler {
        var configuration = FileIngestHandler.Configuration()
        configuration.retriesMax = retriesMax
        configuration.scanAttemptsMax = 2
        configuration.scannerAlertAfterMilliseconds = alertAfter
        configuration.storeAlertAfterMilliseconds = storeAlertAfter
        configuration.shareAlertAfterMilliseconds = shareAlertAfter
        return FileIngestHandler(
            files: store, folder: folder, payloads: payloads ?? self.payloads, scan: scan, share: SharePublisher(root: share.path),
            configuration: configuration)
    }

    /// Uploads bytes by parts, and waits until they are staged.
    func upload(_ name: String, _ bytes: [UInt8], routing: String, path: String? = nil) async throws -> RoutingFile {
        let upload = try await uploads.create(try new(name, Int64(bytes.count), routing: routing, path: path), by: caller)
        for index in 0..<ChunkGrid(bytes: Int64(bytes.count)).count { try await send(bytes, part: index, of: upload.id) }
        return try await staged(upload.id)
    }

    @discardableResult
    func send(_ bytes: [UInt8], part index: Int, of id: String, declared: [UInt8]? = nil) async throws -> UploadService.PartOutcome {
        let grid = ChunkGrid(bytes: Int64(bytes.count))
        let range = Int(grid.offset(of: index))..<Int(grid.offset(of: index) + grid.bytes(of: index))
        return try await uploads.receive(part: index, of: id, declared: declared, Pieces(Array(bytes[range])), bytes: { $0 })
    }

    func staged(_ id: String) async throws -> RoutingFile {
        try await eventually { try await store.file(id).stagedAt != nil }
        return try await store.file(id)
    }

    /// The messages that wait in the outbox for a queue, oldest first.
    func messages<Payload: Decodable & Sendable>(_ type: Payload.Type, to queue: String) async throws -> [Payload] {
        let bodies = try await mcms.database.read { db in
            try db.rows("SELECT payload FROM outbox WHERE destination = $1 ORDER BY sequence", [queue]).map { try $0.value("payload", as: [UInt8].self) }
        }
        return try bodies.map { try MCMSJSON.decode(Envelope<Payload>.self, from: $0).payload }
    }

    func command(_ id: String, queue: String = FileQueues.ingest) async throws -> FileIngestCommand {
        try #require(try await messages(FileIngestCommand.self, to: queue).last { $0.uploadSessionId == id })
    }

    func alerts() async throws -> [AlertEvent] {
        let bodies = try await mcms.database.read { db in
            try db.rows("SELECT payload FROM outbox WHERE destination = $1 ORDER BY sequence", [MCMSNames.alertTopic]).map {
                try $0.value("payload", as: [UInt8].self)
            }
        }
        return try bodies.map { try MCMSJSON.decode(AlertEvent.self, from: $0) }
    }

    func history(_ routing: String) async throws -> [HistoryEvent] { try await mcms.history(of: routing, limit: 500).items.map(\.event) }

    func names(below path: String) -> [String] {
        let base = root.appendingPathComponent(path).path
        return (FileManager.default.enumerator(atPath: base)?.allObjects as? [String] ?? []).filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: base + "/" + $0, isDirectory: &isFolder) && !isFolder.boolValue
        }.sorted()
    }
}

/// Waits for something that other tasks bring about; at most thirty seconds: all tests share two cores.
func eventually(_ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(30)
    while try await !condition() {
        try #require(ContinuousClock.now < end, "it did not come within thirty seconds")
        // Until the deadline of this wait.
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// A body that arrives in pieces, and may break off.
struct Pieces: AsyncSequence, Sendable {
    struct Broken: Error {}

    let bytes: [UInt8]
    var pieceBytes = 1 << 20
    var breaksAt: Int?

    init(_ bytes: [UInt8], pieceBytes: Int = 1 << 20, breaksAt: Int? = nil) {
        self.bytes = bytes
        self.pieceBytes = pieceBytes
        self.breaksAt = breaksAt
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        let body: Pieces
        var offset = 0

        mutating func next() async throws -> [UInt8]? {
            let end = body.breaksAt ?? body.bytes.count
            guard offset < end else {
                if body.breaksAt != nil { throw Broken() }
                return nil
            }
            let piece = Array(body.bytes[offset..<Swift.min(offset + body.pieceBytes, end)])
            offset += piece.count
            return piece
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }
}

/// A body whose sender has gone silent: it comes when the test lets it.
final class SilentBody: AsyncSequence, Sendable {
    private let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
    func send(_ bytes: [UInt8]) { continuation.yield(bytes) }
    func end() { continuation.finish() }
    func makeAsyncIterator() -> AsyncStream<[UInt8]>.Iterator { stream.makeAsyncIterator() }
}

/// A scanner that answers what the test says.
final class FakeScanner: FileScanner {
    let answer: Mutex<Result<ScanFinding, ScanError>>
    let probed = Mutex(Result<String?, ScanError>.success(nil))
    let asked = Mutex(0)
    let name = "fake"

    init(_ answer: Result<ScanFinding, ScanError>) { self.answer = Mutex(answer) }

    func probe() async throws(ScanError) -> String? { try probed.withLock { $0 }.get() }

    func scan(_ file: any PayloadBytes, bytes: Int64) async throws(ScanError) -> ScanFinding {
        asked.withLock { $0 += 1 }
        return try answer.withLock { $0 }.get()
    }
}

/// What tests look at for viruses.
enum Eicar {
    /// In two parts, so that no scanner takes the tests for the test file.
    static let text = Array((#"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD"# + "-ANTIVIRUS-TEST-FILE!$H+H*").utf8)
    static let count = Int64(text.count)
}

extension TestFiles {
    /// A file of holes, with the EICAR test text where the test wants it.
    func sparse(_ bytes: Int64, eicarAt offset: Int64? = nil) throws -> StagedFile {
        let file = try StagingArea(folder).make(UUID().uuidString, bytes: bytes)
        if let offset { try Eicar.text.withUnsafeBytes { try file.write($0, at: offset) } }
        return file
    }
}

/// What a scanner said, or why it said nothing.
func ask(_ scanner: any FileScanner, _ file: StagedFile, _ bytes: Int64) async -> Result<ScanFinding, ScanError> {
    do throws(ScanError) {
        return .success(try await scanner.scan(file, bytes: bytes))
    } catch {
        return .failure(error)
    }
}

func probe(_ scanner: any FileScanner) async -> Result<String?, ScanError> {
    do throws(ScanError) {
        return .success(try await scanner.probe())
    } catch {
        return .failure(error)
    }
}

extension ScanError {
    var isUnreachable: Bool { if case .unreachable = self { true } else { false } }
    var isUnfit: Bool { if case .unfit = self { true } else { false } }
    var isFailed: Bool { if case .failed = self { true } else { false } }
}

extension Result {
    var error: Failure? { if case .failure(let error) = self { error } else { nil } }
    var value: Success? { if case .success(let value) = self { value } else { nil } }
}
