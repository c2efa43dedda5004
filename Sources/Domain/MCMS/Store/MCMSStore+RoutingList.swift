internal import Foundation
internal import SQLStore
internal import SpindleText

/// In which order a list of routings is. Each order has an index.
package enum RoutingOrder: String, CaseIterable, Sendable {
    case newest, oldest, changed, name
}

/// Which routings a list has.
package struct RoutingQuery: Sendable {
    package static let searchCharactersMax = 200

    /// A part of the name, or the beginning of the id. ASCII letters match in either case.
    package var search: String?
    package var status: RoutingStatus?
    package var generation: GenerationStatus?
    package var order: RoutingOrder

    package init(
        search: String? = nil, status: RoutingStatus? = nil, generation: GenerationStatus? = nil,
        order: RoutingOrder = .newest
    ) {
        self.search = search
        self.status = status
        self.generation = generation
        self.order = order
    }
}

extension MCMSStore {
    /// Routings, newest first.
    package func routings(
        status: RoutingStatus? = nil, limit: Int = PageLimits.itemsDefault, cursor: String? = nil
    ) async throws -> Page<Routing> {
        try await routings(RoutingQuery(status: status), limit: limit, cursor: cursor)
    }

    /// Routings that the query asks for. A page begins after the row at which the one before ended, so that its cost does not grow
    /// with the depth.
    /// - Throws: ``MCMSError`` for a cursor of another order.
    package func routings(
        _ query: RoutingQuery, limit: Int = PageLimits.itemsDefault, cursor: String? = nil
    ) async throws -> Page<Routing> {
        let after = try cursor.map { try RoutingCursor($0, order: query.order) }
        return try await page(limit: limit, cursor: { RoutingCursor($0, order: query.order).text }) { db, rows in
            if query.order == .name, let after { try Self.checkExists(after, db) }
            var filter = QueryFilter(limit: rows)
            filter.require("status =", query.status)
            filter.require("lastGenerationStatus =", query.generation)
            Self.search(query.search, &filter)
            Self.begin(&filter, after: after, order: query.order)
            return try db.rows(
                "SELECT * FROM routing \(filter.clause) ORDER BY \(Self.columns(of: query.order)) LIMIT $1",
                filter.values
            )
            .map(Routing.init)
        }
    }

    /// Why the latest generation failed, by the routing's id; nothing about those whose generation did not fail.
    package func generationFailures(of routings: [Routing]) async throws -> [String: String] {
        let failed = routings.filter { $0.lastGenerationStatus == .failed }
        guard !failed.isEmpty else { return [:] }
        return try await database.read { db in
            var messages: [String: String] = [:]
            for routing in failed {
                guard let job = routing.lastAddinJobId else { continue }
                messages[routing.id] = try StoredJob.find(db, id: job)?.job.message
            }
            return messages
        }
    }

    private static func columns(of order: RoutingOrder) -> String {
        switch order {
        case .newest: "id DESC"
        case .oldest: "id"
        case .changed: "updatedAt DESC, id DESC"
        case .name: "name, id"
        }
    }

    private static func begin(_ filter: inout QueryFilter, after: RoutingCursor?, order: RoutingOrder) {
        switch order {
        case .newest: filter.require("id <", after?.id)
        case .oldest: filter.require("id >", after?.id)
        case .changed: filter.require(after?.id) { id in "(updatedAt, id) < (\(after?.changedAt ?? 0), \(id))" }
        // Names don't change, and routings are not deleted.
        case .name:
            filter.require(after?.id) { id in "(name, id) > ((SELECT name FROM routing WHERE id = \(id)), \(id))" }
        }
    }

    /// Without its row a cursor by name has no place: the page after it would look like the end.
    private static func checkExists(_ cursor: RoutingCursor, _ db: any SQLConnection) throws {
        guard try db.rows("SELECT id FROM routing WHERE id = $1", [cursor.id]).isEmpty else { return }
        throw MCMSError.invalid(field: "cursor", problem: RoutingCursor.foreign)
    }

    /// Names are kept as they were typed, and macOS types Korean in parts: both Unicode forms of the text are looked for.
    private static func search(_ text: String?, _ filter: inout QueryFilter) {
        guard let text else { return }
        let forms = [text.precomposedStringWithCanonicalMapping, text.decomposedStringWithCanonicalMapping]
        filter.require(all: forms.map(pattern)) { forms in
            #"""
            (name LIKE '%' || \#(forms[0]) || '%' ESCAPE '\' OR name LIKE '%' || \#(forms[1]) || '%' ESCAPE '\'
            OR id LIKE \#(forms[0]) || '%' ESCAPE '\')
            """#
        }
    }

    /// The text as `LIKE` takes it literally.
    private static func pattern(_ search: String) -> String {
        search.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
    }
}

/// Where a page ended: the id of its last row; before it, where the order is by time, that time and a dot.
private struct RoutingCursor {
    static let foreign = "is not one that a list in this order returned"

    let changedAt: Int64
    let id: String

    init(_ routing: Routing, order: RoutingOrder) {
        changedAt = order == .changed ? routing.updatedAt.milliseconds : 0
        id = routing.id
    }

    init(_ text: String, order: RoutingOrder) throws(MCMSError) {
        guard order == .changed else {
            changedAt = 0
            id = text
            return
        }
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let time = Int64(parts[0]) else {
            throw MCMSError.invalid(field: "cursor", problem: Self.foreign)
        }
        changedAt = time
        id = String(parts[1])
    }

    var text: String { changedAt == 0 ? id : "\(changedAt).\(id)" }
}
