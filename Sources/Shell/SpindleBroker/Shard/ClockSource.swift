import Glibc

/// What two clocks show at one moment, microseconds.
package struct ClockReading: Equatable, Sendable {
    /// `CLOCK_BOOTTIME`: since the machine was started, the time in which it was suspended included. Nobody can set it.
    package var boot: UInt64
    /// `CLOCK_REALTIME`: since 1970. Whoever keeps the machine's time sets it, forwards and backwards.
    package var wall: UInt64

    package init(boot: UInt64, wall: UInt64) {
        self.boot = boot
        self.wall = wall
    }
}

/// Where a shard reads the two clocks.
package struct ClockSource: Sendable {
    package var boot: @Sendable () -> UInt64
    package var wall: @Sendable () -> UInt64

    package init(boot: @escaping @Sendable () -> UInt64, wall: @escaping @Sendable () -> UInt64) {
        self.boot = boot
        self.wall = wall
    }

    /// Longest time between two readings that count as one moment, and how often a longer one is read again.
    private static let momentMicroseconds: UInt64 = 1_000
    private static let readingsMax = 3

    /// Both clocks. A thread that is stopped between the two readings must not see a wall clock that somebody has set.
    package func read() -> ClockReading {
        var reading = ClockReading(boot: boot(), wall: wall())
        for _ in 1..<Self.readingsMax {
            let after = boot()
            if after - min(reading.boot, after) <= Self.momentMicroseconds { break }
            reading = ClockReading(boot: after, wall: wall())
        }
        return reading
    }

    /// The clocks of this machine.
    package static let system = ClockSource(boot: { microseconds(of: CLOCK_BOOTTIME) }, wall: { microseconds(of: CLOCK_REALTIME) })

    private static func microseconds(of clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(max(0, time.tv_sec)) * 1_000_000 + UInt64(max(0, time.tv_nsec)) / 1_000
    }
}
