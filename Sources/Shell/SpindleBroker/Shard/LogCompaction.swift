package import SpindleLog

/// When stragglers are moved, and how fast. The decision; the moving is in `Shard+Compacting.swift`.
///
/// The log from its oldest live byte on is what cannot be freed. When it is larger than `logPerLiveBytesMax` times the live bytes
/// and `slackSegments` segments, the live records of its oldest segment are appended again, and the segment after it becomes the
/// oldest. At least half of such a log is dead, so a pass over it writes no more than it frees.
package struct LogCompaction: Sendable {
    /// Can transition to: `idle` → `reading` → `idle`.
    package enum Stage: Sendable {
        case idle
        /// The background thread reads what is to be moved.
        case reading
    }

    package var stage: Stage = .idle
    /// Stragglers below this address are moved until there are none; nil: nothing is to do.
    package private(set) var boundary: UInt64?
    /// Something was moved since the boundary was set.
    private(set) var hasMoved = false
    /// Addresses of records that cannot be read, oldest first: they stay, and hold their segments.
    package private(set) var unreadable: [UInt64] = []
    /// Not before, milliseconds of the node's clock.
    package private(set) var notBefore: UInt64 = 0

    private let policy: LogUpkeepPolicy
    /// Bytes logged by others until the last step, to keep pace with.
    private var loggedBefore: LSN = .zero
    private var stepAt: UInt64 = 0

    static let unreadableMax = 10_000

    package init(policy: LogUpkeepPolicy) { self.policy = policy }

    /// Decides whether the oldest segment is to be emptied.
    ///
    /// - Parameters:
    ///   - oldestLive: the lowest address that is needed; nil: none is.
    ///   - liveBytes: bytes of all records that are needed.
    package mutating func decide(oldestLive: UInt64?, liveBytes: UInt64, end: LSN, segmentBytes: UInt64) {
        boundary = nil
        hasMoved = false
        guard let oldestLive else { return }
        let segment = LSN(rawValue: oldestLive).segment(segmentBytes: segmentBytes)
        let (live, overflow) = liveBytes.multipliedReportingOverflow(by: policy.logPerLiveBytesMax)
        guard !overflow, segment < end.segment(segmentBytes: segmentBytes) else { return }
        let held = end.rawValue - segment * segmentBytes
        guard held > live + policy.slackSegments * segmentBytes else { return }
        boundary = (segment + 1) * segmentBytes
    }

    package mutating func finishedSegment() { boundary = nil }

    package mutating func cannotRead(_ address: UInt64) {
        guard unreadable.count < Self.unreadableMax, !unreadable.contains(address) else { return }
        unreadable.append(address)
    }

    /// A step moved so many bytes, at `now`, and the log ends at `end`: sets when the next one may come.
    package mutating func moved(bytes: UInt64, now: UInt64, end: LSN) {
        if bytes > 0 { hasMoved = true }
        let elapsed = max(1, now - min(now, stepAt))
        let logged = end.rawValue - min(loggedBefore.rawValue, end.rawValue)
        let others = logged - min(logged, bytes)
        let perSecond = max(policy.moveBytesPerSecond, others * 1000 / elapsed * policy.movedPerLogged)
        notBefore = now + bytes * 1000 / max(1, perSecond)
        loggedBefore = end
        stepAt = now
    }
}
