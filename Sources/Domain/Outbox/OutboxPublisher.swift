/// Sends claimed rows to wherever they go. `SpindleOutboxPublisher` sends them to the broker.
package protocol OutboxPublisher: Sendable {
    /// Publishes `messages`, each with its `id` as deduplication key.
    ///
    /// - Returns: One result for each message, in the same order.
    ///   It must end by itself: a relay waits for it, and when it takes longer than the lock another relay may publish the
    ///   same rows (with the same deduplication keys).
    func publish(_ messages: [OutboxMessage]) async -> [OutboxPublishResult]
}

package enum OutboxPublishResult: Hashable, Sendable {
    /// Confirmed as durable by the receiver, or known there already under this id.
    case published
    /// As ``published``, and the receiver's id of the message.
    case stored(messageID: UInt64)
    /// Refused now, perhaps accepted later. Counts as an attempt.
    case failed(reason: String)
    /// Never going to be accepted (too large, a header without a name). The row is dead at once.
    case rejected(reason: String)
    /// The destination takes nothing now (paused, full, not declared, not permitted yet). An operator changes that, and it is not the row's
    /// fault: it doesn't count as an attempt, however long it lasts, and rows to other destinations are not held up.
    case held(reason: String)
    /// Nobody could be asked (the broker is down). Not the row's fault: it doesn't count as an attempt, however long it lasts.
    case unavailable(reason: String)
}
