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
            throw .fileFailed(path: path, operation: "made", reason: FileProblem.sentence(error))
        }
        guard chmod(path, 0o700) == 0 else { throw .fileFailed(path: path, operation: "closed to others (chmod 0700)", reason: lastError()) }
    }

    /// Writes the whole text under another name with `mode`, syncs it, and renames: afterwards `path` holds the old text
    /// or the new one, whatever happens.
    static func write(_ text: String, to path: String, mode: mode_t) throws(CertificateFilesError) {
        do throws(SyncedFile.Failure) {
            try SyncedFile.write(text, to: path, mode: mode)
        } catch {
            throw .fileFailed(path: error.path, operation: "written", reason: error.reason)
        }
    }

    private static func lastError() -> String {
        String(cString: strerror(errno))
    }
}
