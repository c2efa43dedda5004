/// What one attempt to prepare a segment came to.
package enum SegmentPreparation: Hashable, Sendable {
    /// Segments up to this number are ready.
    case prepared(through: UInt64)
    /// There is no room for another segment: `freeBytes` are left. Try again later.
    case diskFull(freeBytes: UInt64)
}

/// Makes segments ready for use before they are needed: header, real zeros to the full size (so that later writes need no
/// allocation and cannot meet a full disk), sync, rename, directory sync. Spent segments are used again first; their stale
/// bytes stay, and cannot pass under the new segment's seed.
///
/// Safe on a background thread while a writer appends; one preparer per log.
package struct SegmentPreparer<Storage: LogStorage>: Sendable {
    package let storage: Storage
    package let log: LogID
    package let segmentBytes: UInt64
    package let freeBytesKept: UInt64
    /// Segments up to this number are ready or in use.
    package private(set) var preparedThrough: UInt64

    private static var zeroBytesPerWrite: Int { 1 << 20 }
    /// Syncing now and then spares the log's own syncs a long wait behind this file's bytes.
    private static var zeroBytesPerSync: UInt64 { 16 << 20 }

    package init(storage: Storage, log: LogID, segmentBytes: UInt64, freeBytesKept: UInt64, preparedThrough: UInt64) {
        self.storage = storage
        self.log = log
        self.segmentBytes = segmentBytes
        self.freeBytesKept = freeBytesKept
        self.preparedThrough = preparedThrough
    }

    /// Prepares one more segment. A full disk is an answer, not an error. Any other failure is thrown; the log goes on with
    /// the segments that it has, and this may be called again later.
    package mutating func prepareNext() throws(LogStorageError) -> SegmentPreparation {
        let number = preparedThrough + 1
        let directory = LogDirectory(try storage.list())
        if directory.prepared.contains(where: { $0.number == number }) {
            preparedThrough = number
            return .prepared(through: number)
        }
        do {
            if let spent = directory.spent.first(where: { $0.size == segmentBytes }) {
                // The reclaimer, on another thread, may not have synced the new name yet. A file that comes back under its old
                // name after a crash must still be the old segment.
                try storage.syncDirectory()
                try writeHeader(number, isRecycled: true, to: .spent(spent.number))
                try publish(.spent(spent.number), as: number)
            } else {
                let free = try storage.freeBytes()
                var preparing = directory.preparing
                if let left = preparing, left.size > segmentBytes {
                    // Nothing of ours grows it so far; as a segment it would stop the next start.
                    try storage.remove(.preparing)
                    preparing = nil
                }
                let taken = preparing?.size ?? 0
                guard free >= freeBytesKept + segmentBytes - min(taken, segmentBytes) else { return .diskFull(freeBytes: free) }
                if preparing == nil { try storage.create(.preparing) }
                try storage.reserve(.preparing, byteCount: segmentBytes)
                try writeZeros(to: .preparing)
                try writeHeader(number, isRecycled: false, to: .preparing)
                try publish(.preparing, as: number)
            }
        } catch {
            guard error.isNoSpace else { throw error }
            // What was zeroed so far goes back: checkpoints need room, or nothing could ever be reclaimed.
            if try LogDirectory(storage.list()).preparing != nil { try storage.remove(.preparing) }
            return .diskFull(freeBytes: try storage.freeBytes())
        }
        preparedThrough = number
        return .prepared(through: number)
    }

    private func writeHeader(_ number: UInt64, isRecycled: Bool, to file: LogFileName) throws(LogStorageError) {
        let page = UnsafeMutableRawBufferPointer.allocate(byteCount: SegmentHeader.bytes, alignment: 4096)
        defer { page.deallocate() }
        SegmentHeader(log: log, number: number, segmentBytes: segmentBytes, isRecycled: isRecycled).encode(into: page)
        try storage.write(file, at: 0, UnsafeRawBufferPointer(page))
    }

    private func publish(_ file: LogFileName, as number: UInt64) throws(LogStorageError) {
        try storage.sync(file)
        try storage.rename(file, to: .prepared(number))
        try storage.syncDirectory()
    }

    private func writeZeros(to file: LogFileName) throws(LogStorageError) {
        let count = min(Self.zeroBytesPerWrite, Int(segmentBytes))
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        var offset: UInt64 = 0
        var synced: UInt64 = 0
        while offset < segmentBytes {
            let step = min(UInt64(count), segmentBytes - offset)
            try storage.write(file, at: offset, UnsafeRawBufferPointer(rebasing: zeros[..<Int(step)]))
            offset += step
            if offset - synced >= Self.zeroBytesPerSync {
                try storage.sync(file)
                synced = offset
            }
        }
    }
}
