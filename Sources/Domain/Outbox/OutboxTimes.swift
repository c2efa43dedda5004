internal import GRDB

/// The times of one step, milliseconds since 1970, and what they make of a row's own times.
///
/// Rows hold moments of the wall clock, which may be set back. No row waits longer than `waitMax` and no lock lasts longer than
/// `lockMilliseconds`, so a moment that lies further ahead was written before the clock was set back: it has come.
struct OutboxTimes: Sendable {
    var now: Int64
    /// The longest back-off that any settlement asks for.
    var waitMax: Int64
    var lockMilliseconds: Int64

    var arguments: [String: any DatabaseValueConvertible] {
        ["now": now, "waitEnd": now + waitMax, "lockEnd": now + lockMilliseconds]
    }

    static func due(on table: String) -> String { "(\(table).nextAttemptAt <= :now OR \(table).nextAttemptAt > :waitEnd)" }

    static func lockExpired(on table: String) -> String { "(\(table).lockedUntil <= :now OR \(table).lockedUntil > :lockEnd)" }
}
