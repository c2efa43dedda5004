internal import DequeModule
internal import SpindleQueue
import SpindleText
internal import SpindleWire

/// A session's interest in topics.
struct Subscription: Sendable {
    /// Most subscriptions of one session.
    static let perSessionMax = 1024
    /// Most events and bytes in one TOPIC_EVENTS frame.
    static let eventsPerFrameMax = 256
    static let bytesPerFrameMax = 256 * 1024
    /// Places of the history that are looked at, and bytes of records that are pushed, in one turn for all subscriptions together.
    static let placesPerTurnMax = 131_072
    static let bytesPerTurnMax = 4 << 20

    var id: UInt32
    var patterns: [NamePattern]
    /// Offset through which the history was looked at.
    var scanned: UInt64
    /// Drops up to this number are no gap to this subscriber: they were done when it asked for what there is.
    var ignoresDropsThrough: UInt64 = 0
    var credit: UInt64
    /// The next event's record was moved, and is not durable where it lies now.
    private(set) var isHeldUp = false
    /// The size of the next event in a frame, for which there was no room.
    private(set) var neededBytes: Int?
    /// A gap to tell before anything else.
    var pendingGap: String?
    /// By topic number: 0 not looked at, 1 no, 2 yes.
    private var matches: [UInt8] = []

    init(id: UInt32, patterns: [NamePattern], scanned: UInt64, credit: UInt64) {
        self.id = id
        self.patterns = patterns
        self.scanned = scanned
        self.credit = credit
    }

    mutating func wants(topic: UInt32, in topics: TopicStore) -> Bool {
        let index = Int(topic)
        if index >= matches.count { matches.append(contentsOf: repeatElement(0, count: topics.topics.count - matches.count)) }
        if matches[index] == 0 {
            let name = topics.topics[index].name
            matches[index] = patterns.contains { $0.matches(name) } ? 2 : 1
        }
        return matches[index] == 2
    }

    /// What a subscriber is to be told.
    enum Step: Equatable {
        /// Something of interest is missing up to this offset.
        case gap(UInt64)
        case event(TopicStore.Event)
    }

    /// Goes on behind what was looked at: what is of interest and durable, events as many as there is credit for and one frame holds.
    /// Takes the credit. Nothing, where `places` are used up: there may be more.
    /// - Parameters:
    ///   - bytesMax: of a frame's events with what stands beside their records.
    ///   - singleBytesMax: of a frame with one event.
    mutating func next(in topics: TopicStore, durable: UInt64, bytesMax: Int, singleBytesMax: Int, places: inout Int) -> [Step] {
        var steps: [Step] = []
        isHeldUp = false
        neededBytes = nil
        var missing: UInt64 = 0
        var newest: UInt64?
        // Holes that are joined don't say of which topics: something of interest is missing if it was dropped behind this place.
        func mayMiss() -> Bool {
            let dropped = newest ?? newestDropped(in: topics)
            newest = dropped
            return dropped > scanned
        }
        if scanned < topics.history.forgottenThrough {
            if topics.history.forgottenDrop > ignoresDropsThrough, mayMiss() { missing = topics.history.forgottenThrough }
            scanned = topics.history.forgottenThrough
        }
        var index = topics.history.index(after: scanned)
        var events = 0
        var byteCount = 0
        while index < topics.history.entries.count, places > 0, credit > 0, events < Self.eventsPerFrameMax {
            let entry = topics.history.entries[index]
            guard entry.offset < durable else { break }
            if entry.isHole {
                if entry.storedAt > ignoresDropsThrough,
                    entry.topic == TopicHistory.severalTopics ? mayMiss() : wants(topic: entry.topic, in: topics)
                { missing = entry.offset }
            } else if wants(topic: entry.topic, in: topics) {
                let event = topics.event(entry)
                guard event.address < durable else {
                    isHeldUp = true
                    break
                }
                byteCount += TopicEventsHead.itemByteCount(name: topics.topics[Int(entry.topic)].name) + Int(entry.byteCount)
                guard byteCount <= (events == 0 ? singleBytesMax : bytesMax) else {
                    if events == 0 { neededBytes = byteCount }
                    break
                }
                if missing > 0 { steps.append(.gap(missing)) }
                missing = 0
                steps.append(.event(event))
                events += 1
                credit -= 1
            }
            scanned = entry.offset
            index += 1
            places -= 1
        }
        if missing > 0 { steps.append(.gap(missing)) }
        return steps
    }

    /// Offset of the newest event that a topic of interest no longer holds.
    mutating func newestDropped(in topics: TopicStore) -> UInt64 {
        var newest: UInt64 = 0
        for number in topics.topics.indices where topics.topics[number].lastDropped > newest {
            if wants(topic: UInt32(number), in: topics) { newest = topics.topics[number].lastDropped }
        }
        return newest
    }
}
