internal import Foundation
#if canImport(Glibc)
internal import Glibc
#endif
package import GRDB

/// Opens an application's SQLite file in the way that everything here relies on.
///
/// - Write-ahead logging, so that readers and one writer don't wait for each other.
/// - `synchronous = FULL`: a commit that was answered survives a loss of power. (GRDB's default for WAL is NORMAL, under which
///   the last commits may be undone by it, after their messages were acknowledged to the broker.)
/// - Foreign keys checked; every write transaction is IMMEDIATE (GRDB's default), so that the busy timeout applies to it as a whole:
///   several processes share the file, and wait for each other instead of failing.
/// - Only its owner can read it (0600): SQLite gives the write-ahead log and its index the mode of the database.
/// - Opening and migrating are serialised between processes by a lock file beside the database, because switching to WAL and
///   GRDB's choice of migrations to run are not safe against another process doing the same.
package enum DatabaseFile {
    /// How long a connection waits for another process's transaction.
    package static let busyTimeoutSeconds = 10.0
    /// Readers at the same time in one process.
    static let readersMax = 4

    package struct OpenError: Error, CustomStringConvertible {
        package let description: String
    }

    package static func open(path: String, migrator: DatabaseMigrator) throws -> DatabasePool {
        let lockPath = path + ".open-lock"
        let lock = lockPath.withCString { Glibc.open($0, O_RDWR | O_CREAT | O_CLOEXEC, mode) }
        guard lock >= 0 else {
            throw OpenError(description: "cannot create \(lockPath): \(message(errno)). Does its folder exist, and may this user write there?")
        }
        defer { close(lock) }
        while flock(lock, LOCK_EX) != 0 {
            guard errno == EINTR else { throw OpenError(description: "cannot lock \(lockPath): \(message(errno))") }
        }
        try keepPrivate(path)
        var configuration = Configuration()
        configuration.busyMode = .timeout(busyTimeoutSeconds)
        configuration.foreignKeysEnabled = true
        configuration.maximumReaderCount = readersMax
        let pool = try DatabasePool(path: path, configuration: configuration)
        // A pool has one writing connection for its whole life; readers don't sync.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        guard try !pool.read(migrator.hasBeenSuperseded) else {
            throw OpenError(description: "\(path) was written by a newer version of this program. Start that version, or restore a backup.")
        }
        try migrator.migrate(pool)
        return pool
    }

    private static let mode: mode_t = 0o600

    /// Makes the file where there is none, and takes from it and its companions what others may do.
    package static func keepPrivate(_ path: String) throws(OpenError) {
        let descriptor = path.withCString { Glibc.open($0, O_RDWR | O_CREAT | O_CLOEXEC, mode) }
        guard descriptor >= 0 else {
            throw OpenError(description: "cannot open \(path): \(message(errno)). Does its folder exist, and may this user write there?")
        }
        close(descriptor)
        for file in [path, path + "-wal", path + "-shm", path + ".open-lock"] {
            var status = stat()
            guard stat(file, &status) == 0, status.st_mode & 0o077 != 0 else { continue }
            guard chmod(file, mode) == 0 else {
                throw OpenError(description: "\(file) is open to others on this machine, and can't be closed to them: \(message(errno))")
            }
        }
    }

    private static func message(_ code: Int32) -> String { String(cString: strerror(code)) }
}
