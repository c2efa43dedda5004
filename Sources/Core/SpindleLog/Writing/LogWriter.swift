/// The writing half of the log: puts batches on the disk. Stateless; one call at a time, on whichever thread.
package struct LogWriter<Storage: LogStorage>: Sendable {
    package let storage: Storage

    package init(storage: Storage) {
        self.storage = storage
    }

    /// Writes the batch and syncs it, once for each segment that it touches. Returns the position below which the log is
    /// now durable.
    ///
    /// A failure leaves nobody knowing what is on the disk: answer nobody and stop the process. Never call this again
    /// after it threw.
    package func write(_ batch: LogBatch) throws(LogStorageError) -> LSN {
        var unsynced: UInt64?
        for piece in batch.pieces {
            if piece.opensSegment {
                // The next segment gets its name only when everything before it is durable: recovery takes a bad entry in a
                // segment that is not the last for corruption.
                if let segment = unsynced { try storage.sync(.segment(segment)) }
                try storage.rename(.prepared(piece.segment), to: .segment(piece.segment))
                try storage.syncDirectory()
            }
            try storage.write(
                .segment(piece.segment), at: piece.offset, UnsafeRawBufferPointer(rebasing: batch.memory[piece.range]))
            unsynced = piece.segment
        }
        if let segment = unsynced { try storage.sync(.segment(segment)) }
        return batch.end
    }
}
