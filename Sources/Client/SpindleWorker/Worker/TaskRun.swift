internal import Instrumentation
internal import Logging
internal import ServiceContextModule
internal import SpindleClient
internal import Synchronization
internal import Tracing

/// One task from its delivery to its settlement.
struct TaskRun: Sendable {
    /// How it ended, as metrics and spans name it.
    enum End: String, Sendable {
        case done, retry, dead, cancelled, postponed
        /// The handler threw.
        case failed
        /// Somebody else has the task; what the handler made of it is discarded.
        case leaseLost = "lease_lost"
        /// Not finished when the worker's time was over.
        case handedBack = "handed_back"
        /// The settlement failed; the task comes back.
        case unsettled
    }

    let worker: SpindleWorker
    let consumer: Consumer
    let delivery: Delivery

    func run() async {
        WorkerMetrics.began(queue: delivery.queue)
        let began = ContinuousClock.now
        let envelope: Result<TaskEnvelope, TaskEnvelope.Invalid>
        do throws(TaskEnvelope.Invalid) {
            envelope = .success(try TaskEnvelope(decoding: delivery.message.body))
        } catch {
            envelope = .failure(error)
        }
        let known = try? envelope.get()
        let handler = known.flatMap { worker.handler(of: $0.taskType) }
        let correlationID = TaskContext.correlationID(envelope: known, message: delivery.message, messageID: delivery.token.messageID)
        let end = await inSpan(taskType: known?.taskType ?? delivery.message.taskType, correlationID) { span in
            switch envelope {
            case .failure(let error): return await refuseInvalid(error, correlationID)
            case .success(let envelope):
                let context = TaskContext(envelope: envelope, delivery: delivery, consumer: consumer, logger: worker.logger)
                guard let handler else { return await refuseUnknown(context) }
                return await race(context, handler, span)
            }
        }
        WorkerMetrics.ended(
            queue: delivery.queue, taskType: handler == nil ? WorkerMetrics.unknownTaskType : known?.taskType ?? WorkerMetrics.unknownTaskType,
            outcome: end.rawValue, duration: began.duration(to: .now))
    }

    /// Every task has its span, also one that nobody here can handle.
    private func inSpan(taskType: String?, _ correlationID: String, _ body: (any Span) async -> End) async -> End {
        var service = ServiceContext.current ?? .topLevel
        InstrumentationSystem.instrument.extract(delivery.message, into: &service, using: TraceHeaders())
        service.taskCorrelationID = correlationID
        return await withSpan("queue.process", context: service, ofKind: .consumer) { span in
            describe(span, taskType, correlationID)
            let end = await body(span)
            span.attributes["outcome"] = end.rawValue
            // A dead task is an error, whether its handler threw or said so.
            if end == .dead { span.setStatus(SpanStatus(code: .error)) }
            return end
        }
    }

    /// Our own names, which logs and the audit have too, and those of OpenTelemetry's messaging conventions:
    /// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
    private func describe(_ span: any Span, _ taskType: String?, _ correlationID: String) {
        span.attributes["queue"] = delivery.queue
        if let taskType { span.attributes["taskType"] = taskType }
        span.attributes["attempt"] = delivery.attempt
        span.attributes["correlationId"] = correlationID
        span.attributes["messaging.system"] = "spindle"
        span.attributes["messaging.destination.name"] = delivery.queue
        span.attributes["messaging.operation.name"] = "process"
        span.attributes["messaging.operation.type"] = "process"
        span.attributes["messaging.message.id"] = "\(delivery.token.messageID)"
        span.attributes["messaging.message.conversation_id"] = correlationID
    }

    // MARK: Tasks without a handler

    private func refuseInvalid(_ error: TaskEnvelope.Invalid, _ correlationID: String) async -> End {
        worker.logger.error("audit.error", metadata: [
            "correlationId": "\(correlationID)", "queue": "\(delivery.queue)", "messageId": "\(delivery.token.messageID)",
            "taskType": "\(delivery.message.taskType ?? "-")", "attempt": "\(delivery.attempt)", "error": "\(error.reason)", "outcome": "dead",
        ])
        return await giveBack(.dead, reason: error.reason, end: .dead, logger: worker.logger)
    }

