package import SpindleText
package import SpindleWire

/// A queue that exists from the first start.
package struct QueueConfiguration: Sendable, Equatable {
    package var name: String
    /// Every setting; an empty dead-letter queue: none.
    package var policy: QueuePolicyFields
    /// Made because another queue's policy names it, not declared in the file.
    package var isImpliedDeadLetterQueue: Bool
}

/// What queues start from. Its `deadLetterQueue` may hold `{queue}`, which stands for the queue's own name.
package struct QueueDefaults: Sendable, Equatable {
    package var queue: QueuePolicyFields
    /// Of queues that collect dead letters.
    package var deadLetterQueue: QueuePolicyFields
}

/// Topics, by pattern, and how much of their history is kept. Nil means no limit of that kind.
package struct TopicConfiguration: Sendable, Equatable {
    package var pattern: NamePattern
    package var retention: TopicRetentionConfiguration
}

package struct TopicRetentionConfiguration: Sendable, Equatable {
    package var age: Duration?
    package var bytes: Int?
    package var count: Int?
}
