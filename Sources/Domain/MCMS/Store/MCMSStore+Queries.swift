internal import GRDB

/// A part of a longer list.
package struct Page<Item: Codable & Sendable>: Codable, Sendable {
    package var items: [Item]
    /// Pass it back to get what follows; `nil` at the end.
    package var nextCursor: String?
}

package enum PageLimits {
    package static let itemsDefault = 50
    package static let itemsMax = 500
}

extension MCMSStore {
    package func routing(_ id: String) async throws -> Routing {
        try await pool.read { try Routing.find($0, id: id) }
    }

    package func job(_ id: String) async throws -> AddinJob {
        try await pool.read { db in
            guard let stored = try StoredJob.find(db, id: id) else { throw MCMSError.notFound(.addinJob, id: id) }
            return stored.job
        }
    }

    /// Routings, newest first.
    package func routings(status: RoutingStatus? = nil, limit: Int = PageLimits.itemsDefault, cursor: String? = nil) async throws -> Page<Routing> {
        try await page(limit: limit, cursor: { $0.id }) { db, rows in
            try Row.fetchAll(
                db, sql: "SELECT * FROM routing WHERE (:status IS NULL OR status = :status) AND (:cursor IS NULL OR id < :cursor) ORDER BY id DESC LIMIT :rows",
                arguments: ["status": status, "cursor": cursor, "rows": rows]
            ).map(Routing.init)
        }
    }

    /// Jobs, newest first.
    package func jobs(
        status: AddinJobStatus? = nil, routing: String? = nil, limit: Int = PageLimits.itemsDefault, cursor: String? = nil
    ) async throws -> Page<AddinJob> {
        try await page(limit: limit, cursor: { $0.jobId }) { db, rows in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM addinJob WHERE (:status IS NULL OR status = :status) AND (:routing IS NULL OR routingId = :routing)
                        AND (:cursor IS NULL OR jobId < :cursor)
                    ORDER BY jobId DESC LIMIT :rows
                    """,
                arguments: ["status": status, "routing": routing, "cursor": cursor, "rows": rows]
            ).map { try StoredJob($0).job }
        }
    }

    /// A routing's history, oldest first.
    package func history(of routing: String, limit: Int = PageLimits.itemsDefault, cursor: String? = nil) async throws -> Page<HistoryEntry> {
        let after = cursor.map { Int64($0) ?? .max }
        return try await page(limit: limit, cursor: { String($0.id) }) { db, rows in
            _ = try Routing.find(db, id: routing)
            return try Row.fetchAll(
                db, sql: "SELECT * FROM historyEntry WHERE routingId = :routing AND (:after IS NULL OR id > :after) ORDER BY id LIMIT :rows",
                arguments: ["routing": routing, "after": after, "rows": rows]
            ).map(HistoryEntry.init)
        }
    }

    /// Asks for one row more than the page holds, to know whether there is a next page.
    private func page<Item: Codable & Sendable>(
        limit: Int, cursor: @Sendable (Item) -> String, _ fetch: @escaping @Sendable (Database, Int) throws -> [Item]
    ) async throws -> Page<Item> {
        let limit = min(max(limit, 1), PageLimits.itemsMax)
        var items = try await pool.read { try fetch($0, limit + 1) }
        guard items.count > limit else { return Page(items: items, nextCursor: nil) }
        items.removeLast(items.count - limit)
        return Page(items: items, nextCursor: items.last.map(cursor))
    }
}