    private func refuseUnknown(_ context: TaskContext) async -> End {
        let known = worker.knownTaskTypes
        let reason = "no handler for taskType '\(context.envelope.taskType)'; known here: \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        switch worker.configuration.unknownTaskType {
        case .dead:
            context.logger.error("audit.error", metadata: ["error": "\(reason)", "outcome": "dead"])
            return await giveBack(.dead, reason: reason, end: .dead, logger: context.logger)
        case .retry(let delay):
            context.logger.warning("task given back", metadata: ["reason": "\(reason)"])
            return await giveBack(.retry, delay: delay, reason: reason, end: .retry, logger: context.logger)
        }
    }

    // MARK: Handling

    /// What comes first: the handler's end, or the worker's. A handler that does not heed its cancellation is left behind then.
    private func race(_ context: TaskContext, _ handler: @escaping SpindleWorker.Handler, _ span: any Span) async -> End {
        let finish = Finish()
        let task = Task {
            let result: Result<TaskOutcome, any Error>
            do { result = .success(try await handler(context)) } catch { result = .failure(error) }
            finish.resolve(result)
        }
        delivery.onEnd { _ in task.cancel() }
        let stopID = worker.stopping.when(.handingBack) {
            finish.resolve(nil)
            task.cancel()
        }
        let result = await finish.value()
        worker.stopping.forget(stopID)

        guard let result else {
            context.logger.notice("task handed back: the worker stops, and the handler did not end in time")
            return await giveBack(.release, reason: "the worker stopped", end: .handedBack, logger: context.logger)
        }
        if delivery.isLeaseLost {
            context.logger.notice("the lease was lost while the handler ran; its result is discarded, somebody else has the task")
            return .leaseLost
        }
        switch result {
        case .success(let outcome): return await settle(outcome, context)
        case .failure(let error): return await failed(error, context, span)
        }
    }

    private func failed(_ error: any Error, _ context: TaskContext, _ span: any Span) async -> End {
        if delivery.isCancelled, error is CancellationError { return await settle(.cancelled, context) }
        span.recordError(error)
        span.setStatus(SpanStatus(code: .error))
        context.logger.error("audit.error", metadata: ["error": "\(error)", "outcome": "retry"])
        return await giveBack(.retry, reason: "\(error)", end: .failed, logger: context.logger)
    }

    // MARK: Settling

    private func settle(_ outcome: TaskOutcome, _ context: TaskContext) async -> End {
        switch outcome {
        case .done:
            return conclude(await consumer.acknowledge(delivery), .done, context.logger)
        case .cancelled:
            context.logger.info("task cancelled")
            return conclude(await consumer.acknowledge(delivery), .cancelled, context.logger)
        case .doneAndPublish(let messages):
            return await publish(messages, context)
        case .doneWithResult(let result, let messages):
            guard result.count <= Consumer.resultBytesMax else {
                let reason = "its result has \(result.count) bytes: at most \(Consumer.resultBytesMax) are kept, store larger ones elsewhere"
                return await settle(.dead(reason: reason), context)
            }
            return await publish(messages, result: result, context)
        case .retry(let delay, let reason):
            context.logger.info("task given back", metadata: ["reason": "\(reason)"])
            return await giveBack(.retry, delay: delay, reason: reason, end: .retry, logger: context.logger)
        case .postpone(let delay, let reason):
            context.logger.info("task postponed", metadata: ["reason": "\(reason)", "delay": "\(delay)"])
            return await giveBack(.release, delay: delay, reason: reason, end: .postponed, logger: context.logger)
        case .dead(let reason):
            context.logger.error("audit.error", metadata: ["error": "\(reason)", "outcome": "dead"])
            return await giveBack(.dead, reason: reason, end: .dead, logger: context.logger)
        }
    }

    private func publish(_ messages: [OutgoingMessage], result: [UInt8]? = nil, _ context: TaskContext) async -> End {
        guard !messages.isEmpty else { return conclude(await consumer.acknowledge(delivery, result: result), .done, context.logger) }
        do {
            let (publishes, events) = Self.batches(of: messages, correlationID: context.correlationID)
            try await consumer.settle(delivery, publishes: publishes, events: events, result: result)
            return .done
        } catch let error as SpindleError where error.code == .leaseLost || error.code == .outcomeUnknown {
            // Its effects are there exactly once or not at all, and in the second case the task comes back by itself.
            context.logger.notice("the task could not be settled", metadata: ["error": "\(error)"])
            return .leaseLost
        } catch {
            // Nothing of it happened. Another attempt may find room; what never fits ends at the attempt limit.
            context.logger.error("audit.error", metadata: ["error": "\(error)", "outcome": "retry"])
            let delay = (error as? SpindleError)?.retryAfter
            return await giveBack(.retry, delay: delay, reason: "its messages could not be published: \(error)", end: .unsettled, logger: context.logger)
        }
    }

    /// In order of first appearance, one batch per destination; with the task's correlation id and trace where a message has none.
    static func batches(
        of messages: [OutgoingMessage], correlationID: String
    ) -> (publishes: [Settlement.Batch], events: [Settlement.Batch]) {
        var publishes: [Settlement.Batch] = []
        var events: [Settlement.Batch] = []
        for outgoing in messages {
            var message = outgoing.message
            if message.correlationID == nil { message.correlationID = correlationID }
            if let service = ServiceContext.current {
                InstrumentationSystem.instrument.inject(service, into: &message, using: TraceHeaders())
            }
            switch outgoing.destination {
            case .queue(let name): append(message, name, to: &publishes)
            case .topic(let name): append(message, name, to: &events)
            }
        }
        return (publishes, events)
    }

    private static func append(_ message: Message, _ name: String, to batches: inout [Settlement.Batch]) {
        if let index = batches.firstIndex(where: { $0.name == name }) {
            batches[index].messages.append(message)
        } else {
            batches.append(Settlement.Batch(name: name, messages: [message]))
        }
    }

    private func giveBack(
        _ disposition: NegativeAcknowledgement.Disposition, delay: Duration? = nil, reason: String, end: End, logger: Logger
    ) async -> End {
        conclude(
            await consumer.negativeAcknowledge(delivery, disposition: disposition, delay: delay, reason: reason), end, logger)
    }

    private func conclude(_ outcome: SettleOutcome, _ end: End, _ logger: Logger) -> End {
        switch outcome {
        case .done:
            return end
        case .leaseLost(let reason):
            logger.notice(
                "the lease was lost before the task was settled", metadata: ["messageId": "\(delivery.token.messageID)", "reason": "\(reason)"])
            return .leaseLost
        case .failed(let error):
            logger.error("audit.error", metadata: [
                "error": "\(error)", "messageId": "\(delivery.token.messageID)", "outcome": "the task could not be settled; it comes back when its lease ends",
            ])
            return .unsettled
        }
    }
}

/// The first of several ends, for one who waits.
private final class Finish: Sendable {
    private enum State {
        case open
        case waiting(CheckedContinuation<Result<TaskOutcome, any Error>?, Never>)
        case resolved(Result<TaskOutcome, any Error>?)
    }

    private let state = Mutex(State.open)

    /// Nil: the worker's time is over. Later ends are ignored.
    func resolve(_ result: Result<TaskOutcome, any Error>?) {
        let waiter = state.withLock { state -> CheckedContinuation<Result<TaskOutcome, any Error>?, Never>? in
            switch state {
            case .open:
                state = .resolved(result)
                return nil
            case .waiting(let continuation):
                state = .resolved(result)
                return continuation
            case .resolved:
                return nil
            }
        }
        waiter?.resume(returning: result)
    }

    func value() async -> Result<TaskOutcome, any Error>? {
        await withCheckedContinuation { continuation in
            let result = state.withLock { state -> Result<TaskOutcome, any Error>?? in
                if case .resolved(let result) = state { return .some(result) }
                state = .waiting(continuation)
                return nil
            }
            if let result { continuation.resume(returning: result) }
        }
    }
}
