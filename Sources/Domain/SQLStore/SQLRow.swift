/// The columns of a statement's rows, from left to right. All rows of one answer share them.
package struct SQLColumns: Hashable, Sendable {
    package let names: [String]

    package init(_ names: [String]) {
        self.names = names
    }

    /// Returns nil if there is no such column. Where no name is equal, one that differs only in the case of its ASCII letters is found,
    /// because databases may fold names: PostgreSQL answers `camrevision` for `SELECT camRevision`.
    ///
    /// A walk over the names, because a dictionary costs more to build than a row has columns.
    func index(of column: String) -> Int? {
        names.firstIndex(of: column) ?? names.firstIndex { Self.isEqualIgnoringCase($0, column) }
    }

    private static func isEqualIgnoringCase(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).allSatisfy { lowercased($0) == lowercased($1) }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}

/// A row of an answer. It stays valid after its transaction.
package struct SQLRow: Hashable, Sendable {
    package let columns: SQLColumns
    /// One for each column.
    package let values: [SQLValue]

    package init(columns: SQLColumns, values: [SQLValue]) {
        precondition(columns.names.count == values.count, "a row has a value for each of its columns")
        self.columns = columns
        self.values = values
    }

    /// Reads a column that is never null.
    /// - Throws: ``SQLRowError`` where there is no such column, or it holds null or another type of value.
    package func value<V: SQLConvertible>(_ column: String, as type: V.Type = V.self) throws -> V {
        let found = try found(column, as: type)
        guard let value = V(sqlValue: found) else { throw SQLRowError(column: column, expected: "\(V.self)", found: .value(found)) }
        return value
    }

    /// Reads a column, and returns nil if it holds null.
    /// - Throws: ``SQLRowError`` where there is no such column, or it holds another type of value.
    package func optional<V: SQLConvertible>(_ column: String, as type: V.Type = V.self) throws -> V? {
        let found = try found(column, as: type)
        if found == .null { return nil }
        guard let value = V(sqlValue: found) else { throw SQLRowError(column: column, expected: "\(V.self)", found: .value(found)) }
        return value
    }

    private func found<V>(_ column: String, as type: V.Type) throws(SQLRowError) -> SQLValue {
        guard let index = columns.index(of: column) else {
            throw SQLRowError(column: column, expected: "\(V.self)", found: .noColumn(others: columns.names))
        }
        return values[index]
    }
}

/// A column that does not hold what was asked for.
package struct SQLRowError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Found: Hashable, Sendable {
        case value(SQLValue)
        case noColumn(others: [String])
    }

    package let column: String
    /// The name of a Swift type.
    package let expected: String
    package let found: Found

    package var description: String {
        switch found {
        case .value(let value): "the column \(column) holds \(Self.words(value)), where \(expected) is expected"
        case .noColumn(let others): "the answer has no column \(column) of \(expected), only: \(others.joined(separator: ", "))"
        }
    }

    private static let shownCharactersMax = 40

    private static func words(_ value: SQLValue) -> String {
        switch value {
        case .null: return "null"
        case .integer(let number): return "the integer \(number)"
        case .real(let number): return "the number \(number)"
        case .text(let text):
            let shown = text.prefix(shownCharactersMax)
            return "the text '\(shown)\(shown.endIndex == text.endIndex ? "" : "…")'"
        case .blob(let bytes): return "\(bytes.count) bytes"
        }
    }
}
