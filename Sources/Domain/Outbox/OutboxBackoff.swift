/// How long to wait before the next attempt: exponential, capped, and spread by jitter so that many rows that failed together
/// don't come back together.
package struct OutboxBackoff: Hashable, Sendable {
    package var initialMilliseconds: Int64
    package var capMilliseconds: Int64
    /// The share of the delay that is random: 0 is none; 0.5 gives between half and the whole of it.
    package var jitter: Double

    package init(initialMilliseconds: Int64 = 200, capMilliseconds: Int64 = 300_000, jitter: Double = 0.5) {
        precondition(initialMilliseconds > 0 && capMilliseconds >= initialMilliseconds && (0...1).contains(jitter))
        self.initialMilliseconds = initialMilliseconds
        self.capMilliseconds = capMilliseconds
        self.jitter = jitter
    }

    /// The delay after the `attempt`-th failure (from 1), in milliseconds.
    /// - Parameter randomUnit: a random number from 0 up to 1.
    package func delayMilliseconds(afterAttempt attempt: Int, randomUnit: Double) -> Int64 {
        // Past 40 doublings any cap is reached, and a shift can't overflow before.
        let doublings = min(max(attempt - 1, 0), 40)
        let (grown, overflow) = initialMilliseconds.multipliedReportingOverflow(by: 1 << Int64(doublings))
        let whole = overflow ? capMilliseconds : min(grown, capMilliseconds)
        return max(1, Int64(Double(whole) * (1 - jitter * randomUnit)))
    }

    /// The delay of a row whose destination takes nothing, which has waited for `age` milliseconds: an eighth of that, so that a short
    /// pause is noticed soon and a long one costs little, and at most ``heldMillisecondsMax``.
    package func heldDelayMilliseconds(age: Int64, randomUnit: Double) -> Int64 {
        let whole = min(max(age / 8, initialMilliseconds), max(initialMilliseconds, Self.heldMillisecondsMax))
        return max(1, Int64(Double(whole) * (1 - jitter * randomUnit)))
    }

    /// A destination that takes messages again gets the first one within this time.
    package static let heldMillisecondsMax: Int64 = 30_000
}
