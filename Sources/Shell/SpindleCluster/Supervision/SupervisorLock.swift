#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import Foundation

/// The lock that a supervisor holds as long as it runs. A process number proves nothing: it outlives its process in a file, is given to
/// other processes, and is the same in every container.
package enum SupervisorLock {
    static let fileName = "supervisor.lock"

    /// How long a new supervisor waits for somebody who only looks at the lock.
    private static let patience = 20
    private static let pauseMicroseconds: UInt32 = 25_000

    /// Returns whether a supervisor runs in this directory, in whatever container. False where nobody may look.
    package static func isHeld(runDirectory: String) -> Bool {
        let descriptor = open("\(runDirectory)/\(fileName)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        // Closing unlocks.
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    /// Takes the lock; the descriptor holds it until it is closed.
    static func take(runDirectory: String) throws(SupervisorError) -> Int32 {
        let path = "\(runDirectory)/\(fileName)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw .runDirectoryUnusable(path: path, reason: String(cString: strerror(errno))) }
        for _ in 0..<patience {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
            usleep(pauseMicroseconds)
        }
        close(descriptor)
        throw .alreadyRunning(runDirectory: runDirectory)
    }
}

/// When a process began, so that its number can be told from the same number of a later process.
package enum ProcessStart {
    /// Clock ticks from the boot to the start of `pid`; nil where there is no such process. Source: proc(5), field 22 of `stat`.
    package static func ticks(of pid: Int32) -> UInt64? {
        guard pid > 0, let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return nil }
        // The name in parentheses may hold anything; what follows it does not.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}
