package import SpindleClient

/// The latest part of a history, bounded in events and bytes: every event behind ``floor`` is in it.
///
/// ```
///     gone        kept                to come
///   ──────────┤ e  e   e  e    e ├──────────────▶ offset
///            floor              head
/// ```
package struct EventRing {
    package struct Entry: Hashable {
        package let offset: UInt64
        /// The streams that show it.
        package let mask: UInt32
        /// As it goes to the client.
        package let frame: [UInt8]

        package init(offset: UInt64, mask: UInt32, frame: [UInt8]) {
            self.offset = offset
            self.mask = mask
            self.frame = frame
        }
    }

    package let epoch: UInt64
    package private(set) var floor: UInt64
    package private(set) var head: UInt64
    package private(set) var bytes = 0
    private let eventsMax: Int
    private let bytesMax: Int
    private var entries: [Entry] = []
    /// Entries before this one are gone; they leave the array in bulk.
    private var first = 0

    package init(at cursor: TopicCursor, eventsMax: Int, bytesMax: Int) {
        epoch = cursor.epoch
        floor = cursor.offset
        head = cursor.offset
        self.eventsMax = max(1, eventsMax)
        self.bytesMax = bytesMax
    }

    package var count: Int { entries.count - first }
    package var headCursor: TopicCursor { TopicCursor(epoch: epoch, offset: head) }

    /// False: it is not newer than what is here.
    package mutating func append(_ entry: Entry) -> Bool {
        guard entry.offset > head else { return false }
        entries.append(entry)
        head = entry.offset
        bytes += entry.frame.count
        // The newest stays even if it alone is over the limit: it has yet to be sent.
        while count > eventsMax || bytes > bytesMax && count > 1 { dropFirst() }
        return true
    }

    private mutating func dropFirst() {
        floor = entries[first].offset
        bytes -= entries[first].frame.count
        first += 1
        if first >= 1_024 && first * 2 >= entries.count {
            entries.removeFirst(first)
            first = 0
        }
    }

    /// Whether all that lies behind `offset` is here.
    package func covers(_ offset: UInt64) -> Bool { floor <= offset && offset <= head }

    /// Appends the frames behind `offset` that `mask` shows, until `bytesMax` is reached.
    /// - Returns: the place up to which it looked.
    package func read(after offset: UInt64, mask: UInt32, bytesMax: Int, into bytes: inout [UInt8]) -> UInt64 {
        var index = self.index(after: offset)
        var place = offset
        while index < entries.count, bytes.count < bytesMax {
            let entry = entries[index]
            if entry.mask & mask != 0 { bytes += entry.frame }
            place = entry.offset
            index += 1
        }
        return index == entries.count ? max(place, head) : place
    }

    private func index(after offset: UInt64) -> Int {
        var low = first
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset > offset { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
