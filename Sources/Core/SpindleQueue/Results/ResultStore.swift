internal import DequeModule
internal import HeapModule

/// What became of messages that ended in queues which remember it: until when, and where in the log the result lies.
///
/// Kept as long as the queue's policy said when the message ended, and at most ``countMax`` of them: beyond, those that end first are
/// forgotten early. Functions named as facts apply what the log says, live and at replay alike.
package struct ResultStore: Sendable {
    /// How a message ended. Raw values are those of the log and of AWAIT.
    package enum Ending: UInt8, Sendable, CaseIterable {
        case acknowledged = 2
        /// In the dead-letter queue, or dropped for want of one; the result is the reason.
        case dead = 3
        case cancelled = 4
    }

    package struct Result: Equatable, Sendable {
        package var id: UInt64
        /// Number of the queue in which it ended.
        package var queue: UInt32
        package var ending: Ending
        package var settledAt: UInt64
        package var expiresAt: UInt64
        /// Where the record with the result lies; `byteCount` 0: there is none.
        package var address: UInt64
        package var byteCount: UInt32

        package init(
            id: UInt64, queue: UInt32, ending: Ending, settledAt: UInt64, expiresAt: UInt64, address: UInt64 = 0, byteCount: UInt32 = 0
        ) {
            self.id = id
            self.queue = queue
            self.ending = ending
            self.settledAt = settledAt
            self.expiresAt = expiresAt
            self.address = address
            self.byteCount = byteCount
        }
    }

    /// Order of being forgotten.
    private struct End: Comparable, Sendable {
        var at: UInt64
        var id: UInt64
        static func < (a: End, b: End) -> Bool { a.at != b.at ? a.at < b.at : a.id < b.id }
    }

    private struct Place: Sendable {
        var address: UInt64
        var id: UInt64
    }

    /// Results forgotten at most with each one that is stored because their time is over.
    private static let endedPerStore = 4

    /// Results remembered at most: some 100 bytes of memory each.
    package let countMax: Int
    private var results: [Result] = []
    private var free: [Int32] = []
    private var slotByID: [UInt64: Int32] = [:]
    /// May name results that are gone, or that ended anew: checked when taken.
    private var ends = Heap<End>()
    /// Records in the order of their addresses. Some are gone or were moved; never the first.
    private var places: Deque<Place> = []

    package init(countMax: Int = 1_000_000) { self.countMax = countMax }

    package var count: Int { slotByID.count }
    /// Of the results' records.
    package private(set) var byteCount: UInt64 = 0

    package func find(_ id: UInt64) -> Result? { slotByID[id].map { results[Int($0)] } }

    // MARK: Facts

    /// A message ended. One that ended before, and was brought back, is remembered by its newest end.
    package mutating func store(_ result: Result, now: UInt64) {
        remove(result.id)
        byteCount += UInt64(result.byteCount)
        if let slot = free.popLast() {
            results[Int(slot)] = result
            slotByID[result.id] = slot
        } else {
            slotByID[result.id] = Int32(results.count)
            results.append(result)
        }
        ends.insert(End(at: result.expiresAt, id: result.id))
        if result.byteCount > 0 { places.append(Place(address: result.address, id: result.id)) }
        _ = dropEnded(now: now, max: Self.endedPerStore)
        while count > countMax, let first = nextEnd() { remove(first.id) }
        skipStale()
    }

    /// Forgets at most `max` results whose time is over at `now`; how many there were.
    package mutating func dropEnded(now: UInt64, max: Int) -> Int {
        var count = 0
        while count < max, let end = nextEnd(), end.at <= now {
            remove(end.id)
            count += 1
        }
        skipStale()
        return count
    }

    /// The record of a result was written anew at `address`. False where it isn't there, or not moved forward.
    package mutating func relocate(_ id: UInt64, to address: UInt64) -> Bool {
        guard let slot = slotByID[id], results[Int(slot)].byteCount > 0, address > results[Int(slot)].address,
            address >= places.last?.address ?? 0
        else { return false }
        results[Int(slot)].address = address
        places.append(Place(address: address, id: id))
        skipStale()
        return true
    }

    /// The queue was deleted: its number may soon be another queue's.
    package mutating func dropAll(of queue: UInt32) {
        for slot in results.indices where results[slot].queue == queue && slotByID[results[slot].id] == Int32(slot) { remove(results[slot].id) }
        skipStale()
    }

    /// Forgets a result whose record is lost. False where it is not there.
    package mutating func lose(_ id: UInt64) -> Bool {
        guard find(id) != nil else { return false }
        remove(id)
        skipStale()
        return true
    }

    private mutating func remove(_ id: UInt64) {
        guard let slot = slotByID.removeValue(forKey: id) else { return }
        free.append(slot)
        byteCount -= UInt64(results[Int(slot)].byteCount)
    }

    private mutating func nextEnd() -> End? {
        while let first = ends.min {
            if let result = find(first.id), result.expiresAt == first.at { return first }
            ends.removeMin()
        }
        return nil
    }

    private func isCurrent(_ place: Place) -> Bool { find(place.id).map { $0.byteCount > 0 && $0.address == place.address } ?? false }

    private mutating func skipStale() {
        while let first = places.first, !isCurrent(first) { places.removeFirst() }
    }

    // MARK: Looking

    /// When a result's time may be over next; nil: never.
    package var nextEndAt: UInt64? { ends.min?.at }

    package mutating func hasEnded(now: UInt64) -> Bool { nextEnd().map { $0.at <= now } ?? false }

    /// The lowest address at which a record is still needed.
    package var oldestLiveAddress: UInt64? { places.first?.address }

    /// Results whose records lie below `address`, at most `max`, by address.
    package func stragglers(below address: UInt64, max: Int) -> [Result] {
        var found: [Result] = []
        for place in places {
            guard found.count < max, place.address < address else { break }
            if isCurrent(place), let result = find(place.id) { found.append(result) }
        }
        return found
    }

    /// All results, those with a record by its address, then the others by id.
    package var all: [Result] {
        let placed = places.compactMap { isCurrent($0) ? find($0.id) : nil }
        let others = results.indices.lazy.filter { slot in
            results[slot].byteCount == 0 && slotByID[results[slot].id] == Int32(slot)
        }
        return placed + others.map { results[$0] }.sorted { $0.id < $1.id }
    }

    // MARK: Checkpoint

    /// Puts back a result of a checkpoint, in the order of ``all``. False where that is not so.
    package mutating func restore(_ result: Result) -> Bool {
        guard slotByID[result.id] == nil, result.byteCount == 0 || result.address > places.last?.address ?? 0 else { return false }
        slotByID[result.id] = Int32(results.count)
        results.append(result)
        byteCount += UInt64(result.byteCount)
        ends.insert(End(at: result.expiresAt, id: result.id))
        if result.byteCount > 0 { places.append(Place(address: result.address, id: result.id)) }
        return true
    }
}
