/// Where in an array the things with certain ids are: a hash table of two numbers each, by linear probing.
///
/// Ids are addresses in the log, so one multiplication spreads them (Fibonacci hashing: Knuth, The Art of Computer Programming,
/// 6.4). Whoever wanted many ids to meet would have to publish the square of their number in bytes. An entry that is removed
/// leaves no mark: those behind it move up.
struct IDTable: Sendable {
    private struct Entry: Sendable {
        var id: UInt64
        /// -1: free.
        var place: Int32
    }

    private var entries: [Entry] = []
    /// 64 less the logarithm of the entries' count, which is a power of two.
    private var shift: UInt64 = 64
    private(set) var count = 0

    private static let entriesMin = 16

    init() {}

    @inline(__always)
    private func home(_ id: UInt64) -> Int { Int(truncatingIfNeeded: (id &* 0x9E37_79B9_7F4A_7C15) &>> shift) }

    /// Where in `entries` the id is; -1: nowhere.
    @inline(__always)
    private func find(_ id: UInt64) -> Int {
        guard count > 0 else { return -1 }
        let mask = entries.count &- 1
        var at = home(id)
        while entries[at].place >= 0 {
            if entries[at].id == id { return at }
            at = (at &+ 1) & mask
        }
        return -1
    }

    /// nil: the id isn't there.
    @inline(__always)
    subscript(id: UInt64) -> Int32? {
        let at = find(id)
        return at >= 0 ? entries[at].place : nil
    }

    /// Adds the id. False, and nothing changed, where it is there.
    mutating func insert(_ id: UInt64, at place: Int32) -> Bool {
        if (count + 1) * 4 > entries.count * 3 { grow() }
        let mask = entries.count &- 1
        var at = home(id)
        while entries[at].place >= 0 {
            if entries[at].id == id { return false }
            at = (at &+ 1) & mask
        }
        entries[at] = Entry(id: id, place: place)
        count += 1
        return true
    }

    /// Removes the id; where it was, or nil.
    mutating func remove(_ id: UInt64) -> Int32? {
        var hole = find(id)
        guard hole >= 0 else { return nil }
        let place = entries[hole].place
        let mask = entries.count &- 1
        var at = (hole &+ 1) & mask
        while entries[at].place >= 0 {
            // It may move up where the hole lies between its home and itself.
            if (at &- home(entries[at].id)) & mask >= (at &- hole) & mask {
                entries[hole] = entries[at]
                hole = at
            }
            at = (at &+ 1) & mask
        }
        entries[hole].place = -1
        count -= 1
        return place
    }

    private mutating func grow() {
        let before = entries
        let size = max(Self.entriesMin, before.count * 2)
        entries = [Entry](repeating: Entry(id: 0, place: -1), count: size)
        shift = UInt64(64 - size.trailingZeroBitCount)
        let mask = size - 1
        for entry in before where entry.place >= 0 {
            var at = home(entry.id)
            while entries[at].place >= 0 { at = (at &+ 1) & mask }
            entries[at] = entry
        }
    }
}
