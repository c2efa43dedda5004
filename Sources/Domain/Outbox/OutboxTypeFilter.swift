internal import SQLStore

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

    /// Returns the filter as a condition on the column `type` of `table`.
    ///
    /// `substr` instead of `LIKE`: prefixes are compared byte for byte, and `%` in one means itself.
    func condition(on table: String, _ parameters: inout SQLParameters) -> String {
        func begins(with prefix: String) -> String {
            let prefix = parameters.add(prefix)
            return "substr(\(table).type, 1, length(\(prefix))) = \(prefix)"
        }
        var terms: [String] = []
        if !includeTypePrefix.isEmpty {
            terms.append("(" + includeTypePrefix.map(begins(with:)).joined(separator: " OR ") + ")")
        }
        terms += excludeTypePrefix.map { "NOT " + begins(with: $0) }
        return terms.isEmpty ? "TRUE" : terms.joined(separator: " AND ")
    }
}
