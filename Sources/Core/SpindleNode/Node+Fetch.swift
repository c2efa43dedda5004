internal import SpindleLog
internal import SpindleWire

// Stored bytes that the node itself must see: it does no I/O, so it asks for them and goes on when they come.
extension Node {
    /// Most bytes in one fetch, unless a single record is larger: no turn of the loop reads for long.
    static let fetchBytesMax = 256 << 10

    /// What bytes were asked for, and so what is done when they come.
    enum FetchPurpose {
        case browse(Browse, HeadFetch)
        /// A step of the job with that id.
        case job(UInt64, HeadFetch)
        /// Nobody waits for it any more.
        case abandoned
        /// Results for an AWAIT.
        case awaited(AwaitAnswer)
    }

    /// Asks the shell for `ranges` of the log, which must be durable and needed by the present state. ``fetched(_:bytes:now:)`` follows.
    mutating func fetch(_ ranges: [Effect.Range], for purpose: FetchPurpose) {
        fetchTicket += 1
        fetching[fetchTicket] = purpose
        outbox.effects.append(.fetch(ticket: fetchTicket, ranges: ranges))
    }

    /// The shell's answer to a `fetch` effect: the bytes of all its ranges, one behind the other in their order; nil where one could
    /// not be read. An unknown ticket is ignored.
    package mutating func fetched(_ ticket: UInt64, bytes: RawSpan?, now: UInt64) {
        guard let purpose = fetching.removeValue(forKey: ticket) else { return }
        switch purpose {
        case .browse(let browse, let heads): fetchedForBrowse(browse, heads, bytes: bytes)
        case .job(let id, let heads): fetchedForJob(id, heads, bytes: bytes, now: now)
        case .abandoned: break
        case .awaited(let answer): resultsRead(answer, bytes: bytes)
        }
    }

    /// Whether all bytes of the range are durable: others can't be asked for.
    func isDurable(_ range: Effect.Range) -> Bool { range.address + UInt64(range.count) <= log.durable.rawValue }
}
