/// What a database refused, sorted by what the caller can do about it. The text is the database's own, with the statement.
package enum SQLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Other transactions held what this one needed, for longer than it may wait.
    case busy(String)
    /// The disk is full.
    case full(String)
    /// The change breaks a rule of the tables.
    case constraint(SQLConstraint, String)
    /// Anything else: a wrong statement, a damaged file, a failing disk.
    case failed(String)

    /// Whether the error is likely to go away by itself. The transaction was undone, and may be repeated.
    package var isTemporary: Bool {
        switch self {
        case .busy, .full: true
        case .constraint, .failed: false
        }
    }

    package var description: String {
        switch self {
        case .busy(let text), .full(let text), .constraint(_, let text), .failed(let text): text
        }
    }
}

/// A rule that a table declares.
package enum SQLConstraint: Hashable, Sendable {
    /// A primary key or another key that no two rows may share.
    case unique
    case foreignKey
    case check
    case notNull
    /// A trigger refused the change.
    case trigger
    case other
}
