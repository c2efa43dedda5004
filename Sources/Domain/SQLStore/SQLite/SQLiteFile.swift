internal import Foundation
#if canImport(Glibc)
internal import Glibc
#endif

/// An application's SQLite file, opened in the way that everything here relies on.
///
/// - Write-ahead logging, so that readers and one writer don't wait for each other.
/// - `synchronous = FULL`: a commit that was answered survives a loss of power. (GRDB's default for WAL is NORMAL, under which
///   the last commits may be undone by it, after their messages were acknowledged to the broker.)
/// - Foreign keys checked; every write transaction is IMMEDIATE (GRDB's default), so that the busy time-out applies to it as a whole:
///   several processes share the file, and wait for each other instead of failing.
/// - Only its owner can read it (0600): SQLite gives the write-ahead log and its index the mode of the database.
/// - Opening and migrating are serialised between processes by a lock file beside the database, because switching to WAL and
///   GRDB's choice of migrations to run are not safe against another process doing the same.
enum SQLiteFile {
    private static let mode: mode_t = 0o600

    /// Runs `body` while no other process opens the file.
    static func locked<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
        let lockPath = path + ".open-lock"
        let lock = lockPath.withCString { Glibc.open($0, O_RDWR | O_CREAT | O_CLOEXEC, mode) }
        guard lock >= 0 else {
            throw SQLiteDatabase.OpenError(
                description: "cannot create \(lockPath): \(message(errno)). Does its folder exist, and may this user write there?")
        }
        defer { close(lock) }
        while flock(lock, LOCK_EX) != 0 {
            guard errno == EINTR else { throw SQLiteDatabase.OpenError(description: "cannot lock \(lockPath): \(message(errno))") }
        }
        return try body()
    }

    /// Makes the file where there is none, and takes from it and its companions what others may do.
    static func keepPrivate(_ path: String) throws(SQLiteDatabase.OpenError) {
        let descriptor = path.withCString { Glibc.open($0, O_RDWR | O_CREAT | O_CLOEXEC, mode) }
        guard descriptor >= 0 else {
            throw SQLiteDatabase.OpenError(
                description: "cannot open \(path): \(message(errno)). Does its folder exist, and may this user write there?")
        }
        close(descriptor)
        for file in [path, path + "-wal", path + "-shm", path + ".open-lock"] {
            var status = stat()
            guard stat(file, &status) == 0, status.st_mode & 0o077 != 0 else { continue }
            guard chmod(file, mode) == 0 else {
                throw SQLiteDatabase.OpenError(
                    description: "\(file) is open to others on this machine, and can't be closed to them: \(message(errno))")
            }
        }
    }

    private static func message(_ code: Int32) -> String { String(cString: strerror(code)) }
}
