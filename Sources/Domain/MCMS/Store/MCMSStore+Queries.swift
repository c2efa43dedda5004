package import SpindleText
internal import SQLStore

/// A part of a longer list.
package struct Page<Item: Codable & Sendable>: Codable, Sendable {
    package var items: [Item]
    /// Pass it back to get what follows; `nil` at the end.
    package var nextCursor: String?

    package init(items: [Item], nextCursor: String?) {
        self.items = items
        self.nextCursor = nextCursor
    }
}

package enum PageLimits {
    package static let itemsDefault = 50
    package static let itemsMax = 500
}

extension MCMSStore {
    package func routing(_ id: String) async throws -> Routing {
        try await database.read { try Routing.find($0, id: id) }
    }

    package func job(_ id: String) async throws -> AddinJob {
        try await database.read { db in
            guard let stored = try StoredJob.find(db, id: id) else { throw MCMSError.notFound(.addinJob, id: id) }
            return stored.job
        }
    }

    /// Jobs, newest first.
    package func jobs(
        status: AddinJobStatus? = nil, routing: String? = nil, finishedSince: Timestamp? = nil, oldestFirst: Bool = false,
        limit: Int = PageLimits.itemsDefault, cursor: String? = nil
    ) async throws -> Page<AddinJob> {
        try await page(limit: limit, cursor: { $0.jobId }) { db, rows in
            var filter = QueryFilter(limit: rows)
            filter.require("status =", status)
            filter.require("routingId =", routing)
            filter.require("finishedAt >=", finishedSince)
            filter.require(oldestFirst ? "jobId >" : "jobId <", cursor)
            let order = oldestFirst ? "jobId" : "jobId DESC"
            return try db.rows("SELECT * FROM addinJob \(filter.clause) ORDER BY \(order) LIMIT $1", filter.values).map { try StoredJob($0).job }
        }
    }

    /// A routing's history, oldest first.
    package func history(of routing: String, limit: Int = PageLimits.itemsDefault, cursor: String? = nil) async throws -> Page<HistoryEntry> {
        let after = cursor.map { Int64($0) ?? .max }
        return try await page(limit: limit, cursor: { String($0.id) }) { db, rows in
            _ = try Routing.find(db, id: routing)
            var filter = QueryFilter(limit: rows)
            filter.require("routingId =", routing)
            filter.require("id >", after)
            return try db.rows("SELECT * FROM historyEntry \(filter.clause) ORDER BY id LIMIT $1", filter.values).map(HistoryEntry.init)
        }
    }

    /// Asks for one row more than the page holds, to know whether there is a next page.
    func page<Item: Codable & Sendable>(
        limit: Int, cursor: @Sendable (Item) -> String, _ fetch: @escaping @Sendable (any SQLConnection, Int) throws -> [Item]
    ) async throws -> Page<Item> {
        let limit = min(max(limit, 1), PageLimits.itemsMax)
        var items = try await database.read { try fetch($0, limit + 1) }
        guard items.count > limit else { return Page(items: items, nextCursor: nil) }
        items.removeLast(items.count - limit)
        return Page(items: items, nextCursor: items.last.map(cursor))
    }
}

/// The conditions of a list's query, as many as are asked for. `$1` is the limit.
struct QueryFilter {
    private var conditions: [String] = []
    private var parameters: SQLParameters

    init(limit: Int) {
        parameters = SQLParameters([limit])
    }

    var values: [(any SQLConvertible)?] { parameters.values }
    var clause: String { conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ") }

    /// Requires what `condition` makes of the parameter of `value`; nothing if `value` is nil.
    mutating func require(_ value: (any SQLConvertible)?, _ condition: (_ parameter: String) -> String) {
        guard let value else { return }
        conditions.append(condition(parameters.add(value)))
    }

    /// Requires what `condition` makes of the parameters of `values`, in their order.
    mutating func require(all values: [any SQLConvertible], _ condition: (_ parameters: [String]) -> String) {
        conditions.append(condition(values.map { parameters.add($0) }))
    }

    /// Requires nothing if `value` is nil.
    mutating func require(_ comparison: String, _ value: (any SQLConvertible)?) {
        guard let value else { return }
        conditions.append("\(comparison) \(parameters.add(value))")
    }
}
