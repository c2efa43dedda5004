internal import NIOCore
internal import SpindleWire

extension SpindleClient {
    /// Publishes messages to a queue, in order, and returns what became of each, in the same order, once that is on the broker's disk.
    ///
    /// Repeated by the client across reconnects, under one producer id and sequence, so that nothing is stored twice. A large call is
    /// split into several frames.
    /// - Throws: ``SpindleError`` where nothing was stored; a later part that fails is in the outcomes. `CancellationError`: it may have
    ///   been stored.
    public func publish(_ messages: [Message], to queue: String) async throws -> [PublishOutcome] {
        let batches = try RecordCodec.batches(
            of: messages, compressionThreshold: configuration.ownCompressionThreshold, bytesMax: link(for: queue).batchBytes)
        return try await publish(batches, to: queue)
    }

    /// Publishes one message; throws ``SpindleError`` where it was refused.
    public func publish(_ message: Message, to queue: String) async throws -> MessageID {
        let outcomes = try await publish([message], to: queue)
        guard let outcome = outcomes.first else { preconditionFailure("one outcome for one message") }
        return try outcome.get()
    }

    /// Publishes messages that were encoded before.
    public func publish(_ batch: MessageBatch, to queue: String) async throws -> [PublishOutcome] {
        try await publish([batch], to: queue)
    }

    private func publish(_ batches: [MessageBatch], to queue: String) async throws -> [PublishOutcome] {
        let link = link(for: queue)
        var outcomes: [PublishOutcome] = []
        var isAnythingStored = false
        for result in try await sendAll(batches, .publish, name: queue, on: link) {
            let (batch, answer) = result
            switch answer {
            case .success(let reply):
                let runs = try read(reply, .publish, on: link) { body throws(WireError) in
                    try PublishOutcomes.outcomes(of: try PublishReply(body), sizes: batch.sizes)
                }
                isAnythingStored = true
                outcomes += runs
            case .failure(let error):
                if !isAnythingStored { throw error }
                outcomes += [PublishOutcome](repeating: .refused(Connector.error(from: error)), count: batch.count)
            }
        }
        return outcomes
    }

    /// Publishes events to a topic, in order, and returns the cursor of each.
    ///
    /// - Throws: ``SpindleError`` of the first event that was refused; those before it were published.
    public func publish(events: [Message], toTopic topic: String) async throws -> [TopicCursor] {
        let link = link(for: topic)
        let batches = try RecordCodec.batches(
            of: events, compressionThreshold: configuration.ownCompressionThreshold, bytesMax: link.batchBytes)
        var cursors: [TopicCursor] = []
        for (batch, answer) in try await sendAll(batches, .topicPublish, name: topic, on: link) {
            let reply = try answer.get()
            let parsed = try read(reply, .topicPublish, on: link) { body throws(WireError) in
                let reply = try TopicPublishReply(body)
                return (epoch: reply.epoch, outcomes: try PublishOutcomes.outcomes(of: PublishReply(runs: reply.runs, notes: reply.notes), sizes: batch.sizes))
            }
            for outcome in parsed.outcomes { cursors.append(TopicCursor(epoch: parsed.epoch, offset: try outcome.get().rawValue)) }
        }
        return cursors
    }

    /// Sends all batches, one behind the other without waiting, and collects their answers in order.
    private func sendAll(
        _ batches: [MessageBatch], _ opcode: Opcode, name: String, on link: Link
    ) async throws -> [(MessageBatch, Result<Request.Reply, any Error>)] {
        if batches.count == 1, let batch = batches.first {
            let payload = Request.Payload.publish(name: name, batch: batch, producerID: 0, firstSequence: 0)
            return [(batch, .success(try await send(opcode, payload, on: link, afterLoss: .repeated)))]
        }
        let deadline = NIODeadline.now() + configuration.requestTimeout.timeAmount
        let replies = batches.map { batch in
            let promise = link.eventLoop.makePromise(of: Request.Reply.self)
            link.submit(Request(
                opcode, .publish(name: name, batch: batch, producerID: 0, firstSequence: 0), afterLoss: .repeated, deadline: deadline
            ) { promise.completeWith($0.mapError { $0 }) })
            return promise.futureResult
        }
        var results: [(MessageBatch, Result<Request.Reply, any Error>)] = []
        for (batch, reply) in zip(batches, replies) {
            do { results.append((batch, .success(try await reply.get()))) } catch { results.append((batch, .failure(error))) }
        }
        return results
    }
}

enum PublishOutcomes {
    /// The outcomes of a batch whose records have `sizes` bytes: within a run ids follow from them.
    static func outcomes(of reply: PublishReply, sizes: [Int]) throws(WireError) -> [PublishOutcome] {
        var outcomes: [PublishOutcome] = []
        outcomes.reserveCapacity(sizes.count)
        for run in reply.runs {
            guard Int(run.count) <= sizes.count - outcomes.count else {
                throw .malformed("more outcomes than the \(sizes.count) messages published")
            }
            var id = run.firstID
            for _ in 0..<run.count {
                switch run.status {
                case .ok: outcomes.append(.stored(MessageID(rawValue: id)))
                case .duplicate: outcomes.append(.duplicate(MessageID(rawValue: id)))
                default: outcomes.append(.refused(SpindleError(run.status, reply.notes[outcomes.count], what: "the message")))
                }
                id &+= UInt64(sizes[outcomes.count - 1])
            }
        }
        guard outcomes.count == sizes.count else { throw .malformed("\(outcomes.count) outcomes for \(sizes.count) messages") }
        return outcomes
    }
}
