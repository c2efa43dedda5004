package import SpindleText

/// What `cluster-config/*.yaml` describes: who runs where, which queues and topics exist, who may do what.
///
/// Everything in it was checked: names are unique, references lead somewhere, numbers are in their range.
package struct ClusterConfiguration: Sendable, Equatable {
    /// The cluster's name, for logs and the console.
    package var name: String
    /// The folder that relative paths are taken from. May itself be relative, to the current folder.
    package var dataDirectory: String
    package var hosts: [HostConfiguration]
    package var brokers: [BrokerConfiguration]
    /// What every queue starts from, also one that a client declares.
    package var queueDefaults: QueueDefaults
    /// Every queue of the first start: the declared ones in the order of the file, then the dead-letter queues that
    /// their policies imply.
    package var queues: [QueueConfiguration]
    package var topicDefaults: TopicRetentionConfiguration
    package var topics: [TopicConfiguration]
    package var principals: [PrincipalConfiguration]
    package var workers: [WorkerGroupConfiguration]
    package var domain: DomainConfiguration?
    package var files: FilesConfiguration?
    package var webs: [WebConfiguration]
    package var addin: AddinConfiguration?

    /// `path` as a path of the file system: absolute ones as they are, others under the data directory.
    /// - Parameter dataDirectory: overrides the file's, as `--data` does.
    package func resolve(_ path: String, dataDirectory override: String? = nil) -> String {
        path.hasPrefix("/") ? path : "\(override ?? dataDirectory)/\(path)"
    }

    /// The address of a host named in the file.
    package func address(ofHost name: String) -> String? {
        hosts.first { $0.name == name }?.address
    }
}

package struct HostConfiguration: Sendable, Equatable {
    package var name: String
    /// A host name or IP address by which the others reach it.
    package var address: String
}

package struct BrokerConfiguration: Sendable, Equatable {
    package var name: String
    package var host: String
    package var ports: BrokerPorts
    package var listen: BrokerListenAddresses
    /// Nil: no TLS port is opened.
    package var tls: TLSConfiguration?
    package var limits: BrokerLimits
    package var log: BrokerLogConfiguration
    /// True: the plaintext port and the operations port may be opened beyond loopback.
    package var allowPlaintext: Bool
}

/// Nil means that the port is not opened. With a port base N: N, N+1 and N+3 (N+2 is the web server's).
package struct BrokerPorts: Sendable, Equatable {
    package static let baseDefault = 7400
    /// The ports that follow the base: plaintext, TLS, web, operations.
    package static let span = 4

    package var plain: Int?
    package var tls: Int?
    /// HTTP: /metrics, /healthz, /readyz.
    package var operations: Int?
}

package struct BrokerListenAddresses: Sendable, Equatable {
    package var plain: String
    package var tls: String
    package var operations: String
}

/// PEM files, relative to the data directory unless absolute.
package struct TLSConfiguration: Sendable, Equatable {
    package var certificate: String
    package var key: String
    /// The authority whose certificates the other side may show.
    package var authority: String
}

package struct BrokerLimits: Sendable, Equatable {
    package var connections: Int
    /// The longest frame that is read, in bytes.
    package var frameBytes: Int
    /// Messages that one connection may hold leased.
    package var inFlight: Int
    /// Bytes that may wait for a client that reads slowly; past it, the connection is closed.
    package var outputBuffer: Int
}

/// The write-ahead log's files. Bytes; nil: the broker's own default.
package struct BrokerLogConfiguration: Sendable, Equatable {
    /// Of one file of the log. Takes effect when the log is made.
    package var segment: Int?
    /// A checkpoint is written when the log has grown by this much.
    package var checkpointEvery: Int?
    /// Of the disk, not taken for further segments.
    package var keepFree: Int?
}

/// Who may connect, and what they may do there. Patterns are over queue names and topic names.
package struct PrincipalConfiguration: Sendable, Equatable {
    package var name: String
    /// The common name of the client certificate by which the principal is known. Nil: by token only.
    package var certificateName: String?
    package var role: RoleConfiguration
    package var permissions: PermissionConfiguration
    package var quotas = QuotaConfiguration()
}

/// What a principal may have in use at once, over all its connections. Nil: the broker's default.
package struct QuotaConfiguration: Sendable, Equatable {
    package var connections: Int?
    package var requests: Int?
    /// Of requests that wait for an answer.
    package var bytesInFlight: Int?
    package var leases: Int?
    package var subscriptions: Int?
    /// LEASEs that wait, and awaited messages.
    package var waits: Int?
}

/// What a principal may do over HTTP. `docs/mcms.md` has the table of rights.
package enum RoleConfiguration: String, Sendable, Equatable, CaseIterable {
    case viewer, approver, `operator`, admin, addin, bff, none
}

package struct PermissionConfiguration: Sendable, Equatable {
    package var publish: [NamePattern] = []
    package var lease: [NamePattern] = []
    /// Figures, browsing, looking at one message.
    package var read: [NamePattern] = []
    /// Declaring, deleting, purging, pausing, cancelling, redriving.
    package var admin: [NamePattern] = []
    package var topicPublish: [NamePattern] = []
    package var topicSubscribe: [NamePattern] = []
    /// Whether it may make requests in the name of somebody else.
    package var actFor = false
}

package struct WorkerGroupConfiguration: Sendable, Equatable {
    package var name: String
    package var host: String
    package var principal: String
    package var queues: [String]
    /// Messages that one process handles at a time.
    package var concurrency: Int
    /// Processes of this group.
    package var processes: Int
}

