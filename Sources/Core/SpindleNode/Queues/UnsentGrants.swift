internal import DequeModule
internal import SpindleWire

/// Leases whose LEASE reply lies in the output that no socket has taken a byte of yet, by session. Where the connection ends first,
/// nobody can have begun to work on them.
struct UnsentGrants: Sendable {
    private struct Reply: Sendable {
        /// Where the reply begins in the session's output.
        var start: UInt64
        var tokens: [DeliveryToken]
    }

    private var replies: [SessionID: Deque<Reply>] = [:]

    /// A LEASE reply begins at `start` of the session's output.
    mutating func made(_ tokens: [DeliveryToken], for session: SessionID, at start: UInt64) {
        replies[session, default: []].append(Reply(start: start, tokens: tokens))
    }

    /// The session's output was taken up to `end`.
    mutating func taken(by session: SessionID, through end: UInt64) {
        guard let first = replies[session]?.first, first.start < end else { return }
        while let first = replies[session]?.first, first.start < end { replies[session]?.removeFirst() }
        if replies[session]?.isEmpty == true { replies[session] = nil }
    }

    /// The session is gone: what it was granted and never got.
    mutating func remove(_ session: SessionID) -> [DeliveryToken] {
        replies.removeValue(forKey: session)?.flatMap(\.tokens) ?? []
    }
}
