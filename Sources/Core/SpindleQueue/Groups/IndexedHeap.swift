/// A heap of small numbers with a key each, the least key first, in which an entry is changed or removed by its number.
///
/// Of equal keys the lowest number comes first: what is taken does not depend on how the heap came to be, which a restart changes.
struct IndexedHeap<Key: Comparable & Sendable>: Sendable {
    private struct Entry: Sendable {
        var key: Key
        var number: UInt32

        static func < (a: Entry, b: Entry) -> Bool { a.key < b.key || (a.key == b.key && a.number < b.number) }
    }

    private var entries: [Entry] = []
    /// By number: where in `entries`; -1: not there.
    private var positions: [Int32] = []

    init() {}

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }
    var first: (number: UInt32, key: Key)? { entries.first.map { ($0.number, $0.key) } }

    func contains(_ number: UInt32) -> Bool { Int(number) < positions.count && positions[Int(number)] >= 0 }

    func key(of number: UInt32) -> Key? { contains(number) ? entries[Int(positions[Int(number)])].key : nil }

    /// Adds the number, or gives it another key.
    mutating func set(_ number: UInt32, to key: Key) {
        if Int(number) >= positions.count { positions.append(contentsOf: repeatElement(-1, count: Int(number) + 1 - positions.count)) }
        let at = Int(positions[Int(number)])
        if at >= 0 {
            let before = entries[at].key
            entries[at].key = key
            if key < before { rise(from: at) } else { sink(from: at) }
        } else {
            entries.append(Entry(key: key, number: number))
            positions[Int(number)] = Int32(entries.count - 1)
            rise(from: entries.count - 1)
        }
    }

    mutating func remove(_ number: UInt32) {
        guard contains(number) else { return }
        let at = Int(positions[Int(number)])
        positions[Int(number)] = -1
        let last = entries.removeLast()
        guard at < entries.count else { return }
        entries[at] = last
        positions[Int(last.number)] = Int32(at)
        rise(from: at)
        sink(from: Int(positions[Int(last.number)]))
    }

    mutating func removeAll() {
        entries = []
        positions = []
    }

    private mutating func rise(from start: Int) {
        var at = start
        let entry = entries[at]
        while at > 0, entry < entries[(at - 1) / 2] {
            place(entries[(at - 1) / 2], at)
            at = (at - 1) / 2
        }
        place(entry, at)
    }

    private mutating func sink(from start: Int) {
        var at = start
        let entry = entries[at]
        while true {
            var child = 2 * at + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            guard entries[child] < entry else { break }
            place(entries[child], at)
            at = child
        }
        place(entry, at)
    }

    private mutating func place(_ entry: Entry, _ at: Int) {
        entries[at] = entry
        positions[Int(entry.number)] = Int32(at)
    }
}
