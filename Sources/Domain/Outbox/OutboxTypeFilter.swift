internal import GRDB

/// Which rows a relay takes, by the beginning of their `type`.
package struct OutboxTypeFilter: Hashable, Sendable {
    /// A row is taken if its type begins with one of these; empty: any type.
    package var includeTypePrefix: [String]
    /// A row is not taken if its type begins with one of these, even when it is included.
    package var excludeTypePrefix: [String]

    /// Everything.
    package static let all = OutboxTypeFilter()

    package init(includeTypePrefix: [String] = [], excludeTypePrefix: [String] = []) {
        self.includeTypePrefix = includeTypePrefix
        self.excludeTypePrefix = excludeTypePrefix
    }

    /// The filter as an SQL condition on the column `type` of `table`. Its values are in ``arguments``.
    ///
    /// `substr` instead of `LIKE`: prefixes are compared byte for byte, and `%` in one means itself.
    func condition(on table: String) -> String {
        func matches(_ name: String, _ index: Int) -> String {
            "substr(\(table).type, 1, length(:\(name)\(index))) = :\(name)\(index)"
        }
        var terms: [String] = []
        if !includeTypePrefix.isEmpty {
            terms.append("(" + includeTypePrefix.indices.map { matches("include", $0) }.joined(separator: " OR ") + ")")
        }
        terms += excludeTypePrefix.indices.map { "NOT " + matches("exclude", $0) }
        return terms.isEmpty ? "TRUE" : terms.joined(separator: " AND ")
    }

    var arguments: [String: any DatabaseValueConvertible] {
        var values: [String: any DatabaseValueConvertible] = [:]
        for (index, prefix) in includeTypePrefix.enumerated() { values["include\(index)"] = prefix }
        for (index, prefix) in excludeTypePrefix.enumerated() { values["exclude\(index)"] = prefix }
        return values
    }
}
