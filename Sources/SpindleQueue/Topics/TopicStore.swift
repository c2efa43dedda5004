package import DequeModule

/// The topics of a node and the events that they retain, in the one order of the log.
///
/// An event's offset is its record's address. Events of all topics form one history, so that one cursor serves any pattern.
package struct TopicStore: Sendable {
    package struct Event: Equatable, Sendable {
        package var offset: UInt64
        package var storedAt: UInt64
        package var byteCount: UInt32
        package var topic: UInt32
        package init(offset: UInt64, storedAt: UInt64, byteCount: UInt32, topic: UInt32) {
            self.offset = offset
            self.storedAt = storedAt
            self.byteCount = byteCount
            self.topic = topic
        }
    }

    package struct Topic: Sendable {
        package let name: String
        /// Numbers of its events in the history, oldest first.
        package var events: Deque<UInt64> = []
        /// Offset of the newest event that is no longer kept; 0 if none was dropped.
        package var lastDropped: UInt64 = 0
        package var producers = ProducerTable()
        package var published: UInt64 = 0
        init(name: String) { self.name = name }
    }

    /// What is kept of each topic.
    package struct Retention: Equatable, Sendable {
        package var eventsMax: Int
        package var milliseconds: UInt64
        package init(eventsMax: Int, milliseconds: UInt64) {
            self.eventsMax = eventsMax
            self.milliseconds = milliseconds
        }
    }

    package private(set) var topics: [Topic] = []
    private var numberByName: [String: UInt32] = [:]
    /// nil where the event was dropped; none at the front.
    private var history: Deque<Event?> = []
    /// Number of the history's first event; numbers count all events there ever were.
    package private(set) var firstNumber: UInt64 = 0
    private let retention: Retention

    package init(retention: Retention) { self.retention = retention }

    package var endNumber: UInt64 { firstNumber + UInt64(history.count) }

    package func number(of name: String) -> UInt32? { numberByName[name] }

    @discardableResult
    package mutating func declare(_ name: String) -> UInt32 {
        let number = UInt32(topics.count)
        topics.append(Topic(name: name))
        numberByName[name] = number
        return number
    }

    /// An event was stored. Drops what the retention no longer keeps of this topic.
    package mutating func store(topic: UInt32, offset: UInt64, byteCount: UInt32, now: UInt64) {
        let index = Int(topic)
        topics[index].published += 1
        topics[index].events.append(endNumber)
        history.append(Event(offset: offset, storedAt: now, byteCount: byteCount, topic: topic))
        while topics[index].events.count > max(1, retention.eventsMax) { dropOldest(of: index) }
        while topics[index].events.count > 1, let oldest = event(topics[index].events[0]),
            now - min(now, oldest.storedAt) > retention.milliseconds
        { dropOldest(of: index) }
    }

    private mutating func dropOldest(of index: Int) {
        guard let number = topics[index].events.popFirst(), number >= firstNumber else { return }
        let at = Int(number - firstNumber)
        if let event = history[at] { topics[index].lastDropped = event.offset }
        history[at] = nil
        while let first = history.first, first == nil {
            history.removeFirst()
            firstNumber += 1
        }
    }

    package mutating func produced(_ run: ProducerTable.Run, by producer: UInt64, in topic: UInt32) {
        topics[Int(topic)].producers.stored(producer: producer, run)
    }

    package func event(_ number: UInt64) -> Event? {
        guard number >= firstNumber, number < endNumber else { return nil }
        return history[Int(number - firstNumber)]
    }

    /// Number of the first event whose offset is above `offset`.
    package func numberAfter(offset: UInt64) -> UInt64 {
        var low = 0
        var high = history.count
        while low < high {
            let middle = (low + high) / 2
            // A dropped event has no offset: the next one that is there decides.
            var probe = middle
            while probe < high, history[probe] == nil { probe += 1 }
            if probe == high {
                high = middle
            } else if let event = history[probe], event.offset <= offset {
                low = probe + 1
            } else {
                high = middle
            }
        }
        return firstNumber + UInt64(low)
    }

    package var oldestLiveAddress: UInt64? { (history.first ?? nil)?.offset }

    // MARK: Checkpoint

    package var events: [Event] { history.compactMap { $0 } }

    package mutating func restore(lastDropped: UInt64, published: UInt64, producers: ProducerTable, of topic: UInt32) {
        topics[Int(topic)].lastDropped = lastDropped
        topics[Int(topic)].published = published
        topics[Int(topic)].producers = producers
    }

    /// Puts back an event of a checkpoint; offsets must rise. False where they don't.
    package mutating func restore(_ event: Event) -> Bool {
        guard Int(event.topic) < topics.count, (history.last ?? nil).map({ $0.offset < event.offset }) ?? true else { return false }
        topics[Int(event.topic)].events.append(endNumber)
        history.append(event)
        return true
    }
}
