internal import Glibc
internal import NIOCore

/// Time since the machine was started, the time in which it was suspended included. A lease runs on it; an event loop's timers do not.
enum BootTime {
    /// Longest sleep of a timer that waits for a moment of boot time: it looks again then, so a suspend delays it by no more.
    static let lookAgain = TimeAmount.seconds(1)

    @Sendable static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(max(0, time.tv_nsec))
    }
}
