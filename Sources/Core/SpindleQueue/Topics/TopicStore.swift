package import DequeModule
internal import HeapModule
internal import SpindleText

/// The topics of a node and the events that they retain.
///
/// Events of all topics form one history, so that one cursor serves any pattern. What a topic keeps is said by the rule of the longest
/// pattern that its name matches. Functions named as facts apply what the log says, live and at replay alike.
package struct TopicStore: Sendable {
    package struct Event: Equatable, Sendable {
        package var offset: UInt64
        /// Where its record lies now.
        package var address: UInt64
        package var storedAt: UInt64
        package var byteCount: UInt32
        package var topic: UInt32
    }

    package struct Topic: Sendable {
        package let name: String
        /// Offsets of its events, oldest first.
        package internal(set) var events: Deque<UInt64> = []
        /// Of its records, bytes.
        package internal(set) var byteCount: UInt64 = 0
        /// Offset of the newest event that is no longer kept; 0 if none was dropped.
        package internal(set) var lastDropped: UInt64 = 0
        package internal(set) var producers = ProducerTable()
        package internal(set) var published: UInt64 = 0
        /// Time of its oldest event, where it has one.
        package internal(set) var oldestAt: UInt64 = 0
        /// The rule that holds; nil: the standard.
        var rule: Int?
        /// When `ends` has it next; never later than its oldest event's end.
        var scheduledEnd = UInt64.max
        init(name: String) { self.name = name }
    }

    /// When a topic's oldest event may be over.
    private struct End: Comparable, Sendable {
        var at: UInt64
        var topic: UInt32
        static func < (a: End, b: End) -> Bool { a.at != b.at ? a.at < b.at : a.topic < b.topic }
    }

    /// Events dropped at most with each one that is stored because their time is over.
    private static let endedPerStore = 16

    package private(set) var topics: [Topic] = []
    private var numberByName: [ByteText: UInt32] = [:]
    /// Numbers of all topics in the order of their names' bytes.
    package private(set) var byName: [UInt32] = []
    package private(set) var history = TopicHistory()
    package private(set) var rules: TopicRetentionRules
    /// Whether the log says what the standard is; until then it is the configuration's.
    package private(set) var isStandardLogged = false
    private var ends = Heap<End>()

    package let limits: EngineLimits

    /// - Parameter retention: what holds for topics that no pattern matches.
    package init(retention: TopicRetention, limits: EngineLimits = .standard) {
        rules = TopicRetentionRules(standard: retention)
        self.limits = limits
    }

    // MARK: Topics

    package func number(of name: String) -> UInt32? { numberByName[ByteText(name)] }

    @discardableResult
    package mutating func declare(_ name: String) -> UInt32 {
        let number = UInt32(topics.count)
        var topic = Topic(name: name)
        topic.rule = rules.index(for: name)
        topics.append(topic)
        numberByName[ByteText(name)] = number
        byName.insert(number, at: placeByName(behind: name))
        return number
    }

    /// Place in `byName` of the first topic whose name comes behind `name`.
    package func placeByName(behind name: String) -> Int {
        var low = 0
        var high = byName.count
        while low < high {
            let middle = (low + high) / 2
            if name.utf8.lexicographicallyPrecedes(topics[Int(byName[middle])].name.utf8) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    package func retention(of topic: UInt32) -> TopicRetention { rules[topics[Int(topic)].rule] }

    /// What is kept of all topics whose names match `pattern`; empty: of those that no pattern matches. What no longer fits is dropped.
    package mutating func declareRetention(_ retention: TopicRetention, for pattern: String, now: UInt64) {
        guard !pattern.isEmpty else {
            rules.standard = retention
            isStandardLogged = true
            for index in topics.indices where topics[index].rule == nil { applyRetention(to: index, now: now) }
            return
        }
        let rule = TopicRetentionRules.Rule(pattern: pattern, retention: retention)
        let number = rules.declare(rule)
        for index in topics.indices {
            if let current = topics[index].rule, current != number, !rule.precedes(rules.rules[current]) { continue }
            guard topics[index].rule == number || rule.matches(topics[index].name) else { continue }
            topics[index].rule = number
            applyRetention(to: index, now: now)
        }
    }

    // MARK: Events

    /// An event was stored. Drops what is no longer kept: of its topic all, of others a few whose time is over.
    package mutating func store(topic: UInt32, offset: UInt64, byteCount: UInt32, now: UInt64) {
        let index = Int(topic)
        topics[index].published += 1
        add(.init(offset: offset, storedAt: now, byteCount: byteCount, topic: topic))
        applyRetention(to: index, now: now)
        while history.eventCount > limits.events, let oldest = history.entries.first { dropOldest(of: Int(oldest.topic)) }
        _ = dropEnded(now: now, max: Self.endedPerStore)
    }

    private mutating func add(_ event: TopicHistory.Entry) {
        let index = Int(event.topic)
        history.append(event)
        if topics[index].events.isEmpty { topics[index].oldestAt = event.storedAt }
        topics[index].events.append(event.offset)
        topics[index].byteCount += UInt64(event.byteCount)
    }

    private mutating func applyRetention(to index: Int, now: UInt64) {
        let retention = rules[topics[index].rule]
        while topics[index].events.count > 1,
            (retention.eventsMax > 0 && UInt64(topics[index].events.count) > retention.eventsMax)
                || (retention.bytesMax > 0 && topics[index].byteCount > retention.bytesMax)
        { dropOldest(of: index) }
        while let end = endOfOldest(index), end <= now { dropOldest(of: index) }
        schedule(index)
    }

    private func endOfOldest(_ index: Int) -> UInt64? {
        topics[index].events.isEmpty ? nil : rules[topics[index].rule].end(of: topics[index].oldestAt)
    }

    private mutating func schedule(_ index: Int) {
        // A later end than the known one takes its place when that has come: a busy topic costs nothing here.
        guard let end = endOfOldest(index), end < topics[index].scheduledEnd else { return }
        topics[index].scheduledEnd = end
        ends.insert(End(at: end, topic: UInt32(index)))
    }

    private mutating func dropOldest(of index: Int) {
        guard let offset = topics[index].events.popFirst(), let event = history.drop(offset) else { return }
        dropped(event, of: index)
    }

    /// Lets go of an event whose record is lost, wherever it is: who reads from before it is told of a gap. False where it is not there.
    package mutating func lose(_ offset: UInt64) -> Bool {
        guard let event = history.drop(offset) else { return false }
        let index = Int(event.topic)
        topics[index].events.removeAll { $0 == offset }
        dropped(event, of: index)
        return true
    }

    private mutating func dropped(_ event: TopicHistory.Entry, of index: Int) {
        topics[index].byteCount -= UInt64(event.byteCount)
        topics[index].lastDropped = max(topics[index].lastDropped, event.offset)
        if let next = topics[index].events.first, let place = history.find(next) { topics[index].oldestAt = history.entries[place].storedAt }
    }

    /// Drops at most `max` events whose time is over at `now`, in the order in which it was; how many there were.
    package mutating func dropEnded(now: UInt64, max: Int) -> Int {
        var count = 0
        while count < max, let end = nextEnd(), end.at <= now {
            dropOldest(of: Int(end.topic))
            count += 1
        }
        return count
    }

    /// The first event whose time will be over, and when.
    private mutating func nextEnd() -> End? {
        while let first = ends.min {
            let index = Int(first.topic)
            if let end = endOfOldest(index) {
                if end == first.at { return first }
                ends.removeMin()
                guard topics[index].scheduledEnd == first.at else { continue }
                topics[index].scheduledEnd = end
                ends.insert(End(at: end, topic: first.topic))
            } else {
                ends.removeMin()
                if topics[index].scheduledEnd == first.at { topics[index].scheduledEnd = .max }
            }
        }
        return nil
    }

    /// When the time of an event may be over next; nil: never.
    package var nextEndAt: UInt64? { ends.min?.at }

    /// Whether the time of an event is over.
    package mutating func hasEnded(now: UInt64) -> Bool { nextEnd().map { $0.at <= now } ?? false }

    package mutating func produced(_ run: ProducerTable.Run, by producer: UInt64, in topic: UInt32) {
        topics[Int(topic)].producers.stored(producer: producer, run)
    }

    // MARK: Records that are moved

    /// The record of the event at `offset` was written anew at `address`. False where the event is not there.
    package mutating func relocate(offset: UInt64, to address: UInt64) -> Bool { history.relocate(offset, to: address) }

    /// Events whose records lie below `address`.
    package func stragglers(below address: UInt64, max: Int) -> [Event] { history.stragglers(below: address, max: max).map(event) }

    package var oldestLiveAddress: UInt64? { history.oldestAddress }

    /// Where the record of the event at `offset` lies now; nil where there is no such event.
    package func address(of offset: UInt64) -> UInt64? { history.find(offset).map { _ in history.address(of: offset) } }

    /// The name of the topic of the event at `offset`; nil where there is no such event.
    package func name(at offset: UInt64) -> String? { history.find(offset).map { topics[Int(history.entries[$0].topic)].name } }

    /// Of the retained events' records.
    package var byteCount: UInt64 { topics.reduce(0) { $0 + $1.byteCount } }

    // MARK: Looking

    /// The event that an entry of the history stands for.
    package func event(_ entry: TopicHistory.Entry) -> Event {
        Event(
            offset: entry.offset, address: history.address(of: entry.offset), storedAt: entry.storedAt, byteCount: entry.byteCount,
            topic: entry.topic)
    }

    /// The event at `offset`; nil where there is none.
    package func event(at offset: UInt64) -> Event? { history.find(offset).map { event(history.entries[$0]) } }

    package var events: [Event] { history.entries.lazy.filter { !$0.isHole }.map(event) }

    // MARK: Checkpoint

    package mutating func restore(lastDropped: UInt64, published: UInt64, producers: ProducerTable, of topic: UInt32) {
        topics[Int(topic)].lastDropped = lastDropped
        topics[Int(topic)].published = published
        topics[Int(topic)].producers = producers
    }

    /// Puts back a rule; before all topics. Empty: the standard.
    package mutating func restore(_ retention: TopicRetention, for pattern: String) { declareRetention(retention, for: pattern, now: 0) }

    package mutating func restore(forgottenThrough offset: UInt64) { history.restore(forgottenThrough: offset) }

    /// Puts back an event or a hole of a checkpoint; offsets must rise. False where they don't.
    package mutating func restore(_ entry: TopicHistory.Entry) -> Bool {
        guard entry.topic == TopicHistory.severalTopics ? entry.isHole : Int(entry.topic) < topics.count else { return false }
        guard history.restore(entry) else { return false }
        guard !entry.isHole else { return true }
        if topics[Int(entry.topic)].events.isEmpty { topics[Int(entry.topic)].oldestAt = entry.storedAt }
        topics[Int(entry.topic)].events.append(entry.offset)
        topics[Int(entry.topic)].byteCount += UInt64(entry.byteCount)
        schedule(Int(entry.topic))
        return true
    }

    package mutating func restore(_ relocation: TopicHistory.Relocation) -> Bool {
        history.relocate(relocation.offset, to: relocation.address)
    }

    /// After a checkpoint that holds no holes: one per topic, where its newest dropped event was.
    package mutating func restoreHoles() {
        for (number, topic) in topics.enumerated() where topic.lastDropped > 0 { history.insertHole(topic.lastDropped, topic: UInt32(number)) }
    }
}
