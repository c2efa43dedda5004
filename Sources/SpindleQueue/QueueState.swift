package import HeapModule

/// One queue: its policy, its waiting messages and its counters.
package struct QueueState: Sendable {
    package let number: UInt32
    package let name: String
    package var policy: QueuePolicy

    /// Waiting messages that nothing sets apart.
    package var packed = PackedMessages()
    /// Held messages that are ready. May name messages that have left that state: checked when taken.
    package var readyHeld = Heap<ReadyKey>()
    package var deduplication = DeduplicationWindow()
    package var producers = ProducerTable()
    package var counts = Counts()
    package var totals = Totals()

    /// Messages by state, and the bytes of them all.
    package struct Counts: Equatable, Sendable {
        package var ready: UInt64 = 0
        package var delayed: UInt64 = 0
        package var leased: UInt64 = 0
        package var bytes: UInt64 = 0
        package init() {}
        package var length: UInt64 { ready + delayed + leased }
    }

    /// Since the queue was declared; part of checkpoints.
    package struct Totals: Equatable, Sendable {
        package var published: UInt64 = 0
        package var delivered: UInt64 = 0
        package var acknowledged: UInt64 = 0
        package var nacked: UInt64 = 0
        package var expired: UInt64 = 0
        package var dead: UInt64 = 0
        package init() {}
    }

    /// The order of delivery: higher priority first, then the older message.
    package struct ReadyKey: Comparable, Sendable {
        package var priority: UInt8
        package var id: UInt64
        package static func < (a: ReadyKey, b: ReadyKey) -> Bool {
            a.priority != b.priority ? a.priority > b.priority : a.id < b.id
        }
    }

    package init(number: UInt32, name: String, policy: QueuePolicy) {
        self.number = number
        self.name = name
        self.policy = policy
    }
}
