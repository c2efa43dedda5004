internal import SpindleWire

/// A SETTLE as its worker keeps it, to send it again.
struct SentSettle {
    var sequence: UInt64
    var tokens: [HeldToken]
    var tags: Range<Int>
    var events: Range<Int>
    var sentAt: UInt64
    var body: [UInt8] = []
    /// What it was answered; nil: no answer came yet.
    var firstIDs: [UInt64]?
}

/// The latest SETTLEs of a worker that were not refused.
struct SentSettles {
    private static let keptMax = 6
    private(set) var nextSequence: UInt64 = 1
    /// By rising sequence, with the correlation id of the first sending.
    private var kept: [(sent: SentSettle, correlation: UInt32)] = []

    mutating func add(_ sent: SentSettle, _ correlation: UInt32) {
        nextSequence += 1
        if kept.count >= Self.keptMax { kept.removeFirst() }
        kept.append((sent, correlation))
    }

    mutating func answered(_ correlation: UInt32, _ ids: [UInt64]) {
        if let index = kept.firstIndex(where: { $0.correlation == correlation }) { kept[index].sent.firstIDs = ids }
    }

    /// The sequence was answered when it was sent again.
    mutating func answered(sequence: UInt64, _ ids: [UInt64]) {
        if let index = kept.firstIndex(where: { $0.sent.sequence == sequence }) { kept[index].sent.firstIDs = ids }
    }

    mutating func remove(_ correlation: UInt32) { kept.removeAll { $0.correlation == correlation } }
    mutating func remove(sequence: UInt64) { kept.removeAll { $0.sent.sequence == sequence } }
    func find(sequence: UInt64) -> SentSettle? { kept.first { $0.sent.sequence == sequence }?.sent }

    /// Those that were answered, or whose first sending is `isOver`.
    func repeatable(_ isOver: (UInt32) -> Bool) -> [SentSettle] {
        kept.filter { $0.sent.firstIDs != nil || isOver($0.correlation) }.map(\.sent)
    }
}

// Workers that send a SETTLE again: because no answer came, or as a doubled frame would be.
extension Simulation {
    func repeatSettle(_ worker: Int) {
        let candidates = workers[worker].settles.repeatable { pending[$0] == nil }
        guard !candidates.isEmpty else { return }
        let sent = random.pick(candidates)
        note("worker \(worker) sends SETTLE \(sent.sequence) again, of \(sent.tokens.map { "\($0.tag)#\($0.epoch)" })")
        send(workerClient(worker), .settle, .settleAgain(sent, worker: worker)) { $0.bytes(sent.body) }
    }

    func settledAgain(_ sent: SentSettle, _ worker: Int, _ ids: [UInt64], at: UInt64, _ arrival: Arrival) {
        let known = workers[worker].settles.find(sequence: sent.sequence) ?? sent
        note("SETTLE \(sent.sequence) of worker \(worker) is answered again: \(ids)")
        if known.firstIDs != nil { oracle.settledAgain(known, ids) } else { oracle.settledOnce(known, ids, now: now, arrival) }
        workers[worker].settles.answered(sequence: sent.sequence, ids)
    }

    func repeatedSettleRefused(_ sent: SentSettle, _ worker: Int, _ error: ErrorReply) {
        guard let known = workers[worker].settles.find(sequence: sent.sequence) else { return }
        oracle.neverSettled(known, code: error.code)
        workers[worker].settles.remove(sequence: sent.sequence)
    }
}
