internal import NIOCore
internal import SpindleWire

extension SpindleClient {
    /// Leases messages of a queue.
    ///
    /// - Parameters:
    ///   - max: most messages, 1 to 65,536.
    ///   - bytesMax: of their records together; one message comes in any case.
    ///   - duration: of the leases; nil: the queue's own.
    ///   - wait: how long the broker waits for a message where there is none; then the answer is empty.
    /// - Throws: ``SpindleError``. A message whose record can't be decoded is given back with the reason, not thrown at the caller. When
    ///   the task is cancelled while messages are on their way here, they are handed back.
    public func lease(
        from queue: String, max: Int = 1, bytesMax: Int = 1024 * 1024, duration: Duration? = nil, wait: Duration = .zero
    ) async throws -> [Delivery] {
        try await lease(fromFirstOf: [queue], max: max, bytesMax: bytesMax, duration: duration, wait: wait)
    }

    /// Leases messages of the first of several queues, in their order, that has one: an earlier queue always comes first.
    ///
    /// All deliveries are of one queue, which each of them names. The request waits for all queues at once.
    /// - Parameters:
    ///   - queues: 1 to 64, none twice.
    ///   - max: most messages, 1 to 65,536.
    ///   - bytesMax: of their records together; one message comes in any case.
    ///   - duration: of the leases; nil: the own of the queue that gives.
    ///   - wait: how long the broker waits for a message where there is none; then the answer is empty.
    /// - Throws: ``SpindleError``: `INVALID_ARGUMENT` for no queue or more than 64. As ``lease(from:max:bytesMax:duration:wait:)`` otherwise.
    public func lease(
        fromFirstOf queues: [String], max: Int = 1, bytesMax: Int = 1024 * 1024, duration: Duration? = nil, wait: Duration = .zero
    ) async throws -> [Delivery] {
        guard let queue = queues.first else { throw SpindleError(code: .invalidArgument, message: "a lease needs a queue, none is named") }
        let link = link(for: queue)
        let request = LeaseRequest(
            queue: queue, messagesMax: UInt32(clamping: Swift.min(Swift.max(1, max), WireLimits.messagesPerFrameMax)),
            bytesMax: UInt32(clamping: bytesMax),
            leaseMilliseconds: UInt32(duration?.milliseconds(max: UInt64(UInt32.max)) ?? 0),
            waitMilliseconds: UInt32(wait.milliseconds(max: UInt64(UInt32.max))), others: Array(queues.dropFirst()))
        var writer = WireWriter()
        request.encode(into: &writer)
        let reply = try await send(
            .lease, .plain(writer.byteBuffer()), on: link, afterLoss: .repeated, timeout: configuration.requestTimeout + wait,
            onAbandonedReply: { body in link.release(body) })
        let grants = try read(reply, .lease, on: link) { _ throws(WireError) in try LeaseGrant.grants(in: reply.body) }
        let received = ContinuousClock.now
        var deliveries: [Delivery] = []
        deliveries.reserveCapacity(grants.count)
        for grant in grants {
            do {
                deliveries.append(try grant.delivery(queue: queues[min(grant.queueIndex, queues.count - 1)], received: received, watch: nil))
            } catch {
                link.refuse(grant.token, because: error)
            }
        }
        return deliveries
    }

    /// Acknowledges deliveries: they are gone from the queue, on the broker's disk, when this returns ``SettleOutcome/done`` for them.
    /// The outcomes are in the order of the tokens; many are sent in several frames.
    public func acknowledge(_ tokens: [DeliveryToken]) async throws -> [SettleOutcome] {
        let link = anyLink()
        return try await inFrames(tokens, of: SettlingLimits.tokensPerFrame) { tokens in
            try await call(.ack, on: link, afterLoss: .repeated) {
                AckRequest(tokens: tokens.map(\.wire)).encode(into: &$0)
            } decode: { body throws(WireError) in
                try SettleOutcome.outcomes(in: body, count: tokens.count)
            }
        }
    }

