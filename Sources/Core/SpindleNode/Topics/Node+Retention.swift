internal import SpindleLog
internal import SpindleQueue
internal import SpindleWire

// What topics keep, and the end of what is kept for a time only.
extension Node {
    /// Ends of what is over are logged at most this often while nothing else is, milliseconds.
    static let trimIntervalMilliseconds: UInt64 = 1_000
    /// Events and results dropped in one turn at most, each.
    static let trimmedPerTurnMax = 4_096

    /// The retention of topics that no pattern matches, as the configuration says it.
    static func standardRetention(_ configuration: NodeConfiguration) -> TopicRetention {
        TopicRetention(
            milliseconds: configuration.topicRetentionMilliseconds, bytesMax: configuration.topicBytesMax, eventsMax: UInt64(max(0, configuration.topicEventsMax)))
    }

    /// Whether the log has yet to be told the standard, so that its replay goes by it: with the first topic, and when the
    /// configuration has changed.
    private var isStandardDue: Bool {
        !state.topics.isStandardLogged || state.topics.rules.standard != Self.standardRetention(configuration)
    }

    /// Writes the declaration of a new topic into the open transaction; ``declareTopic(_:)`` follows when that is in the log.
    mutating func writeTopic(_ number: UInt32, name: String) {
        if isStandardDue { transaction.declareTopicRetention(Self.standardRetention(configuration), for: "") }
        transaction.declareTopic(number, name: name)
    }

    mutating func declareTopic(_ name: String) {
        if isStandardDue { state.topics.declareRetention(Self.standardRetention(configuration), for: "", now: state.time) }
        state.topics.declare(name)
    }

    /// The configuration may have changed since the log was written.
    private mutating func adoptStandardRetention(now: UInt64) throws(WireError) {
        guard !state.topics.topics.isEmpty, isStandardDue, log.canAppend(payloadCount: 256) else { return }
        let standard = Self.standardRetention(configuration)
        beginTransaction(now: now)
        transaction.declareTopicRetention(standard, for: "")
        _ = try appendTransaction(.topicRetention)
        state.topics.declareRetention(standard, for: "", now: state.time)
    }

    // MARK: What time ends

    /// When something that is kept for a time only should be dropped next.
    var nextTrim: UInt64? {
        let next = min(state.topics.nextEndAt ?? .max, state.results.nextEndAt ?? .max)
        return next == .max ? nil : max(next, trimmedAt &+ Self.trimIntervalMilliseconds)
    }

    /// Drops the events and results whose time is over. That is logged, so that a replay makes the same of the log.
    mutating func trimWhatEnded(now: UInt64) {
        try? adoptStandardRetention(now: now) // without room for it: at the next turn
        guard let due = nextTrim, due <= now, state.topics.hasEnded(now: now) || state.results.hasEnded(now: now) else { return }
        guard log.canAppend(payloadCount: 256) else {
            retryTimersAt = now + Self.retryMilliseconds
            return
        }
        beginTransaction(now: now)
        let events = state.topics.dropEnded(now: state.time, max: Self.trimmedPerTurnMax)
        let results = state.results.dropEnded(now: state.time, max: Self.trimmedPerTurnMax)
        transaction.trim(events: events, results: results)
        do throws(WireError) {
            _ = try appendTransaction(.trim)
        } catch {
            preconditionFailure("the log had room for the end of events and results: \(error.message)")
        }
        // What is left over from a full turn goes on at once.
        trimmedAt = max(events, results) < Self.trimmedPerTurnMax ? now : 0
    }
}
