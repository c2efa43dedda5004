public import SpindleClient

/// What a handler made of its task.
public enum TaskOutcome: Sendable {
    /// Acknowledged.
    case done
    /// Acknowledged and, in the same log entry of the broker, these messages published: all of it or nothing.
    case doneAndPublish([OutgoingMessage])
    /// As ``done`` or ``doneAndPublish(_:)``, and leaves a result of at most ``SpindleClient/Consumer/resultBytesMax`` bytes for whoever
    /// awaits the message, as long as its queue keeps results.
    case doneWithResult([UInt8], publish: [OutgoingMessage] = [])
    /// Another attempt after this long (nil: by the queue's back-off); dead at the queue's attempt limit.
    case retry(after: Duration? = nil, reason: String)
    /// What the task needs is not there, and no fault of the task: ready again after this long, and the attempt does not count.
    case postpone(for: Duration, reason: String)
    /// To the dead-letter queue: no later attempt would do better.
    case dead(reason: String)
    /// It was cancelled, and the handler stopped: acknowledged.
    case cancelled

    /// For metrics and spans.
    var name: String {
        switch self {
        case .done, .doneAndPublish, .doneWithResult: "done"
        case .retry: "retry"
        case .postpone: "postponed"
        case .dead: "dead"
        case .cancelled: "cancelled"
        }
    }
}

/// A message that a handler hands on.
public struct OutgoingMessage: Sendable {
    public enum Destination: Sendable, Hashable {
        case queue(String)
        case topic(String)
    }

    public var destination: Destination
    /// Gets the task's correlation id where it has none.
    public var message: Message

    public init(to destination: Destination, _ message: Message) {
        self.destination = destination
        self.message = message
    }
}

/// Handles the tasks of one type.
public protocol TaskHandler: Sendable {
    var taskType: String { get }
    /// Must bear repetition: delivery is at least once. What it throws leads to another attempt by the queue's policy.
    func handle(_ context: TaskContext) async throws -> TaskOutcome
}
