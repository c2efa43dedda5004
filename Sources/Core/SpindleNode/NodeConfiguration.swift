package import SpindleQueue
package import SpindleWire

/// What a node must be told from outside; the rest it decides alone.
package struct NodeConfiguration: Sendable {
    /// Smallest frame cap that can be configured, bytes: half of it for what goes with a record.
    package static let frameBytesMin = FlowLimits.frameBytesMin

    /// Shown in HELLO's reply.
    package var serverName: String
    package var serverVersion: String
    /// Sixteen bytes: the log's UUID. Its first eight are the epoch of topic cursors.
    package var serverID: [UInt8]
    /// Largest frame after authentication, bytes.
    package var frameBytesMax: Int
    /// Requests of one session that wait for an answer at once; more are refused with TOO_MANY_IN_FLIGHT.
    package var inFlightMax: Int
    /// Output of one session that may wait for it, bytes. Announced to clients. One frame always goes, however large.
    package var outputWindowBytes: Int
    /// Output of all sessions together that may wait, bytes.
    package var outputBudgetBytes: Int
    /// Announced to clients; the shell watches it.
    package var heartbeatMilliseconds: UInt32
    /// Queues that one node holds at most.
    package var queuesMax: Int
    /// Topics that one node holds at most.
    package var topicsMax: Int
    /// Events kept per topic; 0: without limit.
    package var topicEventsMax: Int
    /// How long events are kept, milliseconds; 0: without limit.
    package var topicRetentionMilliseconds: UInt64
    /// Bytes kept per topic; 0: without limit.
    package var topicBytesMax: UInt64 = 0
    /// What queues start from.
    package var newQueues = NewQueueDefaults()
    /// What the state may hold, whatever else is configured.
    package var limits = EngineLimits.standard

    package init(
        serverName: String = "spindle", serverVersion: String, serverID: [UInt8], frameBytesMax: Int = 4 * 1024 * 1024,
        inFlightMax: Int = 8192, heartbeatMilliseconds: UInt32 = 15_000, queuesMax: Int = 50_000, topicsMax: Int = 10_000,
        topicEventsMax: Int = 10_000, topicRetentionMilliseconds: UInt64 = 24 * 3600 * 1000, outputWindowBytes: Int = 8 << 20,
        outputBudgetBytes: Int = 256 << 20
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
        self.outputWindowBytes = outputWindowBytes
        self.outputBudgetBytes = outputBudgetBytes
    }
}

/// What a queue has where the one who declares it says nothing.
package struct NewQueueDefaults: Sendable, Equatable {
    /// Stands for the queue's own name in ``deadLetterQueue``.
    package static let nameMark = "{queue}"
    /// Queues with such a name collect dead letters, and have no dead-letter queue of their own unless one is named.
    package static let deadLetterSuffix = ".dead"

    /// The settings that differ from the table's defaults; not the dead-letter queue.
    package var policy = QueuePolicyFields()
    /// The dead-letter queue's name; empty: none.
    package var deadLetterQueue = nameMark + deadLetterSuffix
    /// What differs for a dead-letter queue that is made because another queue names it.
    package var deadLetterPolicy: QueuePolicyFields

    package init() {
        deadLetterPolicy = QueuePolicyFields()
        deadLetterPolicy.attemptsMax = 0
    }

    func deadLetterQueue(of name: String) -> String {
        let own = deadLetterQueue.split(separator: Self.nameMark, omittingEmptySubsequences: false).joined(separator: name)
        return name.hasSuffix(Self.deadLetterSuffix) || own == name ? "" : own
    }
}
