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

    /// At most 32, with the hubs.
    package var streams: [Stream]
    /// SignalR hubs below `/hubs/`. Their numbers follow those of the streams.
    package var hubs: [Stream]
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

    package init(streams: [Stream], hubs: [Stream] = []) {
        precondition(streams.count + hubs.count <= 32, "a stream is a bit of a 32-bit mask")
        self.streams = streams
        self.hubs = hubs
    }

    /// Streams and hubs, by their numbers.
    var all: [Stream] { streams + hubs }

    /// All topics of all streams, for one subscription.
    package var pattern: String {
        var topics: [String] = []
        for topic in all.flatMap(\.topics) where !topics.contains(topic) { topics.append(topic) }
        return topics.joined(separator: ",")
    }

    /// Bit n: stream n shows the topic.
    func mask(of topic: String) -> UInt32 {
        let all = all
        return all.indices.reduce(0) { all[$1].topics.contains(topic) ? $0 | 1 << UInt32($1) : $0 }
    }
}
