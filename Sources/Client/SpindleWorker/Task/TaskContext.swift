public import Logging
public import SpindleClient

/// A task being handled.
public struct TaskContext: Sendable {
    public let envelope: TaskEnvelope
    public let messageID: MessageID
    public let queue: String
    /// 1 at the first.
    public let attempt: Int
    /// From the envelope, else the message's header, else `taskId`, else the message's id.
    public let correlationID: String
    /// With `correlationId`, `taskId` where there is one, `queue`, `taskType`, `attempt` and `messageId` on every line.
    public let logger: Logger
    /// The message as it came.
    public let message: Message
    /// When the broker stored it, milliseconds of Unix time.
    public let storedAtMilliseconds: Int64

    let delivery: Delivery
    let consumer: Consumer

    init(envelope: TaskEnvelope, delivery: Delivery, consumer: Consumer, logger: Logger) {
        self.envelope = envelope
        self.delivery = delivery
        self.consumer = consumer
        messageID = delivery.token.messageID
        queue = delivery.queue
        attempt = delivery.attempt
        message = delivery.message
        storedAtMilliseconds = delivery.storedAtMilliseconds
        correlationID = Self.correlationID(envelope: envelope, message: delivery.message, messageID: delivery.token.messageID)
        var logger = logger
        logger[metadataKey: "correlationId"] = "\(correlationID)"
        logger[metadataKey: "queue"] = "\(queue)"
        if let taskID = envelope.taskId { logger[metadataKey: "taskId"] = "\(taskID)" }
        logger[metadataKey: "taskType"] = "\(envelope.taskType)"
        logger[metadataKey: "attempt"] = "\(attempt)"
        logger[metadataKey: "messageId"] = "\(messageID)"
        self.logger = logger
    }

    static func correlationID(envelope: TaskEnvelope?, message: Message, messageID: MessageID) -> String {
        CorrelationID.bounded(envelope?.correlationId ?? message.correlationID ?? envelope?.taskId ?? messageID.description)
    }

    /// Somebody cancelled the task, its lease is lost, or the worker's time to stop is over: what the handler does from now on is in
    /// vain. Its Swift task is cancelled as well.
    public var isCancelled: Bool { delivery.isCancelled || delivery.isLeaseLost || Task.isCancelled }

    /// Tells the broker, and so operators and browsers, how far the work is.
    /// - Parameter percent: 0 to 100.
    public func reportProgress(percent: Int? = nil, note: String = "") {
        consumer.report(delivery, percent: percent, note: note)
    }

    /// A task that follows from this one: same correlation id, a new `taskId`.
    /// - Throws: what encoding `payload` throws.
    public func makeTask(taskType: String, payload: some Encodable, to destination: OutgoingMessage.Destination) throws -> OutgoingMessage {
        OutgoingMessage(to: destination, try TaskEnvelope.make(taskType: taskType, payload: payload, correlationID: correlationID))
    }
}
