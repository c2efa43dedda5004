package import DequeModule
internal import OrderedCollections
package import SpindleText

/// What SETTLEs that named themselves were answered, so that a repeated one gets the same answer.
///
/// The replies with the highest sequences of a settler are kept; a lower sequence can't be judged any more. The room is shared by all principals:
/// where it is used up, the principal that has most of it forgets something of its own. So none loses what is within an equal share.
package struct SettlementTable: Sendable {
    /// Replies remembered per settler.
    package static let repliesMax = 1024
    /// Settlers remembered of all principals together.
    package static let settlersMax = 4096
    /// Replies remembered of all settlers together: some 8 MB where each SETTLE has one group.
    package static let repliesMaxOfAll = 1 << 17
    /// First ids of one reply.
    package static let idsPerReplyMax = 64

    package struct Settler: Hashable, Sendable {
        package var principal: ByteText
        package var id: UInt64
        package init(principal: String, id: UInt64) { self.init(principal: ByteText(principal), id: id) }
        fileprivate init(principal: ByteText, id: UInt64) {
            self.principal = principal
            self.id = id
        }
    }

    package struct Reply: Equatable, Sendable {
        package var sequence: UInt64
        /// One for each group of the SETTLE.
        package var firstIDs: [UInt64]
        package init(sequence: UInt64, firstIDs: [UInt64]) {
            self.sequence = sequence
            self.firstIDs = firstIDs
        }
    }

    package struct Memory: Sendable {
        /// By rising sequence.
        package var replies: Deque<Reply> = []
        /// Lowest sequence that can still be judged.
        package var judgedFrom: UInt64 = 0
        /// Rises with every SETTLE; orders settlers by their last one.
        fileprivate var lastUse: UInt64 = 0
        package init() {}

        /// The place of the first reply that is not below `sequence`.
        fileprivate func place(of sequence: UInt64) -> Int {
            var low = 0
            var high = replies.count
            while low < high {
                let middle = (low + high) / 2
                if replies[middle].sequence < sequence { low = middle + 1 } else { high = middle }
            }
            return low
        }

        /// Returns how many more replies are remembered.
        fileprivate mutating func add(_ reply: Reply, use: UInt64) -> Int {
            lastUse = use
            replies.insert(reply, at: place(of: reply.sequence))
            return 1 - keepLast(SettlementTable.repliesMax)
        }

        /// Forgets all replies but those with the highest sequences, `count` of them; how many those were.
        fileprivate mutating func keepLast(_ count: Int) -> Int {
            let gone = max(0, replies.count - count)
            guard gone > 0 else { return 0 }
            judgedFrom = replies[gone - 1].sequence &+ 1
            replies.removeFirst(gone)
            return gone
        }
    }

    package enum Verdict: Equatable, Sendable {
        case new
        case repeated(firstIDs: [UInt64])
        /// Too old to tell.
        case forgotten
    }

    /// Settlers of one principal, by id.
    private struct Share {
        var settlers: OrderedDictionary<UInt64, Memory> = [:]
        var replyCount = 0
        var lastUse: UInt64 = 0
        /// Replies that can be forgotten: each settler keeps its last one.
        var spareReplyCount: Int { replyCount - settlers.count }

        var silentLongest: UInt64? { settlers.elements.min { $0.value.lastUse < $1.value.lastUse }?.key }

        /// Forgets replies of the settlers that were silent longest, until half of the spare ones are gone. Returns how many those were.
        mutating func halve() -> Int {
            let before = replyCount
            let enough = before - (spareReplyCount + 1) / 2
            for id in settlers.elements.sorted(by: { $0.value.lastUse < $1.value.lastUse }).map(\.key) where replyCount > enough {
                replyCount -= settlers[id]?.keepLast(1) ?? 0
            }
            return before - replyCount
        }
    }

    private var shares: OrderedDictionary<ByteText, Share> = [:]
    private var uses: UInt64 = 0
    package private(set) var settlerCount = 0
    /// Of all settlers.
    package private(set) var replyCount = 0

    package init() {}

    /// All settlers, those that were silent longest first.
    package var settlers: [(settler: Settler, memory: Memory)] {
        shares.elements.flatMap { principal, share in share.settlers.elements.map { (Settler(principal: principal, id: $0.key), $0.value) } }
            .sorted { $0.1.lastUse < $1.1.lastUse }
    }

    package func judge(_ settler: Settler, sequence: UInt64) -> Verdict {
        guard let memory = shares[settler.principal]?.settlers[settler.id] else { return .new }
        guard sequence >= memory.judgedFrom else { return .forgotten }
        let place = memory.place(of: sequence)
        guard place < memory.replies.count, memory.replies[place].sequence == sequence else { return .new }
        return .repeated(firstIDs: memory.replies[place].firstIDs)
    }

    /// Remembers a SETTLE that was judged as new and done.
    package mutating func settled(_ settler: Settler, _ reply: Reply) {
        if shares[settler.principal]?.settlers[settler.id] == nil {
            if settlerCount >= Self.settlersMax { forgetSettler(for: settler.principal) }
            settlerCount += 1
        }
        uses += 1
        let more = shares[settler.principal, default: Share()].settlers[settler.id, default: Memory()].add(reply, use: uses)
        shares[settler.principal]?.replyCount += more
        shares[settler.principal]?.lastUse = uses
        replyCount += more
        if replyCount > Self.repliesMaxOfAll { forgetReplies(for: settler.principal) }
    }

    /// Makes room for one more settler of `principal`.
    private mutating func forgetSettler(for principal: ByteText) {
        let victim = largest(for: principal) { $0.settlers.count + ($1 ? 1 : 0) }
        guard let victim, let id = shares[victim]?.silentLongest, let memory = shares[victim]?.settlers.removeValue(forKey: id) else { return }
        shares[victim]?.replyCount -= memory.replies.count
        settlerCount -= 1
        replyCount -= memory.replies.count
        if shares[victim]?.settlers.isEmpty == true { shares[victim] = nil }
    }

    /// Makes room for replies: half of what the largest share can spare, so that this is done seldom.
    private mutating func forgetReplies(for principal: ByteText) {
        guard let victim = largest(for: principal, { share, _ in share.spareReplyCount }) else { return }
        replyCount -= shares[victim]?.halve() ?? 0
    }

    /// The principal with the largest share by `size`, which is told whether a share is that of `principal`. Of equal ones `principal` itself, then the
    /// one that was silent longest.
    private func largest(for principal: ByteText, _ size: (Share, Bool) -> Int) -> ByteText? {
        shares.elements.max { left, right in
            let sizes = (size(left.value, left.key == principal), size(right.value, right.key == principal))
            guard sizes.0 == sizes.1 else { return sizes.0 < sizes.1 }
            guard left.key != principal, right.key != principal else { return right.key == principal }
            return left.value.lastUse > right.value.lastUse
        }?.key
    }

    /// Adds what a checkpoint says, in the order of ``settlers``. Returns false for a memory that no table can have.
    package mutating func restore(_ settler: Settler, _ memory: Memory) -> Bool {
        guard shares[settler.principal]?.settlers[settler.id] == nil, settlerCount < Self.settlersMax, !memory.replies.isEmpty,
            memory.replies.count <= Self.repliesMax, replyCount + memory.replies.count <= Self.repliesMaxOfAll,
            memory.replies.first.map({ $0.sequence >= memory.judgedFrom }) ?? true,
            zip(memory.replies, memory.replies.dropFirst()).allSatisfy({ $0.sequence < $1.sequence })
        else { return false }
        uses += 1
        var memory = memory
        memory.lastUse = uses
        shares[settler.principal, default: Share()].settlers[settler.id] = memory
        shares[settler.principal]?.replyCount += memory.replies.count
        shares[settler.principal]?.lastUse = uses
        settlerCount += 1
        replyCount += memory.replies.count
        return true
    }
}
