internal import Foundation

/// A moment, to the millisecond. In JSON and in messages it is written as RFC 3339 in UTC: `2026-01-31T09:30:00.250Z`.
package struct Timestamp: Hashable, Comparable, Sendable {
    /// Since 1970-01-01T00:00:00Z.
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// The machine's clock.
    package static func now() -> Timestamp {
        Timestamp(milliseconds: Int64((Date().timeIntervalSince1970 * 1_000).rounded(.down)))
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

    package func adding(milliseconds more: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds + more) }
}

extension Timestamp: Codable {
    private static let withFraction = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    private static let wholeSeconds = Date.ISO8601FormatStyle(includingFractionalSeconds: false)

    private var seconds: Int64 {
        milliseconds >= 0 ? milliseconds / 1_000 : (milliseconds - 999) / 1_000
    }

    package var rfc3339: String {
        // The fraction is written by hand: as a Double of seconds it might be rounded to the millisecond before.
        let fraction = milliseconds - seconds * 1_000
        let whole = Date(timeIntervalSince1970: Double(seconds)).formatted(Self.wholeSeconds)
        let digits = String(1_000 + fraction).dropFirst()
        return whole.dropLast() + "." + digits + "Z"
    }

    /// Reads RFC 3339, with or without a fraction of a second; `nil` if it isn't.
    package init?(rfc3339 text: String) {
        guard let date = (try? Date(text, strategy: Self.withFraction)) ?? (try? Date(text, strategy: Self.wholeSeconds)) else { return nil }
        self.init(milliseconds: Int64((date.timeIntervalSince1970 * 1_000).rounded()))
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Timestamp(rfc3339: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "is not a time such as 2026-01-31T09:30:00.250Z")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rfc3339)
    }
}
