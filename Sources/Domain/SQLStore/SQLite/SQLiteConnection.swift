internal import Foundation
internal import GRDB

/// A connection of GRDB's, inside a transaction.
final class SQLiteConnection: SQLConnection {
    private let db: Database
    /// What the first failed statement threw. SQLite would go on after it, and PostgreSQL does not.
    private var failure: (any Error)?

    private init(_ db: Database) {
        self.db = db
    }

    /// Runs a transaction's body. Throws where one of its statements failed, even if the body caught that.
    static func run<Value>(_ db: Database, _ body: (any SQLConnection) throws -> Value) throws -> Value {
        let connection = SQLiteConnection(db)
        let value = try body(connection)
        if let failure = connection.failure { throw failure }
        return value
    }

    @discardableResult
    func execute(_ sql: String, _ parameters: [(any SQLConvertible)?]) throws -> Int {
        try attempt {
            let statement = try db.cachedStatement(sql: sql)
            return try changes { try statement.execute(arguments: try Self.arguments(parameters, of: sql)) }
        }
    }

    @discardableResult
    func execute(_ sql: String) throws -> Int {
        try attempt {
            let statements = try db.allStatements(sql: sql)
            var count = 0
            while let statement = try statements.next() { count += try changes { try statement.execute() } }
            return count
        }
    }

    func rows(_ sql: String, _ parameters: [(any SQLConvertible)?]) throws -> [SQLRow] {
        try attempt {
            let statement = try db.cachedStatement(sql: sql)
            let cursor = try Row.fetchCursor(statement, arguments: try Self.arguments(parameters, of: sql))
            // Known to the cached statement, and shared by all rows.
            let columns = SQLColumns(statement.columnNames)
            var rows: [SQLRow] = []
            while let row = try cursor.next() {
                rows.append(SQLRow(columns: columns, values: columns.names.indices.map { SQLValue(row[$0] as DatabaseValue) }))
            }
            return rows
        }
    }

    private func attempt<Value>(_ body: () throws -> Value) throws -> Value {
        if let failure { throw failure }
        do {
            return try body()
        } catch {
            let error = SQLError.translated(error)
            failure = error
            throw error
        }
    }

    /// SQLite keeps the last number of changes until a statement changes rows again: a total that stands still tells that this one did not.
    private func changes(_ body: () throws -> Void) rethrows -> Int {
        let before = db.totalChangesCount
        try body()
        return db.totalChangesCount == before ? 0 : db.changesCount
    }

    // MARK: Parameters

    /// By name: SQLite numbers `$2` by where it first stands in the statement, not by the 2.
    private static func arguments(_ parameters: [(any SQLConvertible)?], of sql: String) throws -> StatementArguments {
        guard !parameters.isEmpty else { return StatementArguments() }
        guard highestParameter(in: sql) >= parameters.count else {
            throw SQLError.failed("the statement has \(parameters.count) parameters and does not use the last: \(sql)")
        }
        return StatementArguments(parameters.enumerated().lazy.map { (String($0.offset + 1), $0.element?.sqlValue.databaseValue) })
    }

    private static func highestParameter(in sql: String) -> Int {
        var highest = 0
        var number: Int?
        for byte in sql.utf8 {
            if byte == UInt8(ascii: "$") {
                number = 0
            } else if let digits = number, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), digits < 100_000 {
                number = digits * 10 + Int(byte - UInt8(ascii: "0"))
            } else {
                highest = max(highest, number ?? 0)
                number = nil
            }
        }
        return max(highest, number ?? 0)
    }
}

extension SQLValue {
    init(_ value: DatabaseValue) {
        self =
            switch value.storage {
            case .null: .null
            case .int64(let number): .integer(number)
            case .double(let number): .real(number)
            case .string(let text): .text(text)
            case .blob(let data): .blob([UInt8](data))
            }
    }

    var databaseValue: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let number): number.databaseValue
        case .real(let number): number.databaseValue
        case .text(let text): text.databaseValue
        case .blob(let bytes): Data(bytes).databaseValue
        }
    }
}
