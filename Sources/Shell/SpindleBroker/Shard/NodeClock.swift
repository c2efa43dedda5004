package import NIOCore

/// The node's time: milliseconds since 1970 that run on boot time and drift towards the wall clock. Pure; the shard reads the clocks.
///
/// The rules:
/// - It never falls, and never lies before what the log has seen.
/// - It starts at the wall clock's time, or at the log's last where that is later.
/// - Boot time carries it on, so a lease or a delay has its length while the wall clock is set, and ends while the machine is suspended.
/// - Where it differs from the wall clock, it gains or loses at most one `driftDivisor`th of the boot time that passes, until both show the
///   same. That holds for a step of any size and in both directions: a clock set eight hours ahead must not end all leases at once.
package struct NodeClock: Sendable {
    /// 50 ms in a second, three minutes in an hour: a lease of 30 s ends up to 1.5 s early while stamps catch up. Clients extend after a
    /// third of a lease.
    package static let driftDivisor: Int64 = 20
    /// A smaller change of the distance between the two clocks is not told.
    package static let stepToldMicroseconds: Int64 = 1_000_000
    /// The longest time that a timer is set to; whoever set it looks again then.
    private static let waitMicrosecondsMax: Int64 = 24 * 3600 * 1_000_000
    /// Beyond any time that a log may hold (2^50 ms), and far below an overflow. Microseconds.
    private static let timeMax: UInt64 = 1 << 61

    /// Somebody set the wall clock.
    package struct Step: Equatable, Sendable {
        /// How far, microseconds; below 0: back.
        package var microseconds: Int64
        package var seconds: Int64 { microseconds / 1_000_000 }
    }

    // At the last comparison, microseconds:
    private var anchorBoot: Int64
    private var anchorTime: Int64
    /// How far the wall clock was ahead.
    private var wallAhead: Int64

    /// `lastLogged`: the latest time in the log, milliseconds.
    package init(_ reading: ClockReading, lastLogged: UInt64) {
        let wall = Self.microseconds(reading.wall)
        anchorBoot = Self.microseconds(reading.boot)
        anchorTime = max(wall, Self.microseconds(min(lastLogged, Self.timeMax / 1_000) * 1_000))
        wallAhead = wall - anchorTime
    }

    /// The time at a moment of the boot clock (microseconds), milliseconds.
    package func now(boot: UInt64) -> UInt64 { UInt64(time(at: boot) / 1_000) }

    /// Looks at both clocks: from now on the time drifts towards this wall clock. Returns nil if nobody has set it since the last look.
    package mutating func compare(_ reading: ClockReading) -> Step? {
        let wall = Self.microseconds(reading.wall)
        let expected = anchorTime + wallAhead + elapsed(at: reading.boot)
        anchorTime = time(at: reading.boot)
        anchorBoot = max(anchorBoot, Self.microseconds(reading.boot))
        wallAhead = wall - anchorTime
        let step = wall - expected
        return step.magnitude >= Self.stepToldMicroseconds.magnitude ? Step(microseconds: step) : nil
    }

    /// How long until ``now(boot:)`` answers `milliseconds`, unless the wall clock is set meanwhile. At most a day.
    package func wait(until milliseconds: UInt64, boot: UInt64) -> TimeAmount {
        let target = Self.microseconds(min(milliseconds, Self.timeMax / 1_000) * 1_000) - anchorTime
        return .microseconds(min(max(0, bootTime(for: target) - elapsed(at: boot)), Self.waitMicrosecondsMax))
    }

    /// How many seconds the wall clock is ahead; below 0: behind.
    package func secondsToWall(boot: UInt64) -> Int64 { (wallAhead - drift(after: elapsed(at: boot))) / 1_000_000 }

    private func time(at boot: UInt64) -> Int64 {
        let elapsed = elapsed(at: boot)
        return anchorTime + elapsed + drift(after: elapsed)
    }

    private func elapsed(at boot: UInt64) -> Int64 { max(0, Self.microseconds(boot) - anchorBoot) }

    private func drift(after elapsed: Int64) -> Int64 {
        let most = elapsed / Self.driftDivisor
        return min(max(wallAhead, -most), most)
    }

    /// The shortest boot time after which `target` microseconds of the node's time have passed since the anchor.
    private func bootTime(for target: Int64) -> Int64 {
        let divisor = Self.driftDivisor
        // While it drifts, `divisor` of boot time are one more or one less of the node's; then the whole distance lies behind it.
        let (distance, sign): (Int64, Int64) = wallAhead < 0 ? (-wallAhead, -1) : (wallAhead, 1)
        let (gained, overflow) = distance.multipliedReportingOverflow(by: divisor + sign)
        if !overflow, target >= gained { return target - wallAhead }
        let (whole, rest) = target.quotientAndRemainder(dividingBy: divisor + sign)
        return whole * divisor + (rest * divisor + divisor + sign - 1) / (divisor + sign)
    }

    private static func microseconds(_ value: UInt64) -> Int64 { Int64(min(value, timeMax)) }
}
