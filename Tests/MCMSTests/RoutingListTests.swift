import Foundation
import HTTPTypes
import MCMS
import SQLStore
import SpindleText
import Testing

/// Lists of routings: what is in them, in which order, to any depth.
@Suite struct RoutingListTests {
    /// As many routings as a shop has after a while, written past the rules for speed. Their ids rise; changes and names go other ways.
    private func manyRoutings(_ count: Int, in test: TestStore) async throws {
        _ = try await test.store.database.write { db in
            for index in 0..<count {
                let id = String(format: "r%05d", index)
                let generation = index % 10 == 0 ? "failed" : "none"
                try db.execute(
                    """
                    INSERT INTO routing (id, name, status, createdAt, updatedAt, lastGenerationStatus) VALUES ($1, $2, $3, $4, $5, $6)
                    """,
                    [
                        id, "\(index % 3 == 0 ? "브래킷" : "Flange_") \(index * 7 % count)",
                        index % 2 == 0 ? "draft" : "rejected", index,
                        index * 13 % count / 2 + 1, generation,
                    ])
            }
        }
    }

    private func all(_ query: RoutingQuery, _ test: TestStore) async throws -> [Routing] {
        var (found, cursor, pages): ([Routing], String?, Int) = ([], nil, 0)
        repeat {
            let page = try await test.store.routings(query, limit: 37, cursor: cursor)
            found += page.items
            cursor = page.nextCursor
            pages += 1
        } while cursor != nil && pages < 100
        return found
    }

    @Test(arguments: RoutingOrder.allCases) func everyRoutingIsOnExactlyOnePage(order: RoutingOrder) async throws {
        let test = try TestStore()
        defer { test.remove() }
        try await manyRoutings(1_200, in: test)
        let found = try await all(RoutingQuery(order: order), test)
        #expect(found.count == 1_200 && Set(found.map(\.id)).count == 1_200)
        let inOrder =
            switch order {
            case .newest: found.sorted { $0.id > $1.id }
            case .oldest: found.sorted { $0.id < $1.id }
            case .changed: found.sorted { ($0.updatedAt.milliseconds, $0.id) > ($1.updatedAt.milliseconds, $1.id) }
            // As the database compares: by the bytes of the text.
            case .name:
                found.sorted {
                    $0.name == $1.name
                        ? $0.id < $1.id : Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8))
                }
            }
        #expect(found.map(\.id) == inOrder.map(\.id))
    }

    @Test func filtersAndSearchHoldOnEveryPage() async throws {
        let test = try TestStore()
        defer { test.remove() }
        try await manyRoutings(1_200, in: test)
        #expect(try await all(RoutingQuery(search: "브래킷"), test).count == 400)
        #expect(try await all(RoutingQuery(search: "flange"), test).count == 800, "letters in either case")
        #expect(try await all(RoutingQuery(search: "e_ "), test).count == 800, "an underscore is itself")
        #expect(try await all(RoutingQuery(search: "%"), test).isEmpty, "a percent sign is itself")
        #expect(try await all(RoutingQuery(search: "r0011"), test).map(\.id).count == 10, "the id's beginning")
        let both = try await all(
            RoutingQuery(search: "브래킷", status: .draft, generation: .failed, order: .changed), test)
        #expect(both.count == 40 && both.allSatisfy { $0.status == .draft && $0.lastGenerationStatus == .failed })
    }

    @Test func aNameIsFoundInEitherUnicodeForm() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let (composed, apart) = ("플랜지 1", "플랜지 2".decomposedStringWithCanonicalMapping)
        for name in [composed, apart] { _ = try await test.store.createRouting(name: name, by: test.caller()) }
        for search in ["플랜지", "플랜지".decomposedStringWithCanonicalMapping] {
            #expect(try await all(RoutingQuery(search: search), test).count == 2)
        }
    }

    /// The row at which a page ended may move meanwhile: what did not move is neither lost nor told twice.
    @Test func aChangeBetweenTwoPagesHidesNothing() async throws {
        let test = try TestStore()
        defer { test.remove() }
        var ids: [String] = []
        for name in 0..<6 { ids.append(try await test.store.createRouting(name: "\(name)", by: test.caller()).id) }
        let first = try await test.store.routings(RoutingQuery(order: .changed), limit: 3)
        _ = try await test.store.submit(try #require(first.items.last).id, by: test.caller())
        let second = try await test.store.routings(RoutingQuery(order: .changed), limit: 3, cursor: first.nextCursor)
        #expect(second.items.map(\.id) == ids[0..<3].reversed())
    }

    @Test func noOrderSortsTheWholeTable() async throws {
        let test = try TestStore()
        defer { test.remove() }
        for (columns, index) in [("updatedAt DESC, id DESC", "routingByChange"), ("name, id", "routingByName")] {
            let plan = try await test.store.database.read { db in
                try db.rows("EXPLAIN QUERY PLAN SELECT * FROM routing ORDER BY \(columns) LIMIT 50").map {
                    try $0.value("detail") as String
                }
            }
            #expect(plan.contains { $0.contains(index) } && !plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
        }
    }

    @Test func theAPITakesTheQueryAndSaysWhatIsWrongWithIt() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await manyRoutings(60, in: api.test)
        let page = try await api.send(
            .get, "/api/routings?search=flange&status=draft&generation=none&sort=name&limit=5")
        #expect(
            page.status == 200 && page.body["items"]?.list?.count == 5 && page.body["nextCursor"]?.text != nil,
            "\(page.text)")
        let long = "search=" + String(repeating: "a", count: RoutingQuery.searchCharactersMax + 1)
        for (query, field) in [
            ("sort=size", "sort"), ("generation=x", "generation"), ("sort=changed&cursor=x", "cursor"),
            ("sort=name&cursor=x", "cursor"), (long, "search"),
        ] {
            let answer = try await api.send(.get, "/api/routings?\(query)")
            #expect(answer.status == 400 && answer.body["field"]?.text == field, "\(query): \(answer.text)")
        }
    }

    @Test func aFailedGenerationSaysWhyInTheList() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let (routing, job) = try await api.test.approved()
        _ = try await AddinResultHandler(store: api.test.store, share: FakeShare()).handle(
            AddinJobResultCommand(jobId: job, routingId: routing.id, report: AddinReport(.failed, message: "라이선스 없음")),
            message: MessageIdentity(queue: "addin-result", messageID: 1, taskID: "t"), correlationID: "c-2", attempt: 1
        )
        let list = try await api.send(.get, "/api/routings?generation=failed")
        #expect(list.body["items"]?.list?.map { $0["generationMessage"] } == ["라이선스 없음"], "\(list.text)")
        #expect(try await api.send(.get, "/api/routings/\(routing.id)").body["generationMessage"] == "라이선스 없음")
    }
}
