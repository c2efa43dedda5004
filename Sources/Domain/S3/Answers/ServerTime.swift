internal import Glibc

/// Times as servers write them, in milliseconds since 1970.
package enum ServerTime {
    /// `2026-11-28T04:00:00.000Z`, as in lists. Nil if it is none.
    package static func iso8601(_ text: String) -> Int64? {
        let numbers = text.split { !$0.isNumber }.compactMap { Int32($0) }
        guard numbers.count >= 6 else { return nil }
        return milliseconds(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
    }

    /// `Sat, 28 Nov 2026 04:00:00 GMT`, as in headers. Nil if it is none.
    package static func header(_ text: String) -> Int64? {
        let words = text.split { $0 == " " || $0 == "," || $0 == ":" }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard words.count >= 7, let month = months.firstIndex(of: String(words[2])) else { return nil }
        let numbers = [words[3], words[1], words[4], words[5], words[6]].compactMap { Int32($0) }
        guard numbers.count == 5 else { return nil }
        return milliseconds(numbers[0], Int32(month) + 1, numbers[1], numbers[2], numbers[3], numbers[4])
    }

    private static func milliseconds(_ year: Int32, _ month: Int32, _ day: Int32, _ hour: Int32, _ minute: Int32, _ second: Int32) -> Int64? {
        guard (1_970...9_999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour), (0...59).contains(minute),
            (0...60).contains(second)
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1_900, month - 1, day)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
        return Int64(timegm(&parts)) * 1_000
    }

    /// `20261128T040000Z`, as it is signed.
    package static func signed(_ milliseconds: Int64) -> String {
        var (seconds, parts) = (time_t(milliseconds / 1_000), tm())
        gmtime_r(&seconds, &parts)
        func digits(_ number: Int32, _ width: Int = 2) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return digits(parts.tm_year + 1_900, 4) + digits(parts.tm_mon + 1) + digits(parts.tm_mday) + "T" + digits(parts.tm_hour)
            + digits(parts.tm_min) + digits(parts.tm_sec) + "Z"
    }
}
