internal import SpindleWire

/// What an outside observer knows of the events of topics and of those who read them.
struct TopicOracle {
    struct Event {
        var topic: Int
        /// 0 while it is not known.
        var offset: UInt64 = 0
        var recordCRC: UInt32 = 0
        var recordByteCount: UInt32 = 0
        var mayBeAbsent = true
        var mayBePresent = false
        /// The node has it, and has not answered.
        var isUnanswered = false
        /// It is not older, and not younger.
        var bornFrom: UInt64 = 0
        var storedUntil: UInt64 = .max
    }

    struct Subscriber {
        /// By topic.
        var wants: [Bool]
        var cursor: UInt64 = 0
        var credit: UInt64 = 0
        var isActive = false
        /// By topic: events up to here may have been dropped before it asked for what there is.
        var forgottenThrough: [UInt64] = []
        /// What the node may have had when it asked, and had not told of: rising.
        var untoldAtBegin: [Int] = []
        /// The highest offset that was told then.
        var offsetAtBegin: UInt64 = 0
        var begunAt: UInt64 = 0
    }

    var events: [Event] = []
    /// By topic: offsets of the events that are known to be stored, rising.
    private(set) var offsets: [[(offset: UInt64, event: Int)]]
    var subscribers: [Subscriber] = []
    /// What is kept, by topic.
    private var retentions: [TopicRetentionModel]
    private let failure = Failure()
    private var offsetMax: UInt64 = 0

    init(topics: Int = 0, eventsMax: Int = 0, milliseconds: UInt64 = 0) {
        offsets = Array(repeating: [], count: topics)
        retentions = Array(repeating: TopicRetentionModel(eventsMax: eventsMax, milliseconds: milliseconds), count: topics)
    }

    private final class Failure {
        var problem: (promise: Int, text: String)?
    }

    func takeProblem() -> (promise: Int, text: String)? {
        defer { failure.problem = nil }
        return failure.problem
    }

    private func fail(_ promise: Int, _ text: @autoclosure () -> String) {
        if failure.problem == nil { failure.problem = (promise, text()) }
    }

    // MARK: Publishing

    mutating func arrived(_ event: Int) { events[event].isUnanswered = true }

    mutating func maybeStored(_ event: Int) {
        events[event].mayBePresent = true
        events[event].isUnanswered = false
    }

    mutating func resolve(_ event: Int, happened: Bool) {
        if happened { events[event].mayBeAbsent = false } else if events[event].offset == 0 { events[event].mayBePresent = false }
    }

    mutating func stored(_ event: Int, offset: UInt64, now: UInt64) {
        if offset <= offsetMax { fail(7, "event \(event) got the offset \(offset), and \(offsetMax) was given out before: offsets must rise") }
        offsetMax = max(offsetMax, offset)
        learn(event, offset, now: now)
    }

    /// The event is known to be stored at this offset.
    private mutating func learn(_ event: Int, _ offset: UInt64, now: UInt64) {
        events[event].isUnanswered = false
        if events[event].offset != 0 {
            if events[event].offset != offset { fail(7, "event \(event) is there twice, at \(events[event].offset) and \(offset)") }
            return
        }
        events[event].offset = offset
        events[event].mayBeAbsent = false
        events[event].mayBePresent = true
        events[event].storedUntil = min(events[event].storedUntil, now)
        let topic = events[event].topic
        let at = Self.firstAfter(offset, in: offsets[topic])
        offsets[topic].insert((offset, event), at: at)
    }

    /// Answered as a duplicate: the event is there. `offset` 0: where is not said.
    mutating func duplicate(_ event: Int, offset: UInt64, now: UInt64) {
        if !events[event].mayBePresent { fail(6, "event \(event) was answered as a duplicate and was never stored") }
        events[event].mayBeAbsent = false
        if offset != 0 { learn(event, offset, now: now) }
    }

    mutating func refused(_ event: Int) {
        if !events[event].mayBeAbsent { fail(6, "event \(event) was refused when it was sent again, and it had been stored") }
        events[event].mayBePresent = false
        events[event].isUnanswered = false
    }

    /// The whole request was refused: this time it was not stored.
    mutating func notStored(_ event: Int) { events[event].isUnanswered = false }

    private static func firstAfter(_ offset: UInt64, in list: [(offset: UInt64, event: Int)]) -> Int {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle].offset <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Reading

    /// What of retention can be judged when an event arrives.
    enum Judged {
        /// Nothing: the connection takes its output slowly, and the event may have been pushed long before.
        case nothing
        /// Not how old events are: without room in the log they are dropped later.
        case counts
        case countsAndAges
    }

