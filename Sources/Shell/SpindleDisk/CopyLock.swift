internal import Glibc
internal import SpindleLog

/// Keeps the freeing of segments and the copying of a log that is in use apart: `flock` on the file `copy.lock`.
///
/// Who copies shares the lock with other copiers; the owner takes it alone whenever it frees segments, and frees none when it
/// does not get it. Either ends with its process, however that ends.
struct CopyLock: Sendable {
    static let fileName = "copy.lock"

    private let file: OpenFile
    private let path: String

    static func open(directory: OpenFile, path: String) throws(LogStorageError) -> CopyLock {
        let lockPath = path + "/" + fileName
        let descriptor = try SystemCalls.retrying(.open, lockPath) {
            openat(directory.descriptor, fileName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        return CopyLock(file: OpenFile(owning: descriptor), path: lockPath)
    }

    /// False while somebody copies.
    func tryExclusive() throws(LogStorageError) -> Bool {
        do {
            _ = try SystemCalls.retrying(.lock, path) { flock(file.descriptor, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            guard error.errno == EWOULDBLOCK else { throw error }
            return false
        }
    }

    /// Waits while segments are being freed.
    func waitShared() throws(LogStorageError) {
        _ = try SystemCalls.retrying(.lock, path) { flock(file.descriptor, LOCK_SH) }
    }
}
