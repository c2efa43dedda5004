internal import SpindleWire

/// What became of one message that was to be cancelled.
public enum CancelOutcome: Sendable {
    /// Gone; it was ready or delayed.
    case removed(was: MessageState)
    /// It is leased: its holder is told, and whatever ends the lease removes it.
    case flagged
    /// It is not (or no longer) in this queue.
    case noSuchMessage
    case failed(SpindleError)
}

/// What became of one message that was to be rescheduled.
public enum RescheduleOutcome: Sendable {
    case done
    /// Somebody holds it.
    case leased
    /// It is not (or no longer) in this queue.
    case noSuchMessage
    case failed(SpindleError)
}

extension SpindleClient {
    /// Removes messages, whatever their state. Permission: admin.
    ///
    /// - Parameter reason: told to the holders of those that are leased; cut after 2,048 bytes.
    /// - Returns: one outcome for each id, in their order. After a lost connection the request is repeated, and what the first sending
    ///   removed is answered ``CancelOutcome/noSuchMessage``.
    /// - Throws: ``SpindleError``.
    public func cancel(_ ids: [MessageID], in queue: String, reason: String) async throws -> [CancelOutcome] {
        let link = link(for: queue)
        return try await inFrames(ids, of: SettlingLimits.idsPerFrame) { ids in
            try await call(.cancel, on: link, afterLoss: .repeated) {
                CancelRequest(queue: queue, reason: reason, ids: ids.map(\.rawValue)).encode(into: &$0)
            } decode: { body throws(WireError) in
                let reply = try CancelReply(body)
                guard reply.items.count == ids.count else { throw .malformed("\(reply.items.count) outcomes for \(ids.count) messages") }
                return reply.items.enumerated().map { CancelOutcome($1, reply.notes[$0]) }
            }
        }
    }

    /// Makes ready and delayed messages ready after `delay` from now; zero: at once. Permission: admin.
    ///
    /// - Parameter delay: to the millisecond, at most ten years.
    /// - Returns: one outcome for each id, in their order.
    /// - Throws: ``SpindleError``.
    public func reschedule(_ ids: [MessageID], in queue: String, delay: Duration) async throws -> [RescheduleOutcome] {
        let link = link(for: queue)
        let milliseconds = delay.milliseconds(max: WireLimits.durationMillisecondsMax)
        return try await inFrames(ids, of: SettlingLimits.idsPerFrame) { ids in
            try await call(.reschedule, on: link, afterLoss: .repeated) {
                RescheduleRequest(queue: queue, delayMilliseconds: milliseconds, ids: ids.map(\.rawValue)).encode(into: &$0)
            } decode: { body throws(WireError) in
                try RescheduleOutcome.outcomes(in: body, count: ids.count)
            }
        }
    }
}

extension CancelOutcome {
    init(_ item: CancelReply.Item, _ note: ItemNotes.Note?) {
        switch item.status {
        case .ok:
            switch item.was {
            case .ready: self = .removed(was: .ready)
            case .delayed: self = .removed(was: .delayed)
            case .leased: self = .flagged
            }
        case ItemStatus(.noSuchMessage): self = .noSuchMessage
        default: self = .failed(SpindleError(item.status, note, what: "the cancellation of the message"))
        }
    }
}

extension RescheduleOutcome {
    static func outcomes(in body: RawSpan, count: Int) throws(WireError) -> [RescheduleOutcome] {
        let reply = try StatusReply(body)
        return try reply.statuses(expected: count).enumerated().map { RescheduleOutcome($1, reply.notes[$0]) }
    }

    private init(_ status: ItemStatus, _ note: ItemNotes.Note?) {
        switch status {
        case .ok: self = .done
        case ItemStatus(.conflict): self = .leased
        case ItemStatus(.noSuchMessage): self = .noSuchMessage
        default: self = .failed(SpindleError(status, note, what: "the rescheduling of the message"))
        }
    }
}
