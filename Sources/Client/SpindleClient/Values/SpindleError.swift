internal import SpindleWire

/// Why a request failed: a code to act on, a sentence to read, and what it spoiled.
///
/// Source of the broker's codes: `protocol/README.md`, "Errors". Codes from 0x8000 on are the client's own and never on the wire.
public struct SpindleError: Error, Sendable, CustomStringConvertible {
    /// Opaque; compare with the static members. Codes of later brokers are kept as they came.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let rawValue: UInt16

        public init(rawValue: UInt16) { self.rawValue = rawValue }
        init(_ code: ErrorCode) { rawValue = code.rawValue }

        /// As in the specification, the logs and the CLI, for instance `QUEUE_FULL`.
        public var name: String {
            if let known = ErrorCode(rawValue: rawValue) { return known.name }
            return Self.clientNames[rawValue] ?? "CODE_\(rawValue)"
        }
        public var description: String { name }

        public static let malformedFrame = Code(.malformedFrame)
        public static let frameTooLarge = Code(.frameTooLarge)
        public static let unsupportedVersion = Code(.unsupportedVersion)
        public static let unsupported = Code(.unsupported)
        public static let notAuthenticated = Code(.notAuthenticated)
        public static let authenticationFailed = Code(.authenticationFailed)
        public static let permissionDenied = Code(.permissionDenied)
        public static let invalidArgument = Code(.invalidArgument)
        public static let noSuchQueue = Code(.noSuchQueue)
        public static let queueFull = Code(.queueFull)
        public static let noSpace = Code(.noSpace)
        public static let tooManyInFlight = Code(.tooManyInFlight)
        public static let recordCorrupt = Code(.recordCorrupt)
        public static let recordInvalid = Code(.recordInvalid)
        public static let recordTooLarge = Code(.recordTooLarge)
        public static let leaseLost = Code(.leaseLost)
        public static let noSuchMessage = Code(.noSuchMessage)
        public static let goingAway = Code(.goingAway)
        public static let sequenceOutOfOrder = Code(.sequenceOutOfOrder)
        public static let queuePaused = Code(.queuePaused)
        public static let noSuchTopic = Code(.noSuchTopic)
        public static let internalError = Code(.internalError)
        public static let heartbeatMissed = Code(.heartbeatMissed)
        public static let slowReader = Code(.slowReader)
        public static let tooManyConnections = Code(.tooManyConnections)
        /// No reply within the request's time; whether it was carried out is not known.
        public static let timedOut = Code(.timedOut)
        public static let cancelled = Code(.cancelled)
        public static let conflict = Code(.conflict)
        /// Another broker keeps this queue.
        public static let notOwner = Code(.notOwner)
        /// The broker cannot read the record that it stored.
        public static let recordDamaged = Code(.recordDamaged)
        /// The body is compressed, and the client declined LZ4.
        public static let recordCompressed = Code(.recordCompressed)

        /// No connection could be made.
        public static let connectFailed = Code(rawValue: 0x8001)
        /// The connection ended while the reply was awaited.
        public static let connectionLost = Code(rawValue: 0x8002)
        /// ``SpindleClient/close()`` was called.
        public static let clientClosed = Code(rawValue: 0x8003)
        /// A SETTLE was sent, its reply got lost, and the repetition was refused because the leases are gone: they are gone either
        /// because the first one was carried out, or because they expired. Nothing was done twice.
        public static let outcomeUnknown = Code(rawValue: 0x8004)
        /// The TLS files of the configuration can't be used, or the broker's certificate was not accepted.
        public static let tlsFailed = Code(rawValue: 0x8005)

        private static let clientNames: [UInt16: String] = [
            0x8001: "CONNECT_FAILED", 0x8002: "CONNECTION_LOST", 0x8003: "CLIENT_CLOSED", 0x8004: "OUTCOME_UNKNOWN", 0x8005: "TLS_FAILED",
        ]
    }

    /// What the error spoiled.
    public enum BlastRadius: Sendable, Hashable {
        /// One item of a batch; the others are as their own outcomes say.
        case item
        /// The whole request; the connection goes on.
        case request
        /// The connection; the client makes another.
        case connection
    }

    public var code: Code
    /// A sentence that a user can act on.
    public var message: String
    /// Whether the same request may succeed later, unchanged.
    public var isRetryable: Bool
    /// How long to wait before that, where the broker said so.
    public var retryAfter: Duration?
    public var blastRadius: BlastRadius
    /// What led to it, if another error did.
    public var cause: (any Error)?

    public init(
        code: Code, message: String, isRetryable: Bool = false, retryAfter: Duration? = nil, blastRadius: BlastRadius = .request,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
        self.retryAfter = retryAfter
        self.blastRadius = blastRadius
        self.cause = cause
    }

    public var description: String { "\(code.name): \(message)" }
}

extension SpindleError {
    init(_ error: WireError, blastRadius: BlastRadius? = nil) {
        self.init(
            code: Code(error.code), message: error.message, isRetryable: error.code.isRetryable,
            retryAfter: Self.duration(error.retryAfterMilliseconds), blastRadius: blastRadius ?? BlastRadius(error.code.blastRadius))
    }

    init(_ reply: ErrorReply) {
        self.init(
            code: Code(rawValue: reply.code), message: reply.message, isRetryable: reply.isRetryable,
            retryAfter: Self.duration(reply.retryAfterMilliseconds), blastRadius: BlastRadius(reply.blastRadius))
    }

    /// The error of one item of a batch; an older broker says nothing beside the status.
    init(_ status: ItemStatus, _ note: ItemNotes.Note?, what: String) {
        let known = status.error
        self.init(
            code: Code(rawValue: status.rawValue), message: "\(what) was refused: \(note?.text ?? Self.sentence(of: known))",
            isRetryable: known?.isRetryable ?? false, retryAfter: note.flatMap { Self.duration($0.retryAfterMilliseconds) }, blastRadius: .item)
    }

    private static func duration(_ milliseconds: UInt32) -> Duration? { milliseconds == 0 ? nil : .milliseconds(Int64(milliseconds)) }

    private static func sentence(of code: ErrorCode?) -> String {
        switch code {
        case .queueFull: "the queue is at its limit; publish again when it has drained"
        case .noSpace: "the broker's disk is nearly full; publish again when there is room"
        case .recordCorrupt: "its checksum does not fit; it was changed on its way"
        case .recordInvalid: "its format is not valid"
        case .recordTooLarge: "it is too large"
        case .recordDamaged: "the broker cannot read it any more: its stored bytes are damaged"
        case .recordCompressed: "its body is compressed, and this client declined LZ4"
        case .noSuchMessage: "there is no such message"
        case .leaseLost: "the lease is held no more"
        case .cancelled: "it was cancelled"
        case nil: "the broker answered with a status this client does not know"
        case .some(let other): other.name
        }
    }

    static func connectionLost(_ message: String, cause: (any Error)? = nil) -> SpindleError {
        SpindleError(code: .connectionLost, message: message, isRetryable: true, blastRadius: .connection, cause: cause)
    }

    static let clientClosed = SpindleError(code: .clientClosed, message: "the client is closed; make another one")
}

extension SpindleError.BlastRadius {
    init(_ wire: SpindleWire.BlastRadius) {
        switch wire {
        case .item: self = .item
        case .request: self = .request
        case .connection: self = .connection
        }
    }
}
