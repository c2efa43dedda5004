// What must be asked before something is logged that would take the state beyond its limits, and the sweep of deduplication keys.
extension QueueEngine {
    /// How many of `count` further messages there is room for. Looks at all queues only near the limit.
    package func roomForMessages(_ count: Int) -> Int {
        guard messagesBound + count > limits.messages else { return count }
        let messages = queues.reduce(0) { $0 + $1.counts.length }
        return max(0, min(count, limits.messages - Int(clamping: messages)))
    }

    /// Whether a message with this group key may come to `queue`, after `begun` others may have begun groups.
    package func hasRoom(forGroup key: String, in queue: UInt32, begun: Int) -> Bool {
        // In place: a copy of the queue's state for each record would cost more than the rest.
        let index = Int(queue)
        guard queues[index].groups.count + begun >= limits.groupsPerQueue, queues[index].policy.isKeyed, !key.isEmpty else { return true }
        return queues[index].groups.isKnown(key)
    }

    /// Whether `queue` can remember a further key of so many bytes, beside `count` others of `byteCount` that come with it.
    package func hasRoom(forKeyOf bytes: Int, beside count: Int, _ byteCount: Int, in queue: UInt32, now: UInt64) -> Bool {
        let index = Int(queue)
        let known = queues[index].deduplication.count
        // Every key is of 255 bytes at most: far from both limits nothing has to be looked at.
        if known + count < limits.keysPerQueue, (known + count + 1) * 255 <= limits.keyBytesPerQueue { return true }
        let living = queues[index].deduplication.living(now: now, window: queues[index].policy.deduplicationWindowMilliseconds)
        return living.count + count < limits.keysPerQueue && living.byteCount + UInt64(byteCount + bytes) <= UInt64(limits.keyBytesPerQueue)
    }

    // MARK: Deduplication keys

    /// Expired keys that go with an entry of the log at most, so that no turn is long.
    private static let keysSweptPerEntry = 128

    /// A message of `queue` took a key.
    mutating func remember(_ key: String, of id: UInt64, in index: Int, now: UInt64) {
        let window = queues[index].policy.deduplicationWindowMilliseconds
        queues[index].deduplication.insert(key, id: id, now: now, window: window, limits: limits)
        if window > 0, !keyEnds.contains(UInt32(index)) { keyEnds.set(UInt32(index), to: now + window) }
    }

    /// Gives back the memory of some keys that expired: with every entry of the log, whatever queue that is of.
    package mutating func sweepKeys() {
        var left = Self.keysSweptPerEntry
        while left > 0, let first = keyEnds.first, first.key <= time {
            let index = Int(first.number)
            let before = queues[index].deduplication.count
            queues[index].deduplication.sweep(now: time, window: queues[index].policy.deduplicationWindowMilliseconds, max: left)
            left -= before - queues[index].deduplication.count
            noteKeyEnd(index)
        }
    }

    /// The queue's window is another from now on: keys that expired by either are forgotten, so that a longer one brings none back.
    mutating func changeWindow(_ index: Int, from before: UInt64) {
        queues[index].deduplication.sweep(now: time, window: before, max: .max)
        queues[index].deduplication.sweep(now: time, window: queues[index].policy.deduplicationWindowMilliseconds, max: .max)
        noteKeyEnd(index)
    }

    /// Notes when the queue's oldest key expires.
    mutating func noteKeyEnd(_ index: Int) {
        guard let oldest = queues[index].deduplication.oldestAt else { return keyEnds.remove(UInt32(index)) }
        keyEnds.set(UInt32(index), to: oldest + queues[index].policy.deduplicationWindowMilliseconds)
    }
}
