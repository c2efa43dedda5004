#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A moment of the wall clock.
package struct Timestamp: Sendable, Equatable {
    /// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    package var nanosecondsSinceEpoch: UInt64

    package init(nanosecondsSinceEpoch: UInt64) {
        self.nanosecondsSinceEpoch = nanosecondsSinceEpoch
    }

    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanosecondsSinceEpoch: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-20T18:20:02.123Z`.
    package var rfc3339: String {
        let milliseconds = nanosecondsSinceEpoch / 1_000_000
        let seconds = milliseconds / 1000
        let (year, month, day) = Self.civilDate(daysSinceEpoch: Int(seconds / 86400))
        let second = seconds % 86400
        var text: [UInt8] = []
        text.reserveCapacity(24)
        Self.append(UInt64(year), width: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(UInt64(month), width: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(UInt64(day), width: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        Self.append(second / 3600, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(second / 60 % 60, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(second % 60, width: 2, to: &text)
        text.append(UInt8(ascii: "."))
        Self.append(milliseconds % 1000, width: 3, to: &text)
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    private static func append(_ number: UInt64, width: Int, to text: inout [UInt8]) {
        let digits = String(number).utf8
        for _ in 0..<max(0, width - digits.count) { text.append(UInt8(ascii: "0")) }
        text.append(contentsOf: digits)
    }

    /// The proleptic Gregorian date of a day, counted in eras of 400 years that begin on 1 March, so that the leap day is
    /// the last of its year.
    private static func civilDate(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
        // 719,468 days lie between 0000-03-01 and 1970-01-01.
        let days = daysSinceEpoch + 719_468
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
