internal import SpindleWire

/// How a message ended, as its queue remembers it.
public enum MessageEnd: Sendable, Equatable {
    /// It never was there, or its end is no longer remembered: results are kept as long as the queue's policy says.
    case unknown
    /// It waits, or somebody works on it.
    case pending
    /// Done; the result that its acknowledgement left, nil where none was left. Times are milliseconds of Unix time.
    case acknowledged(result: [UInt8]?, atMilliseconds: Int64)
    case dead(reason: String, atMilliseconds: Int64)
    case cancelled(atMilliseconds: Int64)
    /// Acknowledged or dead, but what it left did not fit the answer: ask for this one alone.
    case resultLeftOut(atMilliseconds: Int64)

    /// Nothing more will become of it.
    public var isEnded: Bool {
        switch self {
        case .unknown, .pending: false
        case .acknowledged, .dead, .cancelled, .resultLeftOut: true
        }
    }
}

extension SpindleClient {
    /// Waits until a message ended, and fetches the result that its acknowledgement left. Permission: publish on the queue.
    ///
    /// The queue's policy must keep results (``QueuePolicy/resultRetention``), else a message that ended is ``MessageEnd/unknown``.
    /// - Parameter wait: how long the broker waits; then, or when it is about to stop, the answer is ``MessageEnd/pending``.
    /// - Throws: ``SpindleError``.
    public func result(of id: MessageID, in queue: String, wait: Duration = .seconds(20)) async throws -> MessageEnd {
        try await results(of: [id], in: queue, wait: wait).first ?? .unknown
    }

    /// Waits until all these messages ended, at most `wait`; one answer for each id, in their order.
    ///
    /// - Parameter ids: 1 to 1,000.
    /// - Throws: ``SpindleError``: `INVALID_ARGUMENT` for more.
    public func results(of ids: [MessageID], in queue: String, wait: Duration = .seconds(20)) async throws -> [MessageEnd] {
        guard !ids.isEmpty else { return [] }
        let request = AwaitRequest(
            queue: queue, ids: ids.map(\.rawValue), waitMilliseconds: UInt32(wait.milliseconds(max: UInt64(UInt32.max))))
        return try await call(
            .await, on: link(for: queue), afterLoss: .repeated, timeout: configuration.requestTimeout + wait
        ) {
            request.encode(into: &$0)
        } decode: { body throws(WireError) in
            let items = try AwaitReply(body).items
            guard items.count == ids.count else { throw .malformed("\(items.count) ends for \(ids.count) messages") }
            return items.map { MessageEnd($0) }
        }
    }

    /// Acknowledges a delivery and leaves a result for ``result(of:in:wait:)``, as long as the queue's policy keeps results.
    ///
    /// - Parameter result: at most 4,096 bytes; store larger ones elsewhere and leave a reference.
    /// - Throws: ``SpindleError``: `INVALID_ARGUMENT` for a larger one, and nothing was acknowledged.
    public func acknowledge(_ token: DeliveryToken, result: [UInt8]) async throws -> SettleOutcome {
        try await call(.ack, on: anyLink(), afterLoss: .repeated) {
            AckRequest(tokens: [token.wire], results: [AckResult(index: 0, bytes: result)]).encode(into: &$0)
        } decode: { body throws(WireError) in
            try SettleOutcome.outcomes(in: body, count: 1)[0]
        }
    }
}

extension MessageEnd {
    init(_ item: AwaitReply.Item) {
        let at = Int64(clamping: item.settledAtMilliseconds)
        if item.status == ItemStatus(.recordTooLarge) {
            self = .resultLeftOut(atMilliseconds: at)
            return
        }
        switch item.state {
        case .unknown: self = .unknown
        case .pending: self = .pending
        case .acknowledged: self = .acknowledged(result: item.result.isEmpty ? nil : item.result, atMilliseconds: at)
        case .dead: self = .dead(reason: String(decoding: item.result, as: UTF8.self), atMilliseconds: at)
        case .cancelled: self = .cancelled(atMilliseconds: at)
        }
    }
}
