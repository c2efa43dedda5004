internal import CCRC32C

/// CRC32C (Castagnoli, RFC 3720 appendix B.4).
enum Checksum {
    @inline(__always)
    static func extend(_ crc: UInt32, _ start: UnsafeRawPointer, _ count: Int) -> UInt32 {
        ccrc32c_extend(crc, start, count)
    }

    static func extend(_ crc: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        ccrc32c_extend(crc, bytes.baseAddress, bytes.count)
    }

    /// What every checksum of one segment's entries starts from: bytes of another log, and stale bytes of the file's earlier
    /// life under another segment number, never pass.
    static func seed(log: LogID, segment: UInt64) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: 24, alignment: 8) { buffer in
            buffer.storeLittleEndian(log.high, at: 0)
            buffer.storeLittleEndian(log.low, at: 8)
            buffer.storeLittleEndian(segment, at: 16)
            return extend(0, UnsafeRawBufferPointer(buffer))
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    func storeLittleEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
    }
}

extension UnsafeRawBufferPointer {
    func loadLittleEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value {
        Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// Whether every byte is zero. Reads eight bytes at a time.
    var isZero: Bool {
        var index = 0
        while index + 8 <= count {
            if loadUnaligned(fromByteOffset: index, as: UInt64.self) != 0 { return false }
            index += 8
        }
        while index < count {
            if self[index] != 0 { return false }
            index += 1
        }
        return true
    }
}
