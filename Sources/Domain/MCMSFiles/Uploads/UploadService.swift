package import ContentStore
package import Digests
package import Logging
package import MCMS
internal import NIOCore
internal import SpindleText
internal import Synchronization

/// Takes uploads in: both ways write one staged file, and both end in ``FilesStore/stage(_:sha256:md5:)``.
package final class UploadService: Sendable {
    package struct Limits: Sendable {
        /// 20 GiB.
        package var bytesMax: Int64 = 20 << 30
        package var expiry: Duration = .seconds(7 * 24 * 3_600)
        /// Uploads of one principal that lack bytes.
        package var openMax = 1_000
        package var windowsRoots = [LogicalPath.rootDefault]

        package init() {}
    }

    /// Parts within so many chunks of the lowest missing one are hashed as they arrive; others are taken too, and hashed later.
    package static let window = 64
    /// Chunks are fetched from a store over a network for so long.
    private static let copyingMax = Duration.seconds(20)
    package let store: FilesStore
    package let limits: Limits
    private let staging: StagingArea
    private let payloads: any PayloadStore
    private let room: DiskRoom
    private let logger: Logger
    private let writers = UploadWriters()
    private let lines = Mutex<[String: DigestLine]>([:])

    package init(
        store: FilesStore, folder: DiskFolder, payloads: any PayloadStore, room: DiskRoom, limits: Limits = .init(), logger: Logger
    ) {
        self.store = store
        staging = StagingArea(folder)
        self.payloads = payloads
        self.room = room
        self.limits = limits
        self.logger = logger
    }

    /// Finishes what was all there when the last process ended.
    package func resume() async throws {
        for id in try await store.unstaged() { await finish(try await store.upload(id)) }
    }

    // MARK: Creating

    package func names(name: String, path: String?, routing: String) throws(FileError) -> FileNames {
        try FileNames(name: name, path: path, routing: routing, windowsRoots: limits.windowsRoots)
    }

    package func create(_ new: NewUpload, by caller: Caller) async throws -> UploadRecord {
        if let size = new.size {
            guard size >= 0 else { throw FileError.invalid(field: "size", problem: "is \(size), and must not be negative") }
            guard size <= limits.bytesMax else { throw FileError.tooLarge(bytes: size, max: limits.bytesMax) }
            if let hashes = new.chunkHashes, hashes.count != ChunkGrid(bytes: size).count {
                throw FileError.invalid(
                    field: "hashes", problem: "has \(hashes.count) entries, and \(size) bytes have \(ChunkGrid(bytes: size).count) chunks")
            }
        }
        let room = room
        let upload = try await store.create(new, expiry: limits.expiry, openMax: limits.openMax, by: caller) { try room.check($0) }
        if upload.sameAs == nil {
            let staging = staging
            _ = try await Blocking.run { try staging.make(upload.id, bytes: upload.size) }
            if let hashes = upload.chunkHashes, let grid = upload.grid { try await copyKnown(upload, hashes, grid) }
        }
        let now = try await store.upload(upload.id)
        if now.isComplete { await finish(now) }
        return now
    }

    package func createPartial(size: Int64?, metadata: String, by caller: Caller) async throws -> UploadRecord {
        if let size, size > limits.bytesMax { throw FileError.tooLarge(bytes: size, max: limits.bytesMax) }
        let room = room
        let upload = try await store.createPartial(
            size: size, metadata: metadata, expiry: limits.expiry, openMax: limits.openMax, by: caller
        ) { try room.check($0) }
        let staging = staging
        _ = try await Blocking.run { try staging.make(upload.id, bytes: size) }
        return upload
    }

    /// Puts partial uploads together, in their order, and removes them.
    /// - Parameter new: its size is not looked at.
    package func concatenate(_ partials: [UploadRecord], into new: NewUpload, by caller: Caller) async throws -> UploadRecord {
        if let unfinished = partials.first(where: { !$0.isComplete }) {
            throw FileError.invalid(field: "Upload-Concat", problem: "names \(unfinished.id), which is not complete")
        }
        var new = new
        let size = partials.reduce(0) { $0 + $1.receivedBytes }
        new.size = size
        let upload = try await create(new, by: caller)
        let staging = staging
        let chunks = try await Blocking.run { () -> [Int: [UInt8]] in
            let file = try staging.make(upload.id, bytes: size)
            var offset: Int64 = 0
            for partial in partials {
                guard let piece = try staging.open(partial.id, forWriting: false) else { throw FileError.noSuchUpload(partial.id) }
                try file.append(piece, at: offset)
                offset += partial.receivedBytes
            }
            try file.sync()
            let grid = ChunkGrid(bytes: size)
            return try Dictionary(
                uniqueKeysWithValues: (0..<grid.count).map { ($0, try file.digest(from: grid.offset(of: $0), bytes: grid.bytes(of: $0))) })
        }
        let record = try await store.record(upload.id, writer: nil, chunks: chunks, offset: size, expiry: limits.expiry)
        try await advance(record, try await open(upload.id), chunks.keys)
        for partial in partials { try await delete(partial.id, reason: "it became a piece of \(upload.id)", by: caller) }
        return record
    }

    /// Takes chunks that the store has from there.
    private func copyKnown(_ upload: UploadRecord, _ hashes: [[UInt8]], _ grid: ChunkGrid) async throws {
        let staging = staging
        guard let target = try await Blocking.run({ try staging.open(upload.id, forWriting: true) }) else { return }
        let end = ContinuousClock.now + Self.copyingMax
        var opened: (address: ContentAddress, payload: any PayloadBytes)?
        for (index, hash) in hashes.enumerated() {
            guard let known = try await store.chunk(sha256: hash) else { continue }
            let (offset, bytes) = (grid.offset(of: index), grid.bytes(of: index))
            do {
                if opened?.address != known.hash { opened = try await payloads.open(known.hash).map { (known.hash, $0) } }
                guard let source = opened?.payload else { continue }
                // The client waits for the answer, and can send the rest itself.
                if !(source is StagedFile), ContinuousClock.now > end { return }
                try await target.take(source, from: ChunkGrid.chunkBytes * Int64(known.index), at: offset, bytes: bytes)
            } catch let error as PayloadStoreUnavailable {
                logger.warning("chunks that the store has can't be taken from there", metadata: ["fileId": "\(upload.id)", "what": "\(error)"])
                return
            }
            if try await Self.seal(target, from: offset, bytes: bytes) == hash {
                _ = try await store.record(upload.id, writer: nil, chunks: [index: hash], offset: nil, expiry: limits.expiry)
            }
        }
    }

    // MARK: Parts

    package enum PartOutcome: Sendable {
        case stored(UploadRecord)
        /// It is here already; its bytes were not read.
        case wasThere(UploadRecord)
    }

    /// Takes one chunk.
    /// - Parameter declared: its SHA-256, as the request says it.
    package func receive<Body: AsyncSequence>(
        part index: Int, of id: String, declared: [UInt8]?, _ body: Body, bytes: @Sendable (Body.Element) -> [UInt8]
    ) async throws -> PartOutcome {
        let upload = try await store.upload(id)
        guard upload.way != .partial, let grid = upload.grid else {
            throw FileError.invalid(field: "index", problem: "can't be sent: the upload's size is not known yet")
        }
        guard grid.contains(index) else {
            throw FileError.invalid(field: "index", problem: "is \(index), and the upload has \(grid.count) parts, from 0")
        }
        if upload.endedAt != nil { return .wasThere(upload) }
        let expected = upload.chunkHashes?[index]
        if let declared, let expected, declared != expected {
            throw FileError.digestMismatch(detail: "Content-Digest says \(Hexadecimal.text(declared)) for part \(index), and the upload's list \(Hexadecimal.text(expected)).")
        }
        if let present = try await store.chunks(of: id)[index], declared == nil || declared == present { return .wasThere(upload) }
        let turn = writers.take("\(id)/\(index)")
        defer { turn.end() }
        let file = try await open(id)
        let (offset, size) = (grid.offset(of: index), grid.bytes(of: index))
        var writer = PieceWriter(file: file, offset: offset, end: offset + size)
        for try await element in body {
            try turn.check()
            try await writer.take(bytes(element))
        }
        try await writer.flush()
        try turn.check()
        guard writer.offset == offset + size else {
            throw FileError.invalid(field: "body", problem: "has \(writer.offset - offset) bytes, and part \(index) has \(size)")
        }
        let digest = try await Self.seal(file, from: offset, bytes: size)
        if let wanted = declared ?? expected, wanted != digest {
            throw FileError.digestMismatch(detail: "Part \(index) arrived with the SHA-256 \(Hexadecimal.text(digest)), expected was \(Hexadecimal.text(wanted)).")
        }
        try turn.check()
        let record = try await store.record(id, writer: nil, chunks: [index: digest], offset: nil, expiry: limits.expiry)
        try await advance(record, file, [index])
        return .stored(record)
    }

    /// Brings a range to the disk, and reads it back for its digest.
    private static func seal(_ file: StagedFile, from offset: Int64, bytes: Int64) async throws -> [UInt8] {
        try await Blocking.run {
            try file.sync()
            return try file.digest(from: offset, bytes: bytes)
        }
    }

    // MARK: tus

    /// A checksum that a PATCH declares of its own bytes.
    package struct Checksum: Sendable {
        package var algorithm: DigestStream.Algorithm
        package var digest: [UInt8]

        package init(algorithm: DigestStream.Algorithm, digest: [UInt8]) {
            self.algorithm = algorithm
            self.digest = digest
        }
    }

    /// Stops whoever writes the upload, so that its offset stands still; for HEAD, after which a client resumes.
    package func interrupt(_ id: String) { writers.interrupt(id) }

    /// Appends a body at the offset. What has come when a body breaks off is kept, unless it has a checksum.
    /// - Parameter size: the upload's size, where the request is the first to say it.
    package func append<Body: AsyncSequence>(
        to id: String, at offset: Int64, size: Int64?, checksum: Checksum?, _ body: Body, bytes: @Sendable (Body.Element) -> [UInt8]
    ) async throws -> UploadRecord {
        let turn = writers.take(id)
        defer { turn.end() }
        let number = try await store.take(id)
        var upload = try await store.upload(id)
        if upload.concatenation?.hasPrefix("final") ?? false {
            throw FileError.notPermitted("The upload “\(id)” was put together from others: nothing is appended to it.")
        }
        guard upload.receivedBytes == offset else { throw FileError.offsetConflict(offset: upload.receivedBytes) }
        if upload.endedAt != nil { return upload }
        if let size {
            if let known = upload.size, known != size {
                throw FileError.invalid(field: "Upload-Length", problem: "is \(size), and was \(known) before")
            }
            guard size <= limits.bytesMax else { throw FileError.tooLarge(bytes: size, max: limits.bytesMax) }
            if upload.size == nil {
                try room.check(try await store.spokenFor().adding(store: size - offset, share: size))
                upload.size = size
            }
        }
        let file = try await open(id)
        var pass = AppendPass(
            upload: upload, writer: PieceWriter(file: file, offset: offset, end: upload.size ?? limits.bytesMax), recorded: offset)
        do {
            for try await element in body {
                try turn.check()
                // Nothing is reserved for an upload that doesn't say how long it becomes: it takes what is free, chunk by chunk.
                if pass.upload.size == nil, pass.needsRoom {
                    try room.check(try await store.spokenFor().adding(store: 2 * ChunkGrid.chunkBytes, share: pass.writer.offset))
                    pass.roomUntil = pass.writer.offset + ChunkGrid.chunkBytes
                }
                try await pass.writer.take(bytes(element))
                if checksum == nil, pass.hasWholeChunk { try await recordBeside(&pass, number, turn) }
            }
            try await pass.writer.flush()
        } catch {
            try? await settle(&pass)
            // What arrived stays, so that less is sent again; the client asks where to go on.
            if checksum == nil, turn.isMine {
                try? await pass.writer.flush()
                try? await record(&pass, number, turn)
            }
            throw error
        }
        try await settle(&pass)
        if let checksum {
            let end = pass.writer.offset
            let digest = try await Blocking.run { try file.digest(from: offset, bytes: end - offset, checksum.algorithm) }
            guard digest == checksum.digest else {
                throw FileError.digestMismatch(
                    detail: "The bytes arrived with the \(checksum.algorithm.rawValue) \(Hexadecimal.text(digest)); they were discarded.")
            }
        }
        try await record(&pass, number, turn, size: size)
        return pass.upload
    }

    private struct AppendPass {
        var upload: UploadRecord
        var writer: PieceWriter
        /// Known to be on the disk.
        var recorded: Int64
        /// Syncs and hashes what came before while more arrives; whoever begins it awaits it.
        var recording: Task<UploadRecord, any Error>?
        /// What will be on the disk when it is done.
        var taken: Int64 = 0
        /// Up to here the disk was seen to have room.
        var roomUntil: Int64 = -1

        var needsRoom: Bool { writer.offset > roomUntil }

        var hasWholeChunk: Bool { writer.written / ChunkGrid.chunkBytes > max(recorded, taken) / ChunkGrid.chunkBytes }
    }

    /// Syncs what was written, and only then lets the offset rise.
    private func record(_ pass: inout AppendPass, _ number: Int, _ turn: UploadWriters.Turn, size: Int64? = nil) async throws {
        let to = pass.writer.written
        pass.upload = try await record(pass.upload, pass.writer.file, pass.recorded..<to, number, turn, size: size)
        pass.recorded = to
    }

    /// The same while the next chunk arrives. One at a time: the disk sets the pace, and the offset rises in order.
    private func recordBeside(_ pass: inout AppendPass, _ number: Int, _ turn: UploadWriters.Turn) async throws {
        try await settle(&pass)
        let (upload, file, range) = (pass.upload, pass.writer.file, pass.recorded..<pass.writer.written)
        pass.taken = range.upperBound
        pass.recording = Task { try await record(upload, file, range, number, turn, size: nil) }
    }

    private func settle(_ pass: inout AppendPass) async throws {
        guard let recording = pass.recording.take() else { return }
        pass.upload = try await recording.value
        pass.recorded = pass.taken
    }

    private func record(
        _ upload: UploadRecord, _ file: StagedFile, _ range: Range<Int64>, _ number: Int, _ turn: UploadWriters.Turn, size: Int64?
    ) async throws -> UploadRecord {
        let (from, to, end) = (range.lowerBound, range.upperBound, upload.size)
        let chunks = try await Blocking.run { () -> [Int: [UInt8]] in
            try file.sync()
            var digests: [Int: [UInt8]] = [:]
            let whole = end == to ? ChunkGrid(bytes: to).count : Int(to / ChunkGrid.chunkBytes)
            for index in Int(from / ChunkGrid.chunkBytes)..<max(whole, Int(from / ChunkGrid.chunkBytes)) {
                let start = Int64(index) * ChunkGrid.chunkBytes
                digests[index] = try file.digest(from: start, bytes: min(ChunkGrid.chunkBytes, to - start))
            }
            return digests
        }
        try turn.check()
        let recorded = try await store.record(
            upload.id, writer: number, chunks: chunks, offset: to, size: size ?? upload.size, expiry: limits.expiry)
        if recorded.way == .tus { try await advance(recorded, file, chunks.keys) }
        return recorded
    }

    // MARK: Finishing

    private func open(_ id: String) async throws -> StagedFile {
        let staging = staging
        guard let file = try await Blocking.run({ try staging.open(id, forWriting: true) }) else { throw FileError.noSuchUpload(id) }
        return file
    }

    /// Lets the digests follow, and stages the file when its last chunk is there.
    private func advance(_ upload: UploadRecord, _ file: StagedFile, _ indexes: some Sequence<Int>) async throws {
        guard let grid = upload.grid else { return }
        let line: DigestLine
        if let known = lines.withLock({ $0[upload.id] }) {
            line = known
            line.add(indexes)
        } else {
            let fresh = try DigestLine(file: file, grid: grid, present: Set(try await store.chunks(of: upload.id).keys))
            line = lines.withLock { lines in
                if let known = lines[upload.id] { return known }
                lines[upload.id] = fresh
                return fresh
            }
            line.add(indexes)
        }
        if upload.isComplete { Task { await self.finish(upload) } }
    }

    /// Stages an upload that has all its bytes. What it can't do now is done at the next start.
    private func finish(_ upload: UploadRecord) async {
        do {
            let digests: (sha256: [UInt8], md5: [UInt8])
            if let same = upload.sameAs, let sha256 = Hexadecimal.bytes(same), let text = try await store.md5(ofPayload: same),
                let md5 = Hexadecimal.bytes(text)
            {
                digests = (sha256, md5)
            } else {
                guard let grid = upload.grid, upload.way != .partial else { return }
                let file = try await open(upload.id)
                let known = lines.withLock { $0[upload.id] }
                let present = Set(try await store.chunks(of: upload.id).keys)
                let line = try known ?? DigestLine(file: file, grid: grid, present: present)
                digests = try await line.digests()
            }
            _ = lines.withLock { $0.removeValue(forKey: upload.id) }
            try await store.stage(upload.id, sha256: digests.sha256, md5: digests.md5)
        } catch {
            logger.error("audit.error", metadata: ["what": "an upload can't be staged", "fileId": "\(upload.id)", "error": "\(error)"])
        }
    }

    // MARK: Ending

    package func removeStaged(_ id: String) async throws {
        writers.interrupt(id)
        let staging = staging
        try await Blocking.run { try staging.remove(id) }
    }

    /// The SHA-256 of a part of a file.
    package func digest(of file: any PayloadBytes, _ range: Range<Int64>) async throws -> [UInt8] {
        var digest = try DigestStream(.sha256)
        for try await piece in FilePieces(file: file, from: range.lowerBound, bytes: Int64(range.count)) {
            try piece.withUnsafeReadableBytes { try digest.update($0) }
        }
        return try digest.finish()
    }

    /// Gives an upload up, and its room back.
    package func delete(_ id: String, reason: String, by caller: Caller) async throws {
        writers.interrupt(id)
        _ = lines.withLock { $0.removeValue(forKey: id) }
        try await store.drop(id, reason: reason, by: caller)
        let staging = staging
        try await Blocking.run { try staging.remove(id) }
    }

    /// Gives up what stood still for too long, and removes what no upload knows.
    package func clean() async {
        do {
            for id in try await store.expired(limit: 100) {
                try await delete(id, reason: "it stood still for too long", by: Caller(actor: "spindle", correlationID: id))
                logger.notice("an upload was given up", metadata: ["fileId": "\(id)"])
            }
            // A process may end between the database and the disk. An upload is in the database before it is on the disk.
            let staging = staging
            for id in try await Blocking.run({ try staging.uploads() }) where try await !store.isOpen(upload: id) {
                try await Blocking.run { try staging.remove(id) }
            }
        } catch {
            logger.error("audit.error", metadata: ["what": "expired uploads can't be removed", "error": "\(error)"])
        }
    }
}
