/// Counts of values by fixed upper bounds, as Prometheus' histograms have them.
package struct FixedHistogram: Sendable {
    package let bounds: [UInt64]
    /// One more than the bounds: the last counts what lies above all.
    package private(set) var counts: [UInt64]
    package private(set) var sum: UInt64 = 0
    package private(set) var count: UInt64 = 0

    package init(bounds: [UInt64]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    package mutating func record(_ value: UInt64) {
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        counts[index] += 1
        sum &+= value
        count += 1
    }

    /// Durations of commits, nanoseconds.
    package static var commitNanoseconds: FixedHistogram {
        FixedHistogram(bounds: [25, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 200_000, 1_000_000].map { $0 * 1_000 })
    }

    /// Sizes of committed batches.
    package static var batchBytes: FixedHistogram {
        FixedHistogram(bounds: [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20])
    }
}
