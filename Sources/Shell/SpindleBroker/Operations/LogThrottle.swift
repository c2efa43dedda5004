/// Lets one line of a kind into the log per interval, and counts those that it leaves out. What strangers can cause a thousand times a
/// second must not fill the disk with lines.
package struct LogThrottle {
    /// From one line of a kind to the next, milliseconds.
    package static let intervalMilliseconds: UInt64 = 10_000

    private struct Kind {
        var nextAt: UInt64
        var leftOut = 0
    }

    /// Kinds are the program's own words, so there are few.
    private var kinds: [String: Kind] = [:]

    package init() {}

    /// Returns how many lines were left out before this one; nil if it is to be left out too.
    package mutating func admit(_ kind: String, now: UInt64) -> Int? {
        guard let known = kinds[kind], now < known.nextAt else {
            let leftOut = kinds[kind]?.leftOut ?? 0
            kinds[kind] = Kind(nextAt: now + Self.intervalMilliseconds)
            return leftOut
        }
        kinds[kind]?.leftOut += 1
        return nil
    }

    /// Kinds whose interval is over and of which lines were left out, with their number; they are forgotten.
    package mutating func takeLeftOut(now: UInt64) -> [(kind: String, count: Int)] {
        let over = kinds.filter { $0.value.nextAt <= now }
        for kind in over.keys { kinds[kind] = nil }
        return over.filter { $0.value.leftOut > 0 }.map { ($0.key, $0.value.leftOut) }.sorted { $0.kind < $1.kind }
    }
}
