internal import NIOCore
internal import SpindleWire

/// One request, from its submission to its answer, over as many connections as that takes.
struct Request: Sendable {
    /// What happens when the connection ends while the reply is awaited.
    enum AfterLoss: Sendable, Equatable {
        /// Sent again: repeating it has no second effect, or one that is documented.
        case repeated
        /// A SETTLE, which names itself: sent again where the broker remembers that. By one that does not, once; if the leases it names are gone
        /// then, nobody knows whether the first one did it.
        case repeatedAsNamed
        /// Fails with ``SpindleError/Code/connectionLost``.
        case failed
    }

    enum Payload: Sendable {
        /// The body's bytes.
        case plain(ByteBuffer)
        /// PUBLISH and TOPIC_PUBLISH; the sequence is given by the ``Link``, in order of submission.
        case publish(name: String, batch: MessageBatch, producerID: UInt64, firstSequence: UInt64)

        var byteCount: Int {
            switch self {
            case .plain(let body): body.readableBytes
            case .publish(let name, let batch, _, _): 26 + name.utf8.count + batch.byteCount
            }
        }

        /// The payload with a SETTLE's name in its tail.
        func named(_ identity: SettleIdentity) -> Payload {
            guard case .plain(var body) = self else { return self }
            var tail = WireWriter(capacity: 32)
            identity.encode(into: &tail)
            tail.withUnsafeBytes { _ = body.writeBytes($0) }
            return .plain(body)
        }

        /// The payload with `actor` in its tail, where there is one.
        func acting(for actor: String?) -> Payload {
            guard let actor, case .plain(var body) = self else { return self }
            var tail = WireWriter(capacity: 64)
            RequestTail.encode(actor: actor, into: &tail)
            tail.withUnsafeBytes { _ = body.writeBytes($0) }
            return .plain(body)
        }
    }

    struct Reply: Sendable {
        var body: ByteBuffer
        /// Which connection it came over: what can't be read condemns that one.
        var connectionNumber: Int
    }

    var opcode: Opcode
    var payload: Payload
    var afterLoss: AfterLoss
    var deadline: NIODeadline
    /// Rises in order of submission to its ``Link``.
    var serial: UInt64 = 0
    /// How often it went out.
    var sendings = 0
    /// Nobody waits for it any more: not worth sending.
    var isAbandoned: (@Sendable () -> Bool)?
    /// It went to a broker that does not remember SETTLEs.
    var wasSentUnremembered = false
    /// The broker was asked to take it back.
    var isWithdrawn = false
    /// Called once, on the event loop.
    var completion: @Sendable (Result<Reply, SpindleError>) -> Void

    init(
        _ opcode: Opcode, _ payload: Payload, afterLoss: AfterLoss, deadline: NIODeadline, isAbandoned: (@Sendable () -> Bool)? = nil,
        completion: @escaping @Sendable (Result<Reply, SpindleError>) -> Void
    ) {
        self.opcode = opcode
        self.payload = payload
        self.afterLoss = afterLoss
        self.deadline = deadline
        self.isAbandoned = isAbandoned
        self.completion = completion
    }

    /// Whether it may go out again after the connection was lost under it.
    var mayBeRepeated: Bool {
        switch afterLoss {
        case .repeated: true
        case .repeatedAsNamed: !wasSentUnremembered || sendings < 2
        case .failed: false
        }
    }

    /// The error as the caller shall see it: a settlement that was sent twice and finds its leases gone may have been done.
    func final(_ error: SpindleError) -> SpindleError {
        guard afterLoss == .repeatedAsNamed, wasSentUnremembered, sendings > 1, error.code == .leaseLost else { return error }
        return SpindleError(
            code: .outcomeUnknown,
            message: "the reply to a SETTLE was lost with its connection, and its repetition found the leases gone: it was carried out, or they had expired",
            blastRadius: .request, cause: error)
    }
}

extension Opcode {
    /// Its request may wait at the broker, and can be withdrawn.
    var waits: Bool {
        switch self {
        case .lease, .await: true
        default: false
        }
    }
}
