package import Logging
internal import ServiceLifecycle
package import SpindleClient
internal import SpindleText

/// Reads the broker's word of dead messages, and hands each to a ``DeadMessageHandler``. How far it came is in the database: after a restart
/// it goes on there.
package struct DeadMessageWatch: Service {
    private static let pause = Duration.seconds(5)
    /// A command's job may be written a moment after the command died: its row is marked when the relay hears that it is published.
    private static let unknownRetryMax = 5
    private static let unknownRetryPause = Duration.milliseconds(500)

    private let store: MCMSStore
    private let client: SpindleClient
    private let handler: DeadMessageHandler
    private let logger: Logger

    /// - Parameter others: hears of dead messages that are neither commands nor results of the add-in.
    package init(store: MCMSStore, client: SpindleClient, others: DeadMessageHandler.Others? = nil, logger: Logger) {
        self.store = store
        self.client = client
        self.logger = logger
        handler = DeadMessageHandler(store: store, others: others) { id, queue in
            do {
                let stored = try await client.message(MessageID(rawValue: id), in: queue)
                let attempts = stored.history?.attempts.map(TaskAttempt.init) ?? []
                return stored.message.map { .init(body: $0.body, correlationID: $0.correlationID, attempts: attempts) }
            } catch let error as SpindleError where [.noSuchMessage, .noSuchQueue].contains(error.code) {
                return nil
            }
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var lastFailure: String?
            while !Task.isCancelled {
                do {
                    try await watch { lastFailure = nil }
                    return
                } catch is CancellationError {
                    return
                } catch {
                    if lastFailure != "\(error)" {
                        logger.error(
                            "audit.error", metadata: ["what": "dead messages cannot be watched; trying again", "error": "\(error)"])
                    }
                    lastFailure = "\(error)"
                    try? await Task.sleep(for: Self.pause)
                }
            }
        }
    }

    private func watch(_ succeeded: () -> Void) async throws {
        let topic = MCMSNames.deadMessageTopic
        let start = try await store.cursor(of: topic).flatMap { TopicCursor($0) }
        let subscription = try await client.subscribe(to: topic, from: start.map { .after($0) } ?? .earliest)
        succeeded()
        for try await element in subscription {
            switch element {
            case .gap(let cursor, let reason):
                logger.error(
                    "audit.error",
                    metadata: ["what": "the word of some dead messages was lost: look for jobs that stay open", "error": "\(reason)"])
                try await store.remember(cursor: cursor.description, of: topic)
            case .event(let event): try await handle(event)
            }
        }
    }

    private func handle(_ event: TopicEvent) async throws {
        let message: DeadMessage
        do throws(MalformedJSON) {
            message = try MCMSJSON.decode(DeadMessage.self, from: event.message.body)
        } catch {
            logger.error("audit.error", metadata: ["what": "an event on \(event.topic) is not understood", "error": "\(error)"])
            return try await store.remember(cursor: event.cursor.description, of: event.topic)
        }
        var outcome = try await handler.handle(message, at: event.cursor.description)
        var attempts = 1
        while outcome == .unknown, attempts < Self.unknownRetryMax {
            attempts += 1
            try await Task.sleep(for: Self.unknownRetryPause)
            outcome = try await handler.handle(message, at: event.cursor.description)
        }
        let metadata: Logger.Metadata = [
            "queue": "\(message.queue)", "messageId": "\(message.messageId)", "attempt": "\(message.attempts)", "reason": "\(message.reason)",
        ]
        switch outcome {
        case .failed(let job):
            logger.error(
                "audit.error",
                metadata: metadata.merging([
                    "jobId": "\(job.jobId)", "routingId": "\(job.routingId)", "correlationId": "\(job.correlationId)",
                    "error": "\(job.message ?? message.reason)",
                ]) { $1 })
        case .unknown:
            logger.warning("a message died that belongs to no job", metadata: metadata)
            try await store.remember(cursor: event.cursor.description, of: event.topic)
        case .nothing, .alreadyHandled: logger.debug("a message died", metadata: metadata)
        }
    }
}

extension TaskAttempt {
    init(_ told: DeadLetterNote.Attempt) {
        self.init(
            lease: TaskLease(attempt: told.number, leasedAt: Timestamp(milliseconds: told.leasedAtMilliseconds), worker: told.holder),
            endedAt: Timestamp(milliseconds: told.endedAtMilliseconds), outcome: "\(told.outcome)", reason: told.reason)
    }
}
