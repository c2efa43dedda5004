/// All held messages of a node, found by id in one step, with their leases in the order in which they end.
///
/// Leases of one duration end in the order in which they were given, so each duration has a linked list and the earliest end is
/// at one of the heads: granting, extending and settling cost the same however many there are. Durations are rounded up to one
/// of sixteen steps per power of two, which bounds the number of lists.
package struct HeldMessages: Sendable {
    private struct Slot: Sendable {
        var message: HeldMessage
        var isUsed: Bool
        /// Of the lease, while there is one: then `list` is not -1.
        var deadline: UInt64 = 0
        var list: Int32 = -1
        var previous: Int32 = -1
        var next: Int32 = -1
        /// For which the lease counts, or the last one did.
        var account: UInt32 = 0

        /// Field by field: nothing is made elsewhere and copied here.
        mutating func lease(_ packed: PackedMessages.Message, _ place: Place, _ lease: HeldMessage.Lease) {
            message.id = packed.id
            message.address = packed.address
            message.byteCount = packed.byteCount
            message.queue = place.queue
            message.storedAt = packed.storedAt
            message.liveFrom = packed.storedAt
            message.timeToLive = 0
            message.readyAt = 0
            message.priority = place.priority
            message.group = place.group
            message.isCancelled = false
            message.hasHistory = false
            message.isInAges = false
            message.epoch = 1
            message.attempts = 1
            message.state = .leased(lease)
            isUsed = true
        }

        mutating func link(in list: Int32, after: Int32, before: Int32, deadline: UInt64) {
            self.list = list
            self.deadline = deadline
            previous = after
            next = before
        }

        mutating func vacate() -> Place {
            isUsed = false
            var place = Place(
                queue: message.queue, group: message.group, priority: message.priority, byteCount: message.byteCount, state: .ready,
                hasHistory: message.hasHistory)
            switch message.state {
            case .ready: return place
            case .delayed: place.state = .delayed
            case .leased: place.state = .leased
            }
            message.state = .ready // lets go of the holder's name
            return place
        }
    }

    /// What its queue counts a message by.
    struct Place: Sendable {
        enum State: Sendable { case ready, delayed, leased }

        var queue: UInt32
        var group: UInt32
        var priority: UInt8
        var byteCount: UInt32
        var state: State
        var hasHistory: Bool

        init(queue: UInt32, group: UInt32, priority: UInt8, byteCount: UInt32, state: State, hasHistory: Bool = false) {
            self.queue = queue
            self.group = group
            self.priority = priority
            self.byteCount = byteCount
            self.state = state
            self.hasHistory = hasHistory
        }

        init(_ message: HeldMessage) {
            let state: State =
                switch message.state {
                case .ready: .ready
                case .delayed: .delayed
                case .leased: .leased
                }
            self.init(
                queue: message.queue, group: message.group, priority: message.priority, byteCount: message.byteCount, state: state,
                hasHistory: message.hasHistory)
        }
    }

    private struct LeaseList: Sendable {
        var duration: UInt64
        var first: Int32 = -1
        var last: Int32 = -1
    }

    private var slots: [Slot] = []
    private var free: [Int32] = []
    private var slotByID = IDTable()
    private var lists: [LeaseList] = []
    /// By account. Not part of the log: after a restart leases count for account 0.
    private var leaseCounts: [Int] = [0]
    package private(set) var count = 0

    package init() {}

    /// Changes what has nothing to do with leases; nil if it isn't held.
    mutating func touch<R>(_ id: UInt64, _ change: (inout HeldMessage) -> R) -> R? {
        guard let slot = slotByID[id] else { return nil }
        return change(&slots[Int(slot)].message)
    }

    /// The queue and epoch of a leased message; nil if it isn't leased.
    func leased(_ id: UInt64) -> (queue: UInt32, epoch: UInt32)? {
        guard let slot = slotByID[id] else { return nil }
        let at = Int(slot)
        return slots[at].list >= 0 ? (slots[at].message.queue, slots[at].message.epoch) : nil
    }

    /// What `look` finds in a held message; nil if it isn't held.
    func with<R>(_ id: UInt64, _ look: (HeldMessage) -> R) -> R? {
        guard let slot = slotByID[id] else { return nil }
        return look(slots[Int(slot)].message)
    }

    package func find(_ id: UInt64) -> HeldMessage? {
        guard let slot = slotByID[id] else { return nil }
        return slots[Int(slot)].message
    }

    /// The duration that a lease of `milliseconds` really gets: never shorter, at most a sixteenth longer.
    package static func leaseDuration(_ milliseconds: UInt64) -> UInt64 {
        guard milliseconds > 16 else { return max(1, milliseconds) }
        let step = UInt64(1) << UInt64(max(0, 63 - milliseconds.leadingZeroBitCount - 4))
        return (milliseconds + step - 1) / step * step
    }

    /// Adds a message. A leased one goes to the end of its duration's list. False where one with its id is held: only a damaged
    /// checkpoint names a message twice.
    @discardableResult
    package mutating func insert(_ message: HeldMessage) -> Bool {
        let index = free.last ?? Int32(slots.count)
        guard slotByID.insert(message.id, at: index) else { return false }
        if free.popLast() != nil {
            slots[Int(index)] = Slot(message: message, isUsed: true)
        } else {
            slots.append(Slot(message: message, isUsed: true))
        }
        count += 1
        link(index)
        return true
    }

    /// The same for a waiting message that is leased for the first time.
    mutating func insert(_ packed: PackedMessages.Message, _ place: Place, _ lease: HeldMessage.Lease, account: UInt32 = 0) -> Bool {
        let index = free.last ?? Int32(slots.count)
        guard slotByID.insert(packed.id, at: index) else { return false }
        if free.popLast() != nil {
            slots[Int(index)].lease(packed, place, lease)
        } else {
            slots.append(Slot(message: HeldMessage(id: 0, byteCount: 0, queue: 0, storedAt: 0, priority: 0, state: .ready), isUsed: true))
            slots[slots.count - 1].lease(packed, place, lease)
        }
        count += 1
        slots[Int(index)].account = account
        link(index, deadline: lease.deadline, duration: lease.duration)
        return true
    }

    /// Changes a held message in place and keeps the order of leases; nil if it isn't held. A lease that it has then counts for
    /// `account`, or as before.
    @discardableResult
    package mutating func update<R>(_ id: UInt64, account: UInt32? = nil, _ change: (inout HeldMessage) -> R) -> R? {
        guard let index = slotByID[id] else { return nil }
        unlink(index)
        if let account { slots[Int(index)].account = account }
        let result = change(&slots[Int(index)].message)
        link(index)
        return result
    }

    /// The lease of `id` is held by `session` from now on, and counts for `account` where one is given; returns the session before.
    mutating func own(_ id: UInt64, session: UInt64, account: UInt32?) -> UInt64? {
        guard let index = slotByID[id], case .leased(var lease) = slots[Int(index)].message.state else { return nil }
        let before = lease.session
        lease.session = session
        slots[Int(index)].message.state = .leased(lease)
        if let account, account != slots[Int(index)].account {
            countLease(-1, slots[Int(index)].account)
            slots[Int(index)].account = account
            countLease(1, account)
        }
        return before
    }

    /// Leases that count for `account`.
    package func leaseCount(of account: UInt32) -> Int { Int(account) < leaseCounts.count ? leaseCounts[Int(account)] : 0 }

    private mutating func countLease(_ more: Int, _ account: UInt32) {
        while leaseCounts.count <= Int(account) { leaseCounts.append(0) }
        leaseCounts[Int(account)] += more
    }

    /// Lets go of a message. False if it isn't held.
    @discardableResult
    package mutating func remove(_ id: UInt64) -> Bool { take(id) != nil }

    /// The same; what its queue counts it by.
    mutating func take(_ id: UInt64) -> Place? { slotByID.remove(id).map { vacate($0) } }

    /// The same for a leased one; nil if it isn't leased.
    mutating func takeLeased(_ id: UInt64) -> Place? {
        guard let index = slotByID[id], slots[Int(index)].list >= 0 else { return nil }
        return take(id)
    }

    private mutating func vacate(_ index: Int32) -> Place {
        unlink(index)
        free.append(index)
        count -= 1
        return slots[Int(index)].vacate()
    }

    /// The lease that ends first.
    package var earliestLease: (id: UInt64, deadline: UInt64)? {
        var earliest: (id: UInt64, deadline: UInt64)?
        for list in lists where list.first >= 0 {
            let deadline = slots[Int(list.first)].deadline
            if earliest.map({ deadline < $0.deadline }) ?? true { earliest = (slots[Int(list.first)].message.id, deadline) }
        }
        return earliest
    }

    /// The lease that ends first among those of which `isMeant` says so; nil: there is none among the first `looksMax` of each duration's.
    func earliestLease(looksMax: Int, where isMeant: (HeldMessage) -> Bool) -> (id: UInt64, deadline: UInt64)? {
        var earliest: (id: UInt64, deadline: UInt64)?
        for list in lists {
            var looks = 0
            var index = list.first
            while index >= 0, looks < looksMax, earliest.map({ slots[Int(index)].deadline < $0.deadline }) ?? true {
                if isMeant(slots[Int(index)].message) {
                    earliest = (slots[Int(index)].message.id, slots[Int(index)].deadline)
                    break
                }
                looks += 1
                index = slots[Int(index)].next
            }
        }
        return earliest
    }

    /// The lowest address of a held message's record: what the log must keep.
    package var lowestAddress: UInt64? {
        var lowest: UInt64?
        for slot in slots where slot.isUsed { lowest = min(lowest ?? .max, slot.message.address) }
        return lowest
    }

    /// Calls `body` with every held message, in no order that means anything, until it says false.
    package func forEach(_ body: (HeldMessage) -> Bool) {
        for slot in slots where slot.isUsed {
            guard body(slot.message) else { return }
        }
    }

    /// All held messages, by id.
    package var all: [HeldMessage] {
        slots.lazy.filter(\.isUsed).map(\.message).sorted { $0.id < $1.id }
    }

    private mutating func link(_ index: Int32) {
        guard case .leased(let lease) = slots[Int(index)].message.state else { return }
        link(index, deadline: lease.deadline, duration: lease.duration)
    }

    private mutating func link(_ index: Int32, deadline: UInt64, duration: UInt64) {
        let list = listIndex(duration)
        // Almost always the end; a restored lease may belong further ahead.
        var after = lists[list].last
        while after >= 0, slots[Int(after)].deadline > deadline { after = slots[Int(after)].previous }
        let before = after >= 0 ? slots[Int(after)].next : lists[list].first
        slots[Int(index)].link(in: Int32(list), after: after, before: before, deadline: deadline)
        if after >= 0 { slots[Int(after)].next = index } else { lists[list].first = index }
        if before >= 0 { slots[Int(before)].previous = index } else { lists[list].last = index }
        countLease(1, slots[Int(index)].account)
    }

    private mutating func unlink(_ index: Int32) {
        let at = Int(index)
        let list = Int(slots[at].list)
        guard list >= 0 else { return }
        let previous = slots[at].previous
        let next = slots[at].next
        if previous >= 0 { slots[Int(previous)].next = next } else { lists[list].first = next }
        if next >= 0 { slots[Int(next)].previous = previous } else { lists[list].last = previous }
        countLease(-1, slots[at].account)
        slots[at].list = -1
        slots[at].previous = -1
        slots[at].next = -1
    }

    private mutating func listIndex(_ duration: UInt64) -> Int {
        let rounded = Self.leaseDuration(duration)
        if let index = lists.firstIndex(where: { $0.duration == rounded }) { return index }
        lists.append(LeaseList(duration: rounded))
        return lists.count - 1
    }
}
