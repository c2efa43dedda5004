internal import Glibc

/// Bytes that uploads have still to write.
package struct SpokenFor: Hashable, Sendable {
    /// Into the store.
    package var store: Int64
    /// Copies on the share.
    package var share: Int64

    package func adding(store more: Int64, share moreOnShare: Int64) -> SpokenFor { SpokenFor(store: store + more, share: share + moreOnShare) }
}

/// How much more the disks of the store and of the share take.
package struct DiskRoom: Sendable {
    private let store: String
    private let share: String
    /// What files never take of a disk: for the broker's log, the databases, and whatever else lives there.
    private let reserve: Int64

    package init(store: String, share: String, reserve: Int64) {
        self.store = store
        self.share = share
        self.reserve = reserve
    }

    private static func device(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_dev) : nil
    }

    /// - Parameter spoken: what uploads that are under way will write, the new one included.
    /// - Throws: ``FileError/noRoom(needed:available:folder:)``.
    package func check(_ spoken: SpokenFor) throws {
        let isOneDisk = Self.device(store) == Self.device(share)
        try check(store, needed: spoken.store + (isOneDisk ? spoken.share : 0))
        if !isOneDisk { try check(share, needed: spoken.share) }
    }

    private func check(_ folder: String, needed: Int64) throws {
        var status = statvfs()
        // A share that is away is waited for when the file is published.
        guard statvfs(folder, &status) == 0 else { return }
        // Some servers of shares do not say how large they are.
        guard status.f_blocks > 0 else { return }
        let available = Int64(status.f_bavail) * Int64(status.f_frsize) - reserve
        guard available >= needed else { throw FileError.noRoom(needed: needed, available: max(0, available), folder: folder) }
    }
}
