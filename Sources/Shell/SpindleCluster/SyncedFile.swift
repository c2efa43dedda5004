#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Small files that a power cut must not leave empty.
package enum SyncedFile {
    package struct Failure: Error, CustomStringConvertible {
        package let path: String
        package let errno: Int32
        package var reason: String { String(cString: strerror(errno)) }
        package var description: String { "\(path): \(reason)" }
    }

    /// Writes the whole text under another name with `mode`, syncs it, renames it, and syncs the folder: afterwards `path` holds the old
    /// text or the new one, whatever happens.
    package static func write(_ text: String, to path: String, mode: UInt32) throws(Failure) {
        try write(bytes: Array(text.utf8), to: path, mode: mode)
    }

    /// Writes bytes as ``write(_:to:mode:)`` writes a text.
    package static func write(bytes content: [UInt8], to path: String, mode: UInt32) throws(Failure) {
        let temporary = "\(path).\(getpid()).new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw Failure(path: temporary, errno: errno) }
        // The process's umask may have taken bits away that were asked for.
        var isDone = fchmod(descriptor, mode) == 0
        var bytes = content[...]
        while isDone, !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { systemWrite(descriptor, $0) }
            if written > 0 {
                bytes = bytes.dropFirst(written)
            } else if errno != EINTR {
                isDone = false
            }
        }
        isDone = isDone && fsync(descriptor) == 0
        let reason = errno
        close(descriptor)
        guard isDone, rename(temporary, path) == 0 else {
            let reason = isDone ? errno : reason
            unlink(temporary)
            throw Failure(path: path, errno: reason)
        }
        syncFolder(of: path)
    }

    /// A file system that can't sync a folder is no reason to fail: the file itself is whole.
    private static func syncFolder(of path: String) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
