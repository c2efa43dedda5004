package import SpindleText

/// How a queue treats its messages. Nil means that the limit is off (`none` in the file).
package struct QueuePolicyConfiguration: Sendable, Equatable {
    /// The visibility timeout when a worker does not ask for another one.
    package var leaseDuration: Duration
    /// The longest one that a worker may ask for.
    package var leaseDurationMax: Duration
    /// Deliveries until a message goes to the dead-letter queue.
    package var attemptsMax: Int
    package var backoff: BackoffConfiguration
    /// Where messages go past `attemptsMax`. Nil: they are dropped, with a log line.
    package var deadLetterQueue: String?
    /// How long a message waits before its first delivery, unless its producer says otherwise.
    package var delay: Duration
    /// How long a message may wait, from when it could first be delivered. Of a dead-letter queue: how long dead letters are kept.
    package var timeToLive: Duration?
    /// Messages in the queue, from which on publishes are refused.
    package var lengthMax: Int?
    /// Bytes in the queue, from which on publishes are refused.
    package var bytesMax: Int?
    /// How long a deduplication key is remembered. Nil: keys are ignored.
    package var dedupWindow: Duration?
    /// Messages with the same group key are delivered one at a time, in their order.
    package var orderedGroups: Bool
    /// A message's priority (0–9, 9 first) is honoured. Off: strictly first in, first out.
    package var priorities: Bool
    /// Groups that can deliver take turns.
    package var fairGroups: Bool
    /// Messages that may be leased at a time.
    package var concurrency: Int?
    /// Messages of one group key that may be leased at a time.
    package var concurrencyPerKey: Int?
    /// Deliveries a second.
    package var ratePerSecond: Int?
    /// Deliveries a second of each group key.
    package var ratePerSecondPerKey: Int?
    /// How long the results of acknowledged messages are kept. Nil: not.
    package var resultRetention: Duration?
}

/// How long a message waits after attempt `n` (counted from 1) failed.
package struct BackoffConfiguration: Sendable, Equatable {
    package enum Kind: String, Sendable, Equatable, CaseIterable {
        /// Always `initial`.
        case fixed
        /// `initial` × 2ⁿ⁻¹, at most `cap`.
        case exponential
    }

    package var kind: Kind
    package var initial: Duration
    package var cap: Duration
    /// The share of the delay that is random: 0.2 takes the delay times a number from 0.8 to 1.2.
    package var jitter: Double
}

/// A queue that exists from the first start.
package struct QueueConfiguration: Sendable, Equatable {
    package var name: String
    package var policy: QueuePolicyConfiguration
    /// Made because another queue's policy names it, not declared in the file.
    package var isImpliedDeadLetterQueue: Bool
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
