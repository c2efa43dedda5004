internal import Logging
internal import MCMS
package import SpindleWorker

/// The tasks of the worker group `files`:
/// `FileTasks(ingest: ingest, garbage: garbage, files: files).register(with: worker)`
package struct FileTasks: Sendable {
    /// What is not there now is looked for again after so long.
    static let postponement = Duration.seconds(15)
    /// What somebody else is at is looked at again after so long.
    static let busyPostponement = Duration.seconds(1)

    private let ingest: FileIngestHandler
    private let garbage: GarbageCollector
    private let files: FilesStore

    package init(ingest: FileIngestHandler, garbage: GarbageCollector, files: FilesStore) {
        self.ingest = ingest
        self.garbage = garbage
        self.files = files
    }

    package func register(with worker: SpindleWorker) {
        worker.on(FileQueues.ingestTask) { context in
            let command: FileIngestCommand
            switch Self.payload(FileIngestCommand.self, of: context) {
            case .success(let decoded): command = decoded
            case .failure(let error): return .dead(reason: error.reason)
            }
            let outcome = try await ingest.handle(command, message: "\(context.queue)/\(context.messageID)", attempt: context.attempt)
            context.logger.info("file ingest", metadata: ["fileId": "\(command.uploadSessionId)", "outcome": "\(outcome)"])
            switch outcome {
            case .done: return .done
            case .retry(let reason): return .retry(reason: reason)
            case .postpone(let reason): return .postpone(for: Self.postponement, reason: reason)
            case .busy(let reason): return .postpone(for: Self.busyPostponement, reason: reason)
            case .refused(let reason): return .dead(reason: reason)
            }
        }
        worker.on(FileQueues.missingTask) { context in
            switch Self.payload(MissingPartsCommand.self, of: context) {
            case .success(let command):
                try await files.noteMissing(command)
                return .done
            case .failure(let error): return .dead(reason: error.reason)
            }
        }
        worker.on(FileQueues.garbageTask) { context in
            switch Self.payload(CasGarbageCommand.self, of: context) {
            case .success(let command):
                let outcome: GarbageCollector.Outcome
                do {
                    outcome = try await garbage.collect(command)
                } catch let error as PayloadStoreUnavailable {
                    return .postpone(for: Self.postponement, reason: error.description)
                }
                switch outcome {
                case .notYet(let milliseconds): return .postpone(for: .milliseconds(milliseconds), reason: "its grace is not over, or an ingest is under way")
                case .removed, .inUse, .unknown: return .done
                }
            case .failure(let error): return .dead(reason: error.reason)
            }
        }
    }

    private struct Unreadable: Error { let reason: String }

    private static func payload<Payload: Decodable>(_ type: Payload.Type, of context: TaskContext) -> Result<Payload, Unreadable> {
        guard let payload = context.envelope.payload else { return .failure(Unreadable(reason: "\(context.envelope.taskType) has no payload")) }
        do {
            return .success(try MCMSJSON.decode(type, from: try MCMSJSON.encode(payload)))
        } catch {
            return .failure(Unreadable(reason: "the payload of \(context.envelope.taskType) is not understood: \(error)"))
        }
    }
}
