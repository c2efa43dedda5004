/// The limits of one log. `segmentBytes` takes effect when a log is created; an existing log keeps its own.
package struct LogConfiguration: Hashable, Sendable {
    /// The size of a segment's file. A multiple of 4096, from 16 KiB to 1 GiB.
    package var segmentBytes: UInt64
    /// The largest payload of one entry.
    package var entryBytesMax: Int
    /// The most bytes that one open batch may hold; an append beyond it is refused with `.batchFull`.
    package var batchBytesMax: Int
    /// Batch buffers up to this size are kept for reuse, larger ones are freed.
    package var batchBytesKept: Int
    /// Prepared segments that publishes may not use, so that acks, nacks and dead-letter moves can still be logged when the
    /// disk is full.
    package var reservedSegments: UInt64
    /// Prepared segments kept ahead beyond the reserved ones, so that a rollover never waits for the disk.
    package var preparedAhead: UInt64
    /// Spent segments kept for reuse; further ones are deleted.
    package var spentSegmentsMax: Int
    /// Free bytes of the file system that preparing a segment leaves alone: room to write checkpoints, without which nothing
    /// could be reclaimed from a full disk.
    package var freeBytesKept: UInt64

    package init(
        segmentBytes: UInt64 = 64 << 20,
        entryBytesMax: Int = 20 << 20,
        batchBytesMax: Int = 64 << 20,
        batchBytesKept: Int = 8 << 20,
        reservedSegments: UInt64 = 2,
        preparedAhead: UInt64 = 2,
        spentSegmentsMax: Int = 4,
        freeBytesKept: UInt64 = 64 << 20
    ) {
        self.segmentBytes = segmentBytes
        self.entryBytesMax = entryBytesMax
        self.batchBytesMax = batchBytesMax
        self.batchBytesKept = batchBytesKept
        self.reservedSegments = reservedSegments
        self.preparedAhead = preparedAhead
        self.spentSegmentsMax = spentSegmentsMax
        self.freeBytesKept = freeBytesKept
    }

    package static let segmentBytesMin: UInt64 = 16 << 10
    package static let segmentBytesLimit: UInt64 = 1 << 30

    /// What is wrong with these limits, in a sentence, or nil.
    package func problem() -> String? {
        if !segmentBytes.isMultiple(of: UInt64(SegmentHeader.bytes)) || segmentBytes < Self.segmentBytesMin
            || segmentBytes > Self.segmentBytesLimit
        {
            return "segmentBytes is \(segmentBytes); it must be a multiple of 4096 from \(Self.segmentBytesMin) to "
                + "\(Self.segmentBytesLimit)"
        }
        if entryBytesMax < 1 || entryBytesMax > EntryHeader.payloadBytesLimit(segmentBytes: segmentBytes) {
            return "entryBytesMax is \(entryBytesMax); with segments of \(segmentBytes) bytes it must be from 1 to "
                + "\(EntryHeader.payloadBytesLimit(segmentBytes: segmentBytes))"
        }
        if batchBytesMax < EntryHeader.entryBytes(payloadCount: entryBytesMax) + 2 * EntryHeader.bytes {
            return "batchBytesMax is \(batchBytesMax); it must hold one entry of entryBytesMax (\(entryBytesMax)) and its headers"
        }
        if batchBytesKept < 0 || spentSegmentsMax < 0 {
            return "batchBytesKept and spentSegmentsMax must not be negative"
        }
        return nil
    }
}
