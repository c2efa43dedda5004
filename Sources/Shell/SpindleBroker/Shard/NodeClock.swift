package import NIOCore

/// The node's time: milliseconds since 1970 at the start, from then on as the monotonic clock goes. Never jumps, and never
/// lies before what the log has seen.
package struct NodeClock {
    private let startMilliseconds: UInt64
    private let start: NIODeadline

    /// `wall`: milliseconds since 1970. `lastLogged`: the latest time in the log.
    package init(wall: UInt64, lastLogged: UInt64, monotonic: NIODeadline = .now()) {
        startMilliseconds = max(wall, lastLogged)
        start = monotonic
    }

    package func now(_ monotonic: NIODeadline = .now()) -> UInt64 {
        startMilliseconds + (monotonic.uptimeNanoseconds - min(start.uptimeNanoseconds, monotonic.uptimeNanoseconds)) / 1_000_000
    }

    /// When `now()` will first answer `milliseconds`.
    package func deadline(_ milliseconds: UInt64) -> NIODeadline {
        let ahead = milliseconds > startMilliseconds ? milliseconds - startMilliseconds : 0
        return start + .milliseconds(Int64(clamping: min(ahead, 365 * 24 * 3600 * 1000)))
    }
}
