package enum LogCheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    case storage(LogStorageError)
    /// What was read back is not what was written. The checkpoints before are untouched.
    case notReadBack(file: String, CheckpointHeader.Fault)
    /// The reader that a start uses does not take what was written. The checkpoints before are untouched.
    case refused(file: String, reason: String)
    case tooLarge(payloadBytes: UInt64, payloadBytesMax: UInt64)

    package var description: String {
        switch self {
        case .storage(let error): "the checkpoint could not be written: \(error)"
        case .notReadBack(let file, let fault): "checkpoint \(file) did not read back as written: \(fault)"
        case .refused(let file, let reason): "checkpoint \(file) cannot be loaded by a start: \(reason)"
        case .tooLarge(let bytes, let max): "a checkpoint of \(bytes) bytes is over the limit of \(max) bytes"
        }
    }
}

/// Writes checkpoints. Safe on a background thread while a writer appends; one call at a time.
package struct LogCheckpointer<Storage: LogStorage>: Sendable {
    package let storage: Storage
    package let log: LogID

    /// Checkpoints that are kept, the newest ones.
    package static var kept: Int { 2 }

    /// What a start does with a checkpoint's payload; throws where it would refuse it.
    package typealias Reader = (RawSpan) throws(LogReplayRefusal) -> Void

    package init(storage: Storage, log: LogID) {
        self.storage = storage
        self.log = log
    }

    /// Writes a payload that lies in memory: see ``write(at:durable:readBack:_:)``.
    @discardableResult
    package func write(
        _ payload: RawSpan, at lsn: LSN, durable: LSN, readBack: Reader = { _ in }
    ) throws(LogCheckpointError) -> UInt64 {
        try write(at: lsn, durable: durable, readBack: readBack) { $0(payload) }
    }

    /// Makes a payload the durable state of everything below `lsn`, then removes all checkpoints but the newest two. Returns the bytes
    /// of its file.
    ///
    /// The payload must reflect no entry at or after `lsn`, and `lsn` must be durable: a checkpoint ahead of the log would
    /// have recovery report lost entries. A failure leaves the checkpoints before as they were; it may be tried again.
    ///
    /// - Parameters:
    ///   - readBack: loads what was read back, as a start does. Only what it accepts gets a checkpoint's name.
    ///   - payload: called once with what it hands the payload's pieces to, in order; or not at all, where there is a
    ///     checkpoint of `lsn`. After a piece that could not be written all others are ignored.
    @discardableResult
    package func write(
        at lsn: LSN, durable: LSN, readBack: Reader = { _ in }, _ payload: (_ append: (RawSpan) -> Void) -> Void
    ) throws(LogCheckpointError) -> UInt64 {
        precondition(lsn <= durable, "a checkpoint must not be ahead of the durable log")
        let files = try stored { () throws(LogStorageError) in try storage.list() }
        let name = LogFileName.checkpoint(lsn)
        // Nothing was logged since: the state is the same.
        let existing = files.first { $0.name == name }
        let file = if let existing { existing } else { try temporary(among: files, at: lsn, payload) }
        try check(file, at: lsn, readBack)
        try stored { () throws(LogStorageError) in
            if existing == nil {
                try storage.rename(.checkpointing, to: name)
                try storage.syncDirectory()
            }
            try removeOlder()
        }
        return file.size
    }

    private func stored<Value>(_ body: () throws(LogStorageError) -> Value) throws(LogCheckpointError) -> Value {
        do { return try body() } catch { throw .storage(error) }
    }

    /// Writes the temporary file, whole and synced.
    private func temporary(
        among files: [LogFile], at lsn: LSN, _ payload: (_ append: (RawSpan) -> Void) -> Void
    ) throws(LogCheckpointError) -> LogFile {
        let payloadCount = try stored { () throws(LogStorageError) in
            if files.contains(where: { $0.name == .checkpointing }) { try storage.remove(.checkpointing) }
            return try writeTemporary(lsn, payload)
        }
        guard payloadCount <= CheckpointHeader.payloadBytesMax else {
            try stored { () throws(LogStorageError) in try storage.remove(.checkpointing) }
            throw .tooLarge(payloadBytes: payloadCount, payloadBytesMax: CheckpointHeader.payloadBytesMax)
        }
        return LogFile(name: .checkpointing, size: UInt64(CheckpointHeader.bytes) + payloadCount)
    }

    /// The payload as it comes, and at last the header, which counts and sums it. Returns the payload's bytes.
    private func writeTemporary(
        _ lsn: LSN, _ payload: (_ append: (RawSpan) -> Void) -> Void
    ) throws(LogStorageError) -> UInt64 {
        try storage.create(.checkpointing)
        var content = CheckpointHeader(log: log, lsn: lsn, payloadCount: 0, payloadCRC: 0)
        var result = Result<Void, LogStorageError>.success(())
        payload { piece in
            guard case .success = result, content.payloadCount <= CheckpointHeader.payloadBytesMax else { return }
            result = piece.withUnsafeBytes { bytes in
                content.payloadCRC = Checksum.extend(content.payloadCRC, bytes)
                return Result { () throws(LogStorageError) in
                    try storage.write(.checkpointing, at: UInt64(CheckpointHeader.bytes) + content.payloadCount, bytes)
                }
            }
            content.payloadCount += UInt64(piece.byteCount)
        }
        try result.get()
        let header = UnsafeMutableRawBufferPointer.allocate(byteCount: CheckpointHeader.bytes, alignment: 8)
        defer { header.deallocate() }
        content.encode(into: header)
        try storage.write(.checkpointing, at: 0, UnsafeRawBufferPointer(header))
        try storage.sync(.checkpointing)
        return content.payloadCount
    }

    /// Reads the file as a start does. What is refused stays as it is, for those who look; the next call replaces a temporary one.
    private func check(_ file: LogFile, at lsn: LSN, _ readBack: Reader) throws(LogCheckpointError) {
        switch try stored({ () throws(LogStorageError) in try LoadedCheckpoint.load(file, at: lsn, from: storage) }) {
        case .failure(let fault): throw .notReadBack(file: "\(file.name)", fault)
        case .success(let loaded):
            do throws(LogReplayRefusal) {
                try readBack(loaded.payload.bytes)
            } catch {
                throw .refused(file: "\(file.name)", reason: error.reason)
            }
        }
    }

    private func removeOlder() throws(LogStorageError) {
        let directory = LogDirectory(try storage.list())
        for file in directory.checkpoints.dropLast(Self.kept) { try storage.remove(file.name) }
        if directory.checkpoints.count > Self.kept { try storage.syncDirectory() }
    }
}