    mutating func pushed(
        to subscriber: Int, event: Int, topic: Int, offset: UInt64, recordCRC: UInt32, now: UInt64, retention judged: Judged
    ) {
        guard event >= 0, event < events.count else {
            fail(10, "an event was pushed that nobody published: \(event)")
            return
        }
        if events[event].recordCRC != recordCRC || events[event].topic != topic { fail(10, "event \(event) was pushed with other bytes, or of another topic") }
        if !events[event].mayBePresent { fail(8, "event \(event) was pushed, and its publish was refused") }
        if offset <= subscribers[subscriber].cursor {
            fail(7, "subscriber \(subscriber) got the event at \(offset) behind its cursor \(subscribers[subscriber].cursor)")
        }
        if !subscribers[subscriber].wants[topic] { fail(7, "subscriber \(subscriber) got an event of topic \(topic), which it did not ask for") }
        if subscribers[subscriber].credit == 0 { fail(7, "subscriber \(subscriber) got the event at \(offset) without credit") }
        subscribers[subscriber].credit -= min(1, subscribers[subscriber].credit)
        checkNoneBetween(subscriber, offset)
        if events[event].offset == 0 { learn(event, offset, now: now) }
        if events[event].offset != offset { fail(7, "event \(event) is at \(events[event].offset), and was pushed at \(offset)") }
        checkRetention(event, topic: topic, offset: offset, now: now, judged)
        subscribers[subscriber].cursor = offset
    }

    /// No event that is known may lie between the subscriber's cursor and `offset`.
    private mutating func checkNoneBetween(_ subscriber: Int, _ offset: UInt64) {
        let cursor = subscribers[subscriber].cursor
        for topic in offsets.indices where subscribers[subscriber].wants[topic] {
            let forgotten = subscribers[subscriber].forgottenThrough
            var next = Self.firstAfter(max(cursor, topic < forgotten.count ? forgotten[topic] : 0), in: offsets[topic])
            while next < offsets[topic].count, mayHaveGoneUntold(subscribers[subscriber], topic, next) { next += 1 }
            if next < offsets[topic].count, offsets[topic][next].offset < offset {
                fail(7, "subscriber \(subscriber) got the event at \(offset) after \(cursor), and never the one at \(offsets[topic][next].offset): a silent gap")
            }
        }
    }

    /// Whether the event had come when the subscriber asked for what there is, and may have been dropped by then, before either was told:
    /// the node's state is ahead of its answers. Events that came in between are counted like those that are known.
    private func mayHaveGoneUntold(_ subscriber: Subscriber, _ topic: Int, _ index: Int) -> Bool {
        let event = offsets[topic][index].event
        guard subscriber.untoldAtBegin.contains(event) else { return false }
        if subscriber.begunAt - min(subscriber.begunAt, events[event].bornFrom) >= retentions[topic].millisecondsLeast { return true }
        let behind = offsets[topic][(index + 1)...].reduce(0) {
            $0 + ($1.offset <= subscriber.offsetAtBegin || subscriber.untoldAtBegin.contains($1.event) ? 1 : 0)
        }
        let unknown = subscriber.untoldAtBegin.reduce(0) { $0 + (events[$1].topic == topic && events[$1].offset == 0 && events[$1].mayBePresent ? 1 : 0) }
        return behind + unknown >= retentions[topic].eventsLeast
    }

    // MARK: Retention

    mutating func mayDeclare(_ retention: TopicRetentionFields, of topic: Int, _ arrival: UInt32) {
        retentions[topic].mayDeclare(retention, arrival)
    }

    mutating func declared(_ retention: TopicRetentionFields, of topic: Int, _ arrival: UInt32) {
        retentions[topic].declared(retention, arrival)
    }

    /// An event that was pushed must not have been dropped before.
    private func checkRetention(_ event: Int, topic: Int, offset: UInt64, now: UInt64, _ judged: Judged) {
        if case .nothing = judged { return }
        let newer = offsets[topic].count - Self.firstAfter(offset, in: offsets[topic])
        if newer >= retentions[topic].eventsMost {
            fail(7, "the event at \(offset) was pushed, and \(newer) newer ones of its topic are there: \(retentions[topic].eventsMost) are kept")
        }
        let age = now - min(now, events[event].storedUntil)
        // What is over is dropped once a second, if there is room in the log.
        if case .countsAndAges = judged, retentions[topic].millisecondsMost < .max, age > retentions[topic].millisecondsMost + 1_100 {
            fail(7, "the event at \(offset) was pushed at the age of \(age) ms: \(retentions[topic].millisecondsMost) ms are kept")
        }
    }

