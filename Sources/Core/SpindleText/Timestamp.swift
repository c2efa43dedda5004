/// A moment, to the millisecond, written as RFC 3339 in UTC: `2026-01-31T09:30:00.250Z`. Leap seconds are not counted.
package struct Timestamp: Hashable, Comparable, Sendable {
    /// Since 1970-01-01T00:00:00Z.
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

    /// Like `+`, but stays at the ends of the range.
    package func adding(milliseconds more: Int64) -> Timestamp {
        let (sum, overflow) = milliseconds.addingReportingOverflow(more)
        return Timestamp(milliseconds: overflow ? (more < 0 ? .min : .max) : sum)
    }

    package var rfc3339: String {
        let day = Self.floorDivided(milliseconds, by: 86_400_000)
        let ofDay = milliseconds - day * 86_400_000
        let (year, month, date) = CivilDate.date(daysSinceEpoch: day)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        if year < 0 { text.append(UInt8(ascii: "-")) }
        Self.append(year.magnitude, width: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(UInt64(month), width: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(UInt64(date), width: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        Self.append(UInt64(ofDay / 3_600_000), width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(UInt64(ofDay / 60_000 % 60), width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(UInt64(ofDay / 1000 % 60), width: 2, to: &text)
        text.append(UInt8(ascii: "."))
        Self.append(UInt64(ofDay % 1000), width: 3, to: &text)
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    static func floorDivided(_ value: Int64, by divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    private static func append(_ number: UInt64, width: Int, to text: inout [UInt8]) {
        let digits = String(number).utf8
        for _ in 0..<max(0, width - digits.count) { text.append(UInt8(ascii: "0")) }
        text.append(contentsOf: digits)
    }
}

/// The proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
enum CivilDate {
    /// Days between 0000-03-01 and 1970-01-01.
    private static let epochDays: Int64 = 719_468

    static func date(daysSinceEpoch: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = daysSinceEpoch + epochDays
        let era = Timestamp.floorDivided(days, by: 146_097)
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
