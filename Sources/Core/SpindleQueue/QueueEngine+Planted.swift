#if PLANTED_BUGS
extension QueueEngine {
    /// Remembers a key of which no message is stored yet.
    package mutating func stage(_ key: String, id: UInt64, in queue: UInt32, now: UInt64) {
        let window = queues[Int(queue)].policy.deduplicationWindowMilliseconds
        guard queues[Int(queue)].deduplication.find(key, now: now, window: window) == nil else { return }
        queues[Int(queue)].deduplication.insert(key, id: id, now: now, window: window)
    }
}
#endif
