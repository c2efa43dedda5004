package enum LogCheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
    case storage(LogStorageError)
    /// What was read back is not what was written. The checkpoints before are untouched.
    case notReadBack(file: String, CheckpointHeader.Fault)
    case tooLarge(payloadBytes: UInt64, payloadBytesMax: UInt64)

    package var description: String {
        switch self {
        case .storage(let error): "the checkpoint could not be written: \(error)"
        case .notReadBack(let file, let fault): "checkpoint \(file) did not read back as written: \(fault)"
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
    private static var bytesPerRead: Int { 1 << 20 }

    package init(storage: Storage, log: LogID) {
        self.storage = storage
        self.log = log
    }

    /// As ``write(at:durable:_:)``, with a payload that lies in memory.
    @discardableResult
    package func write(_ payload: RawSpan, at lsn: LSN, durable: LSN) throws(LogCheckpointError) -> UInt64 {
        try write(at: lsn, durable: durable) { $0(payload) }
    }

    /// Makes a payload the durable state of everything below `lsn`, then removes all checkpoints but the newest two. Returns the bytes
    /// of its file.
    ///
    /// The payload must reflect no entry at or after `lsn`, and `lsn` must be durable: a checkpoint ahead of the log would
    /// have recovery report lost entries. A failure leaves the checkpoints before as they were; it may be tried again.
    ///
    /// - Parameter payload: called once with what it hands the payload's pieces to, in order; or not at all, where there is a
    ///   checkpoint of `lsn`. Behind a piece that could not be written all others are ignored.
    @discardableResult
    package func write(
        at lsn: LSN, durable: LSN, _ payload: (_ append: (RawSpan) -> Void) -> Void
    ) throws(LogCheckpointError) -> UInt64 {
        precondition(lsn <= durable, "a checkpoint must not be ahead of the durable log")
        var file = LogFile(name: .checkpoint(lsn), size: 0)
        do throws(LogStorageError) {
            let files = try storage.list()
            if let existing = files.first(where: { $0.name == file.name }) {
                file = existing  // nothing was logged since; the state is the same
            } else {
                if files.contains(where: { $0.name == .checkpointing }) { try storage.remove(.checkpointing) }
                let payloadCount = try writeTemporary(lsn, payload)
                file.size = UInt64(CheckpointHeader.bytes) + payloadCount
                if payloadCount <= CheckpointHeader.payloadBytesMax {
                    try storage.rename(.checkpointing, to: file.name)
                    try storage.syncDirectory()
                } else {
                    try storage.remove(.checkpointing)
                }
            }
        } catch {
            throw .storage(error)
        }
        // A file that was there may be shorter than a header: that is for the check below to say.
        guard file.size <= UInt64(CheckpointHeader.bytes) + CheckpointHeader.payloadBytesMax else {
            throw .tooLarge(payloadBytes: file.size - UInt64(CheckpointHeader.bytes), payloadBytesMax: CheckpointHeader.payloadBytesMax)
        }
        try verify(file)
        do { try removeOlder() } catch { throw .storage(error) }
        return file.size
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

    /// Reads the file again, in pieces.
    private func verify(_ file: LogFile) throws(LogCheckpointError) {
        let fault: CheckpointHeader.Fault?
        do { fault = try CheckpointHeader.check(file, in: storage, bytesPerRead: Self.bytesPerRead) } catch { throw .storage(error) }
        if let fault { throw .notReadBack(file: "\(file.name)", fault) }
    }

    private func removeOlder() throws(LogStorageError) {
        let directory = LogDirectory(try storage.list())
        for file in directory.checkpoints.dropLast(Self.kept) { try storage.remove(file.name) }
        if directory.checkpoints.count > Self.kept { try storage.syncDirectory() }
    }
}
