import Foundation
import Logging
import MCMS
import SpindleClient
import SpindleText
import SpindleWorker

/// How the simulated add-in behaves.
struct AddinBehaviour: Sendable {
    /// How long it pretends to work on one command.
    var workDuration: Duration
    /// The share of commands that it answers with a failure, 0 to 1.
    var failureRatio: Double
    /// Every result is sent twice.
    var answersTwice: Bool
    var death: AddinDeath?
}

/// What ESPRIT's add-in does, without ESPRIT: leases a command, reports progress, writes a file to the share, and answers.
///
/// The answer and the acknowledgement are one settlement: there is never one without the other. Killed anywhere, it starts over when
/// the lease has ended; its file has the same name and content then, and whoever handles results knows a repetition.
struct AddinSimulator: TaskHandler {
    /// Reports of progress on one command at most.
    private static let stepsMax = 8
    private static let stepMin = Duration.milliseconds(250)

    /// As the timeline tells it.
    let name: String
    let client: SpindleClient
    let resultQueue: String
    let share: AddinShare
    let behaviour: AddinBehaviour

    var taskType: String { MCMSNames.generationTask }

    func handle(_ context: TaskContext) async throws -> TaskOutcome {
        let command: EspritGenerationCommand
        do {
            command = try MCMSJSON.decode(EspritGenerationCommand.self, from: try (context.envelope.payload ?? .object([:])).jsonBytes())
        } catch {
            return .dead(reason: "the payload of \(taskType) is not understood: \(error)")
        }
        let lease = TaskLease(attempt: context.attempt, leasedAt: Timestamp.now(), worker: name)
        context.logger.info("generation begins", metadata: ["jobId": "\(command.jobId)", "routingId": "\(command.routingId)"])
        try await work(on: command, lease, context)
        let report = try generate(command, context)
        let result = try message(report, for: command, lease, context)
        context.logger.info("generation ends", metadata: ["jobId": "\(command.jobId)", "result": "\(report.resultStatus.rawValue)"])
        return .doneAndPublish([OutgoingMessage](repeating: OutgoingMessage(to: .queue(resultQueue), result), count: behaviour.answersTwice ? 2 : 1))
    }

    /// Takes its time. Leases are extended by the worker's runtime meanwhile.
    private func work(on command: EspritGenerationCommand, _ lease: TaskLease, _ context: TaskContext) async throws {
        let steps = max(1, min(Self.stepsMax, Int(behaviour.workDuration / Self.stepMin)))
        for step in 0..<steps {
            let percent = step * 100 / steps
            try await report(percent: percent, command, lease, context)
            behaviour.death?.die(at: percent, logger: context.logger)
            try await Task.sleep(for: behaviour.workDuration / steps)
        }
    }

    private func report(percent: Int, _ command: EspritGenerationCommand, _ lease: TaskLease, _ context: TaskContext) async throws {
        let note = "generating the toolpath"
        context.reportProgress(percent: percent, note: note)
        let running = AddinReport(.running, message: "\(note), \(percent) %", progress: percent)
        _ = try await client.publish(try message(running, for: command, lease, context), to: resultQueue)
    }

    private func generate(_ command: EspritGenerationCommand, _ context: TaskContext) throws -> AddinReport {
        guard Double.random(in: 0..<1) >= behaviour.failureRatio else {
            return AddinReport(.failed, message: "simulated failure: no tool of the library fits the pocket")
        }
        return AddinReport(.completed, message: "generated", outputs: [try share.write(command)])
    }

    private func message(
        _ report: AddinReport, for command: EspritGenerationCommand, _ lease: TaskLease, _ context: TaskContext
    ) throws -> Message {
        let document = TaskDocument(
            taskType: MCMSNames.resultTask, taskId: UUID().uuidString.lowercased(), correlationId: context.correlationID, createdAt: Timestamp.now(),
            payload: AddinJobResultCommand(jobId: command.jobId, routingId: command.routingId, report: report, delivery: lease))
        return Message(
            body: Array(try MCMSJSON.encode(document)), correlationID: context.correlationID, contentType: TaskEnvelope.contentType,
            taskType: MCMSNames.resultTask, group: command.jobId)
    }
}

/// Ends the process abruptly once, to show that nothing is lost by it.
struct AddinDeath: Sendable {
    /// 128 + SIGKILL's number, as shells show it.
    private static let exitCode: Int32 = 137

    let percent: Int
    /// Is there when it has happened.
    let marker: String

    func die(at percent: Int, logger: Logger) {
        guard percent >= self.percent, !FileManager.default.fileExists(atPath: marker) else { return }
        logger.warning("ends abruptly, as --die-after says", metadata: ["percent": "\(percent)"])
        guard FileManager.default.createFile(atPath: marker, contents: Data()) else { return }
        _exit(Self.exitCode)
    }
}

extension JSONValue {
    func jsonBytes() throws -> [UInt8] { [UInt8](try JSONEncoder().encode(self)) }
}
