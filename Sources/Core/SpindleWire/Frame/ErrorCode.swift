/// Every status an item or a request can end in. 0 and 1 are successes of items; the rest are errors.
/// Source: `protocol/errors.md`.
package enum ErrorCode: UInt16, CaseIterable, Sendable {
    case malformedFrame = 16
    case frameTooLarge = 17
    case unsupportedVersion = 18
    case unsupported = 19
    case helloRequired = 20
    case notAuthenticated = 21
    case authenticationFailed = 22
    case permissionDenied = 23
    case invalidArgument = 24
    case unknownCriticalTag = 25
    case noSuchQueue = 26
    case queueFull = 27
    case noSpace = 28
    case tooManyInFlight = 29
    case recordCorrupt = 30
    case recordInvalid = 31
    case recordTooLarge = 32
    case leaseLost = 33
    case noSuchMessage = 34
    case goingAway = 35
    case sequenceOutOfOrder = 36
    case queuePaused = 37
    case noSuchTopic = 38
    case internalError = 39
    case heartbeatMissed = 40
    case slowReader = 41
    case tooManyConnections = 42
    case timedOut = 43
    case cancelled = 44
    case conflict = 45
    case notOwner = 46
    case recordDamaged = 47
    case recordCompressed = 48

    /// What the error spoils: one item of a batch, the request, or the connection.
    package var blastRadius: BlastRadius {
        switch self {
        case .recordCorrupt, .recordInvalid, .recordTooLarge, .leaseLost, .noSuchMessage, .cancelled, .queueFull, .sequenceOutOfOrder,
            .recordDamaged, .recordCompressed: .item
        case .malformedFrame, .frameTooLarge, .unsupportedVersion, .helloRequired, .notAuthenticated, .authenticationFailed,
            .heartbeatMissed, .slowReader, .tooManyConnections: .connection
        case .unsupported, .permissionDenied, .invalidArgument, .unknownCriticalTag, .noSuchQueue, .noSpace, .tooManyInFlight,
            .goingAway, .queuePaused, .noSuchTopic, .internalError, .timedOut, .conflict, .notOwner: .request
        }
    }

    /// Whether the same request may succeed later, unchanged.
    package var isRetryable: Bool {
        switch self {
        case .queueFull, .noSpace, .tooManyInFlight, .goingAway, .queuePaused, .heartbeatMissed, .slowReader, .tooManyConnections,
            .timedOut, .internalError, .notOwner: true
        case .malformedFrame, .frameTooLarge, .unsupportedVersion, .unsupported, .helloRequired, .notAuthenticated,
            .authenticationFailed, .permissionDenied, .invalidArgument, .unknownCriticalTag, .noSuchQueue, .recordCorrupt,
            .recordInvalid, .recordTooLarge, .leaseLost, .noSuchMessage, .sequenceOutOfOrder, .noSuchTopic, .cancelled, .conflict,
            .recordDamaged, .recordCompressed: false
        }
    }

    /// The name used by the specification, the logs and the CLI.
    package var name: String {
        switch self {
        case .malformedFrame: "MALFORMED_FRAME"
        case .frameTooLarge: "FRAME_TOO_LARGE"
        case .unsupportedVersion: "UNSUPPORTED_VERSION"
        case .unsupported: "UNSUPPORTED"
        case .helloRequired: "HELLO_REQUIRED"
        case .notAuthenticated: "NOT_AUTHENTICATED"
        case .authenticationFailed: "AUTHENTICATION_FAILED"
        case .permissionDenied: "PERMISSION_DENIED"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .unknownCriticalTag: "UNKNOWN_CRITICAL_TAG"
        case .noSuchQueue: "NO_SUCH_QUEUE"
        case .queueFull: "QUEUE_FULL"
        case .noSpace: "NO_SPACE"
        case .tooManyInFlight: "TOO_MANY_IN_FLIGHT"
        case .recordCorrupt: "RECORD_CORRUPT"
        case .recordInvalid: "RECORD_INVALID"
        case .recordTooLarge: "RECORD_TOO_LARGE"
        case .leaseLost: "LEASE_LOST"
        case .noSuchMessage: "NO_SUCH_MESSAGE"
        case .goingAway: "GOING_AWAY"
        case .sequenceOutOfOrder: "SEQUENCE_OUT_OF_ORDER"
        case .queuePaused: "QUEUE_PAUSED"
        case .noSuchTopic: "NO_SUCH_TOPIC"
        case .internalError: "INTERNAL_ERROR"
        case .heartbeatMissed: "HEARTBEAT_MISSED"
        case .slowReader: "SLOW_READER"
        case .tooManyConnections: "TOO_MANY_CONNECTIONS"
        case .timedOut: "TIMED_OUT"
        case .cancelled: "CANCELLED"
        case .conflict: "CONFLICT"
        case .notOwner: "NOT_OWNER"
        case .recordDamaged: "RECORD_DAMAGED"
        case .recordCompressed: "RECORD_COMPRESSED"
        }
    }
}

