package import SpindleText

/// Ids of routings, jobs and tasks: UUID version 7 (RFC 9562 §5.7), so that they sort by the time of their making.
package enum TimeOrderedID {
    package static func make(at time: Timestamp) -> String {
        var random = SystemRandomNumberGenerator()
        return make(at: time, random: &random)
    }

    /// 48 bits of milliseconds, 4 bits of version, 12 random bits, 2 bits of variant, 62 random bits.
    package static func make(at time: Timestamp, random: inout some RandomNumberGenerator) -> String {
        let milliseconds = UInt64(clamping: time.milliseconds) & 0xFFFF_FFFF_FFFF
        let high = milliseconds << 16 | 0x7000 | random.next() & 0x0FFF
        let low = 0x8000_0000_0000_0000 | random.next() & 0x3FFF_FFFF_FFFF_FFFF
        let digits = hexadecimal(high) + hexadecimal(low)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { text.append("-") }
            text.append(digit)
        }
        return text
    }

    /// What no id of that moment or a later one is below.
    package static func lowest(at time: Timestamp) -> String {
        let digits = hexadecimal(UInt64(clamping: time.milliseconds) & 0xFFFF_FFFF_FFFF).suffix(12)
        return "\(digits.prefix(8))-\(digits.suffix(4))-"
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
