package import SQLStore

extension MCMSStore {
    /// Copies the SQLite file as it is at one moment into a new file, while others use it.
    /// - Parameter extending: as in ``init(path:approval:extending:clock:)``.
    package static func backUp(_ path: String, to copy: String, extending: (inout SQLMigrations) -> Void = { _ in }) throws {
        var migrations = MCMSSchema.migrations()
        extending(&migrations)
        let database = try SQLiteDatabase.open(path: path, migrations: migrations)
        try database.backup(to: copy)
        try database.close()
    }
}
