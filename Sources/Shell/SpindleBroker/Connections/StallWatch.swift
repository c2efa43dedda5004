/// Finds out how long the broker itself stood still: something that happens at an interval comes too late.
package struct StallWatch {
    private let intervalMilliseconds: UInt64
    private var dueAt: UInt64?

    package init(intervalMilliseconds: UInt64) { self.intervalMilliseconds = intervalMilliseconds }

    /// The next call of ``came(at:)`` is due an interval from `now`.
    package mutating func began(at now: UInt64) { dueAt = now + intervalMilliseconds }

    /// By how much it is late, milliseconds.
    package func came(at now: UInt64) -> UInt64 {
        guard let dueAt, now > dueAt else { return 0 }
        return now - dueAt
    }
}
