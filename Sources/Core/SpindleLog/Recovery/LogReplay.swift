/// One recovery of an existing log: checkpoint, entries, verdict on the end, repair.
struct LogReplay<Storage: LogStorage> {
    private let storage: Storage
    private let directory: LogDirectory
    private let survey: SurveyedLog
    private let buffer: SegmentBuffer
    private(set) var recovered: RecoveredLog
    private var putAside: [(file: LogFileName, reason: String)] = []

    private static var zeroBytesPerWrite: Int { 1 << 20 }

    init(storage: Storage, directory: LogDirectory, survey: SurveyedLog, configuration: LogConfiguration) {
        self.storage = storage
        self.directory = directory
        self.survey = survey
        self.buffer = SegmentBuffer(segmentBytes: survey.segmentBytes)
        recovered = RecoveredLog(log: survey.log, segmentBytes: survey.segmentBytes, configuration: configuration)
        recovered.first = LSN(
            segment: survey.first, offset: UInt64(SegmentHeader.bytes), segmentBytes: survey.segmentBytes)
        recovered.lastSegment = survey.last
        if let blank = survey.blank { putAside.append((.segment(blank.number), blank.reason)) }
        if directory.checkpointing != nil { putAside.append((.checkpointing, "the checkpoint was not finished")) }
    }

    // MARK: Checkpoint

    /// Why a checkpoint can't be used.
    private struct BadCheckpoint {
        var file: LogFile
        var position: LSN
        var reason: String
        /// Whole, and refused by the visitor.
        var isRefused: Bool
    }

    /// Gives the newest whole checkpoint to the visitor; where it refuses that, the one before. Returns where the replay starts.
    mutating func loadCheckpoint(
        _ visit: (RawSpan, LSN) throws(LogReplayRefusal) -> Void
    ) throws(LogRecoveryError) -> LSN {
        var damage: BadCheckpoint?
        for file in directory.checkpoints.reversed() {
            switch try attempt({ () throws(LogStorageError) in try LoadedCheckpoint.load(file, from: storage) }) {
            case .failure(let fault):
                damage = damage ?? BadCheckpoint(file: file, position: LogDirectory.position(file), reason: "\(fault)", isRefused: false)
                putAside.append((file.name, "\(fault)"))
            case .success(let checkpoint):
                try accept(checkpoint, from: file, damage: damage)
                do throws(LogReplayRefusal) {
                    try visit(checkpoint.payload.bytes, checkpoint.header.lsn)
                } catch {
                    damage = damage ?? BadCheckpoint(file: file, position: checkpoint.header.lsn, reason: error.reason, isRefused: true)
                    putAside.append((file.name, error.reason))
                    continue
                }
                recovered.checkpoint = checkpoint.header.lsn
                return checkpoint.header.lsn
            }
        }
        guard survey.first == 1 else {
            if let damage {
                throw unusable(damage, "no other checkpoint is whole, and the log's segments before \(survey.first) were reclaimed")
            }
            throw corrupt(
                .segment(survey.first - 1), 0, "the segment is missing", "there is no checkpoint that would stand for it")
        }
        return recovered.first
    }

    private func unusable(_ checkpoint: BadCheckpoint, _ evidence: String) -> LogRecoveryError {
        checkpoint.isRefused
            ? .refused(checkpoint.position, file: "\(checkpoint.file.name)", offset: 0, reason: "\(checkpoint.reason) (\(evidence))")
            : corrupt(checkpoint.file.name, 0, checkpoint.reason, evidence)
    }

    private func accept(
        _ checkpoint: LoadedCheckpoint, from file: LogFile, damage: BadCheckpoint?
    ) throws(LogRecoveryError) {
        guard checkpoint.header.log == survey.log else {
            throw corrupt(
                file.name, 16, "the checkpoint belongs to log \(checkpoint.header.log)", "the segments belong to log \(survey.log)")
        }
        let needed = firstSegmentToScan(from: checkpoint.header.lsn)
        guard needed < survey.first else { return }
        if let damage {
            throw unusable(damage, "the checkpoint before it needs segment \(needed), which was reclaimed")
        }
        throw corrupt(.segment(needed), 0, "the segment is missing", "checkpoint \(file.name) needs it")
    }

    /// The segment that holds `start`; the one before, if `start` is the very end of a filled last segment.
    private func firstSegmentToScan(from start: LSN) -> UInt64 {
        let segment = start.segment(segmentBytes: survey.segmentBytes)
        return segment > survey.last ? LSN(rawValue: start.rawValue - 1).segment(segmentBytes: survey.segmentBytes) : segment
    }

