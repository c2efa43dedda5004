internal import SQLStore

/// The times of one step, milliseconds since 1970, and what they make of a row's own times.
///
/// Rows hold moments of the wall clock, which may be set back. No row waits longer than `waitMax` and no lock lasts longer than
/// `lockMilliseconds`, so a moment that lies further ahead was written before the clock was set back: it has come.
struct OutboxTimes: Sendable {
    var now: Int64
    /// The longest back-off that any settlement asks for.
    var waitMax: Int64
    var lockMilliseconds: Int64

    /// Returns the condition that a row's time to be published has come.
    func due(on table: String, _ parameters: inout SQLParameters) -> String {
        has("\(table).nextAttemptAt", comeWithin: waitMax, &parameters)
    }

    /// Returns the condition that a claimed row's lock has run out.
    func lockExpired(on table: String, _ parameters: inout SQLParameters) -> String {
        has("\(table).lockedUntil", comeWithin: lockMilliseconds, &parameters)
    }

    private func has(_ column: String, comeWithin longest: Int64, _ parameters: inout SQLParameters) -> String {
        "(\(column) <= \(parameters.add(now)) OR \(column) > \(parameters.add(now + longest)))"
    }
}
