internal import NIOCore

extension Duration {
    /// Whole milliseconds, rounded up, within 0…`max`.
    func milliseconds(max: UInt64) -> UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1000)
        guard !overflow else { return max }
        let (sum, over) = product.addingReportingOverflow(UInt64((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
        return over ? max : Swift.min(sum, max)
    }

    var timeAmount: TimeAmount {
        let (seconds, attoseconds) = components
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return .nanoseconds(overflow ? .max / 4 : Swift.min(nanoseconds, .max / 4) + attoseconds / 1_000_000_000)
    }
}
