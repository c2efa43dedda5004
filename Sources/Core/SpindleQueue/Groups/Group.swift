internal import HeapModule
internal import SpindleText

/// The waiting messages of one group that have one priority.
package struct Lane: Sendable {
    package let priority: UInt8
    package internal(set) var packed = PackedMessages()
    /// Ids of held messages that wait here. May name some that don't any more, or twice: checked when taken.
    var held = Heap<UInt64>()
    /// Held messages that are ready.
    var heldReady = 0

    init(priority: UInt8) { self.priority = priority }

    var ready: Int { packed.count + heldReady }
}

/// Messages of one queue that share a group key; or, with number 0, those that have none.
package struct Group: Sendable {
    package internal(set) var key = ""
    /// Highest priority first.
    package internal(set) var lanes: [Lane] = []
    var leased: UInt32 = 0
    var delayed: UInt32 = 0
    package internal(set) var isUsed = true
    /// Groups take turns: the one with the lowest number is next. Given anew with each delivery.
    package internal(set) var turn: UInt64 = 0
    /// See ``Rate``.
    package internal(set) var rateTime: UInt64 = 0

    init(key: String = "", turn: UInt64 = 0) {
        self.key = key
        self.turn = turn
    }

    var isEmpty: Bool { leased == 0 && delayed == 0 && lanes.allSatisfy { $0.ready == 0 } }

    /// Packs a message that was just stored. False where it can't be.
    mutating func pack(id: UInt64, byteCount: UInt32, priority: UInt8, storedAt: UInt64) -> Bool {
        lanes[lane(priority)].packed.add(id: id, byteCount: byteCount, storedAt: storedAt)
    }

    /// Takes out a packed message that is the first of its lane.
    mutating func take(first id: UInt64) -> (message: PackedMessages.Message, priority: UInt8)? {
        for lane in lanes.indices {
            guard lanes[lane].packed.first?.id == id, let message = lanes[lane].packed.popFirst() else { continue }
            return (message, lanes[lane].priority)
        }
        return nil
    }

    /// Index of the lane for `priority`, which is made if there is none.
    mutating func lane(_ priority: UInt8) -> Int {
        var index = 0
        while index < lanes.count, lanes[index].priority > priority { index += 1 }
        if index == lanes.count || lanes[index].priority != priority { lanes.insert(Lane(priority: priority), at: index) }
        return index
    }
}

/// All groups of a queue, and which of them may deliver next.
package struct GroupTable: Sendable {
    /// The order of turns: a higher priority first, then who waited longest.
    struct Turn: Comparable, Sendable {
        var priority: UInt8
        var turn: UInt64
        static func < (a: Turn, b: Turn) -> Bool { a.priority != b.priority ? a.priority > b.priority : a.turn < b.turn }
    }

    /// By group number; number 0 is always there.
    package internal(set) var slots: [Group] = [Group()]
    /// Numbers of groups that vanished.
    package internal(set) var free: [UInt32] = []
    var numberByKey: [ByteText: UInt32] = [:]
    /// Turns given so far.
    package internal(set) var turns: UInt64 = 0
    /// Groups that can deliver. Not kept while there is but group 0.
    var open = IndexedHeap<Turn>()
    /// Groups that could if their rate allowed it: from when it does, milliseconds.
    var limited = IndexedHeap<UInt64>()
    /// Exactly the groups without a message, whose rate still counts: until when, milliseconds.
    var retiring = IndexedHeap<UInt64>()
    /// When the oldest packed message of a group was stored. May be too early, not too late.
    var oldest = IndexedHeap<UInt64>()

    package init() {}

    /// Whether there is any group but number 0.
    @inline(__always) package var hasKeys: Bool { slots.count > 1 }

    /// Groups with a key.
    package var count: Int { slots.count - 1 - free.count }

    package func isKnown(_ key: String) -> Bool { numberByKey[ByteText(key)] != nil }

    mutating func take(turn slot: Int) {
        turns += 1
        slots[slot].turn = turns
    }

    /// Number of the group with `key`, which comes into being if it isn't there.
    mutating func number(of key: String) -> UInt32 {
        let byteKey = ByteText(key)
        if let number = numberByKey[byteKey] { return number }
        turns += 1
        let group = Group(key: key, turn: turns)
        let number: UInt32
        if let reused = free.popLast() {
            number = reused
            slots[Int(number)] = group
        } else {
            number = UInt32(slots.count)
            slots.append(group)
        }
        numberByKey[byteKey] = number
        return number
    }

    mutating func remove(_ number: UInt32) {
        numberByKey[ByteText(slots[Int(number)].key)] = nil
        open.remove(number)
        limited.remove(number)
        retiring.remove(number)
        oldest.remove(number)
        slots[Int(number)] = Group()
        slots[Int(number)].isUsed = false
        free.append(number)
        if numberByKey.isEmpty { forgetKeys() }
    }

    /// The last group with a key is gone: only number 0 is left.
    private mutating func forgetKeys() {
        slots.removeLast(slots.count - 1)
        free = []
        open.removeAll()
        limited.removeAll()
        retiring.removeAll()
        oldest.removeAll()
    }

    /// Puts back a group of a checkpoint; numbers must rise, to `numberMax` at most. False where that can't be.
    package mutating func restore(_ number: UInt32, key: String, turn: UInt64, rateTime: UInt64, numberMax: Int) -> Bool {
        if number > 0 {
            guard number >= slots.count, number < 1 << 31, Int(number) <= slots.count + numberMax, !key.isEmpty, numberByKey[ByteText(key)] == nil
            else { return false }
            while slots.count < number {
                slots.append(Group())
                slots[slots.count - 1].isUsed = false
            }
            slots.append(Group(key: key))
            numberByKey[ByteText(key)] = number
        }
        slots[Int(number)].turn = turn
        slots[Int(number)].rateTime = rateTime
        return true
    }

    /// The rest of what a checkpoint knows: the vanished groups' numbers, in their order.
    package mutating func restore(turns: UInt64, free: [UInt32]) -> Bool {
        self.turns = turns
        while slots.count < numberByKey.count + 1 + free.count {
            slots.append(Group())
            slots[slots.count - 1].isUsed = false
        }
        guard free.allSatisfy({ $0 > 0 && Int($0) < slots.count && !slots[Int($0)].isUsed }) else { return false }
        self.free = free
        return free.count == slots.count { !$0.isUsed }
    }
}
