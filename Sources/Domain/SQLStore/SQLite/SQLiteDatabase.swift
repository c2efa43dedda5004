internal import GRDB
internal import Synchronization

/// A database in one SQLite file that several processes on one machine share: see ``SQLiteFile`` for how it is opened.
///
/// One transaction writes at a time, in all processes together; it waits for the others up to ``busyTimeoutSeconds``.
package final class SQLiteDatabase: SQLDatabase {
    /// How long a connection waits for another process's transaction.
    package static let busyTimeoutSeconds = 10.0
    /// Readers at the same time in one process.
    package static let readersMax = 4

    private let pool: DatabasePool

    private init(pool: DatabasePool) {
        self.pool = pool
    }

    package struct OpenError: Error, CustomStringConvertible {
        package let description: String
    }

    /// Opens the file, creating it or bringing its tables up to date.
    /// - Throws: ``OpenError`` or ``SQLError``, each saying what is wrong with the file.
    package static func open(path: String, migrations: SQLMigrations) throws -> SQLiteDatabase {
        try SQLiteFile.locked(path) {
            try SQLiteFile.keepPrivate(path)
            do {
                let pool = try DatabasePool(path: path, configuration: configuration)
                // A pool has one writing connection for its whole life; readers don't sync.
                try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
                let migrator = migrator(migrations)
                guard try !pool.read(migrator.hasBeenSuperseded) else {
                    throw OpenError(
                        description: "\(path) was written by a newer version of this program. Start that version, or restore a backup.")
                }
                try migrator.migrate(pool)
                return SQLiteDatabase(pool: pool)
            } catch {
                throw SQLError.translated(error)
            }
        }
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(busyTimeoutSeconds)
        configuration.foreignKeysEnabled = true
        configuration.maximumReaderCount = readersMax
        return configuration
    }

    /// GRDB keeps the names of applied steps in its table `grdb_migrations`, as in the files of all earlier versions.
    private static func migrator(_ migrations: SQLMigrations) -> DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for step in migrations.steps {
            migrator.registerMigration(step.name, foreignKeyChecks: .immediate) { try SQLiteConnection.run($0, step.apply) }
        }
        return migrator
    }

    package func read<V: Sendable>(_ body: @Sendable @escaping (any SQLConnection) throws -> V) async throws -> V {
        do {
            return try await pool.read { try SQLiteConnection.run($0, body) }
        } catch {
            throw SQLError.translated(error)
        }
    }

    /// Runs an IMMEDIATE transaction, so that the time-out applies to it as a whole.
    package func write<V: Sendable>(_ body: @Sendable @escaping (any SQLConnection) throws -> V) async throws -> V {
        do {
            return try await pool.write { try SQLiteConnection.run($0, body) }
        } catch {
            throw SQLError.translated(error)
        }
    }

    /// Tells commits through this object only.
    package func observe(table: String, onCommit: @Sendable @escaping () -> Void) async throws -> SQLObservation {
        let failure = Mutex<(any Error)?>(nil)
        // On the writer's queue an observation begins without waiting for it.
        let observation = try await pool.writeWithoutTransaction { [pool] _ in
            DatabaseRegionObservation(tracking: Table(table)).start(
                in: pool, onError: { error in failure.withLock { $0 = error } }, onChange: { _ in onCommit() })
        }
        if let error = failure.withLock({ $0 }) { throw SQLError.translated(error) }
        return SQLObservation { observation.cancel() }
    }

    /// Copies the database as it is at one moment into a new file, while others use it. Only the file's owner can read the copy.
    package func backup(to path: String) throws {
        try SQLiteFile.keepPrivate(path)
        do {
            let copy = try DatabaseQueue(path: path)
            try pool.backup(to: copy)
            try copy.close()
        } catch {
            throw SQLError.translated(error)
        }
    }

    package func close() throws {
        do {
            try pool.close()
        } catch {
            throw SQLError.translated(error)
        }
    }
}
