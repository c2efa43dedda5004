import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// `DATA/run`: process ids, the status file, and the lock that lets one supervisor in.
struct RunDirectory: ~Copyable {
    let path: String
    /// Locked as long as it is open; the kernel unlocks it when this process ends.
    private let lock: Int32

    init(path: String) throws(SupervisorError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw .runDirectoryUnusable(path: path, reason: FileProblem.sentence(error))
        }
        let lock = try SupervisorLock.take(runDirectory: path)
        self.path = path
        self.lock = lock
        // For people; what counts is the lock.
        try? Data("\(getpid())\n".utf8).write(to: URL(fileURLWithPath: "\(path)/supervisor.pid"), options: .atomic)
    }

    deinit {
        unlink("\(path)/supervisor.pid")
        close(lock)
    }
}
