internal import SpindleText
internal import SpindleWire

/// Why a message is where it is: the one cause that decides, and what time alone does next.
///
/// Source: `protocol/queues.md`, "WHY".
public struct MessageExplanation: Sendable, Hashable {
    public enum State: String, Sendable, Hashable, CaseIterable {
        case ready, leased, delayed
        /// Leased, and gone with the end of its lease.
        case cancelled
        case acknowledged, dead, removed
        /// In another queue.
        case elsewhere
        /// The broker is newer than this client.
        case other
    }

    public enum Cause: String, Sendable, Hashable, CaseIterable {
        case leased, cancelled, delayed, backOff, paused, concurrency, rate, groupOrder, groupConcurrency, groupRate, timeToLiveEnded, deadLetter
        case noConsumer, consumersBusy, consumersQuiet, consumersFull, behind, logFull, next, ended, moved
        /// The broker is newer than this client.
        case other
    }

    public enum Event: String, Sendable, Hashable, CaseIterable {
        case leaseEnds, becomesReady, rateAllows, otherLeaseEnds, otherBecomesReady, timeToLiveEnds, forgotten
    }

    public let queue: String
    public let id: MessageID
    public let state: State
    public let cause: Cause
    /// When it came into its state, Unix time, as far as the broker keeps that.
    public let sinceMilliseconds: Int64
    /// What time alone does next, and when, Unix time; nil: nothing.
    public let next: Event?
    public let nextAtMilliseconds: Int64?
    /// Who holds it, its group, or a queue.
    public let subject: String?
    /// In the words of who gave it.
    public let reason: String?
    /// Leases that are held, or the number of an attempt.
    public let count: UInt64?
    /// Leases at once, or deliveries a second.
    public let limit: UInt64?
    /// The message that comes first.
    public let first: MessageID?

    init(_ reply: WhyReply, queue: String, id: MessageID) {
        self.queue = queue
        self.id = id
        state = State(rawValue: "\(reply.state)") ?? .other
        cause = Cause(rawValue: "\(reply.cause)") ?? .other
        sinceMilliseconds = Int64(clamping: reply.sinceMilliseconds)
        next = Event(rawValue: "\(reply.next)")
        nextAtMilliseconds = reply.next == .none ? nil : Int64(clamping: reply.nextAtMilliseconds)
        subject = reply.subject.isEmpty ? nil : reply.subject
        reason = reply.reason.isEmpty ? nil : reply.reason
        count = reply.count
        limit = reply.limit
        first = reply.otherID.map { MessageID(rawValue: $0) }
    }
}

extension SpindleClient {
    /// Why a message is where it is, and what comes next. Permission: read.
    ///
    /// - Throws: ``SpindleError``: `NO_SUCH_MESSAGE` where the queue has neither the message nor a result of it, `UNSUPPORTED` by brokers that are
    ///   older.
    public func why(_ id: MessageID, in queue: String) async throws -> MessageExplanation {
        let link = link(for: queue)
        var writer = WireWriter()
        WhyRequest(queue: queue, id: id.rawValue).encode(into: &writer)
        let reply = try await send(.why, .plain(writer.byteBuffer()), on: link, afterLoss: .repeated)
        return try read(reply, .why, on: link) { body throws(WireError) in
            MessageExplanation(try WhyReply(body), queue: queue, id: id)
        }
    }
}

extension MessageExplanation {
    /// The cause and what comes next as a sentence; `time` says a Unix time as its reader wants it.
    ///
    /// `waits: group ‘tenant-7’ has 4 of 4 leases; next at the latest 10:42:10`
    public func text(time: (Int64) -> String) -> String {
        guard let event = nextText(time) else { return causeText }
        return "\(causeText); \(event)"
    }

    private var causeText: String {
        let subject = subject ?? ""
        let reason = reason.map { ": \($0)" } ?? ""
        let count = count ?? 0
        let limit = limit ?? 0
        return switch cause {
        case .leased: "leased by ‘\(subject)’, attempt \(count)"
        case .cancelled: "cancelled; still held by ‘\(subject)’"
        case .delayed: "waits for its time"
        case .backOff: "waits after attempt \(count) failed\(reason)"
        case .paused: "waits: deliveries of ‘\(queue)’ are paused\(reason)"
        case .concurrency: "waits: the queue has \(count) of \(limit) leases"
        case .rate: "waits: the queue delivers \(limit) a second at most"
        case .groupOrder: "waits: an earlier message of group ‘\(subject)’ comes first\(first.map { ", \($0)" } ?? "")"
        case .groupConcurrency: "waits: group ‘\(subject)’ has \(count) of \(limit) leases"
        case .groupRate: "waits: group ‘\(subject)’ gets \(limit) a second at most"
        case .timeToLiveEnded: "its time to live ended"
        case .deadLetter: "a dead letter of ‘\(subject)’\(reason)"
        case .noConsumer: "waits: no worker takes messages of ‘\(queue)’"
        case .consumersBusy: "waits: every worker of ‘\(queue)’ is busy, \(count) messages are leased"
        case .consumersQuiet: "waits: the workers of ‘\(queue)’ were told to be quiet"
        case .consumersFull: "waits: the workers of ‘\(queue)’ do not read what they were sent"
        case .behind: "waits: other messages come first\(first.map { ", \($0) is next" } ?? "")"
        case .logFull: "waits: the broker's log has no room"
        case .next: "is next, and is delivered now"
        case .ended: endText
        case .moved: self.reason == nil ? "is in queue ‘\(subject)’ now" : "is dead, in queue ‘\(subject)’\(reason)"
        case .other: "waits for what this client does not know: it is older than the broker"
        }
    }

    private var endText: String {
        switch state {
        case .acknowledged: "done"
        case .dead: "dead"
        case .removed: "cancelled, and gone"
        case .ready, .leased, .delayed, .cancelled, .elsewhere, .other: "ended"
        }
    }

    private func nextText(_ time: (Int64) -> String) -> String? {
        guard let next, let at = nextAtMilliseconds.map(time) else { return nil }
        return switch next {
        case .leaseEnds: "the lease ends at \(at) unless it is extended"
        case .becomesReady: "ready at \(at)"
        case .rateAllows: "next at \(at)"
        case .otherLeaseEnds, .otherBecomesReady: "next at the latest \(at)"
        case .timeToLiveEnds: "its time to live ends at \(at)"
        case .forgotten: "known until \(at)"
        }
    }
}
