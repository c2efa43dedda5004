internal import DequeModule
internal import HeapModule

/// A LEASE that found nothing and waits.
package struct Waiter: Sendable {
    package var session: SessionID
    package var correlationID: UInt32
    package var first: Place
    /// Further queues, in the order in which they are looked at.
    package var others: [Place]
    package var messagesMax: Int
    package var bytesMax: Int
    package var deadline: UInt64
    /// In whose name; nil: the principal's own.
    package var actor: String?
    /// Set when it begins to wait: numbers rise in the order in which waiters came.
    package fileprivate(set) var number: UInt64 = 0
    /// Why it waits without being in line; empty while it is.
    package fileprivate(set) var parkedFor: ParkReasons = []
    /// Its wait ended while it was parked for want of room: what it asked for may be there.
    fileprivate var isOverdue = false
    package var isParked: Bool { !parkedFor.isEmpty }

    /// A queue that it waits for, and how long it leases there.
    package struct Place: Equatable, Sendable {
        package var queue: UInt32
        package var leaseMilliseconds: UInt64
        package init(queue: UInt32, leaseMilliseconds: UInt64) {
            self.queue = queue
            self.leaseMilliseconds = leaseMilliseconds
        }
    }

    package var placeCount: Int { 1 + others.count }
    package func place(_ index: Int) -> Place { index == 0 ? first : others[index - 1] }

    package struct ParkReasons: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Its session was told to be quiet.
        package static let quiet = ParkReasons(rawValue: 1)
        /// Its session can't take what it would get.
        package static let noRoom = ParkReasons(rawValue: 2)
    }

    package init(
        session: SessionID, correlationID: UInt32, first: Place, others: [Place] = [], messagesMax: Int, bytesMax: Int, deadline: UInt64,
        actor: String? = nil
    ) {
        self.session = session
        self.correlationID = correlationID
        self.first = first
        self.others = others
        self.messagesMax = messagesMax
        self.bytesMax = bytesMax
        self.deadline = deadline
        self.actor = actor
    }
}

