internal import DequeModule
internal import SpindleQueue
import SpindleText
package import SpindleWire

// TOPIC_DECLARE and TOPIC_STATS.
extension Node {
    mutating func topicDeclare(_ request: Request, _ body: RawSpan) throws(WireError) {
        let declare = try TopicDeclareRequest(body)
        let pattern = NamePattern(declare.pattern)
        guard request.principal.topicPublish.contains(where: { $0.covers(pattern) }) else {
            throw WireError(
                .permissionDenied,
                "'\(request.principal.name)' may not declare the retention of topics '\(declare.pattern)'; ask for the permission in the broker's configuration")
        }
        let outcome = try declareTopicRetention(declare.pattern, declare.retention, now: request.now)
        answer(request.session, request.correlationID, .topicDeclared(DeclareReply(outcome: outcome)))
    }

    /// Declares a retention of the configuration; the same rules as TOPIC_DECLARE.
    @discardableResult
    package mutating func declareTopicRetention(
        _ pattern: String, _ fields: TopicRetentionFields, now: UInt64
    ) throws(WireError) -> DeclareReply.Outcome {
        try Self.checkTopicPattern(pattern)
        let rules = state.topics.rules
        let known = rules.index(of: pattern).map { rules.rules[$0].retention }
        var retention = known ?? TopicRetention()
        if let age = fields.ageMillisecondsMax { retention.milliseconds = age }
        if let bytes = fields.bytesMax { retention.bytesMax = bytes }
        if let events = fields.eventsMax { retention.eventsMax = events }
        guard known != retention else { return .unchanged }
        guard known != nil || rules.rules.count < state.topics.limits.topicRules else {
            throw WireError(.invalidArgument, "retention is declared for \(state.topics.limits.topicRules) patterns: no more are allowed")
        }
        try checkRoom(forPublishOf: 1024)
        beginTransaction(now: now)
        transaction.declareTopicRetention(retention, for: pattern)
        _ = try appendTransaction(.topicRetention)
        state.topics.declareRetention(retention, for: pattern, now: state.time)
        return known == nil ? .created : .changed
    }

    private static func checkTopicPattern(_ pattern: String) throws(WireError) {
        let isValid = !pattern.isEmpty && pattern.utf8.count <= WireLimits.nameBytesMax
            && pattern.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), Wildcard.star].contains(byte)
            }
        guard isValid else {
            throw WireError(
                .invalidArgument,
                "'\(pattern)' can't be a pattern of topics: 1 to \(WireLimits.nameBytesMax) letters, digits, '.', '-', '_' and '*' are allowed, and one pattern at a time")
        }
    }

    // MARK: TOPIC_STATS

    /// Bytes of one topic in a reply besides its name.
    private static let topicStatsByteCount = 2 + 2 + 7 * 10

    /// A TOPIC_STATS under way: it goes over the topics in the order of their names.
    struct TopicStatsWalk: Sendable {
        var session: SessionID
        var correlationID: UInt32
        /// Topics that its principal may look at.
        var allowed: [NamePattern]
        var pattern: NamePattern
        var max: Int
        /// Bytes that the reply has left.
        var room: Int
        /// The last name that was looked at; empty before the first.
        var cursor: String
        var reply: TopicStatsReply
    }

    mutating func topicStats(_ request: Request, _ body: RawSpan) throws(WireError) {
        let stats = try TopicStatsRequest(body)
        let history = state.topics.history
        let reply = TopicStatsReply(
            epoch: epoch, earliestOffset: history.entries.first?.offset ?? 0, latestOffset: history.entries.last?.offset ?? history.forgottenThrough,
            topics: [])
        continueTopicStats(
            TopicStatsWalk(
                session: request.session, correlationID: request.correlationID, allowed: request.principal.topicSubscribe,
                pattern: NamePattern(stats.pattern), max: min(Int(stats.max), WireLimits.topicsPerReplyMax), room: pageBytesMax(request.session) - 1024,
                cursor: stats.after, reply: reply),
            now: request.now)
    }

    /// Goes on until the reply is full or there are no more topics; waits for the next turn where that takes too long.
    mutating func continueTopicStats(_ walk: TopicStatsWalk, now: UInt64) {
        var walk = walk
        var units = 0
        // Every row asks every subscription.
        let unitsPerRow = 2 + topicPush.subscribers.reduce(0) { $0 + (sessions[$1]?.subscriptions.count ?? 0) } / 8
        var place = walk.cursor.isEmpty ? 0 : state.topics.placeByName(behind: walk.cursor)
        while place < state.topics.byName.count {
            guard units < NodeWork.unitsPerStepMax else {
                work.charge(units)
                return wait(.topicStats(walk))
            }
            let number = state.topics.byName[place]
            let name = state.topics.topics[Int(number)].name
            place += 1
            units += 1
            guard walk.pattern.matches(name), walk.allowed.contains(where: { $0.matches(name) }) else {
                walk.cursor = name
                continue
            }
            walk.room -= Self.topicStatsByteCount + name.utf8.count
            guard walk.reply.topics.count < walk.max, walk.room > 0 else {
                walk.reply.moreFollow = true
                break
            }
            walk.cursor = name
            walk.reply.topics.append(topicStatistics(number, now: now))
            units += unitsPerRow
        }
        work.charge(units)
        let reply = walk.reply
        outbox.reply(walk.session, .topicStats, walk.correlationID) { reply.encode(into: &$0) }
    }

    private mutating func topicStatistics(_ number: UInt32, now: UInt64) -> TopicStatsReply.Topic {
        let topic = state.topics.topics[Int(number)]
        var stats = TopicStatsReply.Topic(name: topic.name)
        stats.events = UInt64(topic.events.count)
        stats.bytes = topic.byteCount
        stats.earliestOffset = topic.events.first ?? 0
        stats.latestOffset = topic.events.last ?? 0
        stats.published = topic.published
        if !topic.events.isEmpty { stats.oldestAgeMilliseconds = now - min(now, topic.oldestAt) }
        for session in topicPush.subscribers {
            for index in sessions[session]?.subscriptions.indices ?? 0..<0 {
                if sessions[session]?.subscriptions[index].wants(topic: number, in: state.topics) == true { stats.subscriptions += 1 }
            }
        }
        return stats
    }
}
