package import ContentStore
internal import Digests
package import MCMS
internal import SpindleText

package enum FileIngestOutcome: Hashable, Sendable {
    case done(String)
    case retry(reason: String)
    /// What it needs is not there now; no fault of the file.
    case postpone(reason: String)
    /// Somebody else is at it this moment.
    case busy(reason: String)
    case refused(reason: String)
}

/// Takes a staged file into the store. Every step can be repeated after a crash at any point, and ends in the same state:
///
/// 1. The scanner looks at it.
/// 2. The SHA-256 of each chunk and of the whole is computed again, and compared.
/// 3. It is committed: see ``CommitStep``.
package struct FileIngestHandler: Sendable {
    package struct Configuration: Sendable {
        /// A file whose bytes are not what came is looked at again so often.
        package var retriesMax = 5
        /// A scanner that answers without a verdict is asked so often.
        package var scanAttemptsMax = 3
        /// A scanner that does not answer is told of after so long.
        package var scannerAlertAfterMilliseconds: Int64 = 600_000
        /// A store that can't be used is told of after so long.
        package var storeAlertAfterMilliseconds: Int64 = 600_000
        /// A share that is not there is told of after so long.
        package var shareAlertAfterMilliseconds: Int64 = 600_000

        package init() {}

        func alertAfterMilliseconds(_ wait: FileWait) -> Int64 {
            switch wait {
            case .scanner: scannerAlertAfterMilliseconds
            case .store: storeAlertAfterMilliseconds
            case .share: shareAlertAfterMilliseconds
            }
        }
    }

    private let files: FilesStore
    private let folder: DiskFolder
    private let staging: StagingArea
    private let refs: RefFolder
    private let repair: RefRepair
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
        repair = RefRepair(files: files, refs: refs, store: payloads.name)
        self.payloads = payloads
        self.scan = scan
        self.share = share
        self.configuration = configuration
    }

    /// - Parameter message: the id of the message that brought the command: what it claimed, it finds again when it is redelivered.
    package func handle(_ command: FileIngestCommand, message: String = "", attempt: Int) async throws -> FileIngestOutcome {
        do {
            return try await ingest(command, message: message, attempt: attempt)
        } catch let error as PayloadStoreUnavailable {
            return try await wait(try await files.file(command.uploadSessionId), for: .store, reason: error.description)
        } catch let error as StoreFolderError where error.isFull {
            // No fault of the file: attempts that count would end with asking for it again, and a full disk would not take it then either.
            return try await wait(try await files.file(command.uploadSessionId), for: .store, reason: "the store's disk is full: \(error)")
        } catch {
            // Whoever waits for the file sees why. The first failure is the one that matters.
            try? await files.note(command.uploadSessionId, reason: "it is tried again: \(error)")
            throw error
        }
    }

    /// Lets the message come again, however long it takes, and tells operators where it takes long.
    private func wait(_ file: RoutingFile, for what: FileWait, reason: String) async throws -> FileIngestOutcome {
        // One that has ended meanwhile stays as it is.
        if [.staged, .scanning, .ingesting].contains(file.status) { try await files.mark(file.id, what.status, reason: reason) }
        if let since = file.stagedAt, files.now.milliseconds - since.milliseconds >= configuration.alertAfterMilliseconds(what) {
            try await files.alert(of: what, for: file.id, reason: reason)
        }
        return .postpone(reason: reason)
    }

    private func ingest(_ command: FileIngestCommand, message: String, attempt: Int) async throws -> FileIngestOutcome {
        let (file, upload): (RoutingFile, UploadRecord)
        switch try await files.start(command) {
        case .settled(let why):
            return try await tidied(command.uploadSessionId, why)
        case .refused(let why): return .refused(reason: why)
        case .go(let found, let record): (file, upload) = (found, record)
        }
        guard let address = ContentAddress(hash: command.casHash) else { return .refused(reason: "casHash is no SHA-256 in hexadecimal digits") }
        guard let source = try await source(file, upload, address) else {
            return try await report(.missing(Array(0..<ChunkGrid(bytes: command.size).count)), file, command)
        }
        if let outcome = try await scan(file, source, attempt: attempt) { return outcome }
        try await files.mark(file.id, .ingesting)
        let finding = try await IngestFinding.compare(source, command)
        guard case .whole(let digests) = finding else {
            // A payload that is damaged is no fault of this upload: its bytes are asked for, and take the damaged ones' place.
            return try await report(upload.sameAs == nil ? finding : .missing(Array(0..<ChunkGrid(bytes: command.size).count)), file, command)
        }
        FailPoint.chunksVerified.pass()
        return try await commit(try await files.file(file.id), upload, address, digests, message)
    }

    // MARK: Where its bytes are

    private func source(_ file: RoutingFile, _ upload: UploadRecord, _ address: ContentAddress) async throws -> (any PayloadBytes)? {
        let staging = staging
        if upload.sameAs == nil, let staged = try await Blocking.run({ try staging.open(file.id, forWriting: false) }) { return staged }
        // The store has it already, or an attempt that ended early has moved it there.
        return try await payloads.open(address)
    }

    // MARK: Scanning

    /// Nil: the file may go on.
    private func scan(_ file: RoutingFile, _ source: any PayloadBytes, attempt: Int) async throws -> FileIngestOutcome? {
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
            // A store that is away while the scanner reads is no fault of the scanner.
            let watched = source is StagedFile ? nil : WatchedBytes(source)
            let answer = await Self.ask(scanner, watched ?? source, bytes)
            if case .failure = answer, let away = watched?.unavailable { throw away }
            return try await judge(file, answer, bytes, attempt: attempt)
        }
    }

    private static func ask(_ scanner: any FileScanner, _ source: any PayloadBytes, _ bytes: Int64) async -> Result<ScanFinding, ScanError> {
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
        case .unreachable, .unfit: return try await wait(file, for: .scanner, reason: error.description)
        case .failed(let why):
            guard attempt >= configuration.scanAttemptsMax else { return .retry(reason: error.description) }
            try await files.quarantine(file.id, nil, reason: "scan-failed: \(why)")
            return .done("quarantined")
        }
    }

    private func report(_ finding: IngestFinding, _ file: RoutingFile, _ command: FileIngestCommand) async throws -> FileIngestOutcome {
        switch finding {
        case .whole: return .done("whole")
        case .missing(let indexes):
            // What has come stays as it is; a file that is gone is made anew.
            let staging = staging
            _ = try await Blocking.run { try staging.make(file.id, bytes: command.size) }
            try await files.missing(file.id, indexes, command)
            // An attempt before this one may have written a ref to a payload that is no longer what it was.
            return try await tidied(file.id, "parts are missing")
        case .mismatch(let detail):
            try await files.mismatch(file.id, detail: detail, chunkCount: command.chunks.count, retriesMax: configuration.retriesMax)
            return try await tidied(file.id, "invalid")
        }
    }

    // MARK: Storing

    private func commit(
        _ file: RoutingFile, _ upload: UploadRecord, _ address: ContentAddress, _ digests: [Int: [UInt8]], _ message: String
    ) async throws -> FileIngestOutcome {
        var stores = IngestCommit(
            file, upload, address, digests, message: message, files: files, payloads: payloads, refs: refs, staging: staging,
            share: share)
        var commit = FileCommit()
        while let step = commit.next {
            let outcome = try await commit.advance(&stores)
            FailPoint.after(step)?.pass()
            switch outcome {
            case nil: continue
            case .committed: return .done("committed")
            case .retry(let reason): return .retry(reason: reason)
            case .busy(let reason): return .busy(reason: reason)
            case .postpone(let reason): return try await wait(file, for: .share, reason: reason)
            }
        }
        return .done("committed")
    }

    /// Takes away what an attempt left of a file that has ended: staged bytes, and a ref that nobody recorded.
    /// - Returns: false: it must be tried again; see ``RefRepair/mend(afterEndOf:)``.
    private func tidy(_ id: String) async throws -> Bool {
        if try await !files.isOpen(upload: id) {
            let staging = staging
            try await Blocking.run { try staging.remove(id) }
        }
        return try await repair.mend(afterEndOf: id)
    }

    private func tidied(_ id: String, _ what: String) async throws -> FileIngestOutcome {
        try await tidy(id) ? .done(what) : .busy(reason: PlaceTaken().description)
    }

    /// A message died: if it was an ingest's, the file can't be stored, and its uploader is told.
    package func died(_ message: DeadMessage, _ letter: DeadMessageHandler.Letter) async throws -> Bool {
        struct DeadIngest: Decodable { var payload: FileIngestCommand }
        guard [FileQueues.ingest, FileQueues.retry].contains(message.queue),
            let command = try? MCMSJSON.decode(DeadIngest.self, from: letter.body).payload
        else { return false }
        // A stranger's message with somebody's id ends nothing.
        if case .refused = try await files.start(command) { return true }
        try await files.fail(command.uploadSessionId, reason: message.explanation)
        guard try await tidy(command.uploadSessionId) else {
            throw PlaceTaken()
        }
        return true
    }
}

/// Told of a dead message again, when the other file is done.
private struct PlaceTaken: Error, CustomStringConvertible {
    var description: String { "another file of that name is being stored this moment" }
}
