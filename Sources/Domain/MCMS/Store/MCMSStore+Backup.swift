internal import SQLStore

extension MCMSStore {
    /// Copies the SQLite file as it is at one moment into a new file, while others use it.
    package static func backUp(_ path: String, to copy: String) throws {
        let database = try SQLiteDatabase.open(path: path, migrations: MCMSSchema.migrations())
        try database.backup(to: copy)
        try database.close()
    }
}