    /// Gives messages back: for another attempt, to the dead-letter queue, or as if they had never been taken.
    public func negativeAcknowledge(_ items: [NegativeAcknowledgement]) async throws -> [SettleOutcome] {
        let link = anyLink()
        return try await inFrames(items, of: SettlingLimits.sentencesPerFrame) { items in
            try await call(.nack, on: link, afterLoss: .repeated) {
                NackRequest(items: items.map(\.wire)).encode(into: &$0)
            } decode: { body throws(WireError) in
                try SettleOutcome.outcomes(in: body, count: items.count)
            }
        }
    }

    /// Holds leases longer, from now on for `duration` (nil: the queue's own), and reports progress.
    public func extend(_ items: [LeaseExtension], by duration: Duration? = nil) async throws -> [ExtensionOutcome] {
        let link = anyLink()
        let lease = UInt32(duration?.milliseconds(max: UInt64(UInt32.max)) ?? 0)
        return try await inFrames(items, of: SettlingLimits.sentencesPerFrame) { items in
            try await call(.extend, on: link, afterLoss: .repeated) {
                ExtendRequest(leaseMilliseconds: lease, items: items.map(\.wire)).encode(into: &$0)
            } decode: { body throws(WireError) in
                try ExtensionOutcome.outcomes(in: body, count: items.count).outcomes
            }
        }
    }

    /// Sends `items` in frames of at most `size`, one after the other.
    func inFrames<Item, Outcome>(
        _ items: [Item], of size: Int, send: ([Item]) async throws -> [Outcome]
    ) async throws -> [Outcome] {
        var outcomes: [Outcome] = []
        var start = 0
        while start < items.count {
            let end = min(start + size, items.count)
            outcomes += try await send(Array(items[start..<end]))
            start = end
        }
        return outcomes
    }

    /// Acknowledges, gives back and publishes in one log entry of the broker: all of it happens, or nothing.
    ///
    /// - Throws: ``SpindleError``: `LEASE_LOST` where one lease is gone, and nothing happened. A reply that got lost with its connection is
    ///   asked for again: the settlement is done once. `OUTCOME_UNKNOWN` only comes from an older broker, which does not remember
    ///   settlements, where the repetition found the leases gone: most likely the first one was carried out. Each batch must fit a frame together with the others.
    public func settle(_ settlement: Settlement) async throws {
        let link = anyLink()
        let frame = try SettlementEncoder.encode(settlement, compressionThreshold: configuration.ownCompressionThreshold)
        let reply = try await send(.settle, .plain(frame), on: link, afterLoss: .repeatedAsNamed)
        _ = try read(reply, .settle, on: link) { body throws(WireError) in try SettleReply(body) }
    }
}

/// Sizes of frames that fit the smallest cap a broker may announce, 128 KiB.
enum SettlingLimits {
    /// 12 bytes each.
    static let tokensPerFrame = 8192
    /// Bytes of results in one frame; the protocol allows more in all.
    static let resultBytesPerFrame = 32 * 1024
    /// 8 bytes each, and a sentence for all.
    static let idsPerFrame = 8192
    /// Up to 2,071 bytes each.
    static let sentencesPerFrame = 60
}

enum ResultLimits {
    /// Why a result can't be kept; nil for one that can. Checked here, because in a frame with others it would spoil theirs.
    static func refusal(of result: [UInt8]) -> SpindleError? {
        guard result.count > WireLimits.resultBytesMax else { return nil }
        return SpindleError(
            code: .invalidArgument, message: "a result of \(result.count) bytes: at most \(WireLimits.resultBytesMax) are kept, store larger ones elsewhere")
    }
}