    /// Up to where the events of a topic may have been dropped at `now`: those behind which there may be as many as are kept, and old ones.
    func mayBeForgotten(_ topic: Int, now: UInt64) -> UInt64 {
        let list = offsets[topic]
        // Events of which no answer came may be there as well.
        let unknown = events.reduce(0) { $0 + ($1.topic == topic && $1.offset == 0 && ($1.mayBePresent || $1.isUnanswered) ? 1 : 0) }
        var through: UInt64 = 0
        for index in list.indices {
            let behind = list.count - 1 - index + unknown
            let event = events[list[index].event]
            guard behind >= retentions[topic].eventsLeast || now - min(now, event.bornFrom) >= retentions[topic].millisecondsLeast else { break }
            through = list[index].offset
        }
        return through
    }

    /// The subscriber asked for what there is, and was answered.
    mutating func beginAtEarliest(_ subscriber: Int, now: UInt64) {
        subscribers[subscriber].forgottenThrough = offsets.indices.map { mayBeForgotten($0, now: now) }
        subscribers[subscriber].untoldAtBegin = events.indices.filter {
            events[$0].offset == 0 && (events[$0].mayBePresent || events[$0].isUnanswered)
        }
        subscribers[subscriber].offsetAtBegin = offsets.reduce(0) { max($0, $1.last?.offset ?? 0) }
        subscribers[subscriber].begunAt = now
    }

    /// The subscriber was told that events up to `offset` are gone: something that it wants must have been dropped behind its cursor. It
    /// may lie behind `offset`, where the broker no longer knows of which topics the events before it were.
    mutating func gap(_ subscriber: Int, to offset: UInt64, now: UInt64) {
        let cursor = subscribers[subscriber].cursor
        let wants = subscribers[subscriber].wants
        if offset < cursor { fail(7, "subscriber \(subscriber) was told of a gap up to \(offset), behind its cursor \(cursor)") }
        let isPossible = offsets.indices.contains { wants[$0] && mayBeForgotten($0, now: now) > cursor }
            || events.contains { $0.offset == 0 && ($0.mayBePresent || $0.isUnanswered) && wants[$0.topic] }
        if !isPossible { fail(7, "subscriber \(subscriber) was told of a gap from \(cursor) to \(offset), and nothing that it wants can be missing") }
        subscribers[subscriber].cursor = max(cursor, offset)
    }

    /// The subscriber has credit and nothing more comes: it must have seen all.
    mutating func checkCaughtUp(_ subscriber: Int) {
        guard subscribers[subscriber].isActive, subscribers[subscriber].credit > 0 else { return }
        checkNoneBetween(subscriber, .max)
    }
}

/// What is kept of a topic, as far as can be known: at least and at most. No limit is the highest number.
struct TopicRetentionModel {
    /// Of all times: what was dropped stays so.
    private(set) var eventsLeast: Int
    private(set) var millisecondsLeast: UInt64
    /// By now.
    private(set) var eventsMost: Int
    private(set) var millisecondsMost: UInt64
    /// The last TOPIC_DECLARE that came.
    private var lastDeclare: UInt32 = 0

    init(eventsMax: Int, milliseconds: UInt64) {
        (eventsLeast, eventsMost) = (eventsMax, eventsMax)
        (millisecondsLeast, millisecondsMost) = (milliseconds, milliseconds)
    }

    private static func limits(_ retention: TopicRetentionFields) -> (events: Int, milliseconds: UInt64) {
        let (events, age) = (Int(retention.eventsMax ?? 0), retention.ageMillisecondsMax ?? 0)
        return (events == 0 ? .max : events, age == 0 ? .max : age)
    }

    mutating func mayDeclare(_ retention: TopicRetentionFields, _ arrival: UInt32) {
        lastDeclare = arrival
        let new = Self.limits(retention)
        eventsLeast = min(eventsLeast, new.events)
        millisecondsLeast = min(millisecondsLeast, new.milliseconds)
        eventsMost = max(eventsMost, new.events)
        millisecondsMost = max(millisecondsMost, new.milliseconds)
    }

    mutating func declared(_ retention: TopicRetentionFields, _ arrival: UInt32) {
        guard lastDeclare == arrival else { return }
        (eventsMost, millisecondsMost) = Self.limits(retention)
    }
}
