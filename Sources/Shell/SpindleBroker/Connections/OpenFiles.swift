import Glibc

/// What the system lets this process have open.
package enum OpenFiles {
    package struct Limit: Equatable, Sendable {
        /// What was in force, and what is now.
        package var before: Int
        package var now: Int
    }

    /// Raises the soft limit to the hard one. Where that is refused, the soft limit stays.
    package static func raiseLimit() -> Limit {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return Limit(before: fallback, now: fallback) }
        let before = limit.rlim_cur
        if limit.rlim_cur < limit.rlim_max {
            let raised = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
            if withUnsafePointer(to: raised, { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), $0) }) == 0 { limit = raised }
        }
        return Limit(before: Int(clamping: before), now: Int(clamping: limit.rlim_cur))
    }

    /// What POSIX promises at least, for a system that does not say.
    private static let fallback = 256

    /// How many files and sockets are open now; nil where the system does not tell.
    package static func inUse() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 }
        }
        return count - 1 // the directory itself
    }
}

/// How many clients' sockets may be open, so that the log can always open its files.
package struct SocketBudget: Equatable, Sendable {
    /// Files that the log may need at once beyond those that are open at the start: segments being prepared, read, scrubbed and freed,
    /// checkpoints, a backup, the directory.
    package static let filesKept = 48
    /// Fewer clients than this are no service.
    package static let socketsMin = 16

    /// The listener pauses at so many.
    package let socketsMax: Int
    /// Of them, those that have not said who they are: in all, and from one address.
    package let unauthenticatedMax: Int
    package let unauthenticatedPerAddressMax: Int

    /// nil where the limit leaves too few.
    package init?(openFilesMax: Int, inUse: Int, limits: BrokerLimits) {
        let left = openFilesMax - inUse - Self.filesKept - limits.operationsConnectionsMax
        guard left >= Self.socketsMin else { return nil }
        // One that is refused for want of room still gets a socket, for the answer.
        socketsMax = min(left, limits.connectionsMax + max(16, limits.connectionsMax / 8))
        unauthenticatedMax = max(1, min(limits.unauthenticatedMax, socketsMax / 2))
        unauthenticatedPerAddressMax = max(1, min(limits.unauthenticatedPerAddressMax, unauthenticatedMax))
    }
}
