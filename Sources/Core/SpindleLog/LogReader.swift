/// Reads payload bytes by their stream address, for deliveries. Safe on any thread while a writer appends, for bytes that
/// are durable and not reclaimed.
package struct LogReader<Storage: LogStorage>: Sendable {
    package let storage: Storage
    package let segmentBytes: UInt64

    package init(storage: Storage, segmentBytes: UInt64) {
        self.storage = storage
        self.segmentBytes = segmentBytes
    }

    /// Fills `buffer` with the bytes from `address` on. They lie in one segment, as every payload does.
    package func read(address: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) {
        let position = LSN(rawValue: address)
        let file = LogFileName.segment(position.segment(segmentBytes: segmentBytes))
        let offset = position.offset(segmentBytes: segmentBytes)
        let count = try storage.read(file, at: offset, into: buffer)
        guard count == buffer.count else {
            throw LogStorageError(
                operation: .read, path: "\(file)", errno: 0,
                reason: "the file ends \(buffer.count - count) bytes short of what lies at offset \(offset)")
        }
    }
}