    // MARK: Entries

    /// Gives every entry from `start` on to the visitor, and finds the log's end.
    ///
    /// The segment that holds `start` is checked from its beginning, which proves that `start` is the border of an entry.
    mutating func replay(
        from start: LSN, _ visit: (LogEntry, RawSpan) throws(LogReplayRefusal) -> Void
    ) throws(LogRecoveryError) {
        recovered.statedDurable = max(recovered.first, recovered.checkpoint ?? .zero)
        let firstScanned = firstSegmentToScan(from: start)
        guard firstScanned <= survey.last else {
            let checkpoint = directory.checkpoints.last?.name ?? .checkpoint(start)
            throw corrupt(.segment(firstScanned), 0, "the segment is missing", "\(checkpoint) lies in it")
        }
        var previousCRC: UInt32? = firstScanned == 1 ? 0 : nil
        let precedingCRC = try lastCRC(before: firstScanned, start)
        for number in firstScanned...survey.last {
            try attempt { () throws(LogStorageError) in try buffer.load(number, from: storage) }
            let scanner = SegmentScanner(log: survey.log, number: number, bytes: buffer.bytes)
            var offset = SegmentHeader.bytes
            recovered.isSealed = false
            var fault: EntryFault?
            while !recovered.isSealed, fault == nil {
                switch scanner.entry(at: offset, previousCRC: previousCRC) {
                case .failure(let found): fault = found
                case .success(let entry):
                    try visitEntry(entry, scanner, start: start, visit)
                    previousCRC = entry.entryCRC
                    offset += EntryHeader.entryBytes(payloadCount: entry.payloadCount)
                    recovered.isSealed = entry.type == EntryHeader.sealType
                }
            }
            recovered.end = LSN(rawValue: number * survey.segmentBytes + UInt64(offset))
            if let fault { try judge(fault, at: offset, scanner) }
        }
        recovered.previousCRC = previousCRC ?? precedingCRC ?? 0
        if let newest = directory.checkpoints.last, LogDirectory.position(newest) > recovered.end {
            throw corrupt(
                .segment(survey.last), recovered.end.rawValue - survey.last * survey.segmentBytes, "the log ends here",
                "\(newest.name) lies behind it")
        }
    }

    /// Segments are freed from the oldest on, and only those below every record that is still needed.
    func check(oldestNeeded: LSN?) throws(LogRecoveryError) {
        guard let oldestNeeded, oldestNeeded < recovered.first else { return }
        throw corrupt(
            .segment(oldestNeeded.segment(segmentBytes: survey.segmentBytes)), 0, "the segment is missing",
            "the record at address \(oldestNeeded) is still needed")
    }

    /// The CRC of the entry before `start`, where `start` is the very beginning of `segment` and the segment before it is still there: the next
    /// entry must name it although nothing of `segment` does. nil where no replay can ever come to ask for it.
    private func lastCRC(before segment: UInt64, _ start: LSN) throws(LogRecoveryError) -> UInt32? {
        guard start.offset(segmentBytes: survey.segmentBytes) == UInt64(SegmentHeader.bytes), segment > survey.first else { return nil }
        try attempt { () throws(LogStorageError) in try buffer.load(segment - 1, from: storage) }
        let scanner = SegmentScanner(log: survey.log, number: segment - 1, bytes: buffer.bytes)
        var last: UInt32?
        var offset = SegmentHeader.bytes
        while case .success(let entry) = scanner.entry(at: offset, previousCRC: last) {
            last = entry.entryCRC
            if entry.type == EntryHeader.sealType { return last }
            offset += EntryHeader.entryBytes(payloadCount: entry.payloadCount)
        }
        return last
    }

    private mutating func visitEntry(
        _ entry: EntryHeader, _ scanner: SegmentScanner, start: LSN,
        _ visit: (LogEntry, RawSpan) throws(LogReplayRefusal) -> Void
    ) throws(LogRecoveryError) {
        recovered.statedDurable = max(recovered.statedDurable, entry.durable)
        guard entry.lsn >= start else {
            guard entry.end <= start else {
                throw corrupt(
                    .segment(scanner.number), start.offset(segmentBytes: survey.segmentBytes),
                    "the replay would start in the middle of an entry", "checkpoint at LSN \(start)")
            }
            return
        }
        guard entry.type < EntryHeader.firstReservedType else { return }
        do {
            try visit(LogEntry(entry), scanner.payload(of: entry).bytes)
        } catch {
            throw .refused(
                entry.lsn, file: "\(LogFileName.segment(scanner.number))",
                offset: entry.lsn.offset(segmentBytes: survey.segmentBytes), reason: error.reason)
        }
        recovered.replayedEntries += 1
        recovered.replayedBytes += UInt64(EntryHeader.entryBytes(payloadCount: entry.payloadCount))
    }

