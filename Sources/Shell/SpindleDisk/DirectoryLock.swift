internal import Glibc
internal import SpindleLog

/// The lock file of a log's directory, held from opening to the end of the process: one directory, one owner.
///
/// The lock is the system's (`flock`), so it ends with the process, however that ends; a left-over file means nothing. The
/// file holds the owner's process id, for the message that the second one gets.
struct DirectoryLock: Sendable {
    static let fileName = "lock"

    private let file: OpenFile

    private init(file: OpenFile) {
        self.file = file
    }

    /// Takes the lock alone, for writing.
    static func exclusive(directory: OpenFile, path: String) throws(LogStorageError) -> DirectoryLock {
        let lockPath = path + "/" + fileName
        let descriptor = try SystemCalls.retrying(.open, lockPath) {
            openat(directory.descriptor, fileName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        let file = OpenFile(owning: descriptor)
        try take(file, LOCK_EX, path: path)
        let text = Array("\(getpid())\n".utf8)
        _ = try SystemCalls.retrying(.lock, lockPath) { ftruncate(descriptor, 0) }
        let written = text.withUnsafeBytes { bytes in
            Result { () throws(LogStorageError) in try SystemCalls.writeAll(descriptor, lockPath, at: 0, bytes) }
        }
        try written.get()
        return DirectoryLock(file: file)
    }

    /// Takes the lock beside other readers, for looking only. Nil if there is no lock file: nobody ever opened the directory.
    static func shared(directory: OpenFile, path: String) throws(LogStorageError) -> DirectoryLock? {
        let lockPath = path + "/" + fileName
        let descriptor: Int32
        do {
            descriptor = try SystemCalls.retrying(.open, lockPath) {
                openat(directory.descriptor, fileName, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            }
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
        let file = OpenFile(owning: descriptor)
        try take(file, LOCK_SH, path: path)
        return DirectoryLock(file: file)
    }

    private static func take(_ file: OpenFile, _ kind: Int32, path: String) throws(LogStorageError) {
        do {
            _ = try SystemCalls.retrying(.lock, path) { flock(file.descriptor, kind | LOCK_NB) }
        } catch {
            guard error.errno == EWOULDBLOCK else { throw error }
            throw LogStorageError(
                operation: .lock, path: path, errno: error.errno,
                reason: "the log is in use by \(owner(file, path)); stop it, or give this one another directory")
        }
    }

    private static func owner(_ file: OpenFile, _ path: String) -> String {
        withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { buffer in
            let count = (try? SystemCalls.readAll(file.descriptor, path, at: 0, into: buffer)) ?? 0
            let digits = buffer[..<count].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            return digits.isEmpty ? "another process" : "process \(String(decoding: digits, as: UTF8.self))"
        }
    }
}
