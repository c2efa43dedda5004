internal import Glibc
package import SpindleLog
internal import Synchronization

/// The log's files in one directory of a local file system.
///
/// Assumes that the file system keeps POSIX's promises for `fdatasync`, `rename` and directory syncs, and overwrites blocks in
/// place (ext4, XFS): then a write to a prepared segment needs no space. Calls may come from any thread; files that are in
/// use stay open, up to a limit.
package final class DiskLogStorage: LogStorage {
    package enum Access: Hashable, Sendable {
        /// Creates the directory if need be, and owns it until this object is gone.
        case owner
        /// Looks only, while nobody owns the directory. Every changing call fails.
        case readOnly
        /// Looks only, also while somebody owns the directory, who frees no segments meanwhile. Waits while segments are being freed.
        case copier
    }

    /// Files that stay open at most, beside those with writes that are not synced.
    private static let openFilesMax = 128

    private struct Cache {
        var files: [LogFileName: OpenFile] = [:]
        /// In the order of opening; the first is closed first.
        var order: [LogFileName] = []
        /// Files with writes that are not synced. They stay open, so that their sync reports every error since.
        var unsynced: Set<LogFileName> = []
        /// Held while segments are freed.
        var reclaiming: CopyLock?

        mutating func closeSurplus() {
            guard order.count > openFilesMax, let index = order.firstIndex(where: { !unsynced.contains($0) }) else { return }
            files[order.remove(at: index)] = nil
        }
    }

    package let path: String
    package let access: Access
    private let directory: OpenFile
    private let lock: DirectoryLock?
    private let copying: CopyLock?
    private let cache = Mutex(Cache())

    package init(path: String, access: Access = .owner) throws(LogStorageError) {
        self.path = path
        self.access = access
        if access == .owner { try Self.makeDirectories(path) }
        let descriptor = try SystemCalls.retrying(.open, path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        directory = OpenFile(owning: descriptor)
        switch access {
        case .owner:
            lock = try DirectoryLock.exclusive(directory: directory, path: path)
            copying = nil
        case .readOnly:
            lock = try DirectoryLock.shared(directory: directory, path: path)
            copying = nil
        case .copier:
            lock = nil
            copying = try CopyLock.open(directory: directory, path: path)
            try copying?.waitShared()
        }
    }

    // MARK: LogStorage

    package func list() throws(LogStorageError) -> [LogFile] {
        let descriptor = try SystemCalls.retrying(.list, path) {
            openat(directory.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        guard let stream = fdopendir(descriptor) else {
            let error = SystemCalls.failure(.list, path)
            _ = close(descriptor)
            throw error
        }
        defer { closedir(stream) }
        var files: [LogFile] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw SystemCalls.failure(.list, path) }
                return files
            }
            let text = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let name = LogFileName(text) else { continue }
            var status = stat()
            do {
                _ = try SystemCalls.retrying(.list, pathOf(name)) {
                    fstatat(directory.descriptor, text, &status, AT_SYMLINK_NOFOLLOW)
                }
            } catch {
                if error.errno == ENOENT { continue }  // another thread has just renamed it
                throw error
            }
            guard status.st_mode & S_IFMT == S_IFREG else { continue }
            files.append(LogFile(name: name, size: UInt64(max(0, status.st_size))))
        }
    }

    package func create(_ file: LogFileName) throws(LogStorageError) {
        try checkOwner(.create, file)
        let descriptor = try SystemCalls.retrying(.create, pathOf(file)) {
            openat(directory.descriptor, file.description, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        remember(file, OpenFile(owning: descriptor))
    }

    package func reserve(_ file: LogFileName, byteCount: UInt64) throws(LogStorageError) {
        try checkOwner(.reserve, file)
        guard let count = off_t(exactly: byteCount) else { return }
        let open = try opened(file, .reserve)
        while true {
            // Unlike other calls it returns the error.
            let code = posix_fallocate(open.descriptor, 0, count)
            if code == EINTR { continue }
            // Some file systems cannot; the zeros that are written next do it as well.
            if code == 0 || code == EOPNOTSUPP || code == EINVAL { return }
            throw SystemCalls.failure(.reserve, pathOf(file), code: code)
        }
    }

    package func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError) {
        try checkOwner(.write, file)
        let open = try opened(file, .write)
        cache.withLock { _ = $0.unsynced.insert(file) }
        try SystemCalls.writeAll(open.descriptor, pathOf(file), at: offset, bytes)
    }

    package func sync(_ file: LogFileName) throws(LogStorageError) {
        try checkOwner(.sync, file)
        let open = try opened(file, .sync)
        // fdatasync also writes the size, and what else is needed to read the data back.
        _ = try SystemCalls.retrying(.sync, pathOf(file)) { fdatasync(open.descriptor) }
        cache.withLock { _ = $0.unsynced.remove(file) }
    }

    package func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError) {
        try checkOwner(.rename, file)
        var status = stat()
        // Nobody else makes names here: the lock is held, and each name is given by one thread only.
        if fstatat(directory.descriptor, newName.description, &status, AT_SYMLINK_NOFOLLOW) == 0 {
            throw SystemCalls.failure(.rename, pathOf(newName), code: EEXIST)
        }
        _ = try SystemCalls.retrying(.rename, pathOf(file)) {
            renameat(directory.descriptor, file.description, directory.descriptor, newName.description)
        }
        cache.withLock { cache in
            if cache.unsynced.remove(file) != nil { cache.unsynced.insert(newName) }
            guard let open = cache.files.removeValue(forKey: file) else { return }
            cache.files[newName] = open
            if let index = cache.order.firstIndex(of: file) { cache.order[index] = newName }
        }
    }

    package func remove(_ file: LogFileName) throws(LogStorageError) {
        try checkOwner(.remove, file)
        _ = try SystemCalls.retrying(.remove, pathOf(file)) { unlinkat(directory.descriptor, file.description, 0) }
        forget(file)
    }

    package func syncDirectory() throws(LogStorageError) {
        _ = try SystemCalls.retrying(.syncDirectory, path) { fsync(directory.descriptor) }
    }

    package func read(
        _ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(LogStorageError) -> Int {
        let open = try opened(file, .read)
        return try SystemCalls.readAll(open.descriptor, pathOf(file), at: offset, into: buffer)
    }

    package func freeBytes() throws(LogStorageError) -> UInt64 {
        var status = statvfs()
        _ = try SystemCalls.retrying(.freeBytes, path) { fstatvfs(directory.descriptor, &status) }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflow ? .max : bytes
    }

    package func forgetCached(_ file: LogFileName, at offset: UInt64, byteCount: UInt64) {
        guard let open = try? opened(file, .read), let start = off_t(exactly: offset), let count = off_t(exactly: byteCount) else { return }
        _ = posix_fadvise(open.descriptor, start, count, POSIX_FADV_DONTNEED)
    }

    package func beginReclaiming() throws(LogStorageError) -> Bool {
        let lock = try CopyLock.open(directory: directory, path: path)
        guard try lock.tryExclusive() else { return false }
        cache.withLock { $0.reclaiming = lock }
        return true
    }

    package func endReclaiming() {
        // Closing the file ends the lock.
        cache.withLock { $0.reclaiming = nil }
    }

    // MARK: Open files

    private func opened(_ file: LogFileName, _ operation: LogStorageError.Operation) throws(LogStorageError) -> OpenFile {
        if let open = cache.withLock({ $0.files[file] }) { return open }
        let mode = access == .owner ? O_RDWR : O_RDONLY
        let descriptor = try SystemCalls.retrying(operation, pathOf(file)) {
            openat(directory.descriptor, file.description, mode | O_CLOEXEC | O_NOFOLLOW)
        }
        let open = OpenFile(owning: descriptor)
        remember(file, open)
        return open
    }

    private func remember(_ file: LogFileName, _ open: OpenFile) {
        cache.withLock { cache in
            // Two threads may have opened the same file at once; the second descriptor is as good.
            if cache.files.updateValue(open, forKey: file) == nil { cache.order.append(file) }
            cache.closeSurplus()
        }
    }

    private func forget(_ file: LogFileName) {
        cache.withLock { cache in
            cache.files[file] = nil
            cache.order.removeAll { $0 == file }
            cache.unsynced.remove(file)
        }
    }

    private func pathOf(_ file: LogFileName) -> String { path + "/" + file.description }

    private func checkOwner(_ operation: LogStorageError.Operation, _ file: LogFileName) throws(LogStorageError) {
        guard access == .owner else {
            throw LogStorageError(
                operation: operation, path: pathOf(file), errno: EROFS, reason: "the log is open for looking only")
        }
    }

    /// Makes the directory and those above it that are missing, each durable in its parent.
    private static func makeDirectories(_ path: String) throws(LogStorageError) {
        var status = stat()
        if stat(path, &status) == 0 { return }
        let trimmed = String(path.reversed().drop { $0 == "/" }.reversed())
        let parent: String
        if let slash = trimmed.lastIndex(of: "/") {
            parent = slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
        } else {
            parent = "."
        }
        if parent != trimmed { try makeDirectories(parent) }
        do {
            _ = try SystemCalls.retrying(.create, path) { mkdir(path, 0o700) }
        } catch {
            if error.errno != EEXIST { throw error }
        }
        let descriptor = try SystemCalls.retrying(.syncDirectory, parent) {
            Glibc.open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        let directory = OpenFile(owning: descriptor)
        _ = try SystemCalls.retrying(.syncDirectory, parent) { fsync(directory.descriptor) }
    }
}
