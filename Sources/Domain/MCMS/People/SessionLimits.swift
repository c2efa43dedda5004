package import SpindleText

/// How long a browser's session lasts.
package struct SessionLimits: Hashable, Sendable {
    /// Without a request of its person.
    package var idleMilliseconds: Int64
    /// From sign-in.
    package var absoluteMilliseconds: Int64

    /// A shift with its breaks, and a month.
    package init(idleMilliseconds: Int64 = 12 * 3_600_000, absoluteMilliseconds: Int64 = 30 * 24 * 3_600_000) {
        self.idleMilliseconds = idleMilliseconds
        self.absoluteMilliseconds = absoluteMilliseconds
    }

    /// An upload keeps its session beyond its end, for uploads, until nothing came for so long.
    package static let uploadGraceMilliseconds: Int64 = 3_600_000
    private static let touchMillisecondsMax: Int64 = 60_000

    /// A use is written down when the last one is older: not every request writes.
    package var touchMilliseconds: Int64 { max(1, min(Self.touchMillisecondsMax, idleMilliseconds / 4)) }

    /// Returns whether the session still opens something.
    /// - Parameter isUpload: the request belongs to an upload.
    package func isValid(_ session: WebSession, isUpload: Bool, now: Timestamp) -> Bool {
        guard session.usedAt.adding(milliseconds: idleMilliseconds) > now else { return false }
        if session.expiresAt > now { return true }
        return isUpload && session.uploadedAt.adding(milliseconds: Self.uploadGraceMilliseconds) > now
    }
}
