internal import Glibc

/// How much more a folder's disk takes.
package struct DiskRoom: Sendable {
    package let folder: String
    /// What files never take: for the broker's log, the databases, and whatever else lives on the disk.
    package let reserve: Int64
    /// Copies of each byte that the disk will hold: 2 where the share is on the same one.
    package let copies: Int64

    package init(folder: String, reserve: Int64, share: String) {
        self.folder = folder
        self.reserve = reserve
        copies = Self.device(folder) != nil && Self.device(folder) == Self.device(share) ? 2 : 1
    }

    private static func device(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_dev) : nil
    }

    /// - Parameter bytes: of all uploads that are under way, the new one included.
    package func check(_ bytes: Int64) throws {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return }
        let free = Int64(status.f_bavail) * Int64(status.f_frsize)
        let needed = bytes * copies
        guard free - reserve >= needed else { throw FileError.noRoom(needed: needed, available: max(0, free - reserve), folder: folder) }
    }
}
