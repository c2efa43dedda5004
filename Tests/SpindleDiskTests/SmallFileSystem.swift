import Foundation
import Glibc

/// A tmpfs of a few hundred kilobytes, mounted for one test. Needs the right to mount.
final class SmallFileSystem {
    let path: String

    /// Nil if mounting is not permitted.
    init?(at path: String, kilobytes: Int) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        self.path = path
        let options = "size=\(kilobytes)k"
        guard options.withCString({ mount("tmpfs", path, "tmpfs", 0, $0) }) == 0 else { return nil }
    }

    deinit {
        _ = umount2(path, Int32(MNT_DETACH))
    }

    struct Ballast {
        let path: String

        func remove() throws {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// Writes a file that leaves so much free.
    func fill(leavingKilobytes: Int) throws -> Ballast {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw POSIXError(.EIO) }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        let ballast = Ballast(path: path + "/ballast")
        try Data(count: free - leavingKilobytes << 10).write(to: URL(fileURLWithPath: ballast.path))
        return ballast
    }
}
