package import DequeModule
internal import SpindleText

/// The deduplication keys that a queue accepted within its window.
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

    private var holderByKey: [ByteText: Holder] = [:]
    /// In the order of acceptance.
    package private(set) var entries: Deque<Entry> = []

    package init() {}

    /// The message that took `key` within the last `window` milliseconds.
    package func find(_ key: String, now: UInt64, window: UInt64) -> UInt64? {
        guard window > 0, let holder = holderByKey[ByteText(key)] else { return nil }
        // It may be over and not yet swept: nothing may have been published for a while.
        return now - min(now, holder.at) < window ? holder.id : nil
    }

    package mutating func insert(_ key: String, id: UInt64, now: UInt64, window: UInt64) {
        guard window > 0 else { return }
        sweep(now: now, window: window)
        holderByKey[ByteText(key)] = Holder(id: id, at: now)
        entries.append(Entry(key: key, id: id, at: now))
    }

    package mutating func restore(_ entry: Entry) {
        holderByKey[ByteText(entry.key)] = Holder(id: entry.id, at: entry.at)
        entries.append(entry)
    }

    private mutating func sweep(now: UInt64, window: UInt64) {
        while let first = entries.first, now - min(now, first.at) >= window {
            entries.removeFirst()
            let key = ByteText(first.key)
            if holderByKey[key]?.id == first.id { holderByKey[key] = nil }
        }
    }
}
