import ContentStore
import Foundation
import Glibc
import Testing

/// Copying from the store to a share, wherever that is.
@Suite struct FileCopyTests {
    private static func folder(in place: String) throws -> DiskFolder { try DiskFolder(path: "\(place)/spindle-copy-\(UUID().uuidString)") }

    private static func device(_ path: String) -> dev_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_dev : 0
    }

    private static func make(_ bytes: Int64, marksAt marks: [Int64], in folder: DiskFolder) throws -> StagedFile {
        let file = try StagingArea(folder).make("source", bytes: bytes)
        for mark in marks { try withUnsafeBytes(of: UInt8(truncatingIfNeeded: mark | 1)) { try file.write($0, at: mark) } }
        return file
    }

    /// The kernel copies within one file system only. A share is usually another one.
    @Test(.enabled(if: device("/dev/shm") != device(FileManager.default.temporaryDirectory.path), "/dev/shm is no file system of its own"))
    func aCopyToAnotherFileSystemIsTheSame() throws {
        let (store, share) = (try Self.folder(in: FileManager.default.temporaryDirectory.path), try Self.folder(in: "/dev/shm"))
        defer { for folder in [store, share] { try? FileManager.default.removeItem(atPath: folder.path) } }
        // Over the border of a step.
        let bytes: Int64 = 65 << 20 | 7
        let source = try Self.make(bytes, marksAt: [0, 64 << 20 - 1, 64 << 20, bytes - 1], in: store)
        let copy = try share.create("copy")
        try copy.copy(from: source, at: 0, to: 0, bytes: bytes)
        #expect(try copy.facts().bytes == bytes)
        #expect(try copy.digest(from: 0, bytes: bytes) == source.digest(from: 0, bytes: bytes))
        let piece = try share.create("piece")
        try piece.copy(from: source, at: 64 << 20 - 1, to: 5, bytes: 2)
        #expect(try piece.digest(from: 5, bytes: 2) == source.digest(from: 64 << 20 - 1, bytes: 2))
    }

    @Test func aSourceThatIsTooShortIsAnError() throws {
        let folder = try Self.folder(in: FileManager.default.temporaryDirectory.path)
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        let source = try Self.make(10, marksAt: [3], in: folder)
        #expect(throws: StoreFolderError.self) { try folder.create("copy").copy(from: source, at: 0, to: 0, bytes: 11) }
    }

    /// XFS and Btrfs share blocks: the copy on the share is no second twenty gigabytes.
    @Test(.enabled(if: ReflinkDisk.isPossible, "mounting an XFS image needs root, loop devices and mkfs.xfs"))
    func aCopyOnAFileSystemThatSharesBlocksTakesNoRoom() throws {
        let disk = try ReflinkDisk()
        let folder = try DiskFolder(path: disk.path + "/folder")
        let bytes: Int64 = 48 << 20 | 7
        let source = try StagingArea(folder).make("source", bytes: bytes)
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        for offset in stride(from: 0, to: bytes - 1 << 20, by: 1 << 20) { try piece.withUnsafeBytes { try source.write($0, at: offset) } }
        try source.sync()
        let before = try disk.freeBytes()
        let copy = try folder.create("copy")
        try copy.copy(from: source, at: 0, to: 0, bytes: bytes)
        try copy.sync()
        #expect(before - (try disk.freeBytes()) < 4 << 20)
        #expect(try copy.digest(from: 0, bytes: bytes) == source.digest(from: 0, bytes: bytes))
    }
}

/// A file system that can share blocks, in an image of holes, for the time of this object.
final class ReflinkDisk {
    /// mkfs.xfs makes none that is smaller.
    private static let megabytes = 320

    private let folder: String
    var path: String { folder + "/disk" }

    static let isPossible = (try? ReflinkDisk()) != nil

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/spindle-xfs-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder + "/disk", withIntermediateDirectories: true)
        do {
            try Self.run("truncate", "-s", "\(Self.megabytes)M", folder + "/image")
            try Self.run("mkfs.xfs", "-q", "-m", "reflink=1", folder + "/image")
            try Self.run("mount", "-o", "loop", folder + "/image", path)
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
    }

    deinit {
        _ = try? Self.run("umount", "--lazy", path)
        try? FileManager.default.removeItem(atPath: folder)
    }

    func freeBytes() throws -> Int64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw POSIXError(.EIO) }
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }

    private static func run(_ command: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw POSIXError(.EPERM) }
    }
}
