import Logging
import SpindleBroker
import SpindleCluster
import SpindleLog
import SpindleNode
import SpindleText
import SpindleWire

/// What a broker is told, from the description of its cluster.
struct BrokerSetup {
    let cluster: ClusterConfiguration
    let broker: SpindleCluster.BrokerConfiguration
    let logger: Logger

    func configuration() throws -> SpindleBroker.BrokerConfiguration {
        var limits = SpindleBroker.BrokerLimits()
        limits.connectionsMax = broker.limits.connections
        limits.frameBytesMax = broker.limits.frameBytes
        limits.inFlightMax = broker.limits.inFlight
        limits.outputBytesMax = broker.limits.outputBuffer
        limits.outputBytesPauseReading = min(limits.outputBytesPauseReading, limits.outputBytesMax)
        var configuration = SpindleBroker.BrokerConfiguration(
            dataDirectory: cluster.dataDirectory, serverName: broker.name, listeners: listeners, limits: limits, queues: try queues(),
            principals: cluster.principals.map(principal))
        configuration.operations = broker.ports.operations.map { OperationsListener(host: broker.listen.operations, port: $0) }
        try setLog(&configuration)
        configuration.topicEventsMax = cluster.topicDefaults.count ?? configuration.topicEventsMax
        if let age = cluster.topicDefaults.age { configuration.topicRetentionMilliseconds = Self.milliseconds(age) }
        return configuration
    }

    private func setLog(_ configuration: inout SpindleBroker.BrokerConfiguration) throws {
        if let segment = broker.log.segment {
            configuration.log.segmentBytes = UInt64(segment)
            configuration.log.entryBytesMax = min(configuration.log.entryBytesMax, EntryHeader.payloadBytesLimit(segmentBytes: UInt64(segment)))
        }
        if let interval = broker.log.checkpointEvery { configuration.checkpointIntervalBytes = UInt64(interval) }
        if let free = broker.log.keepFree { configuration.log.freeBytesKept = UInt64(free) }
        // What one frame asks for is one entry of the log, and a little more than the frame.
        let frameBytesMax = configuration.log.entryBytesMax / 5 * 4
        guard broker.limits.frameBytes <= frameBytesMax else {
            throw CommandFailure(
                "the broker “\(broker.name)” would take frames of \(broker.limits.frameBytes) bytes, and its log has room for \(frameBytesMax).",
                advice: "Make limits.frameBytes smaller, or log.segment larger.")
        }
    }

    private var listeners: [BrokerListener] {
        var listeners: [BrokerListener] = []
        if let port = broker.ports.plain {
            listeners.append(BrokerListener(host: broker.listen.plain, port: port, allowPlaintext: broker.allowPlaintext))
        }
        if let port = broker.ports.tls, let tls = broker.tls {
            let files = BrokerTLS(
                certificateFile: cluster.resolve(tls.certificate), keyFile: cluster.resolve(tls.key), clientAuthorityFile: cluster.resolve(tls.authority))
            listeners.append(BrokerListener(host: broker.listen.tls, port: port, tls: files))
        }
        return listeners
    }

    private func principal(_ configured: PrincipalConfiguration) -> BrokerPrincipal {
        let permissions = configured.permissions
        let principal = Principal(
            name: configured.name, publish: permissions.publish, lease: permissions.lease,
            read: permissions.read, admin: permissions.admin, topicPublish: permissions.topicPublish,
            topicSubscribe: permissions.topicSubscribe)
        return BrokerPrincipal(principal: principal, certificateNames: [configured.certificateName].compactMap(\.self))
    }

    private func queues() throws -> [DeclaredQueue] {
        try UnsupportedSettings(cluster).refuse()
        return cluster.queues.map { DeclaredQueue(name: $0.name, policy: Self.fields($0.policy)) }
    }

    private static func fields(_ policy: QueuePolicyConfiguration) -> QueuePolicyFields {
        var fields = QueuePolicyFields()
        fields.leaseMilliseconds = milliseconds(policy.leaseDuration)
        fields.leaseMillisecondsMax = milliseconds(policy.leaseDurationMax)
        fields.attemptsMax = UInt64(clamping: policy.attemptsMax)
        fields.backoffKind = policy.backoff.kind == .fixed ? 0 : 1
        fields.backoffInitialMilliseconds = milliseconds(policy.backoff.initial)
        fields.backoffCapMilliseconds = milliseconds(policy.backoff.cap)
        fields.backoffJitterPercent = UInt64(clamping: Int((policy.backoff.jitter * 100).rounded()))
        fields.deadLetterQueue = policy.deadLetterQueue ?? ""
        fields.delayMilliseconds = milliseconds(policy.delay)
        fields.lengthMax = UInt64(clamping: policy.lengthMax ?? 0)
        fields.bytesMax = UInt64(clamping: policy.bytesMax ?? 0)
        fields.deduplicationWindowMilliseconds = policy.dedupWindow.map(milliseconds) ?? 0
        fields.timeToLiveMilliseconds = policy.timeToLive.map(milliseconds) ?? 0
        fields.orderedGroups = policy.orderedGroups ? 1 : 0
        fields.fairGroups = policy.fairGroups ? 1 : 0
        fields.priorities = policy.priorities ? 1 : 0
        fields.concurrencyMax = UInt64(clamping: policy.concurrency ?? 0)
        fields.concurrencyPerGroupMax = UInt64(clamping: policy.concurrencyPerKey ?? 0)
        fields.ratePerSecondMax = UInt64(clamping: policy.ratePerSecond ?? 0)
        fields.ratePerSecondPerGroupMax = UInt64(clamping: policy.ratePerSecondPerKey ?? 0)
        fields.resultRetentionMilliseconds = policy.resultRetention.map(milliseconds) ?? 0
        return fields
    }

    private static func milliseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(clamping: seconds) * 1000 + UInt64(clamping: attoseconds / 1_000_000_000_000_000)
    }
}
