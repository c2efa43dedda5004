/// Durations and sizes as the configuration writes them: a whole number and a unit.
package enum Units {
    /// Ten years: longer is taken for a slip.
    package static let durationMax = Duration.milliseconds(Int64(durationMaxMilliseconds))
    static let durationMaxMilliseconds: UInt64 = 3650 * 86_400_000

    /// `250ms`, `30s`, `5m`, `2h`, `7d`. Nil if the text is not of that form, or over `durationMax`.
    package static func duration(_ text: String) -> Duration? {
        guard let (number, unit) = split(text) else { return nil }
        let milliseconds: Int64
        switch unit {
        case "ms": milliseconds = 1
        case "s": milliseconds = 1000
        case "m": milliseconds = 60_000
        case "h": milliseconds = 3_600_000
        case "d": milliseconds = 86_400_000
        default: return nil
        }
        let (total, overflow) = number.multipliedReportingOverflow(by: milliseconds)
        guard !overflow else { return nil }
        let duration = Duration.milliseconds(total)
        return duration <= durationMax ? duration : nil
    }

    /// `512 B`, `64 KiB`, `16 MiB`, `8 GiB`, `1 TiB`; the space may be left out. Nil if the text is not of that form,
    /// or too large for an `Int`.
    package static func bytes(_ text: String) -> Int? {
        guard let (number, unit) = split(text) else { return nil }
        let shift: Int64
        switch unit {
        case "B": shift = 0
        case "KiB": shift = 10
        case "MiB": shift = 20
        case "GiB": shift = 30
        case "TiB": shift = 40
        default: return nil
        }
        let (total, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : Int(exactly: total)
    }

    /// The configuration's way to write a duration, in the largest unit that is exact.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        if attoseconds != 0 { return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms" }
        for (unit, size) in [("d", Int64(86400)), ("h", 3600), ("m", 60)] where seconds != 0 && seconds % size == 0 {
            return "\(seconds / size)\(unit)"
        }
        return "\(seconds)s"
    }

    private static func split(_ text: String) -> (number: Int64, unit: String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits) else { return nil }
        var unit = text[digits.endIndex...]
        if unit.first == " " { unit = unit.dropFirst() }
        return (number, String(unit))
    }
}
