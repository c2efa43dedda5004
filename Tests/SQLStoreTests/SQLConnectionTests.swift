import SQLStore
import Testing

@Suite struct SQLConnectionTests {
    private func inTransaction<V: Sendable>(_ body: @Sendable @escaping (any SQLConnection) throws -> V) async throws -> V {
        let file = try TemporaryFile()
        defer { file.remove() }
        return try await file.open().write(body)
    }

    @Test(arguments: [
        (sql: "SELECT $1 || $2 || $3", result: "abc"), ("SELECT $3 || $2 || $1", "cba"), ("SELECT $2 || $1 || $3 || $2 || $2", "bacbb"),
        ("SELECT $3 || coalesce($1, '') || '$9' || $2", "ca$9b"),
    ])
    func parametersGoByTheirNumbers(sql: String, result: String) async throws {
        #expect(try await inTransaction { try $0.value(sql, ["a", "b", "c"], as: String.self) } == result)
    }

    @Test func moreThanNineParametersAreToldApart() async throws {
        let numbers = Array(1...12)
        let found = try await inTransaction { db in
            try db.value("SELECT " + numbers.reversed().map { "$\($0)" }.joined(separator: " || ',' || "), numbers, as: String.self)
        }
        #expect(found == numbers.reversed().map(String.init).joined(separator: ","))
    }

    @Test(arguments: [("SELECT $1", 2), ("SELECT $1 + $2", 1), ("SELECT 1", 1), ("SELECT $1; SELECT $1", 1), ("SELEKT $1", 1), ("", 1)])
    func aStatementThatDoesNotFitItsParametersFails(sql: String, count: Int) async throws {
        await #expect(throws: SQLError.self) { try await inTransaction { _ = try $0.rows(sql, Array(repeating: 1, count: count)) } }
        await #expect(throws: SQLError.self) { try await inTransaction { _ = try $0.execute(sql, Array(repeating: 1, count: count)) } }
    }

    /// What each statement changes, with triggers that change more.
    @Test func theCountIsOfRowsThatTheStatementItselfChanged() async throws {
        let counts = try await inTransaction { db in
            [
                try db.execute("INSERT INTO item (id, name) VALUES ($1, $2), ($3, $4)", [1, "a", 2, "b"]),
                try db.execute("INSERT INTO item (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", [3, "a"]),
                try db.execute("UPDATE item SET size = $1 WHERE id > $2", [5, 0]),
                try db.execute("UPDATE item SET size = $1 WHERE id > $2", [5, 100]),
                try db.execute("CREATE TABLE another (id INTEGER)"),
                try db.execute("INSERT INTO another (id) VALUES (1), (2), (3); DELETE FROM another WHERE id > 1; DROP TABLE another"),
                try db.execute("DELETE FROM item WHERE name = $1", ["b"]),
            ]
        }
        #expect(counts == [2, 0, 2, 0, 0, 5, 1])
    }

    @Test func shorthandsAnswerFromTheFirstRowAndColumn() async throws {
        try await inTransaction { db in
            try db.execute("INSERT INTO item (id, name) VALUES (1, 'a'), (2, 'b')")
            #expect(try db.rows("SELECT * FROM item ORDER BY id").map { try $0.value("name", as: String.self) } == ["a", "b"])
            #expect(try db.row("SELECT id FROM item WHERE name = $1", ["b"])?.value("id", as: Int.self) == 2)
            #expect(try db.row("SELECT id FROM item WHERE name = $1", ["c"]) == nil)
            #expect(try db.value("SELECT max(id) FROM item", as: Int.self) == 2)
            #expect(try db.value("SELECT size FROM item", as: Int.self) == nil)
            #expect(try db.values("SELECT name FROM item ORDER BY id DESC") == ["b", "a"])
            #expect(try db.exists("SELECT 1 FROM item WHERE id = $1", [1]))
            #expect(try !db.exists("SELECT 1 FROM item WHERE id = $1", [3]))
        }
    }

    @Test func partsOfAStatementShareItsParameters() async throws {
        let names = try await inTransaction { db in
            try db.execute("INSERT INTO item (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c')")
            var parameters = SQLParameters(["c"])
            let sql = "SELECT name FROM item WHERE name < $1 AND id > \(parameters.add(1)) LIMIT \(parameters.add(10))"
            return try db.values(sql, parameters.values, as: String.self)
        }
        #expect(names == ["b"])
    }

    @Test(arguments: [
        (sql: "INSERT INTO item (id, name) VALUES (1, 'b')", constraint: SQLConstraint.unique), ("INSERT INTO item (id, name) VALUES (2, 'a')", .unique),
        ("INSERT INTO item (id, name) VALUES (2, NULL)", .notNull), ("INSERT INTO item (id, name, size) VALUES (2, 'b', -1)", .check),
        ("INSERT INTO item (id, name, parent) VALUES (2, 'b', 9)", .foreignKey), ("DELETE FROM event", .trigger),
    ])
    func aBrokenRuleIsNamed(sql: String, constraint: SQLConstraint) async throws {
        let error = await #expect(throws: SQLError.self) {
            try await inTransaction { db in
                try db.execute("INSERT INTO item (id, name) VALUES (1, 'a')")
                try db.execute(sql)
            }
        }
        guard case .constraint(constraint, let text) = error else {
            Issue.record("not the \(constraint) rule: \(String(describing: error))")
            return
        }
        #expect(text.contains(sql), "the text names the statement")
        #expect(error?.isTemporary == false)
    }

    /// As in PostgreSQL, so that nothing comes to rely on the contrary.
    @Test func aFailedStatementEndsTheTransactionEvenIfTheErrorIsCaught() async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        await #expect(throws: SQLError.self) {
            try await database.write { db in
                try db.execute("INSERT INTO item (id, name) VALUES (1, 'a')")
                #expect(throws: SQLError.self) { try db.execute("INSERT INTO item (id, name) VALUES (2, 'a')") }
                #expect(throws: SQLError.self, "later statements fail as well") { try db.rows("SELECT 1") }
            }
        }
        #expect(try await database.names() == [])
        _ = try await database.write { try $0.execute("INSERT INTO item (id, name) VALUES (1, 'a')") }
        #expect(try await database.names() == ["a"], "the next transaction knows nothing of it")
    }
}
