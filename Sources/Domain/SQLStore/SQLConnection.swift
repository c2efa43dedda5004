/// One connection inside a transaction. It is valid while the transaction's body runs, on the thread that runs it.
///
/// Statements are written in the SQL that the databases have in common, and their parameters are numbered: `$1`, `$2`, …. A number may stand
/// several times and in any order; every parameter must be used. A statement that failed ends the transaction: each later one
/// fails with the first error, and nothing is written even if the body catches it.
package protocol SQLConnection {
    /// Runs one statement. Returns how many rows it inserted, updated or deleted; what triggers and foreign keys changed does not count.
    @discardableResult
    func execute(_ sql: String, _ parameters: [(any SQLConvertible)?]) throws -> Int

    /// Runs one or several statements without parameters, separated by semicolons. Returns how many rows they changed together.
    @discardableResult
    func execute(_ sql: String) throws -> Int

    /// Runs one statement that answers with rows: SELECT, or a change with RETURNING. Returns all of them; bound their number with LIMIT.
    func rows(_ sql: String, _ parameters: [(any SQLConvertible)?]) throws -> [SQLRow]
}

extension SQLConnection {
    package func rows(_ sql: String) throws -> [SQLRow] { try rows(sql, []) }

    /// Returns the first row, or nil if there is none. All are fetched: a query that may find several ends with `LIMIT 1`.
    package func row(_ sql: String, _ parameters: [(any SQLConvertible)?] = []) throws -> SQLRow? { try rows(sql, parameters).first }

    /// Returns the first column of the first row, or nil if there is no row or the column holds null.
    package func value<V: SQLConvertible>(
        _ sql: String, _ parameters: [(any SQLConvertible)?] = [], as type: V.Type = V.self
    ) throws -> V? {
        guard let row = try row(sql, parameters), let column = row.columns.names.first else { return nil }
        return try row.optional(column, as: type)
    }

    /// Returns the first column of every row. The column is never null.
    package func values<V: SQLConvertible>(
        _ sql: String, _ parameters: [(any SQLConvertible)?] = [], as type: V.Type = V.self
    ) throws -> [V] {
        try rows(sql, parameters).map { row in
            guard let column = row.columns.names.first else { throw SQLRowError(column: "1", expected: "\(V.self)", found: .noColumn(others: [])) }
            return try row.value(column, as: type)
        }
    }

    /// Returns whether a query has any row, such as `SELECT 1 FROM routing WHERE id = $1`.
    package func exists(_ query: String, _ parameters: [(any SQLConvertible)?] = []) throws -> Bool {
        try !rows("SELECT 1 AS found WHERE EXISTS (\(query))", parameters).isEmpty
    }
}

/// The parameters of a statement that is put together from parts.
package struct SQLParameters {
    package private(set) var values: [(any SQLConvertible)?]

    package init(_ values: [(any SQLConvertible)?] = []) {
        self.values = values
    }

    /// Returns what stands for the value in the statement: `$1` for the first.
    package mutating func add(_ value: (any SQLConvertible)?) -> String {
        values.append(value)
        return "$\(values.count)"
    }
}
