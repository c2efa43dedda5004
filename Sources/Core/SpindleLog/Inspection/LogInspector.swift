/// Looks at a log without changing it: `spindle log verify` and `spindle log inspect`, and the scrubbing of sealed segments.
///
/// Whole verification and inspection want a log that nobody appends to; `scrub` works on sealed segments of a live one.
package struct LogInspector<Storage: LogStorage> {
    package let storage: Storage

    package init(storage: Storage) {
        self.storage = storage
    }

    // MARK: Verify

    /// Checks every file of the log: all segments from the first to the last, with the chain of their entries, and all
    /// checkpoints. Goes on behind damage, to report all of it.
    ///
    /// - Parameter checkpointProblem: why a start would refuse a whole checkpoint's payload; nil where it would not.
    package func verify(checkpointProblem: (RawSpan) -> String? = { _ in nil }) throws(LogStorageError) -> LogVerification {
        let directory = LogDirectory(try storage.list())
        var verification = LogVerification()
        verification.preparedSegments = directory.prepared.map(\.number)
        verification.spentSegments = directory.spent.map(\.number)
        verification.quarantined = directory.quarantined.map(\.description).sorted()
        let survey: SurveyedLog?
        do {
            survey = try SegmentSurvey(storage: storage, directory: directory).run()
        } catch {
            survey = nil
            switch error {
            case .storage(let failure): throw failure
            case .corrupt(let corruption): verification.problems.append(corruption)
            case .configuration, .diskFull, .refused: preconditionFailure("the survey only reads names and headers")
            }
        }
        try verifySegments(directory, survey, &verification)
        let newest = try verifyCheckpoints(directory, checkpointProblem, &verification)
        checkStart(newest, &verification)
        return verification
    }

    /// Returns the position of the newest checkpoint that a start can use.
    private func verifyCheckpoints(
        _ directory: LogDirectory, _ checkpointProblem: (RawSpan) -> String?, _ verification: inout LogVerification
    ) throws(LogStorageError) -> LSN? {
        var newest: LSN?
        for file in directory.checkpoints {
            var problem: String?
            switch try LoadedCheckpoint.load(file, from: storage) {
            case .success(let loaded):
                if let log = verification.log, log != loaded.header.log {
                    problem = "it belongs to log \(loaded.header.log)"
                } else if let refusal = checkpointProblem(loaded.payload.bytes) {
                    problem = "it is whole and cannot be loaded: \(refusal)"
                }
                if problem == nil { newest = loaded.header.lsn }
            case .failure(let fault): problem = "\(fault)"
            }
            verification.checkpoints.append(.init(file: "\(file.name)", bytes: file.size, problem: problem))
        }
        return newest
    }

    /// The replay needs every segment from the newest whole checkpoint on, or from the very first.
    private func checkStart(_ newest: LSN?, _ verification: inout LogVerification) {
        guard let first = verification.segments.first, let last = verification.segments.last else { return }
        let needed = newest.map { $0.segment(segmentBytes: verification.segmentBytes) } ?? 1
        if needed < first.number {
            verification.problems.append(
                LogCorruption(
                    file: "\(LogFileName.segment(first.number - 1))", offset: 0, reason: "the segment is missing",
                    evidence: newest.map { "\(LogFileName.checkpoint($0)) needs it" }
                        ?? "there is no checkpoint that would stand for it"))
        }
        if let newest, newest > last.end, verification.problems.isEmpty {
            verification.problems.append(
                LogCorruption(
                    file: "\(LogFileName.segment(last.number))",
                    offset: last.end.rawValue - last.number * verification.segmentBytes, reason: "the log ends here",
                    evidence: "\(LogFileName.checkpoint(newest)) lies behind it"))
        }
    }

    private func verifySegments(
        _ directory: LogDirectory, _ survey: SurveyedLog?, _ verification: inout LogVerification
    ) throws(LogStorageError) {
        var previousCRC: UInt32? = directory.segments.first?.number == 1 ? 0 : nil
        for (index, segment) in directory.segments.enumerated() {
            if let survey, segment.number > survey.last { break }  // the blank one that recovery would put aside
            guard let header = try readHeader(segment.number) else {
                // The survey has named this already.
                previousCRC = nil
                continue
            }
            verification.log = verification.log ?? header.log
            verification.segmentBytes = header.segmentBytes
            let buffer = SegmentBuffer(segmentBytes: header.segmentBytes)
            try buffer.load(segment.number, from: storage)
            let scanner = SegmentScanner(log: header.log, number: segment.number, bytes: buffer.bytes)
            let isLast = index == directory.segments.count - 1
            var report = scan(scanner, previousCRC: &previousCRC)
            if let fault = report.fault {
                let verdict = TailVerdict.of(
                    fault, at: report.endOffset, in: scanner, hasSuccessor: !isLast, isRecycled: header.isRecycled,
                    newestCheckpoint: directory.checkpoints.last)
                switch verdict {
                case .clean: report.segment.verdict = .open
                case .torn(let tail): report.segment.verdict = .torn(tail)
                case .corrupt(let corruption):
                    report.segment.verdict = .corrupt(corruption)
                    if !verification.problems.contains(corruption) { verification.problems.append(corruption) }
                    previousCRC = nil
                }
            }
            verification.segments.append(report.segment)
        }
    }

    private func scan(
        _ scanner: SegmentScanner, previousCRC: inout UInt32?
    ) -> (segment: LogVerification.Segment, fault: EntryFault?, endOffset: Int) {
        let segmentBytes = UInt64(scanner.bytes.count)
        var offset = SegmentHeader.bytes
        var segment = LogVerification.Segment(
            number: scanner.number, first: LSN(segment: scanner.number, offset: UInt64(offset), segmentBytes: segmentBytes))
        while true {
            segment.end = LSN(rawValue: scanner.number * segmentBytes + UInt64(offset))
            switch scanner.entry(at: offset, previousCRC: previousCRC) {
            case .failure(let fault): return (segment, fault, offset)
            case .success(let entry):
                previousCRC = entry.entryCRC
                offset += EntryHeader.entryBytes(payloadCount: entry.payloadCount)
                if entry.type == EntryHeader.sealType {
                    segment.end = LSN(rawValue: scanner.number * segmentBytes + UInt64(offset))
                    segment.verdict = .sealed
                    return (segment, nil, offset)
                }
                segment.entries += 1
                segment.payloadBytes += UInt64(entry.payloadCount)
            }
        }
    }

    /// Checks one sealed segment of a log that is in use. Nil if it is whole.
    package func scrub(segment number: UInt64) throws(LogStorageError) -> LogCorruption? {
        let file = "\(LogFileName.segment(number))"
        guard let header = try readHeader(number) else {
            return LogCorruption(file: file, offset: 0, reason: "the segment header is damaged", evidence: "the segment is sealed")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.scrubBytesPerRead, alignment: 4096)
        defer { buffer.deallocate() }
        var scrub = SegmentScrub(storage: storage, log: header.log, segmentBytes: header.segmentBytes, number: number)
        while true {
            switch try scrub.step(buffer) {
            case .goOn: continue
            case .whole: return nil
            case .damaged(let corruption): return corruption
            }
        }
    }

    private static var scrubBytesPerRead: Int { 256 << 10 }

    // MARK: Inspect

    /// Gives every entry from `start` on to `visit`, the log's own included, and every stretch of damage between them. What
    /// lies behind damage is found again by searching. Ends when `visit` answers false. The span ends with the call, and is
    /// empty for damage.
    package func inspect(
        from start: LSN = .zero, typeName: (UInt16) -> String?, visit: (LogInspection, RawSpan) -> Bool
    ) throws(LogStorageError) {
        let directory = LogDirectory(try storage.list())
        let identity = try self.identity(directory)
        for segment in directory.segments {
            let header = try readHeader(segment.number)
            // The entries behind a damaged header can be read all the same, if another segment says which log this is.
            guard let (log, segmentBytes) = header.map({ ($0.log, $0.segmentBytes) }) ?? identity else {
                let damage = LogInspection.damage(
                    file: "\(LogFileName.segment(segment.number))", offset: 0, byteCount: segment.size,
                    reason: "the segment header is damaged")
                if !visit(damage, RawSpan()) { return }
                continue
            }
            if header == nil {
                let damage = LogInspection.damage(
                    file: "\(LogFileName.segment(segment.number))", offset: 0, byteCount: UInt64(SegmentHeader.bytes),
                    reason: "the segment header is damaged")
                if !visit(damage, RawSpan()) { return }
            }
            guard (segment.number + 1) * segmentBytes > start.rawValue else { continue }
            let buffer = SegmentBuffer(segmentBytes: segmentBytes)
            try buffer.load(segment.number, from: storage)
            let scanner = SegmentScanner(log: log, number: segment.number, bytes: buffer.bytes)
            if !inspect(scanner, from: start, typeName, visit) { return }
        }
    }

    /// Which log this is, as the first whole segment header says.
    private func identity(_ directory: LogDirectory) throws(LogStorageError) -> (LogID, UInt64)? {
        for segment in directory.segments {
            if let header = try readHeader(segment.number) { return (header.log, header.segmentBytes) }
        }
        return nil
    }

    /// The log's id, its segments' size and the numbers of its segments, from whatever of it can be read. Nil where no segment
    /// has a whole header.
    package func anatomy() throws(LogStorageError) -> (log: LogID, segmentBytes: UInt64, segments: [UInt64])? {
        let directory = LogDirectory(try storage.list())
        guard let (log, segmentBytes) = try identity(directory) else { return nil }
        return (log, segmentBytes, directory.segments.map(\.number))
    }

    /// Gives the whole checkpoints to `visit`, the newest first, until it answers true. Returns the files that are not whole.
    package func checkpoints(_ visit: (LSN, RawSpan) -> Bool) throws(LogStorageError) -> [(file: String, problem: String)] {
        var problems: [(file: String, problem: String)] = []
        for file in LogDirectory(try storage.list()).checkpoints.reversed() {
            switch try LoadedCheckpoint.load(file, from: storage) {
            case .failure(let fault): problems.append(("\(file.name)", "\(fault)"))
            case .success(let loaded): if visit(loaded.header.lsn, loaded.payload.bytes) { return problems }
            }
        }
        return problems
    }

    private func inspect(
        _ scanner: SegmentScanner, from start: LSN, _ typeName: (UInt16) -> String?, _ visit: (LogInspection, RawSpan) -> Bool
    ) -> Bool {
        let file = "\(LogFileName.segment(scanner.number))"
        var offset = SegmentHeader.bytes
        while true {
            let fault: EntryFault
            switch scanner.entry(at: offset, previousCRC: nil) {
            case .success(let entry):
                offset += EntryHeader.entryBytes(payloadCount: entry.payloadCount)
                if entry.lsn >= start {
                    let item = LogInspection.entry(
                        LogEntry(entry), payloadCount: entry.payloadCount, typeName: name(of: entry.type, typeName))
                    if !visit(item, scanner.payload(of: entry).bytes) { return false }
                }
                if entry.type == EntryHeader.sealType { return true }
                continue
            case .failure(let found): fault = found
            }
            guard let next = scanner.nextEntry(from: offset) else {
                // Zeros to the end of the file are where the log goes on, not damage.
                if fault == .segmentEnd || UnsafeRawBufferPointer(rebasing: scanner.bytes[offset...]).isZero { return true }
                let rest = UInt64(scanner.bytes.count - offset)
                return visit(.damage(file: file, offset: UInt64(offset), byteCount: rest, reason: "\(fault)"), RawSpan())
            }
            let damage = LogInspection.damage(
                file: file, offset: UInt64(offset), byteCount: UInt64(next - offset), reason: "\(fault)")
            if !visit(damage, RawSpan()) { return false }
            offset = next
        }
    }

    private func name(of type: UInt16, _ typeName: (UInt16) -> String?) -> String {
        switch type {
        case EntryHeader.sealType: "seal"
        case EntryHeader.markType: "mark"
        case _: typeName(type) ?? "type \(type)"
        }
    }

    private func readHeader(_ number: UInt64) throws(LogStorageError) -> SegmentHeader? {
        let page = UnsafeMutableRawBufferPointer.allocate(byteCount: SegmentHeader.bytes, alignment: 4096)
        defer { page.deallocate() }
        let count = try storage.read(.segment(number), at: 0, into: page)
        guard case .success(let header) = SegmentHeader.decode(UnsafeRawBufferPointer(rebasing: page[..<count])),
            header.number == number
        else { return nil }
        return header
    }
}

