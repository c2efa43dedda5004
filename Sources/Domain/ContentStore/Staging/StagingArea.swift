package import Digests
internal import CBeneath
internal import Glibc

/// The files that arrive: `staging/<upload>/payload`, one file for each upload, written into place in any order.
package struct StagingArea: Sendable {
    private let folder: DiskFolder

    package init(_ folder: DiskFolder) {
        self.folder = folder
    }

    package static func folder(of upload: String) -> String { "staging/\(upload)" }
    package static func path(of upload: String) -> String { "staging/\(upload)/payload" }

    /// Makes the file, or opens it where a client resumes.
    /// - Parameter bytes: how long it becomes; nil where that is not known yet.
    package func make(_ upload: String, bytes: Int64?) throws(StoreFolderError) -> StagedFile {
        let path = Self.path(of: upload)
        try folder.makeFolder(Self.folder(of: upload))
        let file = try folder.open(path, O_RDWR | O_CREAT, "make")
        // Holes are what hasn't come yet.
        if let bytes { _ = try SystemCall.retrying("make", path) { ftruncate(file.descriptor, off_t(bytes)) } }
        try folder.syncFolder(Self.folder(of: upload))
        return StagedFile(file, path: path)
    }

    /// Nil: there is none.
    package func open(_ upload: String, forWriting: Bool) throws(StoreFolderError) -> StagedFile? {
        let path = Self.path(of: upload)
        guard let file = try folder.openIfThere(path, forWriting ? O_RDWR : O_RDONLY, "open") else { return nil }
        return StagedFile(file, path: path)
    }

    package func remove(_ upload: String) throws(StoreFolderError) {
        try folder.remove(Self.path(of: upload))
        try folder.remove(Self.folder(of: upload))
    }

    /// The uploads that have something here.
    package func uploads() throws(StoreFolderError) -> [String] { try folder.names(in: "staging") }
}

/// One file that arrives. Its bytes may be written by several threads, each at its own place.
package final class StagedFile: Sendable {
    package let path: String
    private let file: OpenFile

    init(_ file: OpenFile, path: String) {
        self.file = file
        self.path = path
    }

    package func facts() throws(StoreFolderError) -> FileFacts { try SystemCall.facts(of: file.descriptor, path) }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StoreFolderError) {
        try SystemCall.writeAll(file.descriptor, path, at: offset, bytes)
    }

    /// Until this returns, what was written may be gone after a crash.
    package func sync() throws(StoreFolderError) {
        _ = try SystemCall.retrying("sync", path) { fdatasync(file.descriptor) }
    }

    package func cut(to bytes: Int64) throws(StoreFolderError) {
        _ = try SystemCall.retrying("cut", path) { ftruncate(file.descriptor, off_t(bytes)) }
    }

    /// Closes it to everybody but its owner, who can still delete it.
    package func hide() throws(StoreFolderError) {
        _ = try SystemCall.retrying("protect", path) { fchmod(file.descriptor, 0o600) }
    }

    package func digest(from offset: Int64, bytes: Int64, _ algorithm: DigestStream.Algorithm = .sha256) throws -> [UInt8] {
        try FileDigests.range(of: file, path, from: offset, bytes: bytes, algorithm)
    }

    /// Reads into memory of the caller's. Returns less than its size at the file's end only.
    package func read(into memory: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StoreFolderError) -> Int {
        var done = 0
        while done < memory.count {
            let count = try SystemCall.retryingBytes("read", path) {
                pread(file.descriptor, memory.baseAddress?.advanced(by: done), memory.count - done, off_t(offset) + off_t(done))
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Hands the bytes on in pieces of at most 256 KiB; ends early at the file's end.
    package func read(from offset: Int64, bytes: Int64, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try FileDigests.read(file, path, from: offset, bytes: bytes, body)
    }

    /// Whether nothing was ever written to a part of the range, or the file ends before.
    package func hasHole(from offset: Int64, bytes: Int64) throws(StoreFolderError) -> Bool {
        guard bytes > 0 else { return false }
        let hole = lseek(file.descriptor, off_t(offset), spindle_seek_hole)
        guard hole >= 0 else {
            if errno == ENXIO { return true }
            throw SystemCall.failure("look at", path, errno)
        }
        return Int64(hole) < offset + bytes
    }

    /// Appends another staged file: shares its blocks where the file system can, else copies them.
    package func append(_ other: StagedFile, at offset: Int64) throws(StoreFolderError) {
        try copy(from: other, at: 0, to: offset, bytes: try other.facts().bytes)
    }
}

extension StagedFile {
    /// A payload that is in the store, for reading. Nil: there is none.
    package static func open(payload address: ContentAddress, in folder: DiskFolder) throws(StoreFolderError) -> StagedFile? {
        guard let file = try folder.openIfThere(address.payload, O_RDONLY, "open") else { return nil }
        return StagedFile(file, path: address.payload)
    }

    /// Copies a range: shares its blocks where the file system can.
    package func copy(from other: StagedFile, at source: Int64, to target: Int64, bytes: Int64) throws(StoreFolderError) {
        let copy = FileCopy(source: other.file, sourcePath: other.path, target: file, targetPath: path)
        try copy.run(from: source, to: target, bytes: bytes)
    }
}

extension DiskFolder {
    /// Makes a file, or empties it, for others to read.
    package func create(_ path: String) throws(StoreFolderError) -> StagedFile {
        let file = try open(path, O_RDWR | O_CREAT | O_TRUNC, "make")
        // Some shares have no such permissions: their server decides who may read.
        _ = fchmod(file.descriptor, 0o644)
        return StagedFile(file, path: path)
    }
}
