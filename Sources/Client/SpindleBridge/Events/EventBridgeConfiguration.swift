import SpindleText

/// What the bridge serves, and its limits.
package struct EventBridgeConfiguration: Sendable {
    /// One path below `/events/`, and the topics that it shows.
    package struct Stream: Sendable, Hashable {
        package var name: String
        package var topics: [String]

        package init(_ name: String, topics: [String]) {
            self.name = name
            self.topics = topics
        }
    }

    /// Short names for topics that go together. Streams and hubs have at most ``topicsMax`` topics.
    package var streams: [Stream]
    /// SignalR hubs below `/hubs/`. Their numbers follow those of the streams.
    package var hubs: [Stream]
    /// Topics of which a client that lags gets the latest only.
    package var progress: [EventProgress] = []
    /// Patterns that a client may name at once.
    package var patternsMax = 32
    /// The realm of its authentication, and the name space of the types of its problems.
    package var namespace = "spindle"
    /// A `ping` after this long without another event.
    package var heartbeatMilliseconds: Int64 = 20_000
    /// A stream ends by plan after a time between these two, so that it is not cut at a worse moment, and not all at once.
    package var rotationMilliseconds: ClosedRange<Int64> = 900_000...1_800_000
    /// What the client waits before it connects again: between these two.
    package var retryMilliseconds: ClosedRange<Int64> = 1_000...3_000
    /// How often the right to listen is checked again.
    package var recheckMilliseconds: Int64 = 60_000
    package var clientsMax = 16_000
    /// Of one caller: others find room whatever one principal does.
    package var clientsPerCallerMax = 500
    /// Recent events that are kept in memory for clients that come back, and for those that lag.
    package var ringEventsMax = 4_096
    package var ringBytesMax = 8 * 1_024 * 1_024
    /// Bytes that may gather while a client does not take what it is being sent; then it is disconnected. It comes back by its cursor.
    package var clientBacklogBytesMax = 1_024 * 1_024
    /// A client that takes this long for one write is disconnected.
    package var writeTimeoutMilliseconds: Int64 = 60_000
    /// An event over this is not for browsers: they get a gap in its place.
    package var eventBytesMax = 256 * 1_024
    /// Written to a client at a time.
    package var batchBytesMax = 64 * 1_024
    /// Subscriptions that read history for clients whose cursor is older than the ring. Clients with the same or a later cursor share one.
    package var replaysMax = 64
    package var replayBytesMax = 512 * 1_024
    /// A client that is further behind gets a gap and goes on with what is new.
    package var replayEventsMax = 10_000
    /// How often timers are looked at.
    package var tickMilliseconds: Int64 = 1_000

    /// A topic is a bit of a mask.
    package static let topicsMax = 64

    package init(streams: [Stream], hubs: [Stream] = []) {
        self.streams = streams
        self.hubs = hubs
        precondition(topics.count <= Self.topicsMax, "a topic is a bit of a 64-bit mask")
    }

    /// Streams and hubs, by their numbers.
    var all: [Stream] { streams + hubs }

    /// All topics of all streams and hubs: what a client may ask for.
    package var topics: [String] {
        var topics: [String] = []
        for topic in all.flatMap(\.topics) where !topics.contains(topic) { topics.append(topic) }
        return topics
    }

    /// For one subscription to all of them.
    package var pattern: String { topics.joined(separator: ",") }

    /// Bit n: topic n.
    func mask(of names: [String]) -> UInt64 {
        topics.enumerated().reduce(0) { names.contains($1.element) ? $0 | 1 << UInt64($1.offset) : $0 }
    }

    /// Reads the topics that a client asks for: names or patterns, with commas between.
    package func topics(matching text: String) throws(TopicsUnknown) -> [String] {
        let patterns = text.split(separator: ",", omittingEmptySubsequences: false)
        guard patterns.count <= patternsMax else {
            throw TopicsUnknown(what: "\(patterns.count) topics are named, and at most \(patternsMax) can be")
        }
        let topics = self.topics
        var found: Set<String> = []
        for text in patterns {
            guard let pattern = NamePattern(checked: String(text)) else {
                throw TopicsUnknown(what: "“\(text.prefix(100))” is neither a topic's name nor a pattern with *")
            }
            let matching = topics.filter { pattern.matches($0) }
            guard !matching.isEmpty else { throw TopicsUnknown(what: "there is no topic “\(pattern)” here") }
            found.formUnion(matching)
        }
        return topics.filter { found.contains($0) }
    }

    package struct TopicsUnknown: Error {
        let what: String
    }
}
