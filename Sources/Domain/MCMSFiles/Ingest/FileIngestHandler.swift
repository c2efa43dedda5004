package import ContentStore
internal import Digests
internal import Dispatch
package import MCMS
internal import SpindleText
internal import Synchronization

package enum FileIngestOutcome: Hashable, Sendable {
    case done(String)
    case retry(reason: String)
    /// What it needs is not there now; no fault of the file.
    case postpone(reason: String)
    case refused(reason: String)
}

/// Takes a staged file into the store. Every step can be repeated after a crash at any point, and ends in the same state:
///
/// 1. The scanner looks at it.
/// 2. The SHA-256 of each chunk and of the whole is computed again, and compared.
/// 3. The payload is moved into the store, or found there, and verified.
/// 4. `refs.pending` is written, then the audit, then `meta.json`, then the ref.
/// 5. The file is published on the share.
/// 6. Its state, history and events are committed.
package struct FileIngestHandler: Sendable {
    package struct Configuration: Sendable {
        /// A file whose bytes are not what came is looked at again so often.
        package var retriesMax = 5
        /// A scanner that answers without a verdict is asked so often.
        package var scanAttemptsMax = 3
        /// A scanner that does not answer is told of after so long.
        package var scannerAlertAfterMilliseconds: Int64 = 600_000

        package init() {}
    }

    private let files: FilesStore
    private let folder: DiskFolder
    private let staging: StagingArea
    private let refs: RefFolder
    private let payloads: any PayloadStore
    private let scan: ScanPolicy
    private let share: SharePublisher
    private let configuration: Configuration

    package init(
        files: FilesStore, folder: DiskFolder, payloads: any PayloadStore, scan: ScanPolicy, share: SharePublisher,
        configuration: Configuration = .init()
    ) {
        self.files = files
        self.folder = folder
        staging = StagingArea(folder)
        refs = RefFolder(folder)
        self.payloads = payloads
        self.scan = scan
        self.share = share
        self.configuration = configuration
    }

    package func handle(_ command: FileIngestCommand, attempt: Int) async throws -> FileIngestOutcome {
        let (file, upload): (RoutingFile, UploadRecord)
        switch try await files.start(command) {
        case .settled(let why): return .done(why)
        case .refused(let why): return .refused(reason: why)
        case .go(let found, let record): (file, upload) = (found, record)
        }
        guard let address = ContentAddress(hash: command.casHash) else { return .refused(reason: "casHash is no SHA-256 in hexadecimal digits") }
        guard let source = try await source(file, upload, address) else {
            return try await report(.missing(Array(0..<ChunkGrid(bytes: command.size).count)), file, command)
        }
        if let outcome = try await scan(file, source, attempt: attempt) { return outcome }
        try await files.mark(file.id, .ingesting)
        let finding = try await Self.compare(source, command)
        guard case .whole(let digests) = finding else {
            // A payload that is damaged is no fault of this upload: its bytes are asked for, and take the damaged ones' place.
            return try await report(upload.sameAs == nil ? finding : .missing(Array(0..<ChunkGrid(bytes: command.size).count)), file, command)
        }
        FailPoint.chunksVerified.pass()
        return try await store(try await files.file(file.id), upload, address, digests)
    }

    // MARK: Where its bytes are

    private func source(_ file: RoutingFile, _ upload: UploadRecord, _ address: ContentAddress) async throws -> StagedFile? {
        let staging = staging
        if upload.sameAs == nil, let staged = try await Blocking.run({ try staging.open(file.id, forWriting: false) }) { return staged }
        // The store has it already, or an attempt that ended early has moved it there.
        return try await payloads.open(address)
    }

    // MARK: Scanning

    /// Nil: the file may go on.
    private func scan(_ file: RoutingFile, _ source: StagedFile, attempt: Int) async throws -> FileIngestOutcome? {
        if let verdict = file.verdict, [.clean, .released, .notScanned].contains(verdict.outcome) { return nil }
        let bytes = file.size ?? 0
        switch scan {
        case .undecided:
            try await files.mark(file.id, .staged, reason: "no virus scanner is set up: say `scanner:` under `files:` in the description")
            return .postpone(reason: "no scanner is set up")
        case .off:
            try await files.record(
                ScanVerdict(.notScanned, detail: "switched off: scanner: none", scannedBytes: 0, totalBytes: bytes, scannedAt: .now()), of: file.id)
            return nil
        case .by(let scanner):
            try await files.mark(file.id, .scanning)
            return try await judge(file, await Self.ask(scanner, source, bytes), bytes, attempt: attempt)
        }
    }

    private static func ask(_ scanner: any FileScanner, _ source: StagedFile, _ bytes: Int64) async -> Result<ScanFinding, ScanError> {
        do throws(ScanError) {
            return .success(try await scanner.scan(source, bytes: bytes))
        } catch {
            return .failure(error)
        }
    }

    private func judge(
        _ file: RoutingFile, _ answer: Result<ScanFinding, ScanError>, _ bytes: Int64, attempt: Int
    ) async throws -> FileIngestOutcome? {
        switch answer {
        case .success(let finding):
            let verdict = ScanVerdict(
                finding.outcome, detail: finding.detail, engine: finding.engine, scannedBytes: finding.scannedBytes, totalBytes: bytes,
                scannedAt: .now())
            switch finding.outcome {
            case .clean, .notScanned, .released:
                try await files.record(verdict, of: file.id)
                return nil
            case .infected:
                try await files.quarantine(file.id, verdict, reason: "infected: \(finding.detail ?? "no name given")")
            case .notScannable:
                try await files.quarantine(file.id, verdict, reason: "scan-failed: \(finding.detail ?? "it can't be scanned whole")")
            }
            return .done("quarantined")
        case .failure(let error):
            return try await settle(file, error, attempt: attempt)
        }
    }

    private func settle(_ file: RoutingFile, _ error: ScanError, attempt: Int) async throws -> FileIngestOutcome {
        switch error {
        case .unreachable, .unfit:
            try await files.mark(file.id, .scanning, reason: error.description)
            if let since = file.stagedAt, Timestamp.now().milliseconds - since.milliseconds >= configuration.scannerAlertAfterMilliseconds {
                try await files.alertOfScanner(file.id, reason: error.description)
            }
            return .postpone(reason: error.description)
        case .failed(let why):
            guard attempt >= configuration.scanAttemptsMax else { return .retry(reason: error.description) }
            try await files.quarantine(file.id, nil, reason: "scan-failed: \(why)")
            return .done("quarantined")
        }
    }

    // MARK: Comparing

    private enum Finding: Sendable {
        case whole([Int: [UInt8]])
        case missing([Int])
        case mismatch(String)
    }

    /// Reads the file once: each chunk's digest, and the whole one's.
    private static func compare(_ source: StagedFile, _ command: FileIngestCommand) async throws -> Finding {
        let grid = ChunkGrid(bytes: command.size)
        return try await Blocking.run {
            guard command.chunks.count == grid.count else {
                return .mismatch("the command lists \(command.chunks.count) chunks, and \(command.size) bytes have \(grid.count)")
            }
            var whole = WholeDigest(try DigestStream(.sha256))
            var (digests, missing): ([Int: [UInt8]], [Int]) = ([:], [])
            var wrong: String?
            let said = Dictionary(command.chunks.map { ($0.index, $0.hash.flatMap(Hexadecimal.bytes)) }) { first, _ in first }
            for index in 0..<grid.count {
                let digest = try whole.take(source, from: grid.offset(of: index), bytes: grid.bytes(of: index))
                digests[index] = digest
                guard let expected = said[index] ?? nil, expected != digest else { continue }
                if try source.hasHole(from: grid.offset(of: index), bytes: grid.bytes(of: index)) {
                    missing.append(index)
                } else {
                    wrong = wrong ?? "chunk \(index) of \(grid.count) has the SHA-256 \(Hexadecimal.text(digest)), and had \(Hexadecimal.text(expected)) when it came"
                }
            }
            if let wrong { return .mismatch(wrong) }
            if !missing.isEmpty { return .missing(missing) }
            let digest = Hexadecimal.text(try whole.finish())
            guard digest == command.casHash else { return .mismatch("its SHA-256 is \(digest), and was \(command.casHash) when it came") }
            guard try source.facts().bytes == command.size else { return .mismatch("it has \(try source.facts().bytes) bytes, and had \(command.size)") }
            return .whole(digests)
        }
    }

    private func report(_ finding: Finding, _ file: RoutingFile, _ command: FileIngestCommand) async throws -> FileIngestOutcome {
        switch finding {
        case .whole: return .done("whole")
        case .missing(let indexes):
            // What has come stays as it is; a file that is gone is made anew.
            let staging = staging
            _ = try await Blocking.run { try staging.make(file.id, bytes: command.size) }
            try await files.missing(file.id, indexes, command)
            return .done("parts are missing")
        case .mismatch(let detail):
            try await files.mismatch(file.id, detail: detail, chunkCount: command.chunks.count, retriesMax: configuration.retriesMax)
            let now = try await files.file(file.id)
            if now.retryCount > configuration.retriesMax { try await removeStaged(now) }
            return .done("invalid")
        }
    }

    // MARK: Storing

    private func store(
        _ file: RoutingFile, _ upload: UploadRecord, _ address: ContentAddress, _ digests: [Int: [UInt8]]
    ) async throws -> FileIngestOutcome {
        guard try await files.pin(address.hash, for: file.id) else { return .retry(reason: "its payload is being removed this moment") }
        let bytes = file.size ?? 0
        let receipt: StoreReceipt
        if upload.sameAs != nil {
            // Its bytes were read in the step before. From the pin on it stays; before, it may have been collected.
            guard try await payloads.bytes(of: address) == bytes else { return .retry(reason: "its payload was removed meanwhile") }
            receipt = StoreReceipt(wasThere: true, answer: "size=\(bytes) sha256=\(address.hash)")
        } else {
            receipt = try await payloads.put(upload: file.id, as: address, bytes: bytes)
        }
        FailPoint.payloadStored.pass()
        try await refer(file, upload, address, receipt, digests)
        guard let payload = try await payloads.open(address) else { return .retry(reason: "the payload can't be read back") }
        let before = try await files.published(before: file)
        let shared: SharePublisher.Outcome
        do {
            shared = try await share.publish(
                payload, bytes: bytes, sha256: address.hash, at: file.logicalPath, file: file.id,
                replaceable: before)
        } catch let error as SharePublisher.Unavailable {
            try await files.mark(file.id, .ingesting, reason: error.description)
            return .postpone(reason: error.description)
        }
        FailPoint.published.pass()
        try await files.commit(file.id, digests, share: shared)
        FailPoint.committed.pass()
        try await removeStaged(file)
        return .done("committed")
    }

    private func refer(
        _ file: RoutingFile, _ upload: UploadRecord, _ address: ContentAddress, _ receipt: StoreReceipt, _ digests: [Int: [UInt8]]
    ) async throws {
        let refs = refs
        let place = RefPlace(routing: file.routingId, revision: file.revision, logicalName: file.logicalName)
        let ref = try MCMSJSON.encode(FileRef(file, address))
        let meta = try MCMSJSON.encode(FileMeta(file, upload, address, receipt, store: payloads.name, chunkCount: digests.count))
        try await Blocking.run { try refs.announce(place, ref) }
        FailPoint.pendingWritten.pass()
        try await files.audit(file, upload, chunkCount: digests.count, answer: receipt.answer, .committed)
        FailPoint.auditWritten.pass()
        try await Blocking.run { try refs.writeMeta(place, meta) }
        FailPoint.metaWritten.pass()
        try await Blocking.run { try refs.commit(place, ref) }
        FailPoint.refWritten.pass()
    }

    private func removeStaged(_ file: RoutingFile) async throws {
        let (staging, refs) = (staging, refs)
        let place = RefPlace(routing: file.routingId, revision: file.revision, logicalName: file.logicalName)
        try await Blocking.run {
            try staging.remove(file.id)
            try refs.withdraw(place)
        }
    }

    /// A message died: if it was an ingest's, the file can't be stored, and its uploader is told.
    package func died(_ message: DeadMessage, _ letter: DeadMessageHandler.Letter) async throws -> Bool {
        struct DeadIngest: Decodable { var payload: FileIngestCommand }
        guard [FileQueues.ingest, FileQueues.retry].contains(message.queue),
            let command = try? MCMSJSON.decode(DeadIngest.self, from: letter.body).payload
        else { return false }
        // A stranger's message with somebody's id ends nothing.
        guard case .go = try await files.start(command) else { return true }
        guard try await files.fail(command.uploadSessionId, reason: message.explanation) else { return true }
        try await removeStaged(try await files.file(command.uploadSessionId))
        return true
    }
}

/// The digests of a file and of each chunk, from reading each chunk once more on a second core.
private struct WholeDigest: ~Copyable {
    private var whole: DigestStream

    init(_ whole: consuming DigestStream) { self.whole = whole }

    /// Returns the chunk's own digest.
    mutating func take(_ source: StagedFile, from offset: Int64, bytes: Int64) throws -> [UInt8] {
        let chunk = Mutex<Result<[UInt8], any Error>?>(nil)
        let group = DispatchGroup()
        DispatchQueue.global().async(group: group) {
            let digest = Result { try source.digest(from: offset, bytes: bytes) }
            chunk.withLock { $0 = digest }
        }
        defer { group.wait() }
        try source.read(from: offset, bytes: bytes) { try whole.update($0) }
        group.wait()
        return try chunk.withLock { $0 }?.get() ?? []
    }

    consuming func finish() throws -> [UInt8] { try whole.finish() }
}

/// `refs/<routing>/<revision>/<name>.json`.
struct FileRef: Codable, Hashable {
    var fileId: String
    var routingId: String
    var revision: Int
    var logicalName: String
    var logicalPath: String
    var algorithm: String
    var hash: String
    /// Below the store's root.
    var payload: String
    var size: Int64

    init(_ file: RoutingFile, _ address: ContentAddress) {
        fileId = file.id
        routingId = file.routingId
        revision = file.revision
        logicalName = file.logicalName
        logicalPath = file.logicalPath
        algorithm = ContentAddress.algorithm
        hash = address.hash
        payload = address.payload
        size = file.size ?? 0
    }
}

/// `refs/<routing>/<revision>/<name>.meta.json`: what was known of the file when it was committed.
struct FileMeta: Codable, Hashable {
    var cas: String
    var payload: String
    var size: Int64
    var sha256: String
    var md5: String
    var chunkBytes: Int64
    var chunkCount: Int
    var store: String
    var storeAnswer: String
    var uploader: String
    var uploadSessionId: String
    var scan: ScanVerdict?
    var stagedAt: Timestamp?

    init(_ file: RoutingFile, _ upload: UploadRecord, _ address: ContentAddress, _ receipt: StoreReceipt, store: String, chunkCount: Int) {
        cas = address.description
        payload = address.payload
        size = file.size ?? 0
        sha256 = address.hash
        md5 = file.md5 ?? ""
        chunkBytes = ChunkGrid.chunkBytes
        self.chunkCount = chunkCount
        self.store = store
        storeAnswer = receipt.answer
        uploader = file.uploader
        uploadSessionId = upload.id
        scan = file.verdict
        stagedAt = file.stagedAt
    }
}