/// What every web server and worker of the domain opens.
package struct DomainConfiguration: Sendable, Equatable {
    /// The SQLite file of the domain and its outbox.
    package var database: String
    package var approval: ApprovalConfiguration
    package var outbox = OutboxRetryConfiguration()
    /// How often output that is not on the share is looked for, before its job has failed.
    package var outputAttemptsMax = 3
    package var sessions = SessionConfiguration()
}

/// How long people stay signed in.
package struct SessionConfiguration: Sendable, Equatable {
    /// Without doing anything.
    package var idle = Duration.seconds(12 * 3_600)
    /// Whatever they do, but for an upload that is under way.
    package var absolute = Duration.seconds(30 * 24 * 3_600)
}

/// How often a relay publishes a row that the broker refuses, and after which pauses.
package struct OutboxRetryConfiguration: Sendable, Equatable {
    /// Then the row is dead.
    package var attemptsMax = 50
    package var initial = Duration.milliseconds(200)
    package var cap = Duration.seconds(300)
}

/// Who may approve a routing.
package enum ApprovalConfiguration: String, Sendable, Equatable, CaseIterable {
    /// Also those who created or submitted it.
    case anyone
    case fourEyes
}

/// The folders of the domain's files.
package struct FilesConfiguration: Sendable, Equatable {
    /// The hosts that see these folders. Web servers, workers and the simulated add-in run only there.
    package var hosts: [String]
    /// What people know as `W:\`.
    package var share: String
    /// What Windows calls the share's root: drives, UNC prefixes.
    package var windowsRoots = [#"W:\"#]
    /// Where uploads are staged, and payloads and refs are kept.
    package var store = "files"
    /// Where payloads are kept instead; nil: in ``store``.
    package var objectStore: ObjectStoreConfiguration?
    /// The largest file that is taken, in bytes.
    package var uploadMax = 20 << 30
    /// Bytes of the store's disk that files never take: the broker's log and the databases may be on it too.
    package var keepFree = 1 << 30
    /// An upload that stands still for so long is given up.
    package var uploadExpiry = Duration.seconds(7 * 24 * 3_600)
    /// Uploads of one principal that lack bytes.
    package var uploadsOpenMax = 1_000
    /// A payload that nothing refers to is kept for so long.
    package var garbageGrace = Duration.seconds(24 * 3_600)
    /// A file whose bytes are not what came is looked at again so often.
    package var retriesMax = 5
    /// Nil: not decided, and uploads wait.
    package var scanner: ScannerConfiguration?
}

/// Who looks for viruses in uploads.
package enum ScannerConfiguration: Sendable, Equatable {
    /// `none`: switched off knowingly.
    case off
    case clamd(ClamdConfiguration, ScanRetryConfiguration)
    case http(HTTPScannerConfiguration, ScanRetryConfiguration)
}

package struct ClamdConfiguration: Sendable, Equatable {
    /// `host:port`, or the path of a socket.
    package var address: String
    /// Sent as one stream, in bytes; below clamd's own limits.
    package var window = 1 << 30
    /// What two windows have in common, in bytes; longer than a signature.
    package var overlap = 1 << 20
    /// For each answer; below clamd's MaxScanTime.
    package var timeout = Duration.seconds(100)
}

package struct HTTPScannerConfiguration: Sendable, Equatable {
    package var url: String
    /// Text of an answer that means: nothing found.
    package var clean = "clean"
    package var infected = "infected"
    /// A file whose line is sent in `tokenHeader`.
    package var tokenFile: String?
    package var tokenHeader = "Authorization"
    package var timeout = Duration.seconds(600)
    /// Larger files can't be scanned, in bytes; nil: the scanner takes any.
    package var bytesMax: Int?
}

package struct ScanRetryConfiguration: Sendable, Equatable {
    /// Answers without a verdict, before the file is quarantined as `scan-failed`.
    package var attemptsMax = 3
    /// How long a file waits for a scanner that does not answer before operators are told.
    package var alertAfter = Duration.seconds(600)
}

/// A web server: the domain's HTTP API, the console, and the bridge to browsers.
package struct WebConfiguration: Sendable, Equatable {
    package var name: String
    package var host: String
    package var principal: String
    package var port: Int
    package var listen: String
    /// Nil: plain HTTP.
    package var tls: WebTLSConfiguration?
    /// A port in the clear that explains at `/trust` how to trust the server, and leads to HTTPS. Nil: none.
    package var redirectPort: Int?
    /// True: plain HTTP may be served beyond loopback.
    package var allowPlaintext: Bool
    /// True: the user of this machine who opens the page is signed in without a token, as ``principal``. On loopback only.
    package var signInVisitors: Bool
    /// Origins under which browsers reach this server through a proxy, such as `https://mcms.example.lan`.
    package var origins: [String]
}

/// PEM files of an HTTPS server, relative to the data directory unless absolute.
package struct WebTLSConfiguration: Sendable, Equatable {
    package var certificate: String
    package var key: String
}

/// The simulated ESPRIT add-in.
package struct AddinConfiguration: Sendable, Equatable {
    package var enabled: Bool
    package var host: String
    package var principal: String
    package var queue: String
    package var resultQueue: String
    /// How long it pretends to work on one command.
    package var workDuration: Duration
    /// The share of commands that it answers with a failure.
    package var failureRatio: Double
    /// When it dies, its command is ready again this soon.
    package var lease: Duration
}
