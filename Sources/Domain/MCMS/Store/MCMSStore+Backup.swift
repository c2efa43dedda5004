internal import GRDB

extension MCMSStore {
    /// Copies the database as it is at one moment into a new file, while others use it.
    package func backup(to path: String) throws {
        let copy = try DatabaseQueue(path: path)
        try pool.backup(to: copy)
        try copy.close()
    }
}
