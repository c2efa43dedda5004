/// An entry, 8-byte aligned in its segment, little-endian:
///
/// ```
///   0        4        8                 16                24   26   28       32       36       40
///   +--------+--------+-----------------+-----------------+----+----+--------+--------+--------+- - - - - -+- - -+
///   | length | ~length|       LSN       |   durable LSN   |type|flag|previous| header | entry  |  payload  | 0…7 |
///   | u32    | u32    |       u64       |       u64       |u16 |u16 |CRC32C  | CRC32C | CRC32C |           |zeros|
///   +--------+--------+-----------------+-----------------+----+----+--------+--------+--------+- - - - - -+- - -+
/// ```
/// - `length`: payload bytes, exact.
/// - `LSN`: where this entry lies. Bytes that lie elsewhere than they say are not an entry.
/// - `durable LSN`: every byte of the log below it was known to be synced when this entry was appended. It lets recovery
///   tell a torn tail from corruption.
/// - `previous`: the entry CRC of the entry before (0 for the first of the log), over segment borders too.
/// - `header CRC`: over bytes 0–31, from the segment's seed (log id and segment number). With it a length can be trusted
///   without reading the payload, and a search for entries behind damage takes linear time whatever the payloads hold.
/// - `entry CRC`: the header CRC extended over the payload.
package struct EntryHeader: Hashable, Sendable {
    package var payloadCount: Int
    package var lsn: LSN
    package var durable: LSN
    package var type: UInt16
    package var flags: UInt16
    package var previousCRC: UInt32
    package var entryCRC: UInt32

    package static let bytes = 40
    static let alignment = 8
    static let headerCRCOffset = 32
    static let entryCRCOffset = 36

    /// The log's own entry types. Types from `firstReservedType` on are not given to the replay.
    package static let firstReservedType: UInt16 = 0xFFF0
    /// The last entry of a segment that was filled: what follows lies in the next segment.
    package static let sealType: UInt16 = 0xFFFF
    /// Says that everything before it is durable, and nothing else.
    package static let markType: UInt16 = 0xFFFE

    /// Header, payload and padding.
    package static func entryBytes(payloadCount: Int) -> Int {
        bytes + (payloadCount + alignment - 1) & ~(alignment - 1)
    }

    /// The largest payload that a segment can hold: beside its header and the seal.
    package static func payloadBytesLimit(segmentBytes: UInt64) -> Int {
        Int(segmentBytes) - SegmentHeader.bytes - 2 * bytes
    }

    /// The position after this entry.
    package var end: LSN { LSN(rawValue: lsn.rawValue + UInt64(Self.entryBytes(payloadCount: payloadCount))) }

    package var payloadAddress: UInt64 { lsn.rawValue + UInt64(Self.bytes) }

    /// Writes the header in front of the payload, which must already lie at `start + 40`, with its padding after it.
    /// Returns the entry CRC.
    @inline(__always)
    static func encode(
        at start: UnsafeMutableRawPointer, payloadCount: Int, lsn: UInt64, durable: UInt64, type: UInt16, flags: UInt16,
        previousCRC: UInt32, seed: UInt32
    ) -> UInt32 {
        // An append refuses payloads over entryBytesMax, which is far below 2^32.
        let length = UInt32(truncatingIfNeeded: payloadCount)
        start.storeBytes(of: length.littleEndian, as: UInt32.self)
        start.storeBytes(of: (~length).littleEndian, toByteOffset: 4, as: UInt32.self)
        start.storeBytes(of: lsn.littleEndian, toByteOffset: 8, as: UInt64.self)
        start.storeBytes(of: durable.littleEndian, toByteOffset: 16, as: UInt64.self)
        start.storeBytes(of: type.littleEndian, toByteOffset: 24, as: UInt16.self)
        start.storeBytes(of: flags.littleEndian, toByteOffset: 26, as: UInt16.self)
        start.storeBytes(of: previousCRC.littleEndian, toByteOffset: 28, as: UInt32.self)
        let headerCRC = Checksum.extend(seed, start, headerCRCOffset)
        start.storeBytes(of: headerCRC.littleEndian, toByteOffset: headerCRCOffset, as: UInt32.self)
        let entryCRC = payloadCount == 0 ? headerCRC : Checksum.extend(headerCRC, start + bytes, payloadCount)
        start.storeBytes(of: entryCRC.littleEndian, toByteOffset: entryCRCOffset, as: UInt32.self)
        return entryCRC
    }
}
