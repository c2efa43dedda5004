package import DequeModule

/// The events of all topics in the one order of the log, and the holes where some were dropped.
///
/// An event is known by its offset: the address at which it was stored. Where its record lies now is its address, which is the same
/// until the record is moved forward in the log. Offsets rise along the history, so that a place is found by bisection.
///
/// What was dropped stays as a hole, and neighbouring holes are joined when there are many. So someone who reads along is told where
/// something is missing, and the history never has more than about twice as many holes as events.
package struct TopicHistory: Sendable {
    /// One place: an event or a hole.
    package struct Entry: Equatable, Sendable {
        /// Of a hole, that of the newest event that was dropped there.
        package var offset: UInt64
        /// Node time; of a hole, the number of the newest drop that made it.
        package var storedAt: UInt64
        /// 0: a hole.
        package var byteCount: UInt32
        /// Of a hole, ``TopicHistory/severalTopics`` where events of more than one were dropped.
        package var topic: UInt32
        package var isHole: Bool { byteCount == 0 }

        package init(offset: UInt64, storedAt: UInt64, byteCount: UInt32, topic: UInt32) {
            self.offset = offset
            self.storedAt = storedAt
            self.byteCount = byteCount
            self.topic = topic
        }
    }

    /// Stands for the topic of a hole that events of several topics left.
    package static let severalTopics = UInt32.max
    /// Holes beyond twice the events after which neighbours are joined. Joined ones are no more than the events and one, so the
    /// next time is as many drops away as there are events.
    private static let holesKept = 1024

    /// Events and holes that there can be together with at most so many events.
    package static func entriesMax(events: Int) -> Int { 3 * events + holesKept + 1 }

    /// An event is first, if there is one.
    package private(set) var entries: Deque<Entry> = []
    package private(set) var holeCount = 0
    /// Offset of the newest event that was dropped before all of `entries`; 0: none was.
    package private(set) var forgottenThrough: UInt64 = 0
    /// The newest drop there, as numbered in a hole.
    package private(set) var forgottenDrop: UInt64 = 0
    /// Number of the newest drop. It counts from the start of the process.
    package private(set) var drops: UInt64 = 1

    /// Where records lie that were moved, by offset.
    private var addressByOffset: [UInt64: UInt64] = [:]
    /// Those records in the order of their addresses. Some were dropped or moved again since; never the first.
    private var moved: Deque<Moved> = []
    /// Offset of the first event that was never moved; nothing but moved ones and holes lies before it.
    private var unmovedFrom: UInt64 = 0

    private struct Moved: Sendable {
        var address: UInt64
        var offset: UInt64
    }

    package init() {}

    package var eventCount: Int { entries.count - holeCount }

    /// Where the record of an event lies.
    package func address(of offset: UInt64) -> UInt64 { addressByOffset.isEmpty ? offset : addressByOffset[offset] ?? offset }

    /// Place of the first entry behind `offset`.
    package func index(after offset: UInt64) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Place of the event at `offset`; nil where there is none.
    package func find(_ offset: UInt64) -> Int? {
        let index = offset == 0 ? 0 : self.index(after: offset - 1)
        guard index < entries.count, entries[index].offset == offset, !entries[index].isHole else { return nil }
        return index
    }

    // MARK: Changes

    package mutating func append(_ event: Entry) {
        precondition(event.offset > (entries.last?.offset ?? forgottenThrough), "events are stored behind those before")
        precondition(!event.isHole, "a record has bytes")
        if eventCount == 0 || unmovedFrom == .max { unmovedFrom = event.offset }
        entries.append(event)
    }

    /// The event at `offset` is no longer kept. Returns what it was; nil where there is none.
    package mutating func drop(_ offset: UInt64) -> Entry? {
        guard let index = find(offset) else { return nil }
        let event = entries[index]
        drops += 1
        entries[index] = Entry(offset: offset, storedAt: drops, byteCount: 0, topic: event.topic)
        holeCount += 1
        if !addressByOffset.isEmpty { addressByOffset[offset] = nil }
        forgetFirst()
        if holeCount > 2 * eventCount + Self.holesKept { joinHoles() }
        skipStale(from: offset)
        return event
    }

    private mutating func forgetFirst() {
        while let first = entries.first, first.isHole {
            forgottenThrough = first.offset
            forgottenDrop = max(forgottenDrop, first.storedAt)
            entries.removeFirst()
            holeCount -= 1
        }
    }

    private mutating func joinHoles() {
        var joined: Deque<Entry> = []
        joined.reserveCapacity(2 * eventCount + 1)
        for entry in entries {
            if entry.isHole, let last = joined.last, last.isHole {
                let topic = last.topic == entry.topic ? entry.topic : Self.severalTopics
                joined[joined.count - 1] = Entry(offset: entry.offset, storedAt: max(last.storedAt, entry.storedAt), byteCount: 0, topic: topic)
            } else {
                joined.append(entry)
            }
        }
        entries = joined
        holeCount = joined.reduce(0) { $0 + ($1.isHole ? 1 : 0) }
    }

    // MARK: Records that are moved

    /// The record of the event at `offset` lies at `address` from now on: at the end of the log. False where the event is not there.
    package mutating func relocate(_ offset: UInt64, to address: UInt64) -> Bool {
        guard find(offset) != nil, address > self.address(of: offset), address >= moved.last?.address ?? 0 else { return false }
        addressByOffset[offset] = address
        moved.append(Moved(address: address, offset: offset))
        skipStale(from: offset)
        return true
    }

    /// Keeps `moved` and `unmovedFrom` true after a change at `offset`.
    private mutating func skipStale(from offset: UInt64) {
        while let first = moved.first, addressByOffset[first.offset] != first.address { moved.removeFirst() }
        guard offset == unmovedFrom else { return }
        var index = self.index(after: offset)
        while index < entries.count, isMoved(entries[index]) || entries[index].isHole { index += 1 }
        unmovedFrom = index < entries.count ? entries[index].offset : .max
    }

    private func isMoved(_ entry: Entry) -> Bool { !addressByOffset.isEmpty && addressByOffset[entry.offset] != nil }

    /// The lowest address at which a record is still needed.
    package var oldestAddress: UInt64? {
        guard eventCount > 0 else { return nil }
        return min(moved.first?.address ?? .max, unmovedFrom)
    }

    /// Events whose records lie below `address`, at most `max`, those that were never moved first.
    package func stragglers(below address: UInt64, max: Int) -> [Entry] {
        var found: [Entry] = []
        var index = unmovedFrom == 0 ? 0 : self.index(after: unmovedFrom - 1)
        while index < entries.count, found.count < max, entries[index].offset < address {
            if !entries[index].isHole, !isMoved(entries[index]) { found.append(entries[index]) }
            index += 1
        }
        for record in moved {
            guard found.count < max, record.address < address else { break }
            guard addressByOffset[record.offset] == record.address, let place = find(record.offset) else { continue }
            found.append(entries[place])
        }
        return found
    }

    // MARK: Checkpoint

    package struct Relocation: Equatable, Sendable {
        package var offset: UInt64
        package var address: UInt64
        package init(offset: UInt64, address: UInt64) {
            self.offset = offset
            self.address = address
        }
    }

    /// Records that are not where they were stored, in the order of their addresses.
    package var relocations: [Relocation] {
        moved.lazy.filter { addressByOffset[$0.offset] == $0.address }.map { Relocation(offset: $0.offset, address: $0.address) }
    }

    package mutating func restore(forgottenThrough: UInt64) {
        self.forgottenThrough = forgottenThrough
        forgottenDrop = drops
    }

    /// Puts back an entry of a checkpoint, in order. False where that is not so.
    package mutating func restore(_ entry: Entry) -> Bool {
        guard entry.offset > (entries.last?.offset ?? forgottenThrough), !(entries.isEmpty && entry.isHole) else { return false }
        guard entry.isHole else {
            append(entry)
            return true
        }
        entries.append(Entry(offset: entry.offset, storedAt: drops, byteCount: 0, topic: entry.topic))
        holeCount += 1
        return true
    }

    /// Marks a hole that an older checkpoint did not tell of: something of `topic` up to `offset` is missing.
    package mutating func insertHole(_ offset: UInt64, topic: UInt32) {
        let index = self.index(after: offset)
        guard index > 0 else {
            forgottenThrough = max(forgottenThrough, offset)
            forgottenDrop = drops
            return
        }
        guard entries[index - 1].offset < offset else { return }
        entries.insert(Entry(offset: offset, storedAt: drops, byteCount: 0, topic: topic), at: index)
        holeCount += 1
    }
}
