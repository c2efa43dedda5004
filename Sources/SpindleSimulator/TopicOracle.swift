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
        var storedAt: UInt64 = 0
    }

    struct Subscriber {
        /// By topic.
        var wants: [Bool]
        var cursor: UInt64 = 0
        var credit: UInt64 = 0
        var isActive = false
    }

    var events: [Event] = []
    /// By topic: offsets of the events that are known to be stored, rising.
    private(set) var offsets: [[(offset: UInt64, event: Int)]]
    var subscribers: [Subscriber] = []
    /// Events kept of each topic, and how long, milliseconds.
    var eventsMax = 0
    var retentionMilliseconds: UInt64 = 0
    private let failure = Failure()
    private var offsetMax: UInt64 = 0

    init(topics: Int = 0) { offsets = Array(repeating: [], count: topics) }

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

    mutating func maybeStored(_ event: Int) { events[event].mayBePresent = true }

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
        if events[event].offset != 0 {
            if events[event].offset != offset { fail(7, "event \(event) is there twice, at \(events[event].offset) and \(offset)") }
            return
        }
        events[event].offset = offset
        events[event].mayBeAbsent = false
        events[event].mayBePresent = true
        events[event].storedAt = now
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
    }

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

    mutating func pushed(to subscriber: Int, event: Int, topic: Int, offset: UInt64, recordCRC: UInt32, now: UInt64) {
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
        subscribers[subscriber].cursor = offset
    }

    /// No event that is known may lie between the subscriber's cursor and `offset`.
    private mutating func checkNoneBetween(_ subscriber: Int, _ offset: UInt64) {
        let cursor = subscribers[subscriber].cursor
        for topic in offsets.indices where subscribers[subscriber].wants[topic] {
            let next = Self.firstAfter(cursor, in: offsets[topic])
            if next < offsets[topic].count, offsets[topic][next].offset < offset {
                fail(7, "subscriber \(subscriber) got the event at \(offset) after \(cursor), and never the one at \(offsets[topic][next].offset): a silent gap")
            }
        }
    }

    /// The subscriber was told that events up to `offset` are gone: one of them must be.
    mutating func gap(_ subscriber: Int, to offset: UInt64, now: UInt64) {
        let cursor = subscribers[subscriber].cursor
        if offset < cursor { fail(7, "subscriber \(subscriber) was told of a gap up to \(offset), behind its cursor \(cursor)") }
        subscribers[subscriber].cursor = max(cursor, offset)
    }

    /// The subscriber has credit and nothing more comes: it must have seen all.
    mutating func checkCaughtUp(_ subscriber: Int) {
        guard subscribers[subscriber].isActive, subscribers[subscriber].credit > 0 else { return }
        checkNoneBetween(subscriber, .max)
    }
}
