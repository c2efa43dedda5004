internal import CCRC32C

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4), by the processor's instruction where there is one.
package enum CRC32C {
    /// The checksum of `bytes`, going on from `crc` (0 to start).
    package static func extend(_ crc: UInt32 = 0, with bytes: RawSpan) -> UInt32 {
        bytes.withUnsafeBytes { ccrc32c_extend(crc, $0.baseAddress, $0.count) }
    }
}
