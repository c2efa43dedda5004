#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
package import SpindleText

/// The machine's clock.
package enum WallClock {
    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
