internal import SpindleWire

/// What a node must be told from outside; the rest it decides alone.
package struct NodeConfiguration: Sendable {
    /// Smallest frame cap that can be configured, bytes: half of it for what goes with a record.
    package static let frameBytesMin = 2 * WireLimits.recordOverheadBytesMax

    /// Shown in HELLO's reply.
    package var serverName: String
    package var serverVersion: String
    /// Sixteen bytes: the log's UUID. Its first eight are the epoch of topic cursors.
    package var serverID: [UInt8]
    /// Largest frame after authentication, bytes.
    package var frameBytesMax: Int
    /// Requests of one session that wait for an answer at once; more are refused with TOO_MANY_IN_FLIGHT.
    package var inFlightMax: Int
    /// Announced to clients; the shell watches it.
    package var heartbeatMilliseconds: UInt32
    /// Queues that one node holds at most.
    package var queuesMax: Int
    /// Topics that one node holds at most.
    package var topicsMax: Int
    /// Events kept per topic.
    package var topicEventsMax: Int
    /// How long events are kept, milliseconds.
    package var topicRetentionMilliseconds: UInt64

    package init(
        serverName: String = "spindle", serverVersion: String, serverID: [UInt8], frameBytesMax: Int = 4 * 1024 * 1024,
        inFlightMax: Int = 8192, heartbeatMilliseconds: UInt32 = 15_000, queuesMax: Int = 50_000, topicsMax: Int = 10_000,
        topicEventsMax: Int = 10_000, topicRetentionMilliseconds: UInt64 = 24 * 3600 * 1000
    ) {
        self.serverName = serverName
        self.serverVersion = serverVersion
        self.serverID = serverID
        self.frameBytesMax = frameBytesMax
        self.inFlightMax = inFlightMax
        self.heartbeatMilliseconds = heartbeatMilliseconds
        self.queuesMax = queuesMax
        self.topicsMax = topicsMax
        self.topicEventsMax = topicEventsMax
        self.topicRetentionMilliseconds = topicRetentionMilliseconds
    }
}
