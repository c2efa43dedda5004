package import SpindleWire

/// A connection, as the shell numbers it; never used twice in the life of a node.
package struct SessionID: Hashable, Comparable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: SessionID, b: SessionID) -> Bool { a.rawValue < b.rawValue }
}

/// What the shell must do, in this order. A frame goes out as one or more `bytes` and `read` effects of its session,
/// one behind the other with nothing of the same session between.
package enum Effect: Equatable, Sendable {
    /// Write this range of the outbox's bytes to the session.
    case bytes(SessionID, Swift.Range<Int>)
    /// Write `count` bytes of the log from `address` on to the session: one stored record, which is durable. One that is damaged or can't be
    /// read is replaced by a ``StandIn``, and so is a compressed one unless the session ``Node/expands(_:)``.
    case read(SessionID, address: UInt64, count: Int)
    /// Read these bytes of the log, which are durable, and call ``Node/fetched(_:bytes:now:)`` with all of them.
    case fetch(ticket: UInt64, ranges: [Range])
    /// Find out who this is and call ``Node/authenticated(_:principal:now:)``.
    case verifyToken(SessionID, token: String)
    case verifyCertificate(SessionID)
    /// Have a mechanism judge these bytes and call ``Node/judged(_:_:now:)``. Rare, and large.
    indirect case verifyMechanism(SessionID, MechanismRound)
    /// Write what is there, then close the connection.
    case close(SessionID)
    /// Write a line of the audit. Rare, and large: kept apart, so that the others stay small.
    indirect case audit(AuditEntry)

    /// `count` bytes of the log from `address` on; they lie in one segment.
    package struct Range: Equatable, Sendable {
        package var address: UInt64
        package var count: Int
        package init(address: UInt64, count: Int) {
            self.address = address
            self.count = count
        }
    }
}

extension Node {
    /// Where effects gather until the shell performs them.
    package struct Outbox: ~Copyable {
        /// A buffer that has grown beyond this is let go of when it is empty.
        private static let bytesKept = 1 << 20
        private static let bytesAtFirst = 64 << 10

        package var writer = WireWriter(capacity: bytesAtFirst)
        package var effects: [Effect] = []
        /// Output that was put here and is not in the sessions' accounts yet: ``Node/accountOutput()``.
        var made: [(session: SessionID, byteCount: Int)] = []

        package init() {}

        /// Empties it, when the effects were performed.
        package mutating func removeAll() {
            if writer.count > Self.bytesKept { writer = WireWriter(capacity: Self.bytesAtFirst) } else { writer.removeAll() }
            effects.removeAll(keepingCapacity: true)
        }

        mutating func count(_ byteCount: Int, for session: SessionID) {
            if made.last?.session == session {
                made[made.count - 1].byteCount += byteCount
            } else {
                made.append((session, byteCount))
            }
        }
    }
}
