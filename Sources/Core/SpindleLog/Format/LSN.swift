/// A position in the log: the address of a byte in one endless logical stream.
///
/// `lsn = segmentNumber * segmentBytes + offsetInSegment`. Segment numbers start at 1, so 0 is never the position of an
/// entry. The positions of entries only rise, over restarts too.
package struct LSN: Comparable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    init(segment: UInt64, offset: UInt64, segmentBytes: UInt64) {
        self.rawValue = segment * segmentBytes + offset
    }

    /// Before every entry.
    package static let zero = LSN(rawValue: 0)

    package static func < (left: LSN, right: LSN) -> Bool { left.rawValue < right.rawValue }

    package var description: String { "\(rawValue)" }

    /// The number of the segment that holds this position.
    package func segment(segmentBytes: UInt64) -> UInt64 { rawValue / segmentBytes }

    /// The offset of this position in its segment's file.
    package func offset(segmentBytes: UInt64) -> UInt64 { rawValue % segmentBytes }
}

/// The identity of one log, 16 random bytes chosen at its creation. It seeds every checksum, so that bytes of another log
/// (a file put into the wrong directory, a reused disk) never pass as this one's.
package struct LogID: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package var description: String { hexadecimal(high) + hexadecimal(low) }

    private func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
