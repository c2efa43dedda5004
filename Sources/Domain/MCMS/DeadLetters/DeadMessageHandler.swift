/// Ends the jobs whose commands or results died: a command that nobody will carry out is a failed job.
///
/// It may run any number of times for the same death, in several processes at once: there is one effect.
package struct DeadMessageHandler: Sendable {
    /// A dead letter, as it lies in its queue.
    package struct Letter: Sendable {
        package var body: [UInt8]
        package var correlationID: String?
        /// What became of each attempt.
        package var attempts: [TaskAttempt]

        package init(body: [UInt8], correlationID: String?, attempts: [TaskAttempt] = []) {
            self.body = body
            self.correlationID = correlationID
            self.attempts = attempts
        }
    }

    /// Looks at a dead letter; nil where it is gone.
    package typealias Look = @Sendable (_ messageID: UInt64, _ queue: String) async throws -> Letter?

    /// Hears of a dead letter of another part of the domain. Returns false where it is none of its own.
    package typealias Others = @Sendable (_ message: DeadMessage, _ letter: Letter) async throws -> Bool

    private let store: MCMSStore
    private let look: Look
    private let others: Others?

    package init(store: MCMSStore, others: Others? = nil, look: @escaping Look) {
        self.store = store
        self.others = others
        self.look = look
    }

    /// - Parameter cursor: where the event lies in its topic; it is remembered with the effect.
    package func handle(_ message: DeadMessage, at cursor: String) async throws -> DeadMessageOutcome {
        guard [MCMSNames.generationQueue, MCMSNames.resultQueue].contains(message.queue), let number = message.number else {
            if let others, let number = message.number, let queue = message.deadLetterQueue, let letter = try await look(number, queue) {
                _ = try await others(message, letter)
            }
            try await store.remember(cursor: cursor, of: MCMSNames.deadMessageTopic)
            return .nothing
        }
        var clue = JobClue(commandMessage: message.queue == MCMSNames.generationQueue ? number : nil)
        // A command's row may not be marked as published yet, and results of the add-in have no row.
        let isKnown = try await store.isKnown(clue)
        var letter: Letter?
        if let queue = message.deadLetterQueue {
            do {
                letter = try await look(number, queue)
            } catch where isKnown {
                // Of a known job only the timeline wants to hear more: nothing waits for that.
            }
        }
        if !isKnown, let letter {
            // What is no task still has its header.
            let task = try? MCMSJSON.decode(DeadTask.self, from: letter.body)
            if task?.isProgress == true {
                try await store.remember(cursor: cursor, of: MCMSNames.deadMessageTopic)
                return .nothing
            }
            clue.jobID = task?.payload?.jobId
            clue.correlationID = letter.correlationID ?? task?.correlationId
        }
        return try await store.end(clue, by: message, attempts: letter?.attempts ?? [], at: cursor)
    }
}

/// What leads from a dead message to its job.
struct JobClue: Sendable {
    /// The broker's id of the job's command.
    var commandMessage: UInt64?
    var jobID: String?
    /// Taken only where one open job has it.
    var correlationID: String?
}
