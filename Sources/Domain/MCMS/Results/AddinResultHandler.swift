/// Handles `AddinJobResultCommand`: looks at the outputs on the share, and records the result.
///
/// It may run any number of times for the same message or the same result, on several workers at once: there is one effect.
package struct AddinResultHandler: Sendable {
    /// Output that isn't there yet is looked for again at so many deliveries of the message (shares show files late); then the job
    /// has failed, and says which file is missing.
    package static let outputAttemptsDefault = 3

    private let store: MCMSStore
    private let share: any OutputShare
    private let outputAttemptsMax: Int

    package init(store: MCMSStore, share: any OutputShare, outputAttemptsMax: Int = outputAttemptsDefault) {
        self.store = store
        self.share = share
        self.outputAttemptsMax = outputAttemptsMax
    }

    /// - Parameters:
    ///   - payload: the envelope's `payload`, as JSON.
    ///   - attempt: which delivery of the message this is, from 1.
    ///   - lease: of the message, for the timeline.
    /// - Throws: what the database throws (busy for longer than the timeout, disk full): to be retried.
    package func handle(
        payload: some Sequence<UInt8> & Sendable, message: MessageIdentity, correlationID: String, attempt: Int, lease: TaskLease? = nil
    ) async throws -> AddinReportOutcome {
        let command: AddinJobResultCommand
        do throws(MalformedJSON) {
            command = try MCMSJSON.decode(AddinJobResultCommand.self, from: payload)
        } catch {
            return .rejected(reason: "the payload of \(MCMSNames.resultTask) is not understood: \(error)")
        }
        return try await handle(command, message: message, correlationID: correlationID, attempt: attempt, lease: lease)
    }

    package func handle(
        _ command: AddinJobResultCommand, message: MessageIdentity, correlationID: String, attempt: Int, lease: TaskLease? = nil
    ) async throws -> AddinReportOutcome {
        let verdict: AddinVerdict?
        switch try await store.check(command, in: message) {
        case .settled(let outcome): return outcome
        case .open(.finish):
            // Outside the transaction: reading gigabytes must not keep others from writing.
            switch await verify(command, attempt: attempt) {
            case .success(let found): verdict = found
            case .failure(let wait): return .retry(reason: wait.description)
            }
        case .open(.progress), .open(.repeated), .open(.ignored), .open(.late): verdict = nil
        }
        let actor = command.reportedBy.map { String(String.UnicodeScalarView($0.unicodeScalars.prefix(TextLimits.actorMax))) } ?? "addin"
        return try await store.record(
            command, verdict: verdict, in: message, lease: lease, by: Caller(actor: actor, correlationID: correlationID))
    }

    private func verify(_ command: AddinJobResultCommand, attempt: Int) async -> Result<AddinVerdict, OutputShareError> {
        guard command.report.resultStatus == .completed else {
            return .success(.failed(message: command.report.message ?? "the add-in gave no reason"))
        }
        var found: [OutputFile] = []
        for output in command.report.outputs {
            do throws(OutputShareError) {
                found.append(try await share.validate(output))
            } catch {
                switch error {
                case .unavailable: return .failure(error)
                case .missing where attempt < outputAttemptsMax: return .failure(error)
                case .mismatch where attempt < outputAttemptsMax: return .failure(error)
                case .missing, .mismatch, .refused:
                    return .success(.failed(message: "The add-in reported that it completed, but \(error)."))
                }
            }
        }
        return .success(.completed(found))
    }
}
