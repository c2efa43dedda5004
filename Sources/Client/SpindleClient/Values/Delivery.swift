internal import SpindleWire

/// A message under lease.
public struct Delivery: Sendable {
    /// Settles this delivery.
    public let token: DeliveryToken
    /// Expanded and checked.
    public let message: Message
    public let queue: String
    /// 1 at the first delivery.
    public let attempt: Int
    /// When the broker stored the message, milliseconds of Unix time.
    public let storedAtMilliseconds: Int64
    /// When the lease ended, as known at delivery; a consumer extends it.
    public let leaseDeadline: ContinuousClock.Instant
    /// With a message from a dead-letter queue: where it came from, and why it is there.
    public let deadLetter: DeadLetterNote?

    let watch: LeaseWatch?

    /// Somebody cancelled the message. Known from the answers to extensions, so only for deliveries of a ``Consumer``.
    public var isCancelled: Bool { watch?.state == .cancelled }

    /// The lease is held no more: what the work ends in can't be settled. Only for deliveries of a ``Consumer``.
    public var isLeaseLost: Bool { watch?.state == .lost }

    /// Calls `action` once when the message is cancelled or its lease is lost; at once if that is so already. One action per delivery;
    /// a later one replaces it.
    public func onEnd(_ action: @escaping @Sendable (LeaseEnd) -> Void) { watch?.onEnd(action) }
}

/// Why the holder of a lease should stop working.
public enum LeaseEnd: Sendable, Hashable {
    case cancelled, lost
}

/// Where a dead letter came from, and what became of each attempt.
public struct DeadLetterNote: Sendable, Equatable {
    public struct Attempt: Sendable, Equatable {
        public enum Outcome: Sendable, Hashable { case nacked, expired, disconnected }
        /// 1 for the first.
        public var number: Int
        /// Unix time.
        public var leasedAtMilliseconds: Int64
        public var endedAtMilliseconds: Int64
        /// The principal and client that held the lease.
        public var holder: String
        public var outcome: Outcome
        public var reason: String
    }

    public var originQueue: String
    public var reason: String
    /// Unix time.
    public var deadAtMilliseconds: Int64
    public var attempts: [Attempt]

    init(_ wire: SpindleWire.DeadLetterNote) {
        originQueue = wire.originQueue
        reason = wire.reason
        deadAtMilliseconds = Int64(clamping: wire.deadAtMilliseconds)
        attempts = wire.attempts.map { attempt in
            Attempt(
                number: Int(attempt.number), leasedAtMilliseconds: Int64(clamping: attempt.leasedAtMilliseconds),
                endedAtMilliseconds: Int64(clamping: attempt.endedAtMilliseconds), holder: attempt.holder,
                outcome: Attempt.Outcome(attempt.outcome), reason: attempt.reason)
        }
    }
}

extension DeadLetterNote.Attempt.Outcome {
    init(_ wire: SpindleWire.DeadLetterNote.Attempt.Outcome) {
        switch wire {
        case .nacked: self = .nacked
        case .expired: self = .expired
        case .disconnected: self = .disconnected
        }
    }
}
