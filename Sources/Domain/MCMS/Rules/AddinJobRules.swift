/// What a report from the add-in means for its job.
package enum AddinReportDecision: Hashable, Sendable {
    /// The job is (still) being worked on.
    case progress
    /// The job's first result: it decides.
    case finish
    /// The result that is already recorded, once more: no effect, the same answer.
    case repeated
    /// Another result than the recorded one: the first stays, the later one is noted in the history.
    case ignored
    /// Progress that arrives after the result: no effect.
    case late
}

/// The add-in job's state machine: `created → leased → completed | failed`, where `leased` may be left out.
package enum AddinJobRules {
    /// - Parameters:
    ///   - recorded: the fingerprint of the result that is recorded, for a job that has one.
    ///   - reported: the fingerprint of the report, see ``AddinReport/fingerprint``.
    package static func decide(
        job status: AddinJobStatus, recorded: String?, report: AddinResultStatus, reported: String
    ) -> AddinReportDecision {
        switch (report, status.isFinal) {
        case (.running, false): .progress
        case (.running, true): .late
        case (.completed, false), (.failed, false): .finish
        case (.completed, true), (.failed, true): recorded == reported ? .repeated : .ignored
        }
    }
}
