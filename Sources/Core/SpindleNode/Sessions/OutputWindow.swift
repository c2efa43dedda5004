/// What one session has been promised or made, and its socket has not taken yet. Bytes.
struct OutputWindow: Sendable {
    /// Made, and not taken by the socket.
    private(set) var unsent = 0
    /// Made since the session came, and taken.
    private(set) var madeTotal: UInt64 = 0
    private(set) var takenTotal: UInt64 = 0
    /// Decided, and not made yet: replies that wait for the disk.
    private(set) var promised = 0
    /// What could not be made for want of room: the size of its smallest part. Nil: nothing waits.
    var needed: Int?
    /// What had been made in all when that began to wait.
    var neededSince: UInt64 = 0
    /// Requests that were taken and wait for room.
    var setAside = 0

    var outstanding: Int { unsent + promised }

    mutating func promise(_ byteCount: Int) { promised += byteCount }

    /// Takes back a promise: it was kept, or will not be.
    mutating func release(_ byteCount: Int) { promised -= byteCount }

    mutating func made(_ byteCount: Int) {
        unsent += byteCount
        madeTotal += UInt64(byteCount)
    }

    /// Returns how many of these bytes were known to be unsent.
    mutating func taken(_ byteCount: Int) -> Int {
        let known = min(byteCount, unsent)
        unsent -= known
        takenTotal += UInt64(known)
        return known
    }
}

/// What may be made for a session now. Bytes.
struct OutputAllowance: Equatable, Sendable {
    /// Of frames that can be made smaller: pages, batches.
    var room: Int
    /// Of one frame that can't: a session with nothing outstanding may get more than its room.
    var single: Int

    static let none = OutputAllowance(room: 0, single: 0)
}
