internal import DequeModule
internal import SpindleText

/// The deduplication keys that a queue accepted within its window.
///
/// Expired keys are swept a few at a time, by facts; what is written of the table leaves out those that are left. So it never matters
/// to a state how far the sweep is.
package struct DeduplicationWindow: Sendable {
    package struct Entry: Equatable, Sendable {
        package var key: String
        package var id: UInt64
        package var at: UInt64
        package init(key: String, id: UInt64, at: UInt64) {
            self.key = key
            self.id = id
            self.at = at
        }
    }

    private struct Holder: Sendable {
        var id: UInt64
        var at: UInt64
    }

    private struct Remembered: Sendable {
        var entry: Entry
        /// Bytes of all keys that were ever accepted, up to and with this one.
        var bytesEnd: UInt64
    }

    /// Expired keys that are swept at most with each one that is accepted.
    private static let sweptPerInsert = 4
    /// Tables below this size are not made smaller.
    private static let capacityKept = 4096

    private var holderByKey: [ByteText: Holder] = [:]
    /// In the order of acceptance: times never fall.
    private var remembered: Deque<Remembered> = []
    /// Bytes of the keys that went.
    private var bytesBegin: UInt64 = 0

    package init() {}

    /// Keys that are in memory, expired ones too.
    package var count: Int { remembered.count }
    package var isEmpty: Bool { remembered.isEmpty }
    /// When the first key was accepted; nil where there is none.
    var oldestAt: UInt64? { remembered.first?.entry.at }
    /// How many keys fit into what is allocated: for tests of what is given back.
    package var capacity: Int { holderByKey.capacity }

    /// The message that took `key` within the last `window` milliseconds.
    package func find(_ key: String, now: UInt64, window: UInt64) -> UInt64? {
        guard window > 0, let holder = holderByKey[ByteText(key)] else { return nil }
        // It may be over and not yet swept: nothing may have been published for a while.
        return now - min(now, holder.at) < window ? holder.id : nil
    }

    /// The keys that count at `now`, and their bytes.
    package func living(now: UInt64, window: UInt64) -> (count: Int, byteCount: UInt64) {
        let first = firstLiving(now: now, window: window)
        let begin = first == 0 ? bytesBegin : remembered[first - 1].bytesEnd
        return (remembered.count - first, (remembered.last?.bytesEnd ?? bytesBegin) - begin)
    }

    /// Hands the keys that count at `now` to `body`, in the order of acceptance.
    package func forEachLiving(now: UInt64, window: UInt64, _ body: (Entry) -> Void) {
        for index in firstLiving(now: now, window: window)..<remembered.count { body(remembered[index].entry) }
    }

    /// Place of the first key that did not expire.
    private func firstLiving(now: UInt64, window: UInt64) -> Int {
        guard window > 0 else { return remembered.count }
        var low = 0
        var high = remembered.count
        while low < high {
            let middle = (low + high) / 2
            if now - min(now, remembered[middle].entry.at) >= window { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Facts

    /// A message took `key`. Beyond the limits the oldest key goes: a live publish is refused before.
    package mutating func insert(_ key: String, id: UInt64, now: UInt64, window: UInt64, limits: EngineLimits = .standard) {
        guard window > 0 else { return }
        sweep(now: now, window: window, max: Self.sweptPerInsert)
        append(Entry(key: key, id: id, at: now))
        while remembered.count > limits.keysPerQueue || byteCount > UInt64(limits.keyBytesPerQueue) { removeFirst() }
    }

    /// Forgets keys that expired, at most `max`.
    package mutating func sweep(now: UInt64, window: UInt64, max: Int) {
        var count = 0
        while count < max, let first = remembered.first, now - min(now, first.entry.at) >= window {
            removeFirst()
            count += 1
        }
        if count > 0 { giveBack() }
    }

    /// Puts back a key of a checkpoint. Returns false where it comes out of order, or there are too many.
    package mutating func restore(_ entry: Entry, limits: EngineLimits = .standard) -> Bool {
        guard remembered.count < limits.keysPerQueue, entry.at >= remembered.last?.entry.at ?? 0 else { return false }
        append(entry)
        return byteCount <= UInt64(limits.keyBytesPerQueue)
    }

    // MARK: Parts

    private var byteCount: UInt64 { (remembered.last?.bytesEnd ?? bytesBegin) - bytesBegin }

    private mutating func append(_ entry: Entry) {
        holderByKey[ByteText(entry.key)] = Holder(id: entry.id, at: entry.at)
        let end = (remembered.last?.bytesEnd ?? bytesBegin) + UInt64(entry.key.utf8.count)
        remembered.append(Remembered(entry: entry, bytesEnd: end))
    }

    private mutating func removeFirst() {
        guard let first = remembered.popFirst() else { return }
        bytesBegin = first.bytesEnd
        let key = ByteText(first.entry.key)
        if holderByKey[key]?.id == first.entry.id { holderByKey[key] = nil }
    }

    /// Tables keep what they once took: one that is nearly empty is made anew.
    private mutating func giveBack() {
        guard holderByKey.capacity > Self.capacityKept, holderByKey.count < holderByKey.capacity / 8 else { return }
        var kept: [ByteText: Holder] = [:]
        kept.reserveCapacity(remembered.count)
        for key in remembered { kept[ByteText(key.entry.key)] = Holder(id: key.entry.id, at: key.entry.at) }
        holderByKey = kept
        remembered = Deque(remembered.map { $0 })
    }
}
