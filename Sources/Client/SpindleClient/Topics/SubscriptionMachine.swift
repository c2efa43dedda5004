/// Credit and place of one subscription. Decides; ``TopicStream`` sends and hands out.
package struct SubscriptionMachine {
    /// Events that may wait here.
    package let creditMax: Int
    private var start: SubscriptionStart
    /// Events that the broker may still send.
    package private(set) var credit = 0
    /// Taken by the application since the broker was last given credit.
    private var taken = 0

    package init(start: SubscriptionStart, creditMax: Int) {
        self.start = start
        self.creditMax = max(1, creditMax)
    }

    /// A connection is there: where to subscribe from, and with how much credit, when `buffered` events wait here. Nil: with none, so
    /// later, when some were taken.
    package mutating func subscribe(buffered: Int) -> (start: SubscriptionStart, credit: Int) {
        credit = max(1, creditMax - buffered)
        taken = 0
        return (start, credit)
    }

    /// The broker accepted; everything behind `cursor` comes.
    package mutating func accepted(at cursor: TopicCursor) {
        switch start {
        case .latest, .earliest: start = .after(cursor)
        case .after: break // what came since counts
        }
    }

    /// False: the broker sent more than it was allowed to.
    package mutating func received(_ cursor: TopicCursor) -> Bool {
        guard credit > 0 else { return false }
        credit -= 1
        start = .after(cursor)
        return true
    }

    package mutating func gap(at cursor: TopicCursor) { start = .after(cursor) }

    /// The application took an event. How much credit to give now: in halves, so that it costs few frames; 0: none yet.
    package mutating func took() -> Int {
        taken += 1
        guard taken >= max(1, creditMax / 2) else { return 0 }
        defer { taken = 0 }
        credit += taken
        return taken
    }
}
