/// Entries that are written and synced together: one group commit.
///
/// A batch has one owner at a time: the appender fills it, `LogWriter` writes it, and `LogAppender.recycle` takes its buffer
/// back. It is a class so that it can be handed from the event loop to the writer thread and back in closures.
package final class LogBatch: @unchecked Sendable {  // one owner at a time, see above; the hand-over orders the accesses
    /// A run of bytes for one place in one segment.
    struct Piece {
        var segment: UInt64
        var offset: UInt64
        var range: Range<Int>
        /// The segment before was sealed by this batch or earlier, and this one has not been used yet.
        var opensSegment: Bool
    }

    private(set) var memory: UnsafeMutableRawBufferPointer
    var pieces: [Piece] = []
    /// Everything below is durable once this batch is.
    package internal(set) var end: LSN = .zero
    package internal(set) var entryCount = 0

    init(capacity: Int) {
        memory = .allocate(byteCount: capacity, alignment: 4096)
    }

    deinit {
        memory.deallocate()
    }

    /// Bytes to write.
    package var byteCount: Int { pieces.last?.range.upperBound ?? 0 }

    func grow(to capacity: Int, keeping count: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 4096)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<count]))
        memory.deallocate()
        memory = larger
    }

    func reset() {
        pieces.removeAll(keepingCapacity: true)
        end = .zero
        entryCount = 0
    }
}
