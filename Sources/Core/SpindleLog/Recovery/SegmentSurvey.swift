/// What the segments' names, sizes and headers say, before any entry is read.
struct SurveyedLog {
    var log: LogID
    var segmentBytes: UInt64
    /// The usable segments, without a gap.
    var first: UInt64
    var last: UInt64
    /// The file of the last segment may hold stale bytes behind its entries.
    var lastIsRecycled: Bool
    /// A file that has the name of a further segment, and never held an entry.
    var blank: (number: UInt64, reason: String)?
}

/// Checks that the segments belong together and that none is missing. Changes nothing.
struct SegmentSurvey<Storage: LogStorage> {
    let storage: Storage
    let directory: LogDirectory

    /// The log, or nil if there is none yet (or only the start of creating one).
    func run() throws(LogRecoveryError) -> SurveyedLog? {
        guard let first = directory.segments.first, let last = directory.segments.last else {
            try checkNothingIsLeft()
            return nil
        }
        for (index, segment) in directory.segments.enumerated() where segment.number != first.number + UInt64(index) {
            let missing = first.number + UInt64(index)
            throw corrupt(.segment(missing), 0, "the segment is missing", "segment \(segment.number) follows it")
        }
        var known: SegmentHeader?
        for segment in directory.segments.dropLast() {
            let header = try checkedHeader(of: segment, known)
            known = header
        }
        return try checkLast(last, known: known, first: first.number)
    }

    private func checkedHeader(
        of segment: LogDirectory.Numbered, _ known: SegmentHeader?
    ) throws(LogRecoveryError) -> SegmentHeader {
        let header: SegmentHeader
        switch try readHeader(.segment(segment.number)) {
        case .success(let decoded): header = decoded
        case .failure(let fault): throw corrupt(.segment(segment.number), 0, "\(fault)", "later segments exist")
        }
        try checkIdentity(header, of: segment, known)
        guard segment.size == header.segmentBytes else {
            throw corrupt(
                .segment(segment.number), min(segment.size, header.segmentBytes),
                "the file has \(segment.size) bytes, it should have \(header.segmentBytes)", "later segments exist")
        }
        return header
    }

    /// The last segment by name. It is set aside if it never came to hold an entry.
    private func checkLast(
        _ last: LogDirectory.Numbered, known: SegmentHeader?, first: UInt64
    ) throws(LogRecoveryError) -> SurveyedLog? {
        let name = LogFileName.segment(last.number)
        switch try readHeader(name) {
        case .success(let header):
            try checkIdentity(header, of: last, known)
            if last.size == header.segmentBytes {
                return SurveyedLog(
                    log: header.log, segmentBytes: header.segmentBytes, first: first, last: last.number,
                    lastIsRecycled: header.isRecycled, blank: nil)
            }
            let reason = "the file has \(last.size) bytes, it should have \(header.segmentBytes)"
            guard last.size < header.segmentBytes, let known else {
                throw corrupt(name, min(last.size, header.segmentBytes), reason, "segments get their name at full size only")
            }
            return try setAside(last, reason: reason, known: known, first: first)
        case .failure(let fault):
            if let known { return try setAside(last, reason: "\(fault)", known: known, first: first) }
            // The only segment. A creation of the log that did not end has left nothing but this file.
            let isBlank = try isAllZero(name, size: last.size)
            guard isBlank, last.number == 1, directory.checkpoints.isEmpty, directory.prepared.isEmpty else {
                throw corrupt(name, 0, "\(fault)", "it is the only segment, and not a blank first one")
            }
            return nil
        }
    }

