/// The first 4096 bytes of a segment's file, little-endian:
///
/// ```
///   0        8        12       16                32       40       48       56       60       64            4096
///   +--------+--------+--------+--------+--------+--------+--------+--------+--------+--------+- - - - - - - - +
///   | magic  |version | header |      log id     | segment| first  |segment | flags  | header | zeros           |
///   |SPINDLOG| u32    | bytes  |     16 bytes    | number | LSN    | bytes  | u32    | CRC32C |                 |
///   +--------+--------+--------+-----------------+--------+--------+--------+--------+--------+- - - - - - - - +
/// ```
/// Flag 1: the file is a recycled one, and stale bytes may lie behind the log's end; without it they are zero.
/// The CRC32C covers all 4096 bytes but its own four.
package struct SegmentHeader: Hashable, Sendable {
    package var log: LogID
    package var number: UInt64
    package var segmentBytes: UInt64
    package var isRecycled: Bool

    package static let bytes = 4096
    package static let version: UInt32 = 1
    static let magic: UInt64 = 0x474F_4C44_4E49_5053  // "SPINDLOG" as little-endian bytes

    private static let crcOffset = 60
    private static let recycledFlag: UInt32 = 1

    package init(log: LogID, number: UInt64, segmentBytes: UInt64, isRecycled: Bool) {
        self.log = log
        self.number = number
        self.segmentBytes = segmentBytes
        self.isRecycled = isRecycled
    }

    /// Writes all 4096 bytes.
    package func encode(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count >= Self.bytes)
        let page = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Self.bytes])
        page.initializeMemory(as: UInt8.self, repeating: 0)
        page.storeLittleEndian(Self.magic, at: 0)
        page.storeLittleEndian(Self.version, at: 8)
        page.storeLittleEndian(UInt32(Self.bytes), at: 12)
        page.storeLittleEndian(log.high, at: 16)
        page.storeLittleEndian(log.low, at: 24)
        page.storeLittleEndian(number, at: 32)
        page.storeLittleEndian(number * segmentBytes, at: 40)
        page.storeLittleEndian(segmentBytes, at: 48)
        page.storeLittleEndian(isRecycled ? Self.recycledFlag : 0, at: 56)
        page.storeLittleEndian(Self.checksum(UnsafeRawBufferPointer(page)), at: Self.crcOffset)
    }

    /// Why a header was not accepted.
    package enum Fault: Hashable, Sendable, CustomStringConvertible {
        case short
        case blank
        case magic
        case checksum
        case version(UInt32)
        case fields

        package var description: String {
            switch self {
            case .short: "the file is shorter than a segment header"
            case .blank: "the segment header is all zeros"
            case .magic: "the segment header does not start with SPINDLOG"
            case .checksum: "the segment header's checksum does not match"
            case .version(let version):
                "the segment has format version \(version), this program reads version \(SegmentHeader.version)"
            case .fields: "the segment header's fields contradict each other"
            }
        }
    }

    package static func decode(_ page: UnsafeRawBufferPointer) -> Result<SegmentHeader, Fault> {
        guard page.count >= bytes else { return .failure(.short) }
        let page = UnsafeRawBufferPointer(rebasing: page[..<bytes])
        if page.loadLittleEndian(UInt64.self, at: 0) != magic { return .failure(page.isZero ? .blank : .magic) }
        if page.loadLittleEndian(UInt32.self, at: crcOffset) != checksum(page) { return .failure(.checksum) }
        let version = page.loadLittleEndian(UInt32.self, at: 8)
        if version != Self.version { return .failure(.version(version)) }
        let header = SegmentHeader(
            log: LogID(high: page.loadLittleEndian(UInt64.self, at: 16), low: page.loadLittleEndian(UInt64.self, at: 24)),
            number: page.loadLittleEndian(UInt64.self, at: 32),
            segmentBytes: page.loadLittleEndian(UInt64.self, at: 48),
            isRecycled: page.loadLittleEndian(UInt32.self, at: 56) & recycledFlag != 0
        )
        let (first, overflow) = header.number.multipliedReportingOverflow(by: header.segmentBytes)
        guard !overflow, first == page.loadLittleEndian(UInt64.self, at: 40),
            page.loadLittleEndian(UInt32.self, at: 12) == UInt32(bytes),
            header.segmentBytes >= LogConfiguration.segmentBytesMin, header.segmentBytes <= LogConfiguration.segmentBytesLimit,
            header.segmentBytes.isMultiple(of: UInt64(bytes)), header.number > 0
        else { return .failure(.fields) }
        return .success(header)
    }

    private static func checksum(_ page: UnsafeRawBufferPointer) -> UInt32 {
        let start = Checksum.extend(0, UnsafeRawBufferPointer(rebasing: page[..<crcOffset]))
        return Checksum.extend(start, UnsafeRawBufferPointer(rebasing: page[(crcOffset + 4)...]))
    }
}

extension SegmentHeader.Fault: Error {}