/// What an inspection came across.
package enum LogInspection: Hashable, Sendable {
    /// A whole entry.
    case entry(LogEntry, payloadCount: Int, typeName: String)
    /// Bytes that are no entry; what they were cannot be told. In a recycled segment also the stale bytes behind the log's end.
    case damage(file: String, offset: UInt64, byteCount: UInt64, reason: String)
}

/// The result of `LogInspector.verify`.
package struct LogVerification: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable, CustomStringConvertible {
        /// Filled, and whole.
        case sealed
        /// The last one, whole as far as it goes.
        case open
        /// The last one; the next start cuts off what was never confirmed.
        case torn(LogTail)
        case corrupt(LogCorruption)

        package var description: String {
            switch self {
            case .sealed: "whole, sealed"
            case .open: "whole, in use"
            case .torn(let tail): "\(tail)"
            case .corrupt(let corruption): "\(corruption)"
            }
        }
    }

    package struct Segment: Hashable, Sendable {
        package var number: UInt64
        /// The position of the first entry.
        package var first: LSN
        /// The position after the last good entry.
        package var end: LSN
        package var entries: UInt64 = 0
        package var payloadBytes: UInt64 = 0
        package var verdict: Verdict = .open

        init(number: UInt64, first: LSN) {
            self.number = number
            self.first = first
            end = first
        }
    }

    package struct Checkpoint: Hashable, Sendable {
        package var file: String
        package var bytes: UInt64
        /// What is wrong with it, or nil.
        package var problem: String?
    }

    package var log: LogID?
    package var segmentBytes: UInt64 = 0
    package var segments: [Segment] = []
    package var checkpoints: [Checkpoint] = []
    package var preparedSegments: [UInt64] = []
    package var spentSegments: [UInt64] = []
    package var quarantined: [String] = []
    /// Damaged or missing bytes that were durable.
    package var problems: [LogCorruption] = []
    /// What a start on this log does; nil where that was not asked.
    package var start: Start?

    /// No durable byte is damaged or missing, every checkpoint is whole, and a start would accept all of it. A torn tail is healthy.
    package var isHealthy: Bool {
        if case .refuses = start { return false }
        return problems.isEmpty && checkpoints.allSatisfy { $0.problem == nil }
    }

    /// What a start on a log does.
    package enum Start: Hashable, Sendable {
        /// It loads a checkpoint, if there is one, and replays the entries after it.
        case opens(checkpoint: LSN?, entries: UInt64)
        case refuses(reason: String)
    }
}
