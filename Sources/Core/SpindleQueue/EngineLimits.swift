/// How much a node's state may hold.
///
/// Each count of a checkpoint has its limit here, or at the type that is counted (``ProducerTable``, ``MessageHistory``). What would go
/// beyond is refused before it is logged, or the oldest goes, as each line says; a reader of checkpoints refuses more. So whatever is
/// written can be read. `docs/reliability.md` has the same table.
package struct EngineLimits: Equatable, Sendable {
    /// Queues, and numbers of deleted ones. DECLARE is refused.
    package var queues = 100_000
    /// Messages of all queues, in any state. A publish is refused.
    package var messages = 1 << 28
    /// Groups of one queue with a message, or with a rate that still counts. A publish that would begin another is refused; a message that is
    /// moved there belongs to none.
    package var groupsPerQueue = 1 << 20
    /// Deduplication keys of one queue. A publish with a further key is refused until the first of them expires.
    package var keysPerQueue = 1 << 20
    /// Bytes of these keys, as for their number.
    package var keyBytesPerQueue = 64 << 20
    /// Topics. A publish to a further one is refused.
    package var topics = 100_000
    /// Patterns for which a retention is declared. TOPIC_DECLARE is refused.
    package var topicRules = 1_000
    /// Events of all topics. The oldest goes.
    package var events = 1 << 25
    /// What became of messages. The next to expire goes.
    package var results = 1_000_000

    package init() {}

    /// Limits of a broker.
    package static let standard = EngineLimits()
}