/// LEASEs that wait: of each queue in the order in which they came, of each connection, and by deadline. One over several queues stands in
/// the line of each.
///
/// Every removal takes constant time, amortized. A waiter that leaves may leave its place in a line or its deadline behind;
/// both are compacted before they outnumber the waiters.
package struct WaitingLeases: Sendable {
    /// Most waiters on one queue.
    package static let perQueueMax = 100_000
    /// Places and deadlines of waiters that left, kept before compaction besides one for each waiter.
    package static let leftBehindMax = 64

    private struct Deadline: Comparable, Sendable {
        var at: UInt64
        var number: UInt64
        static func < (a: Deadline, b: Deadline) -> Bool { a.at != b.at ? a.at < b.at : a.number < b.number }
    }

    /// The waiters of one queue.
    private struct Line: Sendable {
        /// Rising. Some may be of waiters that left or are parked.
        var numbers: Deque<UInt64> = []
        /// Waiters in line.
        var count = 0
        var parked: Set<UInt64> = []
    }

    private var waiters: [UInt64: Waiter] = [:]
    /// By queue number.
    private var lines: [Line] = []
    /// Numbers of each connection's waiters, rising.
    private var numbersBySession: [SessionID: [UInt64]] = [:]
    private var deadlines = Heap<Deadline>()
    private var lastNumber: UInt64 = 0

    package init() {}

    // MARK: Looking

    /// Waiters of all queues, parked ones too.
    package var count: Int { waiters.count }

    /// Waiters in line for `queue`.
    package func count(inLineFor queue: UInt32) -> Int { Int(queue) < lines.count ? lines[Int(queue)].count : 0 }

    /// Waiters on `queue`, parked ones too.
    package func count(on queue: UInt32) -> Int { Int(queue) < lines.count ? lines[Int(queue)].count + lines[Int(queue)].parked.count : 0 }

    /// Why waiters on `queue` are parked, all of them together.
    package func parkReasons(on queue: UInt32) -> Waiter.ParkReasons {
        guard Int(queue) < lines.count else { return [] }
        return lines[Int(queue)].parked.sorted().reduce(into: []) { reasons, number in reasons.formUnion(waiters[number]?.parkedFor ?? []) }
    }

    package func count(of session: SessionID) -> Int { numbersBySession[session]?.count ?? 0 }

    /// When the next wait may end; a time at which none does is possible.
    package var nextDeadline: UInt64? { deadlines.min?.at }

    /// Entries that are kept in lines and by deadline, for tests.
    package var entryCount: Int { lines.reduce(deadlines.count) { $0 + $1.numbers.count } }

    /// The waiter that is first in line for `queue`.
    package mutating func first(inLineFor queue: UInt32) -> Waiter? {
        guard count(inLineFor: queue) > 0 else { return nil }
        let index = Int(queue)
        while let number = lines[index].numbers.first {
            if let waiter = waiters[number], !waiter.isParked { return waiter }
            lines[index].numbers.removeFirst()
        }
        return nil
    }

    // MARK: Coming and going

    /// Adds a waiter at the end of its queues' lines; or beside it, where there is a reason to park it.
    package mutating func add(_ waiter: Waiter, parkedFor reasons: Waiter.ParkReasons = []) {
        var waiter = waiter
        lastNumber += 1
        waiter.number = lastNumber
        waiter.parkedFor = reasons
        for place in 0..<waiter.placeCount {
            let index = Int(waiter.place(place).queue)
            while lines.count <= index { lines.append(Line()) }
            if waiter.isParked {
                lines[index].parked.insert(waiter.number)
            } else {
                lines[index].numbers.append(waiter.number)
                lines[index].count += 1
            }
        }
        waiters[waiter.number] = waiter
        numbersBySession[waiter.session, default: []].append(waiter.number)
        deadlines.insert(Deadline(at: waiter.deadline, number: waiter.number))
    }

    /// Removes the waiter that was given as `number`.
    @discardableResult
    package mutating func remove(_ number: UInt64) -> Waiter? {
        guard let waiter = take(number) else { return nil }
        if let place = Self.place(of: number, in: numbersBySession[waiter.session] ?? []) {
            numbersBySession[waiter.session]?.remove(at: place)
            if numbersBySession[waiter.session]?.isEmpty == true { numbersBySession[waiter.session] = nil }
        }
        compactDeadlines()
        return waiter
    }

    /// Removes the connection's waiter that asked under this correlation id; nil if there is none.
    package mutating func remove(of session: SessionID, correlationID: UInt32) -> Waiter? {
        guard let number = numbersBySession[session]?.last(where: { waiters[$0]?.correlationID == correlationID }) else { return nil }
        return remove(number)
    }

    /// Removes every waiter of a connection; returns them in the order in which they came.
    @discardableResult
    package mutating func removeAll(of session: SessionID) -> [Waiter] {
        guard let numbers = numbersBySession.removeValue(forKey: session) else { return [] }
        let removed = numbers.compactMap { take($0) }
        compactDeadlines()
        return removed
    }

    /// Removes every waiter of a queue; returns them in the order in which they came.
    package mutating func removeAll(on queue: UInt32) -> [Waiter] {
        guard Int(queue) < lines.count else { return [] }
        let numbers = lines[Int(queue)].numbers.filter { waiters[$0]?.isParked == false } + lines[Int(queue)].parked
        let removed = numbers.sorted().compactMap { remove($0) }
        lines[Int(queue)] = Line()
        return removed
    }

    /// Removes a waiter whose wait ends at `now` or before; nil if there is none. One that is parked for want of room stays until it
    /// has room.
    package mutating func removeNextDue(now: UInt64) -> Waiter? {
        while let first = deadlines.min, first.at <= now {
            deadlines.removeMin()
            if waiters[first.number]?.parkedFor.contains(.noRoom) == true {
                waiters[first.number]?.isOverdue = true
                continue
            }
            if let waiter = remove(first.number) { return waiter }
        }
        return nil
    }

    /// Everything of a waiter but its entry in its connection's list and its deadline.
    private mutating func take(_ number: UInt64) -> Waiter? {
        guard let waiter = waiters.removeValue(forKey: number) else { return nil }
        for place in 0..<waiter.placeCount {
            let index = Int(waiter.place(place).queue)
            if waiter.isParked {
                lines[index].parked.remove(number)
            } else {
                lines[index].count -= 1
                if lines[index].numbers.first == number { lines[index].numbers.removeFirst() }
                compactLine(index)
            }
        }
        return waiter
    }

    private mutating func compactLine(_ index: Int) {
        guard lines[index].numbers.count > 2 * lines[index].count + Self.leftBehindMax else { return }
        let waiters = waiters
        lines[index].numbers.removeAll { waiters[$0]?.isParked != false }
    }

    private mutating func compactDeadlines() {
        guard deadlines.count > 2 * waiters.count + Self.leftBehindMax else { return }
        deadlines = Heap(deadlines.unordered.filter { waiters[$0.number] != nil })
    }

    // MARK: Parking

    /// Takes a waiter out of its line; it goes on waiting for its deadline.
    package mutating func park(_ number: UInt64, for reason: Waiter.ParkReasons) {
        guard let waiter = waiters[number] else { return }
        waiters[number]?.parkedFor.formUnion(reason)
        guard !waiter.isParked else { return }
        for place in 0..<waiter.placeCount {
            let index = Int(waiter.place(place).queue)
            lines[index].parked.insert(number)
            lines[index].count -= 1
            compactLine(index)
        }
    }

    /// Parks all of the connection's waiters.
    package mutating func parkAll(of session: SessionID, for reason: Waiter.ParkReasons) {
        for number in numbersBySession[session] ?? [] { park(number, for: reason) }
    }

    /// Puts those of the connection's waiters that were parked for nothing else back where they were in line; the queues concerned.
    package mutating func resumeAll(of session: SessionID, from reason: Waiter.ParkReasons) -> [UInt32] {
        var queues: [UInt32] = []
        for number in numbersBySession[session] ?? [] {
            guard let waiter = waiters[number], !waiter.parkedFor.isDisjoint(with: reason) else { continue }
            waiters[number]?.parkedFor.subtract(reason)
            if waiter.isOverdue, reason.contains(.noRoom) {
                waiters[number]?.isOverdue = false
                deadlines.insert(Deadline(at: waiter.deadline, number: number))
            }
            guard waiters[number]?.isParked == false else { continue }
            for place in 0..<waiter.placeCount {
                let queue = waiter.place(place).queue
                putBack(number, in: Int(queue))
                if queues.last != queue { queues.append(queue) }
            }
        }
        return queues
    }

    /// Puts a waiter back where it was in line.
    private mutating func putBack(_ number: UInt64, in index: Int) {
        lines[index].parked.remove(number)
        lines[index].count += 1
        let place = Self.firstPlace(notBelow: number, in: lines[index].numbers)
        // Its old place may not have been compacted yet.
        if place == lines[index].numbers.count || lines[index].numbers[place] != number { lines[index].numbers.insert(number, at: place) }
    }

    // MARK: Rising numbers

    private static func firstPlace(notBelow number: UInt64, in numbers: some RandomAccessCollection<UInt64>) -> Int {
        var low = 0
        var high = numbers.count
        while low < high {
            let middle = (low + high) / 2
            if numbers[numbers.index(numbers.startIndex, offsetBy: middle)] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func place(of number: UInt64, in numbers: [UInt64]) -> Int? {
        let place = firstPlace(notBelow: number, in: numbers)
        return place < numbers.count && numbers[place] == number ? place : nil
    }
}
