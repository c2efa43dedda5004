/// A checkpoint's file: the state of everything below an LSN, little-endian:
///
/// ```
///   0        8        12       16                32       40       48       56       60       64
///   +--------+--------+--------+--------+--------+--------+--------+--------+--------+--------+- - - - - -+
///   | magic  |version | header |      log id     |  LSN   | zero   |payload | payload| header |  payload  |
///   |SPINDCKP| u32    | bytes  |     16 bytes    |  u64   | u64    |bytes   | CRC32C | CRC32C |           |
///   +--------+--------+--------+-----------------+--------+--------+--------+--------+--------+- - - - - -+
/// ```
/// The header CRC covers bytes 0–59. The file ends where the payload ends.
package struct CheckpointHeader: Hashable, Sendable {
    package var log: LogID
    package var lsn: LSN
    package var payloadCount: UInt64
    package var payloadCRC: UInt32

    package static let bytes = 64
    package static let version: UInt32 = 1
    static let magic: UInt64 = 0x504B_4344_4E49_5053  // "SPINDCKP" as little-endian bytes
    /// The largest checkpoint that is read or written.
    package static let payloadBytesMax: UInt64 = 8 << 30

    private static let crcOffset = 60

    package enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case header(String)
        case size(expected: UInt64, actual: UInt64)
        case payloadChecksum

        package var description: String {
            switch self {
            case .header(let reason): reason
            case .size(let expected, let actual): "the checkpoint's file has \(actual) bytes, its header says \(expected)"
            case .payloadChecksum: "the checkpoint's checksum does not match its content"
            }
        }
    }

    func encode(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= Self.bytes)
        let header = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Self.bytes])
        header.initializeMemory(as: UInt8.self, repeating: 0)
        header.storeLittleEndian(Self.magic, at: 0)
        header.storeLittleEndian(Self.version, at: 8)
        header.storeLittleEndian(UInt32(Self.bytes), at: 12)
        header.storeLittleEndian(log.high, at: 16)
        header.storeLittleEndian(log.low, at: 24)
        header.storeLittleEndian(lsn.rawValue, at: 32)
        header.storeLittleEndian(payloadCount, at: 48)
        header.storeLittleEndian(payloadCRC, at: 56)
        header.storeLittleEndian(
            Checksum.extend(0, UnsafeRawBufferPointer(rebasing: header[..<Self.crcOffset])), at: Self.crcOffset)
    }

    static func decode(_ buffer: UnsafeRawBufferPointer) -> Result<CheckpointHeader, Fault> {
        guard buffer.count >= bytes else { return .failure(.header("the file is shorter than a checkpoint header")) }
        let header = UnsafeRawBufferPointer(rebasing: buffer[..<bytes])
        guard header.loadLittleEndian(UInt64.self, at: 0) == magic else {
            return .failure(.header("the checkpoint header does not start with SPINDCKP"))
        }
        guard Checksum.extend(0, UnsafeRawBufferPointer(rebasing: header[..<crcOffset]))
            == header.loadLittleEndian(UInt32.self, at: crcOffset)
        else { return .failure(.header("the checkpoint header's checksum does not match")) }
        let version = header.loadLittleEndian(UInt32.self, at: 8)
        guard version == Self.version, header.loadLittleEndian(UInt32.self, at: 12) == UInt32(bytes) else {
            return .failure(.header("the checkpoint has format version \(version), this program reads version \(Self.version)"))
        }
        return .success(
            CheckpointHeader(
                log: LogID(high: header.loadLittleEndian(UInt64.self, at: 16), low: header.loadLittleEndian(UInt64.self, at: 24)),
                lsn: LSN(rawValue: header.loadLittleEndian(UInt64.self, at: 32)),
                payloadCount: header.loadLittleEndian(UInt64.self, at: 48),
                payloadCRC: header.loadLittleEndian(UInt32.self, at: 56)))
    }
}

extension CheckpointHeader {
    /// Checks the file against its header and its name, a piece at a time. Nil if it is whole.
    static func check<Storage: LogStorage>(
        _ file: LogFile, in storage: Storage, bytesPerRead: Int
    ) throws(LogStorageError) -> Fault? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytesPerRead, bytes), alignment: 8)
        defer { buffer.deallocate() }
        let head = try storage.read(file.name, at: 0, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<bytes]))
        let header: CheckpointHeader
        switch decode(UnsafeRawBufferPointer(rebasing: buffer[..<head])) {
        case .success(let decoded): header = decoded
        case .failure(let fault): return fault
        }
        guard case .checkpoint(header.lsn) = file.name else { return .header("the checkpoint says that it is of LSN \(header.lsn)") }
        let (expected, overflow) = header.payloadCount.addingReportingOverflow(UInt64(bytes))
        guard !overflow, expected == file.size else { return .size(expected: overflow ? .max : expected, actual: file.size) }
        var offset = UInt64(bytes)
        var checksum: UInt32 = 0
        while true {
            let count = try storage.read(file.name, at: offset, into: buffer)
            if count == 0 { break }
            checksum = Checksum.extend(checksum, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
        }
        guard offset == expected else { return .size(expected: expected, actual: offset) }
        return checksum == header.payloadCRC ? nil : .payloadChecksum
    }
}
