/// Where the pushing of events to all subscribers stands.
struct TopicPush: Sendable {
    /// Sessions with at least one subscription.
    var subscribers: [SessionID] = []
    /// Credit, room or subscriptions came since events were pushed last.
    var hasWork = false
    /// The last push left something for the next turn.
    var isWorkLeft = false
    /// Events below this offset were offered to all subscriptions.
    var pushedThrough: UInt64 = 0
    /// With whom the next push begins: there the last one ran out of its budget.
    var next: SessionID?

    /// What one push may cost.
    struct Turn {
        /// Places of the history that may be looked at, for all subscriptions together.
        var places = Subscription.placesPerTurnMax
        /// Bytes of records that may be pushed.
        var bytes = Subscription.bytesPerTurnMax
        var hasBudget: Bool { places > 0 && bytes > 0 }
    }

    /// All subscribers, in the order of this push.
    mutating func round() -> [SessionID] {
        let first = next.flatMap { next in subscribers.firstIndex(of: next) } ?? 0
        next = nil
        return first == 0 ? subscribers : Array(subscribers[first...] + subscribers[..<first])
    }
}
