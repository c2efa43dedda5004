package import SpindleText

/// What the broker tells of a message that died, as `protocol/topics.md` has it under "Dead letters".
package struct DeadMessage: Codable, Hashable, Sendable {
    package enum Ending: String, Codable, Sendable { case dead, cancelled }

    package var queue: String
    /// Hexadecimal.
    package var messageId: String
    package var ending: Ending
    package var reason: String
    package var attempts: Int
    /// Nil: the message is gone.
    package var deadLetterQueue: String?
    package var diedAt: Timestamp

    package init(queue: String, messageId: String, ending: Ending, reason: String, attempts: Int, deadLetterQueue: String?, diedAt: Timestamp) {
        self.queue = queue
        self.messageId = messageId
        self.ending = ending
        self.reason = reason
        self.attempts = attempts
        self.deadLetterQueue = deadLetterQueue
        self.diedAt = diedAt
    }

    var number: UInt64? { UInt64(messageId, radix: 16) }

    /// What people are told of the job that ended with it.
    package var explanation: String {
        let what = queue == MCMSNames.resultQueue ? "The add-in's answer could not be taken in" : "The command to the add-in"
        let attempts = attempts == 1 ? "1 attempt" : "\(attempts) attempts"
        switch (ending, queue == MCMSNames.resultQueue) {
        case (.dead, false): return "\(what) died after \(attempts): \(reason)"
        case (.cancelled, false): return "\(what) was cancelled: \(reason)"
        case (.dead, true): return "\(what) (\(attempts)): \(reason)"
        case (.cancelled, true): return "\(what): it was cancelled (\(reason))"
        }
    }
}

/// What became of the word that a message died.
package enum DeadMessageOutcome: Hashable, Sendable {
    /// Its job has failed by it.
    case failed(AddinJob)
    /// Its job had ended before, or it ended none.
    case nothing
    /// No job is known for it. Nothing was remembered.
    case unknown
    /// It was handled before.
    case alreadyHandled
}

/// The job that a dead message belonged to, as far as its body says it.
struct DeadTask: Decodable, Sendable {
    struct Payload: Decodable, Sendable {
        var jobId: String?
        var resultStatus: String?
    }

    var correlationId: String?
    var payload: Payload?

    /// A report of progress ends no job.
    var isProgress: Bool { payload?.resultStatus?.lowercased() == AddinResultStatus.running.rawValue }
}