enum SettlementEncoder {
    static func encode(_ settlement: Settlement, compressionThreshold: Int?) throws(SpindleError) -> ByteBuffer {
        let publishes = settlement.publishes.filter { !$0.messages.isEmpty }
        let events = settlement.events.filter { !$0.messages.isEmpty }
        guard publishes.count + events.count <= SettleRequest.groupsMax else {
            throw SpindleError(
                code: .invalidArgument,
                message: "\(publishes.count + events.count) batches: at most \(SettleRequest.groupsMax) fit one settlement")
        }
        var writer = WireWriter()
        SettleRequest.encode(
            acks: settlement.acknowledgements.map(\.wire), nacks: settlement.negativeAcknowledgements.map(\.wire),
            groupCount: publishes.count + events.count, into: &writer)
        for batch in publishes { try append(.queue, batch, compressionThreshold, into: &writer) }
        for batch in events { try append(.topic, batch, compressionThreshold, into: &writer) }
        AckResults.encode(settlement.wireResults, into: &writer)
        return writer.byteBuffer()
    }

    private static func append(
        _ kind: SettleRequest.Group.Kind, _ batch: Settlement.Batch, _ compressionThreshold: Int?, into writer: inout WireWriter
    ) throws(SpindleError) {
        let encoded = try MessageBatch(batch.messages, compressionThreshold: compressionThreshold)
        SettleRequest.encodeGroup(kind, name: batch.name, count: encoded.count, records: encoded.records.readableBytesSpan, into: &writer)
    }
}

extension Settlement {
    /// In the order of the acknowledgements; a result for anything else has no effect.
    var wireResults: [AckResult] {
        guard !results.isEmpty else { return [] }
        return acknowledgements.enumerated().compactMap { index, token in
            results[token].map { AckResult(index: UInt32(index), bytes: $0) }
        }
    }
}

extension NegativeAcknowledgement {
    var wire: NackItem {
        let wireDisposition: NackItem.Disposition =
            switch disposition {
            case .retry: .retry
            case .dead: .dead
            case .release: .release
            }
        return NackItem(
            token: token.wire, disposition: wireDisposition,
            delayMilliseconds: delay?.milliseconds(max: WireLimits.durationMillisecondsMax) ?? NackItem.delayByPolicy, reason: reason)
    }
}

extension LeaseExtension {
    var wire: ExtendRequest.Item {
        ExtendRequest.Item(
            token: token.wire, percent: percent.map { UInt8(clamping: min(max($0, 0), 100)) } ?? ExtendRequest.Item.noPercent,
            note: note)
    }
}

extension SettleOutcome {
    private init(_ status: ItemStatus, _ note: ItemNotes.Note?) {
        switch status {
        case .ok: self = .done
        case ItemStatus(.leaseLost): self = .leaseLost(reason: note?.text ?? LostLease.reason)
        default: self = .failed(SpindleError(status, note, what: "the settlement of the message"))
        }
    }

    static func outcomes(in body: RawSpan, count: Int) throws(WireError) -> [SettleOutcome] {
        let reply = try StatusReply(body)
        return try reply.statuses(expected: count).enumerated().map { SettleOutcome($1, reply.notes[$0]) }
    }
}

extension ExtensionOutcome {
    static func outcomes(in body: RawSpan, count: Int) throws(WireError) -> (lease: Duration, outcomes: [ExtensionOutcome]) {
        let reply = try ExtendReply(body)
        guard reply.items.count == count else { throw .malformed("\(reply.items.count) outcomes for \(count) extensions") }
        let outcomes = reply.items.enumerated().map { index, item -> ExtensionOutcome in
            let note = reply.notes[index]
            return switch item.status {
            case .ok: .extended(cancelled: item.isCancelled)
            case ItemStatus(.leaseLost): .leaseLost(reason: note?.text ?? LostLease.reason)
            default: .failed(SpindleError(item.status, note, what: "the extension of the lease"))
            }
        }
        return (.milliseconds(Int64(reply.leaseMilliseconds)), outcomes)
    }
}
