/// What a call of the reclaimer freed.
package struct LogReclaimed: Hashable, Sendable {
    /// Segments put aside for reuse.
    package var recycled = 0
    /// Segments removed.
    package var deleted = 0
    /// The oldest segment that is left.
    package var firstSegment: UInt64 = 0
    /// Nothing was freed, because the segments are being copied.
    package var isHeldBack = false
}

/// Frees segments of which nothing is needed any more. Safe on a background thread while a writer appends; one call at a
/// time, and not at the same time as `LogCheckpointer.write`.
package struct LogReclaimer<Storage: LogStorage>: Sendable {
    package let storage: Storage
    package let segmentBytes: UInt64
    package let spentSegmentsMax: Int

    package init(storage: Storage, segmentBytes: UInt64, spentSegmentsMax: Int) {
        self.storage = storage
        self.segmentBytes = segmentBytes
        self.spentSegmentsMax = spentSegmentsMax
    }

    /// Frees the segments that lie whole below both the older kept checkpoint and `oldestLive`, the address of the oldest byte
    /// that may still be read. With fewer than two checkpoints nothing is freed.
    ///
    /// Oldest first, and each made durable before the next: a crash at any point leaves the segments without a hole.
    package func reclaim(oldestLive: LSN) throws(LogStorageError) -> LogReclaimed {
        let directory = LogDirectory(try storage.list())
        var reclaimed = LogReclaimed()
        reclaimed.firstSegment = directory.segments.first?.number ?? 0
        guard directory.checkpoints.count >= 2 else { return reclaimed }
        guard try storage.beginReclaiming() else {
            reclaimed.isHeldBack = true
            return reclaimed
        }
        defer { storage.endReclaiming() }
        let older = LogDirectory.position(directory.checkpoints[directory.checkpoints.count - 2])
        let bound = min(older, oldestLive)
        var spent = directory.spent.count
        // Never the last segment: appends go there.
        for segment in directory.segments.dropLast() {
            guard (segment.number + 1) * segmentBytes <= bound.rawValue else { break }
            if spent < spentSegmentsMax {
                try storage.rename(.segment(segment.number), to: .spent(segment.number))
                spent += 1
                reclaimed.recycled += 1
            } else {
                try storage.remove(.segment(segment.number))
                reclaimed.deleted += 1
            }
            try storage.syncDirectory()
            reclaimed.firstSegment = segment.number + 1
        }
        return reclaimed
    }
}
