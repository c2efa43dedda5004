import SQLStore
import SpindleText
import Testing

@Suite struct SQLValueTests {
    enum Colour: String, SQLConvertible { case red, green }
    enum Level: Int, SQLConvertible { case low = 1, high }

    /// A value, and what the database is to hold.
    struct RoundTrip: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let stored: SQLValue
        let check: @Sendable (any SQLConnection, String) throws -> Bool

        init<V: SQLConvertible & Equatable>(_ value: V, _ stored: SQLValue) {
            testDescription = "\(V.self) \(value)"
            self.stored = stored
            check = { db, sql in
                guard let row = try db.row(sql, [value]) else { return false }
                return try row.value("v", as: V.self) == value && row.optional("v") == value && db.value(sql, [value]) == value
            }
        }
    }

    @Test(arguments: [
        RoundTrip(Int.min, .integer(.min)), RoundTrip(Int.max, .integer(.max)), RoundTrip(Int64(-1), .integer(-1)),
        RoundTrip(UInt32.max, .integer(4_294_967_295)), RoundTrip(true, .integer(1)), RoundTrip(false, .integer(0)),
        RoundTrip(1.5, .real(1.5)), RoundTrip(-0.1, .real(-0.1)), RoundTrip("", .text("")), RoundTrip("브래킷 '3'\n$1", .text("브래킷 '3'\n$1")),
        RoundTrip([UInt8](), .blob([])), RoundTrip([0, 255, 10] as [UInt8], .blob([0, 255, 10])),
        RoundTrip(Timestamp(milliseconds: 1_800_000_000_123), .integer(1_800_000_000_123)), RoundTrip(Colour.green, .text("green")),
        RoundTrip(Level.high, .integer(2)), RoundTrip(SQLValue.text("x"), .text("x")),
    ])
    func everyTypeComesBackAsItWasBound(_ trip: RoundTrip) async throws {
        let file = try TemporaryFile()
        defer { file.remove() }
        let database = try file.open()
        let isEqual = try await database.read { try trip.check($0, "SELECT $1 AS v") }
        #expect(isEqual)
        let stored = try await database.write { db in
            // A column without a type keeps any value as it is.
            try db.execute("CREATE TABLE kept (v)")
            return try trip.check(db, "INSERT INTO kept (v) VALUES ($1) RETURNING v")
                ? db.value("SELECT v FROM kept", as: SQLValue.self) : nil
        }
        #expect(stored == trip.stored)
    }

    private static let row = SQLRow(
        columns: SQLColumns(["nothing", "number", "text", "bytes", "camRevision"]),
        values: [.null, .integer(-7), .text(String(repeating: "a", count: 50)), .blob([1, 2, 3]), .integer(3)])

    @Test(arguments: [
        (column: "nothing", expected: "Int", error: "the column nothing holds null, where Int is expected"),
        ("number", "UInt32", "the column number holds the integer -7, where UInt32 is expected"),
        ("number", "Bool", "the column number holds the integer -7, where Bool is expected"),
        ("number", "String", "the column number holds the integer -7, where String is expected"),
        ("text", "Int", "the column text holds the text '\(String(repeating: "a", count: 40))…', where Int is expected"),
        ("text", "Colour", "the column text holds the text '\(String(repeating: "a", count: 40))…', where Colour is expected"),
        ("bytes", "String", "the column bytes holds 3 bytes, where String is expected"),
        ("bytes", "Double", "the column bytes holds 3 bytes, where Double is expected"),
        ("absent", "Int", "the answer has no column absent of Int, only: nothing, number, text, bytes, camRevision"),
    ])
    func anErrorNamesTheColumnAndWhatItHolds(column: String, expected: String, error: String) throws {
        func read(_ body: () throws -> Void) -> String? {
            do {
                try body()
                return nil
            } catch {
                return "\(error)"
            }
        }
        let found =
            switch expected {
            case "Int": read { _ = try Self.row.value(column, as: Int.self) }
            case "UInt32": read { _ = try Self.row.value(column, as: UInt32.self) }
            case "Bool": read { _ = try Self.row.value(column, as: Bool.self) }
            case "String": read { _ = try Self.row.value(column, as: String.self) }
            case "Double": read { _ = try Self.row.value(column, as: Double.self) }
            default: read { _ = try Self.row.value(column, as: Colour.self) }
            }
        #expect(found == error)
    }

    @Test func nullIsNilAndNothingElseIs() throws {
        #expect(try Self.row.optional("nothing", as: Int.self) == nil)
        #expect(try Self.row.optional("number", as: Int.self) == -7)
        #expect(throws: SQLRowError.self) { try Self.row.optional("text", as: Int.self) }
        #expect(throws: SQLRowError.self) { try Self.row.optional("absent", as: Int.self) }
    }

    @Test func aColumnIsFoundWhateverItsCase() throws {
        #expect(try Self.row.value("camRevision", as: Int.self) == 3)
        #expect(try Self.row.value("camrevision", as: Int.self) == 3)
        let both = SQLRow(columns: SQLColumns(["ID", "id"]), values: [.integer(1), .integer(2)])
        #expect(try both.value("id", as: Int.self) == 2, "an equal name comes first")
        #expect(try both.value("Id", as: Int.self) == 1)
    }
}
