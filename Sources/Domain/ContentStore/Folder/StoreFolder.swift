/// What a file of the store is.
package struct FileFacts: Hashable, Sendable {
    package var bytes: Int64
    /// The same file keeps it under every name; another file never has it at the same time.
    package var identity: UInt64
    /// Milliseconds since 1970.
    package var modifiedAt: Int64
    package var isFolder: Bool

    package init(bytes: Int64, identity: UInt64, modifiedAt: Int64, isFolder: Bool) {
        self.bytes = bytes
        self.identity = identity
        self.modifiedAt = modifiedAt
        self.isFolder = isFolder
    }
}

/// A file of the store could not be read or written.
package struct StoreFolderError: Error, Hashable, CustomStringConvertible {
    /// What was tried, as in “cannot … cas/sha256/…”.
    package var operation: String
    package var path: String
    package var reason: String
    /// The disk or the quota is full.
    package var isFull = false
    /// The path leads over a symbolic link or out of the folder.
    package var isRefused = false
    /// Somebody else holds the file, or the server of a mounted folder does not answer: later it may work.
    package var isBusy = false

    package init(operation: String, path: String, reason: String, isFull: Bool = false, isRefused: Bool = false, isBusy: Bool = false) {
        self.operation = operation
        self.path = path
        self.reason = reason
        self.isFull = isFull
        self.isRefused = isRefused
        self.isBusy = isBusy
    }

    package var description: String { "cannot \(operation) \(path): \(reason)" }
}

/// The folder that holds staged files, payloads and refs; all paths are relative to it, with `/` between the parts.
///
/// The seam between what is decided and what a disk does: ``DiskFolder`` is the real one, and the simulator's crashes on demand. What is
/// not synced may be gone after a crash, whole or in part: the bytes of a file until ``sync(_:)``, its name until ``syncFolder(_:)`` of
/// the folder that holds the name.
package protocol StoreFolder: Sendable {
    /// Nil: there is nothing.
    func facts(_ path: String) throws(StoreFolderError) -> FileFacts?
    /// With all folders above, and synced.
    func makeFolder(_ path: String) throws(StoreFolderError)
    /// Of files and folders, in no order; none where the folder is not there.
    func names(in path: String) throws(StoreFolderError) -> [String]
    /// The whole of a small file. Nil: there is nothing.
    func read(_ path: String, bytesMax: Int) throws(StoreFolderError) -> [UInt8]?
    /// Makes a file or replaces its bytes, and syncs them; its name is not synced.
    func write(_ path: String, _ bytes: [UInt8]) throws(StoreFolderError)
    /// - Parameter replacing: false: the target must not be there.
    /// - Returns: false: it is there, and nothing was changed.
    func rename(_ path: String, to target: String, replacing: Bool) throws(StoreFolderError) -> Bool
    /// A file, or an empty folder. What is not there is no error.
    func remove(_ path: String) throws(StoreFolderError)
    func sync(_ path: String) throws(StoreFolderError)
    func syncFolder(_ path: String) throws(StoreFolderError)
    /// Takes from everybody the right to write.
    func protect(_ path: String) throws(StoreFolderError)
    /// Reads a whole file. Nil: there is nothing.
    func digest(_ path: String) throws(StoreFolderError) -> (facts: FileFacts, sha256: [UInt8])?
}

extension StoreFolder {
    /// The folder that holds a path's name.
    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return String(path[..<slash])
    }

    /// Replaces a small file as a whole: after a crash it has its old bytes or its new ones.
    package func replace(_ path: String, _ bytes: [UInt8]) throws(StoreFolderError) {
        let temporary = path + ".new"
        try write(temporary, bytes)
        _ = try rename(temporary, to: path, replacing: true)
        try syncFolder(Self.parent(of: path))
    }
}
