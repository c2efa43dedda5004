package import SpindleLog
package import SpindleNode
import SpindleText
package import SpindleWire

/// Everything that a broker is told from outside. The defaults suit one machine and a first trial.
package struct BrokerConfiguration: Sendable {
    /// The log is kept in `DIR/broker/log`, the tokens in `DIR/tokens`. Made if it is not there.
    package var dataDirectory: String
    /// Shown in HELLO's reply.
    package var serverName: String
    package var serverVersion: String
    /// Where clients connect; at least one.
    package var listeners: [BrokerListener]
    /// Where `/metrics`, `/healthz` and `/readyz` are served; nil for nowhere.
    package var operations: OperationsListener?
    package var limits: BrokerLimits
    /// Declared at every start; settings that a client changed since are set again.
    package var queues: [DeclaredQueue]
    /// What a queue starts from that a client declares.
    package var newQueues = NewQueueDefaults()
    /// Declared at every start, like the queues.
    package var topics: [DeclaredTopic] = []
    package var principals: [BrokerPrincipal]
    /// Ways to authenticate besides tokens and certificates. The broker that is shipped has none.
    package var mechanisms: [any AuthenticationMechanism] = []
    /// Reads which client certificates are refused: the SHA-256 of their public keys (SubjectPublicKeyInfo, DER), in lowercase hexadecimal
    /// digits. Called at the start and at each reload.
    package var revokedKeys: @Sendable () throws -> Set<String> = { [] }
    /// Limits of the log; its segment size takes effect when the log is made.
    package var log: LogConfiguration
    /// A checkpoint is written when the log has grown by so many bytes since the last.
    package var checkpointIntervalBytes: UInt64
    package var commit: CommitPolicy
    package var upkeep = LogUpkeepPolicy()
    /// How long a stop waits for clients to finish what they hold, milliseconds.
    package var shutdownGraceMilliseconds: UInt32
    /// Of topics that no declared pattern matches: events and bytes kept for each, and for how long; 0: without limit.
    package var topicEventsMax: Int
    package var topicBytesMax: UInt64 = 0
    package var topicRetentionMilliseconds: UInt64

    package init(
        dataDirectory: String, serverName: String = "spindle", serverVersion: String = SpindleVersion.current,
        listeners: [BrokerListener] = [.init(host: "127.0.0.1", port: 7411)], operations: OperationsListener? = nil,
        limits: BrokerLimits = BrokerLimits(), queues: [DeclaredQueue] = [],
        principals: [BrokerPrincipal] = [.administrator], log: LogConfiguration = LogConfiguration(),
        checkpointIntervalBytes: UInt64 = 256 << 20, commit: CommitPolicy = CommitPolicy(),
        shutdownGraceMilliseconds: UInt32 = 5_000, topicEventsMax: Int = 10_000,
        topicRetentionMilliseconds: UInt64 = 24 * 3600 * 1000
    ) {
        self.dataDirectory = dataDirectory
        self.serverName = serverName
        self.serverVersion = serverVersion
        self.listeners = listeners
        self.operations = operations
        self.limits = limits
        self.queues = queues
        self.principals = principals
        self.log = log
        self.checkpointIntervalBytes = checkpointIntervalBytes
        self.commit = commit
        self.shutdownGraceMilliseconds = shutdownGraceMilliseconds
        self.topicEventsMax = topicEventsMax
        self.topicRetentionMilliseconds = topicRetentionMilliseconds
    }

    package var logDirectory: String { dataDirectory + "/broker/log" }
    package var tokenDirectory: String { dataDirectory + "/tokens" }
}

/// One address on which the broker protocol is spoken.
package struct BrokerListener: Sendable {
    package var host: String
    /// 0: any free port; ``Broker/ports`` tells which.
    package var port: Int
    /// nil: plaintext.
    package var tls: BrokerTLS?
    /// Plaintext on an address that other machines can reach is refused unless this is set.
    package var allowPlaintext: Bool

    package init(host: String, port: Int, tls: BrokerTLS? = nil, allowPlaintext: Bool = false) {
        self.host = host
        self.port = port
        self.tls = tls
        self.allowPlaintext = allowPlaintext
    }
}

/// PEM files of a TLS listener.
package struct BrokerTLS: Sendable {
    /// The server's certificate, the chain below it.
    package var certificateFile: String
    package var keyFile: String
    /// Certificates that sign clients' ones; nil: clients authenticate by token only.
    package var clientAuthorityFile: String?

    package init(certificateFile: String, keyFile: String, clientAuthorityFile: String? = nil) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.clientAuthorityFile = clientAuthorityFile
    }
}

/// Where operators' HTTP requests are answered. It shows names of queues and no messages, asks for no credential, and so
/// belongs on a loopback or operators' address.
package struct OperationsListener: Sendable {
    package var host: String
    package var port: Int
    /// An address that other machines can reach is refused unless this is set: it is plain HTTP.
    package var allowPlaintext: Bool
    package init(host: String = "127.0.0.1", port: Int, allowPlaintext: Bool = false) {
        self.host = host
        self.port = port
        self.allowPlaintext = allowPlaintext
    }
}

/// A queue that is there from the start.
package struct DeclaredQueue: Sendable {
    package var name: String
    package var policy: QueuePolicyFields
    package init(name: String, policy: QueuePolicyFields = QueuePolicyFields()) {
        self.name = name
        self.policy = policy
    }
}

/// How much history the topics of a pattern keep.
package struct DeclaredTopic: Sendable {
    package var pattern: String
    package var retention: TopicRetentionFields
    package init(pattern: String, retention: TopicRetentionFields) {
        self.pattern = pattern
        self.retention = retention
    }
}

/// One who may connect, and how such a one is known: by the token in `DIR/tokens/NAME`, or by a client certificate.
package struct BrokerPrincipal: Sendable {
    package var principal: Principal
    /// Common names of client certificates that speak for this principal. Exact; no patterns.
    package var certificateNames: [String]

    package init(principal: Principal, certificateNames: [String] = []) {
        self.principal = principal
        self.certificateNames = certificateNames
    }

    /// `admin`, who may do everything.
    package static var administrator: BrokerPrincipal {
        let all = [NamePattern("*")]
        return BrokerPrincipal(
            principal: Principal(
                name: "admin", publish: all, lease: all, read: all, admin: all, topicPublish: all, topicSubscribe: all))
    }
}
