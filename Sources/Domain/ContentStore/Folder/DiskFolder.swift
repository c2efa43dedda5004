internal import CBeneath
internal import Digests
internal import Glibc

/// A folder of this machine. Every path is opened by `openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`: nobody leads a name
/// out of the folder, whatever is exchanged while it is walked. The folder itself may be a link: it is the operator's choice.
package struct DiskFolder: StoreFolder {
    static let fileMode: UInt32 = 0o600
    static let folderMode: mode_t = 0o750
    /// Read so much at once: what is in memory for one file, however large it is.
    static let bufferBytes = 256 << 10

    package let path: String
    private let root: OpenFile

    /// Opens a folder that is there: a share that is not mounted is not made.
    package init(existing path: String) throws(StoreFolderError) {
        self.path = path
        root = OpenFile(owning: try SystemCall.retrying("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
    }

    /// Opens the folder, and makes it where it is missing.
    package init(path: String) throws(StoreFolderError) {
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            made += (made.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            guard mkdir(made, Self.folderMode) != 0, errno != EEXIST else { continue }
            throw SystemCall.failure("make the folder", made, errno)
        }
        try self.init(existing: path)
    }

    func open(_ path: String, _ flags: Int32, _ operation: String) throws(StoreFolderError) -> OpenFile {
        let name = path.isEmpty ? "." : path
        return OpenFile(
            owning: try SystemCall.retrying(operation, path) { spindle_open_beneath(root.descriptor, name, flags | O_CLOEXEC, Self.fileMode) })
    }

    /// Nil: there is nothing.
    func openIfThere(_ path: String, _ flags: Int32, _ operation: String) throws(StoreFolderError) -> OpenFile? {
        let descriptor = spindle_open_beneath(root.descriptor, path.isEmpty ? "." : path, flags | O_CLOEXEC, Self.fileMode)
        guard descriptor < 0 else { return OpenFile(owning: descriptor) }
        if errno == ENOENT { return nil }
        guard errno == EINTR else { throw SystemCall.failure(operation, path, errno) }
        return try openIfThere(path, flags, operation)
    }

    private func withParent<Value>(
        of path: String, _ operation: String, _ body: (Int32, String) throws(StoreFolderError) -> Value
    ) throws(StoreFolderError) -> Value {
        let parent = try open(Self.parent(of: path), spindle_name_only | O_DIRECTORY, operation)
        let name = path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
        return try body(parent.descriptor, name)
    }

    package func facts(_ path: String) throws(StoreFolderError) -> FileFacts? {
        guard let file = try openIfThere(path, spindle_name_only, "look at") else { return nil }
        return try SystemCall.facts(of: file.descriptor, path)
    }

    package func makeFolder(_ path: String) throws(StoreFolderError) {
        var made = ""
        for part in path.split(separator: "/") {
            let above = made
            made += (made.isEmpty ? "" : "/") + part
            let parent = try open(above, O_RDONLY | O_DIRECTORY, "open")
            if mkdirat(parent.descriptor, String(part), Self.folderMode) == 0 {
                try syncFolder(above)
            } else if errno != EEXIST {
                throw SystemCall.failure("make the folder", made, errno)
            }
        }
    }

    package func names(in path: String) throws(StoreFolderError) -> [String] {
        guard let folder = try openIfThere(path, O_RDONLY | O_DIRECTORY, "list") else { return [] }
        // The stream closes what it is given.
        guard let stream = fdopendir(dup(folder.descriptor)) else { throw SystemCall.failure("list", path, errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    package func read(_ path: String, bytesMax: Int) throws(StoreFolderError) -> [UInt8]? {
        guard let file = try openIfThere(path, O_RDONLY | O_NONBLOCK, "read") else { return nil }
        let facts = try SystemCall.facts(of: file.descriptor, path)
        guard facts.bytes <= bytesMax else {
            throw StoreFolderError(operation: "read", path: path, reason: "it has \(facts.bytes) bytes, expected at most \(bytesMax)")
        }
        var bytes = [UInt8](repeating: 0, count: Int(facts.bytes))
        var done = 0
        while done < bytes.count {
            let count = try SystemCall.retryingBytes("read", path) {
                bytes.withUnsafeMutableBytes { pread(file.descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, off_t(done)) }
            }
            if count == 0 { break }
            done += count
        }
        return Array(bytes.prefix(done))
    }

    package func write(_ path: String, _ bytes: [UInt8]) throws(StoreFolderError) {
        let file = try open(path, O_WRONLY | O_CREAT | O_TRUNC, "write")
        let written = bytes.withUnsafeBytes { bytes in
            Result { () throws(StoreFolderError) in try SystemCall.writeAll(file.descriptor, path, at: 0, bytes) }
        }
        try written.get()
        _ = try SystemCall.retrying("sync", path) { fsync(file.descriptor) }
    }

    package func rename(_ path: String, to target: String, replacing: Bool) throws(StoreFolderError) -> Bool {
        try withParent(of: path, "rename") { (source, name) throws(StoreFolderError) in
            try withParent(of: target, "rename to") { (destination, newName) throws(StoreFolderError) in
                let result =
                    replacing ? renameat(source, name, destination, newName) : spindle_rename_new(source, name, destination, newName)
                if result == 0 { return true }
                if !replacing, errno == EEXIST { return false }
                if !replacing, [EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) {
                    return try Self.renameWhereFree(source, name, destination, newName, target)
                }
                throw SystemCall.failure("rename \(path) to", target, errno)
            }
        }
    }

    /// Renames on file systems that cannot refuse to replace, such as NFS and shares through FUSE: by a second name where there are such, else by a
    /// look before. Between that look and the renaming, a file that comes there is replaced.
    private static func renameWhereFree(
        _ source: Int32, _ name: String, _ destination: Int32, _ newName: String, _ target: String
    ) throws(StoreFolderError) -> Bool {
        if linkat(source, name, destination, newName, 0) == 0 {
            _ = try SystemCall.retrying("remove", name) { unlinkat(source, name, 0) }
            return true
        }
        if errno == EEXIST { return false }
        var status = stat()
        if fstatat(destination, newName, &status, AT_SYMLINK_NOFOLLOW) == 0 { return false }
        guard errno == ENOENT else { throw SystemCall.failure("look at", target, errno) }
        _ = try SystemCall.retrying("rename to", target) { renameat(source, name, destination, newName) }
        return true
    }

    package func remove(_ path: String) throws(StoreFolderError) {
        guard let facts = try facts(path) else { return }
        try withParent(of: path, "remove") { (parent, name) throws(StoreFolderError) in
            guard unlinkat(parent, name, facts.isFolder ? AT_REMOVEDIR : 0) != 0, errno != ENOENT else { return }
            throw SystemCall.failure("remove", path, errno)
        }
    }

    package func sync(_ path: String) throws(StoreFolderError) {
        let file = try open(path, O_RDONLY, "sync")
        _ = try SystemCall.retrying("sync", path) { fsync(file.descriptor) }
    }

    package func syncFolder(_ path: String) throws(StoreFolderError) {
        let folder = try open(path, O_RDONLY | O_DIRECTORY, "sync")
        while fsync(folder.descriptor) != 0 {
            switch errno {
            case EINTR: continue
            // A share whose folders are its server's: it has nothing to sync here.
            case EINVAL, ENOSYS, EOPNOTSUPP: return
            case let code: throw SystemCall.failure("sync", path, code)
            }
        }
    }

    package func protect(_ path: String) throws(StoreFolderError) {
        let file = try open(path, O_RDONLY, "protect")
        _ = try SystemCall.retrying("protect", path) { fchmod(file.descriptor, 0o440) }
    }

    package func digest(_ path: String) throws(StoreFolderError) -> (facts: FileFacts, sha256: [UInt8])? {
        guard let file = try openIfThere(path, O_RDONLY | O_NONBLOCK, "read") else { return nil }
        let facts = try SystemCall.facts(of: file.descriptor, path)
        do {
            return (facts, try FileDigests.whole(of: file, path, [.sha256])[0])
        } catch let error as StoreFolderError {
            throw error
        } catch {
            throw StoreFolderError(operation: "read", path: path, reason: "\(error)")
        }
    }
}
