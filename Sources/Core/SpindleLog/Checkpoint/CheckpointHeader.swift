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
