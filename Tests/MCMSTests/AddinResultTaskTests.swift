import MCMS
import SpindleWorker
import Testing

@Suite struct AddinResultTaskTests {
    @Test func onlyWhatCanNeverBeHandledIsDead() async throws {
        let test = try TestStore()
        defer { test.remove() }
        let (_, jobID) = try await test.approved()
        let job = try await test.store.job(jobID)
        for outcome in [
            AddinReportOutcome.progress(job), .completed(job), .failed(job), .repeated(job), .ignored(job), .late(job), .alreadyHandled,
        ] {
            guard case .done = AddinResultTask.taskOutcome(of: outcome) else {
                Issue.record("\(outcome) is not acknowledged")
                continue
            }
        }
        guard case .retry(nil, "share away") = AddinResultTask.taskOutcome(of: .retry(reason: "share away")),
            case .dead("no such job") = AddinResultTask.taskOutcome(of: .rejected(reason: "no such job"))
        else {
            Issue.record("a refused report is neither retried nor dead")
            return
        }
    }
}
