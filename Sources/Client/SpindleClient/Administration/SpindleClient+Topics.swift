internal import SpindleWire

/// How much history topics keep. nil keeps what is declared, or is without limit where nothing is.
public struct TopicRetention: Sendable, Equatable {
    /// To the millisecond; zero: without limit.
    public var ageMax: Duration?
    /// Bytes of records per topic; 0: without limit.
    public var bytesMax: Int?
    /// Events per topic; 0: without limit.
    public var eventsMax: Int?

    public init(ageMax: Duration? = nil, bytesMax: Int? = nil, eventsMax: Int? = nil) {
        self.ageMax = ageMax
        self.bytesMax = bytesMax
        self.eventsMax = eventsMax
    }

    var wire: TopicRetentionFields {
        TopicRetentionFields(
            ageMillisecondsMax: ageMax.map { $0.milliseconds(max: WireLimits.durationMillisecondsMax) },
            bytesMax: bytesMax.map { UInt64(clamping: $0) }, eventsMax: eventsMax.map { UInt64(clamping: $0) })
    }
}

/// What a topic holds.
public struct TopicStatistics: Sendable, Equatable {
    public var name: String
    /// Held now.
    public var events: Int
    /// Of the records held.
    public var bytes: Int
    /// Of the oldest and the newest event held.
    public var earliest: TopicCursor
    public var latest: TopicCursor
    /// In all, also those that are no longer held.
    public var published: Int
    /// That match its name now.
    public var subscriptions: Int
    public var oldestAge: Duration
}

extension SpindleClient {
    /// Sets the retention of every topic, present or future, whose name matches; of several declarations that match a topic the one
    /// with the longest pattern holds. Permission: topicPublish.
    ///
    /// - Parameter pattern: `*` stands for any run of characters.
    /// - Throws: ``SpindleError``.
    @discardableResult
    public func declareTopics(matching pattern: String, retention: TopicRetention) async throws -> DeclareOutcome {
        try await call(.topicDeclare, on: link(for: pattern), afterLoss: .repeated) {
            TopicDeclareRequest(pattern: pattern, retention: retention.wire).encode(into: &$0)
        } decode: { body throws(WireError) in
            DeclareOutcome(try DeclareReply(body))
        }
    }

    /// The topics whose names match, by name. Permission: topicSubscribe on those that are shown.
    ///
    /// - Parameter pattern: `*` stands for any run of characters.
    /// - Throws: ``SpindleError``.
    public func topicStatistics(matching pattern: String = "*") async throws -> [TopicStatistics] {
        var topics: [TopicStatistics] = []
        let link = anyLink()
        while true {
            let after = topics.last?.name ?? ""
            let reply = try await call(.topicStats, on: link, afterLoss: .repeated) {
                TopicStatsRequest(pattern: pattern, after: after).encode(into: &$0)
            } decode: { body throws(WireError) in
                try TopicStatsReply(body)
            }
            topics += reply.topics.map { TopicStatistics($0, epoch: reply.epoch) }
            // A page that is empty or does not go on would be asked for again and again.
            guard reply.moreFollow, let last = topics.last?.name, last > after else { return topics }
        }
    }
}

extension DeclareOutcome {
    init(_ reply: DeclareReply) {
        switch reply.outcome {
        case .unchanged: self = .unchanged
        case .created: self = .created
        case .changed: self = .changed
        }
    }
}

extension TopicStatistics {
    init(_ wire: TopicStatsReply.Topic, epoch: UInt64) {
        self.init(
            name: wire.name, events: Int(clamping: wire.events), bytes: Int(clamping: wire.bytes),
            earliest: TopicCursor(epoch: epoch, offset: wire.earliestOffset), latest: TopicCursor(epoch: epoch, offset: wire.latestOffset),
            published: Int(clamping: wire.published), subscriptions: Int(clamping: wire.subscriptions),
            oldestAge: .milliseconds(Int64(clamping: wire.oldestAgeMilliseconds)))
    }
}
