internal import GRDB

extension SQLError {
    /// Returns GRDB's errors as ``SQLError``, and all others (the body's own, a cancellation) as they are.
    static func translated(_ error: any Error) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        let text = error.description
        return switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: SQLError.busy(text)
        case .SQLITE_FULL: SQLError.full(text)
        case .SQLITE_CONSTRAINT: SQLError.constraint(constraint(error.extendedResultCode), text)
        default: SQLError.failed(text)
        }
    }

    private static func constraint(_ code: ResultCode) -> SQLConstraint {
        switch code {
        case .SQLITE_CONSTRAINT_UNIQUE, .SQLITE_CONSTRAINT_PRIMARYKEY, .SQLITE_CONSTRAINT_ROWID: .unique
        case .SQLITE_CONSTRAINT_FOREIGNKEY: .foreignKey
        case .SQLITE_CONSTRAINT_CHECK: .check
        case .SQLITE_CONSTRAINT_NOTNULL: .notNull
        case .SQLITE_CONSTRAINT_TRIGGER: .trigger
        default: .other
        }
    }
}
