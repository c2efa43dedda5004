internal import MCMS
internal import SQLStore
package import SpindleText

/// Files that have come whole and are not stored yet.
package struct FileWorkFigures: Hashable, Sendable {
    /// Being scanned or stored.
    package var running: Int
    package var waiting: Int
    package var oldestWaitSince: Timestamp?
}

extension FilesStore {
    package func workFigures() async throws -> FileWorkFigures {
        try await store.database.read { db in
            // What waits while it is scanned or stored says for what.
            let open = "routingFile WHERE status IN ('staged', 'scanning', 'ingesting') AND deletedAt IS NULL"
            let waits = "(status = 'staged' OR reason IS NOT NULL)"
            func count(_ condition: String) throws -> Int { try db.value("SELECT count(*) FROM \(open) AND \(condition)", as: Int.self) ?? 0 }
            return FileWorkFigures(
                running: try count("NOT \(waits)"), waiting: try count(waits),
                oldestWaitSince: try db.value("SELECT min(stagedAt) FROM \(open) AND \(waits)"))
        }
    }
}
