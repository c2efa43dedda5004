/// What a copy of a log holds.
package struct LogCopied: Hashable, Sendable {
    package var log: LogID
    package var segmentBytes: UInt64
    package var segments: ClosedRange<UInt64>
    package var checkpoint: LSN?
    /// The position after the last entry that was copied.
    package var end: LSN
    /// Bytes of all files.
    package var bytes: UInt64
}

package enum LogBackupError: Error, Hashable, Sendable, CustomStringConvertible {
    case source(LogStorageError)
    case target(LogStorageError)
    case noLog
    /// The target holds files already.
    case targetInUse(String)
    case corrupt(LogCorruption)

    package var description: String {
        switch self {
        case .source(let error): "the log cannot be read: \(error)"
        case .target(let error): "the copy cannot be written: \(error)"
        case .noLog: "there is no log"
        case .targetInUse(let file): "the target is not empty: it holds \(file)"
        case .corrupt(let corruption): "the log cannot be copied: \(corruption)"
        }
    }
}

/// Copies a log, also one that is in use: the newest checkpoint, and the segments as they are.
///
/// Whoever frees segments must wait meanwhile (`LogStorage.beginReclaiming`). Everything that was durable when the copy began is in
/// it: entries are written in order, so what is confirmed lies whole in front of whatever is being written while the last
/// segment is read. That segment's copy ends at its first entry that is not whole, with zeros behind. So it never holds
/// an entry that was read after a hole, and is what a crash at that moment would have left.
package struct LogBackup<Source: LogStorage, Target: LogStorage> {
    private let source: Source
    private let target: Target
    private let bytesPerRead: Int

    package init(from source: Source, to target: Target, bytesPerRead: Int = 1 << 20) {
        self.source = source
        self.target = target
        self.bytesPerRead = bytesPerRead
    }

    /// `progress` is told the bytes copied so far. The copy is complete when this returns.
    package func run(progress: (UInt64) -> Void = { _ in }) throws(LogBackupError) -> LogCopied {
        if let file = try inTarget({ () throws(LogStorageError) in try target.list().first }) { throw .targetInUse("\(file.name)") }
        // The checkpoint first: the segments that are there afterwards reach behind it.
        let checkpoint = try copyCheckpoint()
        let directory = LogDirectory(try inSource { () throws(LogStorageError) in try source.list() })
        guard let first = directory.segments.first, let last = directory.segments.last else { throw .noLog }
        var bytes = checkpoint?.size ?? 0
        for segment in directory.segments.dropLast() {
            bytes += try copy(.segment(segment.number), to: .segment(segment.number), size: segment.size)
            progress(bytes)
        }
        let (header, end) = try copyLast(last)
        bytes += header.segmentBytes
        progress(bytes)
        try inTarget { () throws(LogStorageError) in
            if let checkpoint {
                try target.rename(.checkpointing, to: checkpoint.name)
            }
            try target.syncDirectory()
        }
        return LogCopied(
            log: header.log, segmentBytes: header.segmentBytes, segments: first.number...last.number,
            checkpoint: checkpoint.map { LogDirectory.position($0) }, end: end, bytes: bytes)
    }

    /// Copies the newest checkpoint under its temporary name. While it is read it may be replaced by a newer one: then that.
    private func copyCheckpoint() throws(LogBackupError) -> LogFile? {
        while true {
            let directory = LogDirectory(try inSource { () throws(LogStorageError) in try source.list() })
            guard let newest = directory.checkpoints.last else { return nil }
            do throws(LogBackupError) {
                _ = try copy(newest.name, to: .checkpointing, size: newest.size)
                return newest
            } catch {
                // Ends: there is a newer one each time.
                let after = LogDirectory(try inSource { () throws(LogStorageError) in try source.list() })
                guard case .source = error, !after.checkpoints.contains(newest), !after.checkpoints.isEmpty else { throw error }
                try inTarget { () throws(LogStorageError) in try target.remove(.checkpointing) }
            }
        }
    }

    private func copy(_ file: LogFileName, to name: LogFileName, size: UInt64) throws(LogBackupError) -> UInt64 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytesPerRead, alignment: 4096)
        defer { buffer.deallocate() }
        try inTarget { () throws(LogStorageError) in try target.create(name) }
        var offset: UInt64 = 0
        while offset < size {
            let position = offset
            let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(UInt64(bytesPerRead), size - offset))])
            let count = try inSource { () throws(LogStorageError) in try source.read(file, at: position, into: wanted) }
            guard count > 0 else { break }
            let bytes = UnsafeRawBufferPointer(rebasing: wanted[..<count])
            try inTarget { () throws(LogStorageError) in try target.write(name, at: position, bytes) }
            source.forgetCached(file, at: position, byteCount: UInt64(count))
            offset += UInt64(count)
        }
        try inTarget { () throws(LogStorageError) in try target.sync(name) }
        return offset
    }

    private func copyLast(_ last: LogDirectory.Numbered) throws(LogBackupError) -> (SegmentHeader, LSN) {
        let name = LogFileName.segment(last.number)
        let survey = SegmentSurvey(storage: source, directory: LogDirectory([]))
        let header: SegmentHeader
        do throws(LogRecoveryError) {
            switch try survey.readHeader(name) {
            case .success(let decoded) where decoded.number == last.number: header = decoded
            case .success(let decoded): throw damaged(name, "the segment says that it is number \(decoded.number)")
            case .failure(let fault): throw damaged(name, "\(fault)")
            }
        } catch {
            switch error {
            case .storage(let failure): throw .source(failure)
            case .corrupt(let corruption): throw .corrupt(corruption)
            case .configuration, .diskFull, .refused: preconditionFailure("a header was read, and nothing else")
            }
        }
        let buffer = SegmentBuffer(segmentBytes: header.segmentBytes)
        try inSource { () throws(LogStorageError) in try buffer.load(last.number, from: source) }
        let scanner = SegmentScanner(log: header.log, number: last.number, bytes: buffer.bytes)
        var end = SegmentHeader.bytes
        var previousCRC: UInt32?
        while case .success(let entry) = scanner.entry(at: end, previousCRC: previousCRC) {
            previousCRC = entry.entryCRC
            end += EntryHeader.entryBytes(payloadCount: entry.payloadCount)
            if entry.type == EntryHeader.sealType { break }
        }
        buffer.clear(from: end)
        try inTarget { () throws(LogStorageError) in
            try target.create(name)
            try target.write(name, at: 0, buffer.bytes)
            try target.sync(name)
        }
        return (header, LSN(segment: last.number, offset: UInt64(end), segmentBytes: header.segmentBytes))
    }

    private func damaged(_ file: LogFileName, _ reason: String) -> LogRecoveryError {
        .corrupt(LogCorruption(file: "\(file)", offset: 0, reason: reason, evidence: "it is the last segment"))
    }

    private func inSource<Value>(_ body: () throws(LogStorageError) -> Value) throws(LogBackupError) -> Value {
        do { return try body() } catch { throw .source(error) }
    }

    private func inTarget<Value>(_ body: () throws(LogStorageError) -> Value) throws(LogBackupError) -> Value {
        do { return try body() } catch { throw .target(error) }
    }
}
