package import NIOCore

/// The unanswered requests of a connection, by correlation id.
///
/// An id is a slot number in its low 16 bits and, above, how often the slot was used: a reply that comes after its request was given up
/// finds another generation and is ignored on purpose. Id 0 is a push's, ids with a slot of `slotsMax` or more belong to the handshake.
package struct RequestTable<Payload> {
    package static var slotsMax: Int { 0xFF00 }

    private struct Slot {
        var generation: UInt16 = 0
        /// Rises with every insertion: the order of sending.
        var serial: UInt64 = 0
        var deadline = NIODeadline.distantFuture
        var payload: Payload?
    }

    private var slots: [Slot] = [Slot()]  // slot 0 is never given out, so that no id is 0
    private var free: [UInt16] = []
    private var nextSerial: UInt64 = 0
    package private(set) var count = 0

    package init() {}

    /// The new request's id; nil when the table is full.
    package mutating func insert(_ payload: Payload, deadline: NIODeadline) -> UInt32? {
        let index: Int
        if let reused = free.popLast() {
            index = Int(reused)
        } else {
            guard slots.count < Self.slotsMax else { return nil }
            index = slots.count
            slots.append(Slot())
        }
        nextSerial += 1
        count += 1
        slots[index].serial = nextSerial
        slots[index].deadline = deadline
        slots[index].payload = payload
        return UInt32(slots[index].generation) << 16 | UInt32(index)
    }

    /// Shows every request with its id, to be changed.
    package mutating func update(_ change: (UInt32, inout Payload) -> Void) {
        for index in slots.indices {
            guard var payload = slots[index].payload else { continue }
            change(UInt32(slots[index].generation) << 16 | UInt32(index), &payload)
            slots[index].payload = payload
        }
    }

    /// Takes the request with that id out; nil where there is none (any more).
    package mutating func remove(_ id: UInt32) -> Payload? {
        let index = Int(id & 0xFFFF)
        guard index < slots.count, slots[index].generation == UInt16(id >> 16) else { return nil }
        return release(index)
    }

    /// Takes those out whose deadline has come, in order of sending.
    package mutating func removeExpired(at now: NIODeadline) -> [Payload] {
        take { $0.deadline <= now }
    }

    /// Takes all out, in order of sending.
    package mutating func removeAll() -> [Payload] { take { _ in true } }

    package var earliestDeadline: NIODeadline? {
        guard count > 0 else { return nil }
        return slots.lazy.filter { $0.payload != nil }.map(\.deadline).min()
    }

    private mutating func take(_ matches: (Slot) -> Bool) -> [Payload] {
        guard count > 0 else { return [] }
        var taken: [(serial: UInt64, payload: Payload)] = []
        for index in slots.indices where slots[index].payload != nil && matches(slots[index]) {
            let serial = slots[index].serial
            if let payload = release(index) { taken.append((serial, payload)) }
        }
        return taken.sorted { $0.serial < $1.serial }.map(\.payload)
    }

    private mutating func release(_ index: Int) -> Payload? {
        guard let payload = slots[index].payload else { return nil }
        slots[index].payload = nil
        slots[index].generation &+= 1
        free.append(UInt16(index))
        count -= 1
        return payload
    }
}
