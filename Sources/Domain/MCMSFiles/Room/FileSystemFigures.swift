internal import Glibc

/// How full a file system is.
package struct FileSystemFigures: Hashable, Sendable {
    /// Identifies the file system: equal for all its paths.
    package let device: UInt64
    package let isReadOnly: Bool
    /// For those who are not root. Both are zero where the file system does not say how large it is.
    package let bytesFree: Int64
    package let bytesTotal: Int64
    /// Files that may yet be made, of all that it can hold; nil: it has no fixed number.
    package let filesFreePercent: Double?

    /// - Throws: what the system says.
    package init(of path: String) throws(FileSystemError) {
        var (status, figures) = (stat(), statvfs())
        guard stat(path, &status) == 0, statvfs(path, &figures) == 0 else {
            throw FileSystemError(description: "\(path): \(String(cString: strerror(errno)))")
        }
        device = UInt64(status.st_dev)
        isReadOnly = figures.f_flag & UInt(ST_RDONLY) != 0
        bytesFree = Int64(clamping: figures.f_bavail) * Int64(figures.f_frsize)
        bytesTotal = Int64(clamping: figures.f_blocks) * Int64(figures.f_frsize)
        filesFreePercent = figures.f_files > 0 ? Double(figures.f_favail) / Double(figures.f_files) * 100 : nil
    }
}

package struct FileSystemError: Error, Hashable, CustomStringConvertible {
    package let description: String
}