/// What an error spoils. Raw values are the wire's.
package enum BlastRadius: UInt8, CaseIterable, Sendable {
    case item = 0
    case request = 1
    case connection = 2
}

/// The status of one item of a batch as the wire carries it.
package struct ItemStatus: RawRepresentable, Equatable, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }
    package init(_ code: ErrorCode) { rawValue = code.rawValue }

    /// Stored, acknowledged, extended: done.
    package static let ok = ItemStatus(rawValue: 0)
    /// A publish that was stored before; the id is the original's.
    package static let duplicate = ItemStatus(rawValue: 1)

    /// The error, where it is one that this version knows.
    package var error: ErrorCode? { ErrorCode(rawValue: rawValue) }
}

/// A refusal: thrown by decoding, and sent as an ``ErrorReply``.
package struct WireError: Error, Equatable, Sendable {
    package var code: ErrorCode
    /// A sentence that a user can act on.
    package var message: String
    package var retryAfterMilliseconds: UInt32

    package init(_ code: ErrorCode, _ message: String, retryAfterMilliseconds: UInt32 = 0) {
        self.code = code
        self.message = message
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }

    package static func malformed(_ message: String) -> WireError { WireError(.malformedFrame, message) }
}

/// Body of a reply with ``FrameFlags/error``:
/// `u16 code · u8 blast radius · u8 retryable · u32 retry after ms · string message · tail`. Frozen, like HELLO.
/// Tail tag 1, with ``ErrorCode/unsupportedVersion``: the protocol versions that are accepted, `u16 min · u16 max`.
package struct ErrorReply: Equatable, Sendable {
    /// The raw code, so that codes of later versions survive.
    package var code: UInt16
    package var blastRadius: BlastRadius
    package var isRetryable: Bool
    package var retryAfterMilliseconds: UInt32
    package var message: String
    /// The window that a refused HELLO should have met.
    package var acceptedVersions: AcceptedVersions?

    package struct AcceptedVersions: Equatable, Sendable {
        package var min: UInt16
        package var max: UInt16
        package init(min: UInt16 = ProtocolVersion.min, max: UInt16 = ProtocolVersion.max) {
            self.min = min
            self.max = max
        }
    }

    private static let acceptedVersionsTag: UInt16 = 1

    /// `blastRadius` only where the sender knows better than the code's own.
    package init(_ error: WireError, blastRadius: BlastRadius? = nil) {
        code = error.code.rawValue
        // An error reply ends a request at least, even where the code speaks of an item (a batch of one).
        let own = blastRadius ?? error.code.blastRadius
        self.blastRadius = own == .item ? .request : own
        isRetryable = error.code.isRetryable
        retryAfterMilliseconds = error.retryAfterMilliseconds
        message = error.message
        acceptedVersions = error.code == .unsupportedVersion ? AcceptedVersions() : nil
    }

    package func encode(into writer: inout WireWriter) {
        writer.u16(code)
        writer.u8(blastRadius.rawValue)
        writer.u8(isRetryable ? 1 : 0)
        writer.u32(retryAfterMilliseconds)
        writer.sentence(message)
        if let acceptedVersions {
            writer.u16(Self.acceptedVersionsTag)
            writer.u32(4)
            writer.u16(acceptedVersions.min)
            writer.u16(acceptedVersions.max)
        }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        code = try reader.u16("error code")
        blastRadius = BlastRadius(rawValue: try reader.u8("blast radius")) ?? .connection
        isRetryable = try reader.u8("retryable") != 0
        retryAfterMilliseconds = try reader.u32("retry after")
        message = try reader.string("error message", bytesMax: WireLimits.sentenceBytesMax)
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [Self.acceptedVersionsTag]) {
            var window = WireReader(tail.extracting(field.range))
            acceptedVersions = AcceptedVersions(min: try window.u16("accepted min"), max: try window.u16("accepted max"))
        }
    }
}
