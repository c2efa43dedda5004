/// A limit on deliveries a second, by the generic cell rate algorithm: one number says when the next one would be even.
///
/// `time` is that number, nanoseconds of node time. As many deliveries may come at once as are due in a tenth of a second, at
/// least one. Source: ITU-T I.371, "virtual scheduling".
enum Rate {
    static let burstNanoseconds: UInt64 = 100_000_000
    private static let nanosecondsPerMillisecond: UInt64 = 1_000_000

    private static func interval(_ perSecond: UInt64) -> UInt64 { 1_000_000_000 / max(1, perSecond) }

    /// The first millisecond at which a delivery may go out.
    static func opensAt(time: UInt64, perSecond: UInt64) -> UInt64 {
        let interval = interval(perSecond)
        let tolerance = burstNanoseconds - min(burstNanoseconds, interval)
        let from = time - min(time, tolerance)
        return (from &+ nanosecondsPerMillisecond &- 1) / nanosecondsPerMillisecond
    }

    /// The number after a delivery at `now`, milliseconds.
    static func delivered(time: UInt64, perSecond: UInt64, now: UInt64) -> UInt64 {
        max(time, now &* nanosecondsPerMillisecond) &+ interval(perSecond)
    }

    /// Whether `time` no longer limits anything at `now`, milliseconds.
    static func isOver(time: UInt64, now: UInt64) -> Bool { time <= now &* nanosecondsPerMillisecond }

    /// The first millisecond of which ``isOver(time:now:)`` is true.
    static func overAt(time: UInt64) -> UInt64 { (time &+ nanosecondsPerMillisecond &- 1) / nanosecondsPerMillisecond }
}
