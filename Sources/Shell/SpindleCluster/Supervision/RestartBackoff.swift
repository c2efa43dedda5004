/// How long to wait before a process that died is started again.
package struct RestartPolicy: Sendable, Equatable {
    package var initial: Duration
    package var cap: Duration
    /// The share of the delay that is random: with 0.2 it is multiplied by a number from 0.8 to 1.2.
    package var jitter: Double
    /// A process that ran for this long was healthy: its next restart waits `initial` again.
    package var resetAfter: Duration

    package init(initial: Duration = .milliseconds(500), cap: Duration = .seconds(30), jitter: Double = 0.2, resetAfter: Duration = .seconds(60)) {
        self.initial = initial
        self.cap = cap
        self.jitter = jitter
        self.resetAfter = resetAfter
    }
}

/// Counts the deaths of one process that came soon after each other. Time and chance are arguments.
package struct RestartBackoff: Sendable, Equatable {
    /// Doublings past this cannot matter: the cap was reached long before.
    package static let doublingsMax = 30

    package private(set) var deathsInARow = 0

    package init() {}

    /// The delay until the next start.
    /// - Parameters:
    ///   - uptime: how long the process ran.
    ///   - chance: a number from 0 to 1.
    package mutating func died(after uptime: Duration, policy: RestartPolicy, chance: Double) -> Duration {
        if uptime >= policy.resetAfter { deathsInARow = 0 }
        let doublings = min(deathsInARow, Self.doublingsMax)
        deathsInARow = doublings + 1
        let delay = min(policy.initial * (1 << doublings), policy.cap)
        return delay * (1 - policy.jitter + 2 * policy.jitter * chance)
    }
}
