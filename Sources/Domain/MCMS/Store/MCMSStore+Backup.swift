internal import GRDB
internal import Outbox

extension MCMSStore {
    /// Copies the database as it is at one moment into a new file, while others use it.
    package func backup(to path: String) throws {
        try DatabaseFile.keepPrivate(path)
        let copy = try DatabaseQueue(path: path)
        try pool.backup(to: copy)
        try copy.close()
    }
}
