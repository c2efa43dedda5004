import SpindleLog

/// The reading of sealed segments, again and again, for damage that nobody has met yet.
struct LogScrubbing {
    /// Can transition to: `resting` → `between` → `within` ⇄ `reading`, `within` → `between` → `resting`.
    enum Stage {
        case resting
        /// The segment that comes next.
        case between(UInt64)
        case within(SegmentScrub<ErasedLogStorage>)
        /// The background thread has it.
        case reading
    }

    var stage: Stage = .between(0)
    var bytesRead: UInt64 = 0
    var segmentsRead: UInt64 = 0
    var passes: UInt64 = 0
    /// What was found, by segment; of one segment the first damage.
    private(set) var damage: [(segment: UInt64, corruption: LogCorruption)] = []

    /// Findings that are kept; the log lines have them all.
    private static let damageMax = 1_000

    /// False where the same segment was found damaged before.
    mutating func found(_ corruption: LogCorruption, in segment: UInt64) -> Bool {
        guard !damage.contains(where: { $0.segment == segment }), damage.count < Self.damageMax else { return false }
        damage.append((segment, corruption))
        return true
    }

    /// Segments that were freed are no longer damaged.
    mutating func freed(below segment: UInt64) { damage.removeAll { $0.segment < segment } }
}
