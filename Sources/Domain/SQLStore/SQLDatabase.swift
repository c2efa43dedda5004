/// A database that several processes may share.
package protocol SQLDatabase: Sendable {
    /// Reads in one snapshot: what others commit meanwhile is not seen. A statement that would change something fails.
    func read<V: Sendable>(_ body: @Sendable @escaping (any SQLConnection) throws -> V) async throws -> V

    /// Runs one transaction: everything that `body` wrote is durable when this returns, and nothing of it is there if this throws.
    /// Transactions have the effect of one after another.
    func write<V: Sendable>(_ body: @Sendable @escaping (any SQLConnection) throws -> V) async throws -> V

    /// Calls `onCommit` after transactions that changed the table, until the observation is cancelled or released.
    ///
    /// It is a hint that saves waiting, not a promise: commits of other processes may go untold, so the caller polls as well.
    func observe(table: String, onCommit: @Sendable @escaping () -> Void) async throws -> SQLObservation

    /// Closes all connections. Nothing may use the database any more.
    func close() throws
}

/// Ends what ``SQLDatabase/observe(table:onCommit:)`` began.
package final class SQLObservation: Sendable {
    private let stop: @Sendable () -> Void

    package init(stop: @escaping @Sendable () -> Void) {
        self.stop = stop
    }

    deinit { stop() }

    package func cancel() { stop() }
}
