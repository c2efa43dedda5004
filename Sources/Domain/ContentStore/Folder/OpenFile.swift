internal import CBeneath
internal import Glibc

/// An open file or folder, closed when nobody uses it any more.
final class OpenFile: Sendable {
    let descriptor: Int32

    init(owning descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }
}

/// Calls of the system that are repeated when a signal interrupts them.
enum SystemCall {
    static func retrying(_ operation: String, _ path: String, _ call: () -> Int32) throws(StoreFolderError) -> Int32 {
        while true {
            let result = call()
            if result >= 0 { return result }
            guard errno == EINTR else { throw failure(operation, path, errno) }
        }
    }

    static func retryingBytes(_ operation: String, _ path: String, _ call: () -> Int) throws(StoreFolderError) -> Int {
        while true {
            let result = call()
            if result >= 0 { return result }
            guard errno == EINTR else { throw failure(operation, path, errno) }
        }
    }

    static func failure(_ operation: String, _ path: String, _ code: Int32) -> StoreFolderError {
        StoreFolderError(
            operation: operation, path: path, reason: String(cString: strerror(code)),
            isFull: code == ENOSPC || code == EDQUOT, isRefused: code == ELOOP || code == EXDEV || code == ENOTDIR,
            isBusy: busy.contains(code))
    }

    /// What a file that a program holds open answers (CIFS says EACCES or EBUSY for a sharing violation), and a mounted server that is away.
    private static let busy: Set<Int32> = [
        EBUSY, ETXTBSY, EACCES, EPERM, EAGAIN, ESTALE, EIO, ETIMEDOUT, ENOTCONN, ECONNABORTED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH,
    ]

    static func facts(of descriptor: Int32, _ path: String) throws(StoreFolderError) -> FileFacts {
        var status = stat()
        _ = try retrying("look at", path) { fstat(descriptor, &status) }
        return FileFacts(
            bytes: Int64(status.st_size), identity: UInt64(status.st_ino),
            modifiedAt: Int64(status.st_mtim.tv_sec) * 1_000 + Int64(status.st_mtim.tv_nsec) / 1_000_000,
            isFolder: status.st_mode & S_IFMT == S_IFDIR)
    }

    static func writeAll(_ descriptor: Int32, _ path: String, at offset: Int64, _ bytes: UnsafeRawBufferPointer) throws(StoreFolderError) {
        var done = 0
        while done < bytes.count {
            done += try retryingBytes("write", path) {
                pwrite(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset) + off_t(done))
            }
        }
    }
}
