import NIOCore
import SpindleNode

extension Shard {
    /// Whether the connection's next request may be taken in this turn. One whose last request is still worked on takes none.
    func hasTurn(_ connection: Connection) -> Bool {
        turns.hasBudget(units: node.work.units) && connection.turns.hasBudget(in: turns.number) && !node.isWorking(for: connection.id)
    }

    /// The connection's input waits for a later turn; it is not read from until then.
    func waitForTurn(_ connection: Connection) {
        guard !connection.turns.isWaiting else { return }
        connection.turns.isWaiting = true
        turns.append(connection)
        figures.turnsWaitedFor += 1
        scheduleFlush()
    }

    /// The present turn is over: what waits is served after the loop has looked at its sockets and timers.
    func endTurn() {
        turns.ended(units: node.work.units)
        guard !turns.waiting.isEmpty, !turns.isNextScheduled else { return }
        turns.isNextScheduled = true
        // A task without delay would run before any socket is looked at.
        loop.assumeIsolated().scheduleTask(in: Turns.pause) { self.serveWaitingInput() }
    }

    /// Each connection whose input waits gets its turn, once, until the turn's work is done; the others keep their places.
    private func serveWaitingInput() {
        turns.isNextScheduled = false
        guard isAlive else { return }
        for _ in 0..<turns.waiting.count {
            guard turns.hasBudget(units: node.work.units), let connection = turns.next() else { break }
            connection.turns.isWaiting = false
            if !connection.resumeReading() { noteHeld(connection) }
        }
        flush()
    }
}