    private func setAside(
        _ last: LogDirectory.Numbered, reason: String, known: SegmentHeader, first: UInt64
    ) throws(LogRecoveryError) -> SurveyedLog {
        let buffer = SegmentBuffer(segmentBytes: known.segmentBytes)
        try attempt { () throws(LogStorageError) in try buffer.load(last.number, from: storage) }
        let scanner = SegmentScanner(log: known.log, number: last.number, bytes: buffer.bytes)
        if let entry = scanner.survivors(from: SegmentHeader.bytes).mostDurable {
            throw corrupt(
                .segment(last.number), 0, reason,
                "the segment holds a whole entry at offset \(entry.lsn.offset(segmentBytes: known.segmentBytes))")
        }
        if let checkpoint = directory.checkpoints.last {
            let position = LogDirectory.position(checkpoint)
            guard position.rawValue <= last.number * known.segmentBytes else {
                throw corrupt(.segment(last.number), 0, reason, "checkpoint \(checkpoint.name) lies in this segment or behind it")
            }
        }
        return SurveyedLog(
            log: known.log, segmentBytes: known.segmentBytes, first: first, last: last.number - 1,
            lastIsRecycled: true, blank: (last.number, reason))
    }

    private func checkIdentity(
        _ header: SegmentHeader, of segment: LogDirectory.Numbered, _ known: SegmentHeader?
    ) throws(LogRecoveryError) {
        let name = LogFileName.segment(segment.number)
        guard header.number == segment.number else {
            throw corrupt(name, 32, "the segment says that it is number \(header.number)", "its header is whole")
        }
        guard let known else { return }
        guard header.log == known.log else {
            throw corrupt(name, 16, "the segment belongs to log \(header.log)", "the segments before belong to log \(known.log)")
        }
        guard header.segmentBytes == known.segmentBytes else {
            throw corrupt(
                name, 48, "the segment says that segments have \(header.segmentBytes) bytes",
                "the segments before have \(known.segmentBytes)")
        }
    }

    /// Without a segment there must be no checkpoint, and no prepared segment but the first.
    private func checkNothingIsLeft() throws(LogRecoveryError) {
        if let checkpoint = directory.checkpoints.last {
            throw corrupt(checkpoint.name, 0, "there is a checkpoint, but no segment", "segments are never all removed")
        }
        if let prepared = directory.prepared.last, prepared.number > 1 {
            throw corrupt(
                .segment(prepared.number - 1), 0, "the segment is missing",
                "\(LogFileName.prepared(prepared.number)) was prepared to follow it")
        }
    }

    func readHeader(_ file: LogFileName) throws(LogRecoveryError) -> Result<SegmentHeader, SegmentHeader.Fault> {
        let page = UnsafeMutableRawBufferPointer.allocate(byteCount: SegmentHeader.bytes, alignment: 4096)
        defer { page.deallocate() }
        let count = try attempt { () throws(LogStorageError) in try storage.read(file, at: 0, into: page) }
        return SegmentHeader.decode(UnsafeRawBufferPointer(rebasing: page[..<count]))
    }

    private func isAllZero(_ file: LogFileName, size: UInt64) throws(LogRecoveryError) -> Bool {
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { chunk.deallocate() }
        var offset: UInt64 = 0
        while offset < size {
            let position = offset
            let count = try attempt { () throws(LogStorageError) in try storage.read(file, at: position, into: chunk) }
            guard count > 0 else { return true }
            if !UnsafeRawBufferPointer(rebasing: chunk[..<count]).isZero { return false }
            offset += UInt64(count)
        }
        return true
    }

    private func corrupt(_ file: LogFileName, _ offset: UInt64, _ reason: String, _ evidence: String) -> LogRecoveryError {
        .corrupt(LogCorruption(file: "\(file)", offset: offset, reason: reason, evidence: evidence))
    }
}

/// One segment's bytes in memory.
final class SegmentBuffer {
    private let memory: UnsafeMutableRawBufferPointer

    init(segmentBytes: UInt64) {
        memory = .allocate(byteCount: Int(segmentBytes), alignment: 4096)
    }

    deinit {
        memory.deallocate()
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory) }

    /// Sets everything from `offset` on to zero.
    func clear(from offset: Int) {
        UnsafeMutableRawBufferPointer(rebasing: memory[offset...]).initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Reads the segment; what its file lacks becomes zero.
    func load<Storage: LogStorage>(_ number: UInt64, from storage: Storage) throws(LogStorageError) {
        let count = try storage.read(.segment(number), at: 0, into: memory)
        UnsafeMutableRawBufferPointer(rebasing: memory[count...]).initializeMemory(as: UInt8.self, repeating: 0)
    }
}
