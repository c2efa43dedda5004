#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import Foundation

/// Files that nobody else may read, not even for a moment while they are made.
enum PrivateFile {
    /// Makes `path`, with mode 0700, and the folders above it. A folder that is there stays as its owner wants it: the
    /// keys in it are closed to others by themselves.
    static func makeDirectory(_ path: String) throws(CertificateFilesError) {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw .fileFailed(path: path, operation: "made", reason: error.localizedDescription)
        }
        guard chmod(path, 0o700) == 0 else { throw .fileFailed(path: path, operation: "closed to others (chmod 0700)", reason: lastError()) }
    }

    /// Writes the whole text under another name with `mode`, syncs it, and renames: afterwards `path` holds the old text
    /// or the new one, whatever happens.
    static func write(_ text: String, to path: String, mode: mode_t) throws(CertificateFilesError) {
        let temporary = "\(path).\(getpid()).new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw .fileFailed(path: temporary, operation: "made", reason: lastError()) }
        // The process's umask may have taken bits away that were asked for.
        var isDone = fchmod(descriptor, mode) == 0
        var bytes = Array(text.utf8)[...]
        while isDone, !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { systemWrite(descriptor, $0) }
            if written > 0 {
                bytes = bytes.dropFirst(written)
            } else if errno != EINTR {
                isDone = false
            }
        }
        isDone = isDone && fsync(descriptor) == 0
        let reason = isDone ? "" : lastError()
        close(descriptor)
        guard isDone, rename(temporary, path) == 0 else {
            let reason = isDone ? lastError() : reason
            unlink(temporary)
            throw .fileFailed(path: path, operation: "written", reason: reason)
        }
    }

    private static func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #else
        Musl.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }

    private static func lastError() -> String {
        String(cString: strerror(errno))
    }
}
