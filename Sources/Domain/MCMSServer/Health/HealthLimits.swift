/// From when on something is a problem. Seconds, where nothing else is said.
package struct HealthLimits: Sendable, Hashable {
    // Looks.

    /// A look that takes longer is told as silence.
    package var silentAfter = 3.0

    // Hysteresis.

    /// Processes and connections may be away for so long: a restart is no problem.
    package var absenceBorne = 5.0
    /// Processes that start together with the web server are awaited for so long.
    package var startBorne = 20.0
    /// What hangs on other machines may falter for so long.
    package var faltersBorne = 2.0
    /// A problem that was told ends when it was not seen for so long.
    package var goneAfter = 3.0

    // Queues.

    /// The oldest message waits for so long.
    package var waitMax = 600.0
    /// Of a queue's limit.
    package var fullnessWarned = 0.9
    /// Attempts that fail in a row, none succeeding, within ``failuresWindow``.
    package var failuresMax = 5
    package var failuresWindow = 60.0

    // The outbox.

    /// A row that the broker refuses waits for so long.
    package var refusedRowBorne = 5.0
    /// A row that nobody tried to send waits for so long.
    package var idleRowBorne = 20.0

    // Disks.

    /// The smaller of the two counts.
    package var diskWarnedFraction = 0.05
    package var diskWarnedBytes: Int64 = 5 << 30
    package var diskFullFraction = 0.01
    package var diskFullBytes: Int64 = 256 << 20
    /// Of what files must leave free.
    package var reserveWarnedFactor = 1.5
    package var filesFreePercentWarned = 2.0

    // Certificates.

    package var certificateWarnedDays = 30.0

    // Clocks.

    /// A jump of this machine's clock against its own steady one.
    package var clockJumpMax = 5.0
    /// So long a jump is told.
    package var clockJumpTold = 600.0
    /// Between this machine and the broker's.
    package var clockDifferenceMax = 30.0

    package init() {}

    /// How long something must be seen before it is told.
    func told(_ kind: HealthKind) -> Double {
        switch kind {
        case .brokerUnreachable, .brokerRefuses, .workersMissing, .workersQuiet, .addinMissing: absenceBorne
        case .databaseUnavailable, .shareUnreadable, .shareReadOnly, .storeUnwritable, .scannerUnreachable, .clockDiffers: faltersBorne
        case .scannerUndecided, .queuePaused, .queueFull, .queueWaits, .queueFails, .deadLetters, .outboxStuck, .outboxDead, .diskFull, .diskFiles,
            .certificateEnds, .certificateUnusable, .clockJumped:
            0
        }
    }
}
