import NIOCore

/// How far the loop's present turn is, and which connections' input waits for a later one.
///
/// A turn is all that happens between two calls of ``Shard/flush()``. In it the node does so much work for each connection, and so much for
/// all together; what is left of a connection's input waits, in a line in which each connection has one place.
struct Turns {
    /// Units of the node's work in one turn, for one connection and for all. One more request may follow the last that fits.
    static let unitsPerConnectionMax: UInt64 = 8_192
    static let unitsMax: UInt64 = 32_768
    /// From one turn to the next while there is work left: long enough for the loop to look at its sockets and timers.
    static let pause = TimeAmount.microseconds(50)

    /// Of the present turn.
    private(set) var number: UInt64 = 0
    /// The node's work at its beginning.
    private var unitsBefore: UInt64 = 0
    private(set) var waiting = CircularBuffer<Connection>()
    var isFlushScheduled = false
    var isNextScheduled = false
    /// For the node's next deadline.
    var timer: (at: UInt64, task: Scheduled<Void>)?

    /// `units`: the node's work so far.
    mutating func ended(units: UInt64) {
        number += 1
        unitsBefore = units
    }

    func hasBudget(units: UInt64) -> Bool { units - unitsBefore < Self.unitsMax }

    mutating func append(_ connection: Connection) { waiting.append(connection) }

    mutating func next() -> Connection? { waiting.popFirst() }
}

/// What one connection had of the loop's turns.
struct ConnectionTurns {
    /// Its input waits for its next turn.
    var isWaiting = false
    private var turn: UInt64 = 0
    private var units: UInt64 = 0

    func hasBudget(in turn: UInt64) -> Bool { self.turn != turn || units < Turns.unitsPerConnectionMax }

    mutating func spent(_ units: UInt64, in turn: UInt64) {
        self.units = (self.turn == turn ? self.units : 0) + units
        self.turn = turn
    }
}
