/// How a client reaches its broker and behaves towards it.
public struct ClientConfiguration: Sendable {
    /// Where a broker listens.
    public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
        /// A name or an address.
        public var host: String
        public var port: Int
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
        public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// TLS with full verification: the chain, and the name or address that was connected to.
    public struct TLS: Sendable, Hashable {
        /// PEM file of the authorities that are trusted, as `spindle cert init` writes it; nil: those of the system.
        public var caFile: String?
        /// PEM file of the client's certificate chain.
        public var certificateFile: String?
        /// PEM file of its key.
        public var keyFile: String?
        /// The name that the certificate must carry; nil: the endpoint's host.
        public var serverName: String?
        public init(caFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil, serverName: String? = nil) {
            self.caFile = caFile
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.serverName = serverName
        }
    }

    public enum Credential: Sendable, Hashable, CustomStringConvertible {
        case token(String)
        /// The certificate of ``TLS-swift.struct`` says who the client is.
        case clientCertificate
        /// A mechanism that both sides know proves who the client is.
        case mechanism(any CredentialMechanism)

        /// Never the token itself: configurations end up in logs.
        public var description: String {
            switch self {
            case .token: "token(…)"
            case .clientCertificate: "clientCertificate"
            case .mechanism(let mechanism): "mechanism(\(mechanism.name))"
            }
        }

        public static func == (a: Credential, b: Credential) -> Bool {
            switch (a, b) {
            case (.token(let a), .token(let b)): a == b
            case (.clientCertificate, .clientCertificate): true
            case (.mechanism(let a), .mechanism(let b)): AnyHashable(a) == AnyHashable(b)
            case (.token, _), (.clientCertificate, _), (.mechanism, _): false
            }
        }

        public func hash(into hasher: inout Hasher) {
            switch self {
            case .token(let token): hasher.combine(token)
            case .clientCertificate: hasher.combine(1)
            case .mechanism(let mechanism): hasher.combine(AnyHashable(mechanism))
            }
        }
    }

    /// Waits between attempts to connect: exponential with full jitter.
    public struct Backoff: Sendable, Hashable {
        public var initial: Duration
        public var cap: Duration
        public init(initial: Duration = .milliseconds(50), cap: Duration = .seconds(5)) {
            self.initial = initial
            self.cap = cap
        }
    }

    /// Tried in turn.
    public var endpoints: [Endpoint]
    public var tls: TLS?
    public var credential: Credential
    /// Shown to operators; up to 255 bytes.
    public var clientName: String
    /// Facts about this process that operators see; up to 32.
    public var labels: [Message.UserHeader]
    /// Connections. All requests that name the same queue or topic go over the same one.
    public var poolSize: Int
    /// A connection that hears nothing for this long is closed; the broker's own setting counts where it is shorter.
    public var heartbeat: Duration
    /// For connecting, TLS, HELLO and AUTH together.
    public var connectTimeout: Duration
    /// For a request to be answered, waiting for a connection and repetitions included; a LEASE has its wait in addition.
    public var requestTimeout: Duration
    /// Unanswered requests per connection; the broker's own setting counts where it is smaller.
    public var inFlightMax: Int
    /// Requests per connection that wait for their turn; more are refused with ``SpindleError/Code/tooManyInFlight``.
    public var waitingMax: Int
    /// Bodies of at least this many bytes are compressed (LZ4) where that makes them smaller; nil: never.
    public var compressionThreshold: Int?
    /// False: the broker gives this client no compressed body, and takes none of it. The messages of producers that compress can't be read
    /// then: ``SpindleError/Code/recordCompressed``.
    public var acceptsCompression = true
    public var backoff: Backoff
    /// The clock on which leases run: ``BootTime``, or a test's.
    package var bootNanoseconds: @Sendable () -> UInt64 = BootTime.nanoseconds

    public init(
        endpoints: [Endpoint], credential: Credential, tls: TLS? = nil, clientName: String = "spindle-swift",
        labels: [Message.UserHeader] = [], poolSize: Int = 1, heartbeat: Duration = .seconds(10), connectTimeout: Duration = .seconds(5),
        requestTimeout: Duration = .seconds(30), inFlightMax: Int = 1024, waitingMax: Int = 65_536,
        compressionThreshold: Int? = 16 * 1024, backoff: Backoff = Backoff()
    ) {
        self.endpoints = endpoints
        self.credential = credential
        self.tls = tls
        self.clientName = clientName
        self.labels = labels
        self.poolSize = poolSize
        self.heartbeat = heartbeat
        self.connectTimeout = connectTimeout
        self.requestTimeout = requestTimeout
        self.inFlightMax = inFlightMax
        self.waitingMax = waitingMax
        self.compressionThreshold = compressionThreshold
        self.backoff = backoff
    }

    /// What is compressed.
    var ownCompressionThreshold: Int? { acceptsCompression ? compressionThreshold : nil }

    /// One broker.
    public init(host: String, port: Int, credential: Credential, tls: TLS? = nil, clientName: String = "spindle-swift") {
        self.init(endpoints: [Endpoint(host: host, port: port)], credential: credential, tls: tls, clientName: clientName)
    }
}
