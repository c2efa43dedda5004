/// Where an appended entry lies.
package struct AppendedEntry: Hashable, Sendable {
    package var lsn: LSN
    /// The stream address of the first payload byte, for `LogReader.read(address:into:)`.
    package var payloadAddress: UInt64
    /// The position after the entry: the entry is durable when `LogAppender.durable >= end`.
    package var end: LSN

    package init(lsn: LSN, payloadAddress: UInt64, end: LSN) {
        self.lsn = lsn
        self.payloadAddress = payloadAddress
        self.end = end
    }
}

/// Why an entry was not appended. Nothing has changed.
package enum LogAppendError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The payload is over the configured limit: never accepted.
    case entryTooLarge(payloadBytes: Int, payloadBytesMax: Int)
    /// The open batch is full: try again when the writer has taken it.
    case batchFull(batchBytesMax: Int)
    /// The current segment is full, and no further one is prepared: try again later.
    case noRoom(LogRoom)

    package var description: String {
        switch self {
        case .entryTooLarge(let bytes, let max): "an entry of \(bytes) bytes is over the log's limit of \(max) bytes"
        case .batchFull(let max): "\(max) bytes wait to be written to the log; try again when the disk has caught up"
        case .noRoom(.full): "the disk is full, and the log's reserve is used up; free some space"
        case .noRoom: "the log's next segment is still being prepared; try again in a moment"
        }
    }
}

/// Whether the log has room.
package enum LogRoom: Hashable, Sendable {
    case available
    /// Further segments are being prepared: hold back, do not refuse.
    case preparing
    /// The disk is full: refuse with an error that can be retried.
    case full
}

