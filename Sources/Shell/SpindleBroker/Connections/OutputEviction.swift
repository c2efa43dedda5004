/// Which connections to cut while the output of all of them together is full and others wait for room.
///
/// Connections that take nothing of their output could fill the budget and leave nothing for those that read. Only such connections
/// are cut, the largest first, and no more of them than make the room that is missing.
package enum OutputEviction {
    package struct Holder<Connection> {
        package var connection: Connection
        /// Output that waits for the connection, bytes.
        package var byteCount: Int
        /// How long it has taken nothing, milliseconds.
        package var stalledMilliseconds: UInt64

        package init(connection: Connection, byteCount: Int, stalledMilliseconds: UInt64) {
            self.connection = connection
            self.byteCount = byteCount
            self.stalledMilliseconds = stalledMilliseconds
        }
    }

    package static func connections<Connection>(
        of holders: [Holder<Connection>], missing byteCount: Int, stalledMin: UInt64
    ) -> [Connection] {
        guard byteCount > 0 else { return [] }
        var missing = byteCount
        var evicted: [Connection] = []
        for holder in holders.filter({ $0.stalledMilliseconds >= stalledMin && $0.byteCount > 0 }).sorted(by: { $0.byteCount > $1.byteCount }) {
            guard missing > 0 else { break }
            missing -= holder.byteCount
            evicted.append(holder.connection)
        }
        return evicted
    }
}
