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
        var configuration = SpindleBroker.BrokerConfiguration(
            dataDirectory: cluster.dataDirectory, serverName: broker.name, listeners: listeners, limits: limits,
            queues: cluster.queues.map { DeclaredQueue(name: $0.name, policy: $0.policy) },
            principals: cluster.principals.map(principal))
        configuration.operations = broker.ports.operations.map { OperationsListener(host: broker.listen.operations, port: $0, allowPlaintext: broker.allowPlaintext) }
        let revoked = revocationFile
        configuration.revokedKeys = { try RevocationList(file: revoked).keyDigests }
        configuration.newQueues = newQueues
        setLog(&configuration)
        let history = Self.retention(cluster.topicDefaults)
        configuration.topicEventsMax = Int(clamping: history.eventsMax ?? 0)
        configuration.topicBytesMax = history.bytesMax ?? 0
        configuration.topicRetentionMilliseconds = history.ageMillisecondsMax ?? 0
        configuration.topics = cluster.topics.map { DeclaredTopic(pattern: $0.pattern.description, retention: Self.retention($0.retention)) }
        return configuration
    }

    /// Whose certificates are refused.
    var revocationFile: String { DataDirectory(path: cluster.dataDirectory).tlsDirectory + "/" + RevocationList.fileName }

    private func setLog(_ configuration: inout SpindleBroker.BrokerConfiguration) {
        if let segment = broker.log.segment {
            configuration.log.segmentBytes = UInt64(segment)
            configuration.log.entryBytesMax = min(configuration.log.entryBytesMax, EntryHeader.payloadBytesLimit(segmentBytes: UInt64(segment)))
        }
        if let interval = broker.log.checkpointEvery { configuration.checkpointIntervalBytes = UInt64(interval) }
        if let free = broker.log.keepFree { configuration.log.freeBytesKept = UInt64(free) }
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
            topicSubscribe: permissions.topicSubscribe, actFor: permissions.actFor, quota: quota(configured.quotas))
        return BrokerPrincipal(principal: principal, certificateNames: [configured.certificateName].compactMap(\.self))
    }

    private func quota(_ configured: QuotaConfiguration) -> PrincipalQuota {
        var quota = PrincipalQuota()
        // Whatever the broker's limit is, one principal leaves room for others.
        quota.connections = configured.connections ?? max(1, broker.limits.connections / 2)
        if let requests = configured.requests { quota.requests = requests }
        if let bytes = configured.bytesInFlight { quota.bytesInFlight = bytes }
        if let leases = configured.leases { quota.leases = leases }
        if let subscriptions = configured.subscriptions { quota.subscriptions = subscriptions }
        if let waits = configured.waits { quota.waits = waits }
        return quota
    }

    private static func retention(_ configured: TopicRetentionConfiguration) -> TopicRetentionFields {
        TopicRetentionFields(
            ageMillisecondsMax: configured.age.map(milliseconds) ?? 0, bytesMax: UInt64(clamping: configured.bytes ?? 0),
            eventsMax: UInt64(clamping: configured.count ?? 0))
    }

    /// What a queue starts from that a client declares.
    private var newQueues: NewQueueDefaults {
        var defaults = NewQueueDefaults()
        defaults.policy = cluster.queueDefaults.queue
        defaults.policy.deadLetterQueue = nil
        defaults.deadLetterQueue = cluster.queueDefaults.queue.deadLetterQueue ?? ""
        defaults.deadLetterPolicy = cluster.queueDefaults.deadLetterQueue
        return defaults
    }

    private static func milliseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(clamping: seconds) * 1000 + UInt64(clamping: attoseconds / 1_000_000_000_000_000)
    }
}