/// The appending half of the log: turns entries into bytes of the open batch. Pure; called on the event loop.
///
/// An appended entry is durable only when a `LogWriter` has written the batch that holds it, and `markDurable` was told so.
/// An append allocates nothing, save that the batch's buffer grows to the size that the load needs and stays so.
package struct LogAppender: ~Copyable {
    package let log: LogID
    package let segmentBytes: UInt64
    package let configuration: LogConfiguration

    /// Every byte below is durable.
    package private(set) var durable: LSN
    /// The segment in which the next entry lies if it fits.
    package private(set) var currentSegment: UInt64
    /// The last segment that is prepared for use, in one run after the current one.
    package private(set) var preparedThrough: UInt64

    /// The largest payload that an entry may have, whatever room there is.
    package let payloadBytesMax: Int
    private var diskFull = false
    /// Where the next entry begins in the current segment.
    private var offset: UInt64
    /// The current segment ends with a seal: the next entry opens the next segment.
    private var sealed: Bool
    private var previousCRC: UInt32
    private var seed: UInt32

    // The open batch. Its buffer's address is kept here, because access to a class's properties is checked at run time.
    private var open: LogBatch
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var used = 0
    private var entryCount = 0
    private var pieceStart = 0
    private var pieceOffset: UInt64
    private var pieceOpensSegment = false
    private var spare: [LogBatch] = []

    private static let batchBytesAtFirst = 256 << 10
    private static let spareBatchesMax = 3

    init(
        log: LogID, segmentBytes: UInt64, configuration: LogConfiguration, currentSegment: UInt64, end: LSN, sealed: Bool,
        previousCRC: UInt32, preparedThrough: UInt64
    ) {
        self.log = log
        self.segmentBytes = segmentBytes
        self.configuration = configuration
        self.payloadBytesMax = min(configuration.entryBytesMax, EntryHeader.payloadBytesLimit(segmentBytes: segmentBytes))
        self.durable = end
        self.currentSegment = currentSegment
        self.preparedThrough = max(preparedThrough, currentSegment)
        // Up to segmentBytes itself, when a seal fills the segment to its last byte.
        self.offset = end.rawValue - currentSegment * segmentBytes
        self.sealed = sealed
        self.previousCRC = previousCRC
        self.seed = Checksum.seed(log: log, segment: currentSegment)
        self.open = LogBatch(capacity: min(Self.batchBytesAtFirst, configuration.batchBytesMax))
        self.base = open.memory.baseAddress.unsafelyUnwrapped  // a capacity over zero has an address
        self.capacity = open.memory.count
        self.pieceOffset = offset
    }

    // MARK: Appending

    /// The position after the last appended entry.
    package var end: LSN { LSN(segment: currentSegment, offset: offset, segmentBytes: segmentBytes) }

    /// Bytes appended since the last `takeBatch`.
    package var openBatchBytes: Int { used }

    /// Appends one entry with the payload `head ++ body`; `body` may be empty. The bytes go to the open batch; nothing is
    /// written yet. `type` is the caller's own, below `EntryHeader.firstReservedType`.
    package mutating func append(
        type: UInt16, flags: UInt16 = 0, head: RawSpan, body: RawSpan = RawSpan()
    ) throws(LogAppendError) -> AppendedEntry {
        precondition(type < EntryHeader.firstReservedType, "entry types from 0xFFF0 on belong to the log")
        return try appendAny(type: type, flags: flags, head: head, body: body)
    }

    /// Appends an entry that says only that everything below `durable` is durable. Worth it before a clean stop, and when
    /// the log falls idle: rot in the entries before it can then be told from a torn write.
    package mutating func appendMark() throws(LogAppendError) -> AppendedEntry {
        try appendAny(type: EntryHeader.markType, flags: 0, head: RawSpan(), body: RawSpan())
    }

    private mutating func appendAny(
        type: UInt16, flags: UInt16, head: RawSpan, body: RawSpan
    ) throws(LogAppendError) -> AppendedEntry {
        let (payloadCount, overflow) = head.byteCount.addingReportingOverflow(body.byteCount)
        guard !overflow, payloadCount <= payloadBytesMax else {
            throw .entryTooLarge(payloadBytes: payloadCount, payloadBytesMax: payloadBytesMax)
        }
        let entryBytes = EntryHeader.entryBytes(payloadCount: payloadCount)
        if used + entryBytes + EntryHeader.bytes > capacity { try growBatch(for: entryBytes + EntryHeader.bytes) }
        if !fits(entryBytes) { try rollOver() }

        let start = base + used
        let payload = start + EntryHeader.bytes
        // The padding is at most seven bytes at the end; the payload is copied over the rest of that word.
        if entryBytes > EntryHeader.bytes { (start + entryBytes - 8).storeBytes(of: 0, as: UInt64.self) }
        head.withUnsafeBytes { if let source = $0.baseAddress { payload.copyMemory(from: source, byteCount: $0.count) } }
        body.withUnsafeBytes {
            if let source = $0.baseAddress { (payload + head.byteCount).copyMemory(from: source, byteCount: $0.count) }
        }
        let lsn = currentSegment * segmentBytes + offset
        previousCRC = EntryHeader.encode(
            at: start, payloadCount: payloadCount, lsn: lsn, durable: durable.rawValue, type: type, flags: flags,
            previousCRC: previousCRC, seed: seed)
        used += entryBytes
        offset += UInt64(entryBytes)
        entryCount += 1
        return AppendedEntry(
            lsn: LSN(rawValue: lsn), payloadAddress: lsn + UInt64(EntryHeader.bytes), end: LSN(rawValue: lsn + UInt64(entryBytes)))
    }

    /// The stream address that the payload of an entry of this size would have, if it were appended next.
    package func nextPayloadAddress(for payloadCount: Int) -> UInt64 {
        if fits(EntryHeader.entryBytes(payloadCount: payloadCount)) {
            return end.rawValue + UInt64(EntryHeader.bytes)
        }
        return (currentSegment + 1) * segmentBytes + UInt64(SegmentHeader.bytes + EntryHeader.bytes)
    }

    /// Whether the entry, and a seal after it, fit into the current segment.
    @inline(__always)
    private func fits(_ entryBytes: Int) -> Bool {
        !sealed && offset + UInt64(entryBytes + EntryHeader.bytes) <= segmentBytes
    }

    /// Seals the current segment and goes on in the next one. The batch has room for the seal.
    private mutating func rollOver() throws(LogAppendError) {
        guard currentSegment < preparedThrough else { throw .noRoom(diskFull ? .full : .preparing) }
        if !sealed {
            previousCRC = EntryHeader.encode(
                at: base + used, payloadCount: 0, lsn: end.rawValue, durable: durable.rawValue, type: EntryHeader.sealType,
                flags: 0, previousCRC: previousCRC, seed: seed)
            used += EntryHeader.bytes
            offset += UInt64(EntryHeader.bytes)
        }
        closePiece()
        currentSegment += 1
        offset = UInt64(SegmentHeader.bytes)
        sealed = false
        seed = Checksum.seed(log: log, segment: currentSegment)
        pieceOffset = offset
        pieceOpensSegment = true
    }

    private mutating func growBatch(for byteCount: Int) throws(LogAppendError) {
        let needed = used + byteCount
        guard needed <= configuration.batchBytesMax else { throw .batchFull(batchBytesMax: configuration.batchBytesMax) }
        open.grow(to: min(max(needed, capacity * 2), configuration.batchBytesMax), keeping: used)
        adoptBuffer()
    }

    private mutating func adoptBuffer() {
        base = open.memory.baseAddress.unsafelyUnwrapped  // a capacity over zero has an address
        capacity = open.memory.count
    }

    private mutating func closePiece() {
        guard used > pieceStart else { return }
        open.pieces.append(
            LogBatch.Piece(
                segment: currentSegment, offset: pieceOffset, range: pieceStart..<used, opensSegment: pieceOpensSegment))
        pieceStart = used
        pieceOffset = offset
        pieceOpensSegment = false
    }

    // MARK: Room

    /// Whether a publish with this payload may be logged without touching what is reserved for acks, nacks and dead-letter
    /// moves. `append` itself uses the reserve: ask here first for whatever takes new work in.
    package func roomForPublish(payloadCount: Int) -> LogRoom {
        let needed = fits(EntryHeader.entryBytes(payloadCount: payloadCount)) ? 0 : 1 as UInt64
        if preparedThrough - currentSegment >= configuration.reservedSegments + needed { return .available }
        return diskFull ? .full : .preparing
    }

    /// Whether `append` of such a payload would succeed now, the reserve included.
    package func canAppend(payloadCount: Int) -> Bool { refusal(payloadCount: payloadCount) == nil }

    /// Why `append` of such a payload would fail now; nil if it would not.
    package func refusal(payloadCount: Int) -> LogAppendError? {
        guard payloadCount <= payloadBytesMax else { return .entryTooLarge(payloadBytes: payloadCount, payloadBytesMax: payloadBytesMax) }
        let entryBytes = EntryHeader.entryBytes(payloadCount: payloadCount)
        guard used + entryBytes + EntryHeader.bytes <= configuration.batchBytesMax else {
            return .batchFull(batchBytesMax: configuration.batchBytesMax)
        }
        guard fits(entryBytes) || currentSegment < preparedThrough else { return .noRoom(diskFull ? .full : .preparing) }
        return nil
    }

    /// Takes note of what the preparer has achieved: segments up to this number are ready for use, and whether it is the
    /// disk that keeps it from preparing more.
    package mutating func notePrepared(through segment: UInt64, diskFull: Bool) {
        preparedThrough = max(preparedThrough, segment)
        self.diskFull = diskFull
    }

    // MARK: Batches

    /// Everything appended since the last take, for `LogWriter.write`; nil if nothing was.
    ///
    /// Batches are to be written one at a time, in the order in which they were taken.
    package mutating func takeBatch() -> LogBatch? {
        guard used > 0 else { return nil }
        closePiece()
        let batch = open
        batch.end = end
        batch.entryCount = entryCount
        open = spare.popLast() ?? LogBatch(capacity: min(Self.batchBytesAtFirst, configuration.batchBytesMax))
        adoptBuffer()
        used = 0
        entryCount = 0
        pieceStart = 0
        return batch
    }

    /// Gives a written batch's buffer back for reuse.
    package mutating func recycle(_ batch: consuming LogBatch) {
        guard spare.count < Self.spareBatchesMax, batch.memory.count <= configuration.batchBytesKept else { return }
        batch.reset()
        spare.append(batch)
    }

    /// Everything below `lsn` has been synced.
    package mutating func markDurable(_ lsn: LSN) {
        precondition(lsn <= end, "the log cannot be durable beyond its end")
        durable = max(durable, lsn)
    }
}
