#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Both ends of a pipe, closed on exec.
struct PipeEnds {
    /// Below this a descriptor could be one that a child is given (0 to 3), and be overwritten while it is handed over.
    private static let descriptorMin: Int32 = 10

    let reading: Int32
    let writing: Int32

    /// Nil when the process has no descriptors left.
    /// Between `pipe` and `F_DUPFD_CLOEXEC` a child that is started by another thread would inherit both ends: hold
    /// `Spawn.lock`.
    init?(_ holding: borrowing Spawn.Held) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        let reading = fcntl(ends[0], F_DUPFD_CLOEXEC, Self.descriptorMin)
        let writing = fcntl(ends[1], F_DUPFD_CLOEXEC, Self.descriptorMin)
        close(ends[0])
        close(ends[1])
        guard reading >= 0, writing >= 0 else {
            if reading >= 0 { close(reading) }
            if writing >= 0 { close(writing) }
            return nil
        }
        self.reading = reading
        self.writing = writing
    }

    func closeBoth() {
        close(reading)
        close(writing)
    }
}