    private mutating func judge(_ fault: EntryFault, at offset: Int, _ scanner: SegmentScanner) throws(LogRecoveryError) {
        let verdict = TailVerdict.of(
            fault, at: offset, in: scanner, hasSuccessor: scanner.number < survey.last || survey.blank != nil,
            isRecycled: survey.lastIsRecycled, newestCheckpoint: directory.checkpoints.last)
        switch verdict {
        case .clean: break
        case .torn(let tail):
            recovered.tail = tail
        case .corrupt(let corruption): throw .corrupt(corruption)
        }
    }

    // MARK: Repair

    /// Makes the log's end what the replay took it for, durably. The last segment's bytes are still in the buffer.
    consuming func repair() throws(LogRecoveryError) -> RecoveredLog {
        try checkPrepared()
        let replay = self
        return try attempt { () throws(LogStorageError) in try replay.write() }
    }

    private func write() throws(LogStorageError) -> RecoveredLog {
        var recovered = recovered
        let last = LogFileName.segment(survey.last)
        let firstAddress = survey.last * survey.segmentBytes
        let end = Int(recovered.end.rawValue - firstAddress)
        if !recovered.isSealed { try writeZeros(from: end, to: last) }
        let durableOffset = recovered.statedDurable.rawValue.subtractingReportingOverflow(firstAddress)
        let inDoubt = durableOffset.overflow ? SegmentHeader.bytes : max(SegmentHeader.bytes, Int(durableOffset.partialValue))
        if inDoubt < end {
            try storage.write(last, at: UInt64(inDoubt), UnsafeRawBufferPointer(rebasing: buffer.bytes[inDoubt..<end]))
        }
        try storage.sync(last)
        var taken = directory
        for (file, reason) in putAside {
            let newName = taken.quarantineName(for: file)
            try storage.rename(file, to: newName)
            taken.noteQuarantined(newName)
            recovered.quarantined.append(LogQuarantine(file: file, newName: newName, reason: reason))
        }
        // Also makes durable what the last process renamed just before it ended.
        try storage.syncDirectory()
        let surplus = taken.quarantinedSurplus
        for file in surplus { try storage.remove(file) }
        if !surplus.isEmpty { try storage.syncDirectory() }
        return recovered
    }

    private func writeZeros(from end: Int, to file: LogFileName) throws(LogStorageError) {
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.zeroBytesPerWrite, alignment: 4096)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var offset = end
        while offset < buffer.bytes.count {
            let next = min(offset + Self.zeroBytesPerWrite, buffer.bytes.count)
            if !UnsafeRawBufferPointer(rebasing: buffer.bytes[offset..<next]).isZero {
                try storage.write(file, at: UInt64(offset), UnsafeRawBufferPointer(rebasing: zeros[..<(next - offset)]))
            }
            offset = next
        }
    }

    /// Prepared segments count only if they are what the next segments must be. They hold no data.
    private mutating func checkPrepared() throws(LogRecoveryError) {
        var usable: [UInt64] = []
        let headers = SegmentSurvey(storage: storage, directory: directory)
        for prepared in directory.prepared {
            let name = LogFileName.prepared(prepared.number)
            let expected = (log: survey.log, number: prepared.number, bytes: survey.segmentBytes)
            if case .success(let header) = try headers.readHeader(name), prepared.size == survey.segmentBytes,
                prepared.number > survey.last, (header.log, header.number, header.segmentBytes) == expected
            {
                usable.append(prepared.number)
            } else {
                putAside.append((name, "it is not a prepared segment of this log"))
            }
        }
        recovered.preparedThrough = survey.last
        // In rising order: what follows a gap is found again when the gap has been filled.
        for number in usable where number == recovered.preparedThrough + 1 { recovered.preparedThrough = number }
    }

    private func corrupt(_ file: LogFileName, _ offset: UInt64, _ reason: String, _ evidence: String) -> LogRecoveryError {
        .corrupt(LogCorruption(file: "\(file)", offset: offset, reason: reason, evidence: evidence))
    }
}
