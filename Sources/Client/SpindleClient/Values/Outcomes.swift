/// What became of one message of a publish.
public enum PublishOutcome: Sendable {
    /// On the broker's disk.
    case stored(MessageID)
    /// It was stored before, under this id: a repeated publish, or its deduplication key is known.
    case duplicate(MessageID)
    /// Not stored.
    case refused(SpindleError)

    /// The id under which the message is stored; throws the refusal.
    public func get() throws(SpindleError) -> MessageID {
        switch self {
        case .stored(let id), .duplicate(let id): return id
        case .refused(let error): throw error
        }
    }
}

/// What became of one acknowledgement or negative acknowledgement.
public enum SettleOutcome: Sendable {
    case done
    /// The lease is held no more: it expired, somebody else holds the message, or it was settled before. After a reconnect this may also
    /// mean that the first sending was carried out and only its reply got lost. `reason`: what the broker knows of it, in a sentence.
    case leaseLost(reason: String)
    case failed(SpindleError)

    public var isDone: Bool { if case .done = self { true } else { false } }
}

/// What became of one lease extension.
public enum ExtensionOutcome: Sendable {
    /// Held on; `cancelled` says that somebody cancelled the message: stop, and settle it.
    case extended(cancelled: Bool)
    case leaseLost(reason: String)
    case failed(SpindleError)
}

/// One message given back.
public struct NegativeAcknowledgement: Sendable {
    public enum Disposition: Sendable, Hashable {
        /// Again after the delay; dead at the attempt limit.
        case retry
        /// To the dead-letter queue at once.
        case dead
        /// Again, and the attempt does not count: the holder could not even begin.
        case release
    }

    public var token: DeliveryToken
    public var disposition: Disposition
    /// Until it may be delivered again; nil: the queue's back-off decides.
    public var delay: Duration?
    /// Kept in the message's history; cut after 2,048 bytes.
    public var reason: String

    public init(token: DeliveryToken, disposition: Disposition = .retry, delay: Duration? = nil, reason: String) {
        self.token = token
        self.disposition = disposition
        self.delay = delay
        self.reason = reason
    }
}

/// One lease to hold longer, with an optional word on how far the work is.
public struct LeaseExtension: Sendable {
    public var token: DeliveryToken
    /// 0 to 100.
    public var percent: Int?
    /// Cut after 2,048 bytes.
    public var note: String

    public init(token: DeliveryToken, percent: Int? = nil, note: String = "") {
        self.token = token
        self.percent = percent
        self.note = note
    }
}

/// Things that happen together or not at all, in one log entry of the broker.
public struct Settlement: Sendable {
    public struct Batch: Sendable {
        /// Of the queue or topic.
        public var name: String
        public var messages: [Message]
        public init(name: String, messages: [Message]) {
            self.name = name
            self.messages = messages
        }
    }

    public var acknowledgements: [DeliveryToken]
    public var negativeAcknowledgements: [NegativeAcknowledgement]
    /// Messages for queues. With ``events`` at most 64 batches.
    public var publishes: [Batch]
    /// Events for topics.
    public var events: [Batch]
    /// What acknowledged messages leave behind for ``SpindleClient/result(of:in:wait:)``: at most 4,096 bytes each and 65,536 in all.
    public var results: [DeliveryToken: [UInt8]]

    public init(
        acknowledgements: [DeliveryToken] = [], negativeAcknowledgements: [NegativeAcknowledgement] = [], publishes: [Batch] = [],
        events: [Batch] = [], results: [DeliveryToken: [UInt8]] = [:]
    ) {
        self.acknowledgements = acknowledgements
        self.negativeAcknowledgements = negativeAcknowledgements
        self.publishes = publishes
        self.events = events
        self.results = results
    }
}

/// What a declaration changed.
public enum DeclareOutcome: Sendable, Hashable {
    case unchanged, created, changed
}

/// What is said of a lost lease where nothing more is known.
enum LostLease {
    static let reason = "the lease has ended, or the message was settled before"
}
