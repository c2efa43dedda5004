internal import HeapModule

/// An AWAIT that waits.
package struct Awaiter: Sendable {
    package var session: SessionID
    package var correlationID: UInt32
    package var queue: UInt32
    /// As they were asked for.
    package var ids: [UInt64]
    /// Those among `ids` that had not ended when it began to wait, each once.
    package var pending: [UInt64]
    /// How many of `pending` have not ended yet.
    package fileprivate(set) var remaining = 0

    package init(session: SessionID, correlationID: UInt32, queue: UInt32, ids: [UInt64], pending: [UInt64]) {
        self.session = session
        self.correlationID = correlationID
        self.queue = queue
        self.ids = ids
        self.pending = pending
    }
}

/// AWAITs that wait: by message, by connection, and by deadline.
///
/// Every removal takes time in proportion to the awaited messages, amortized: entries that an AWAIT leaves behind are compacted before
/// they outnumber the others.
package struct WaitingAwaits: Sendable {
    /// Messages that all AWAITs together may wait for; one that several wait for counts for each.
    package static let messagesMax = 1_000_000
    /// Entries of AWAITs that left, kept before compaction besides one for each that waits.
    package static let leftBehindMax = 64

    private struct Deadline: Comparable, Sendable {
        var at: UInt64
        var number: UInt64
        static func < (a: Deadline, b: Deadline) -> Bool { a.at != b.at ? a.at < b.at : a.number < b.number }
    }

    /// The AWAITs of one message.
    private struct Numbers: Sendable {
        /// Rising. Some may be of AWAITs that left.
        var all: [UInt64] = []
        /// How many did not.
        var count = 0
    }

    private var awaiters: [UInt64: Awaiter] = [:]
    private var numbersByMessage: [UInt64: Numbers] = [:]
    private var numbersBySession: [SessionID: Set<UInt64>] = [:]
    private var deadlines = Heap<Deadline>()
    private var lastNumber: UInt64 = 0
    /// Messages that are waited for, counted for each AWAIT.
    package private(set) var messageCount = 0

    package init() {}

    package var isEmpty: Bool { awaiters.isEmpty }
    /// When the next wait may end; a time at which none does is possible.
    package var nextDeadline: UInt64? { deadlines.min?.at }
    /// Entries that are kept by message and by deadline, for tests.
    package var entryCount: Int { numbersByMessage.keys.sorted().reduce(deadlines.count) { $0 + (numbersByMessage[$1]?.all.count ?? 0) } }

    /// `awaiter` waits for its pending messages, of which there is at least one.
    package mutating func add(_ awaiter: Awaiter, until deadline: UInt64) {
        var awaiter = awaiter
        awaiter.remaining = awaiter.pending.count
        lastNumber += 1
        for id in awaiter.pending {
            numbersByMessage[id, default: Numbers()].all.append(lastNumber)
            numbersByMessage[id]?.count += 1
        }
        messageCount += awaiter.remaining
        numbersBySession[awaiter.session, default: []].insert(lastNumber)
        deadlines.insert(Deadline(at: deadline, number: lastNumber))
        awaiters[lastNumber] = awaiter
    }

    /// A message has ended; returns the AWAITs for which it was the last.
    package mutating func ended(_ id: UInt64) -> [Awaiter] {
        guard !numbersByMessage.isEmpty, let numbers = numbersByMessage.removeValue(forKey: id) else { return [] }
        var finished: [Awaiter] = []
        for number in numbers.all where awaiters[number] != nil {
            awaiters[number]?.remaining -= 1
            messageCount -= 1
            if awaiters[number]?.remaining == 0, let awaiter = remove(number) { finished.append(awaiter) }
        }
        return finished
    }

    /// The messages of `queue` that are waited for, by rising id.
    package func messages(of queue: UInt32) -> [UInt64] {
        numbersByMessage.keys.sorted().filter { id in
            numbersByMessage[id]?.all.first { awaiters[$0] != nil }.flatMap { awaiters[$0]?.queue } == queue
        }
    }

    /// Removes an AWAIT whose wait ends at `now` or before; nil if there is none.
    package mutating func removeNextDue(now: UInt64) -> Awaiter? {
        while let first = deadlines.min, first.at <= now {
            deadlines.removeMin()
            if let awaiter = remove(first.number) { return awaiter }
        }
        return nil
    }

    /// Removes every AWAIT of a connection; returns them in the order in which they came.
    @discardableResult
    package mutating func removeAll(of session: SessionID) -> [Awaiter] {
        let numbers = numbersBySession[session]?.sorted() ?? []
        return numbers.compactMap { remove($0) }
    }

    /// How many AWAITs of a connection wait.
    package func count(of session: SessionID) -> Int { numbersBySession[session]?.count ?? 0 }

    /// Removes the connection's AWAIT that asked under this correlation id; nil if there is none.
    package mutating func remove(of session: SessionID, correlationID: UInt32) -> Awaiter? {
        guard let number = numbersBySession[session]?.first(where: { awaiters[$0]?.correlationID == correlationID }) else { return nil }
        return remove(number)
    }

    @discardableResult
    private mutating func remove(_ number: UInt64) -> Awaiter? {
        guard let awaiter = awaiters.removeValue(forKey: number) else { return nil }
        numbersBySession[awaiter.session]?.remove(number)
        if numbersBySession[awaiter.session]?.isEmpty == true { numbersBySession[awaiter.session] = nil }
        messageCount -= awaiter.remaining
        if awaiter.remaining > 0 {
            for id in awaiter.pending { leave(number, message: id) }
        }
        if deadlines.count > 2 * awaiters.count + Self.leftBehindMax {
            deadlines = Heap(deadlines.unordered.filter { awaiters[$0.number] != nil })
        }
        return awaiter
    }

    private mutating func leave(_ number: UInt64, message id: UInt64) {
        // The message may have ended since, and be waited for by others because it came back.
        guard let numbers = numbersByMessage[id], Self.contains(number, in: numbers.all) else { return }
        let left = numbers.count - 1
        guard left > 0 else {
            numbersByMessage[id] = nil
            return
        }
        numbersByMessage[id]?.count = left
        guard numbers.all.count > 2 * left + Self.leftBehindMax else { return }
        let awaiters = awaiters
        numbersByMessage[id]?.all.removeAll { awaiters[$0] == nil }
    }

    private static func contains(_ number: UInt64, in rising: [UInt64]) -> Bool {
        var low = 0
        var high = rising.count
        while low < high {
            let middle = (low + high) / 2
            if rising[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < rising.count && rising[low] == number
    }
}
