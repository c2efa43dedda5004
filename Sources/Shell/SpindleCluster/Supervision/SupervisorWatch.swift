import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Lets a process end with its supervisor, however that one ends.
///
/// The supervisor holds the writing end of a pipe and never writes. Every child inherits the reading end; when the
/// supervisor is gone, killed with -9 too, the kernel closes the writing end and the child reads the end of the file.
/// (Linux's `PR_SET_PDEATHSIG` follows the thread that started the child, not the process, and is lost at exec of a
/// privileged file.)
package enum SupervisorWatch {
    /// Holds the number of the descriptor.
    package static let environmentKey = "SPINDLE_SUPERVISOR_FD"
    /// `EX_TEMPFAIL`: the process's exit code when it did not stop in its grace.
    package static let exitCode: Int32 = 75

    /// Watches from a thread of its own. When the supervisor is gone the process gets SIGTERM, as from a supervisor that
    /// stops it, and is ended after `grace`. Does nothing when the process has no supervisor.
    /// Call it once, early in `main`.
    package static func exitWhenSupervisorIsGone(grace: Duration = .seconds(20)) {
        guard let text = ProcessInfo.processInfo.environment[environmentKey], let descriptor = Int32(text), isPipe(descriptor) else { return }
        // The process's own children are not the supervisor's.
        unsetenv(environmentKey)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let (seconds, attoseconds) = grace.components
        Thread.detachNewThread {
            var byte: UInt8 = 0
            while true {
                let count = read(descriptor, &byte, 1)
                if count == 0 || (count < 0 && errno != EINTR) { break }
            }
            kill(getpid(), SIGTERM)
            Thread.sleep(forTimeInterval: Double(seconds) + Double(attoseconds) / 1e18)
            _exit(exitCode)
        }
    }

    /// `F_GETPIPE_SZ` of `fcntl(2)`, which only pipes answer; the Swift overlay of glibc does not show it.
    private static let getPipeSize: Int32 = 1032

    private static func isPipe(_ descriptor: Int32) -> Bool { fcntl(descriptor, getPipeSize) >= 0 }
}
