internal import NIOCore
internal import SpindleWire

extension SpindleClient {
    /// Creates a queue, or changes the named settings of one that is there.
    @discardableResult
    public func declare(queue: String, policy: QueuePolicy = QueuePolicy()) async throws -> DeclareOutcome {
        try await call(.declare, on: link(for: queue), afterLoss: .repeated) {
            DeclareRequest(queue: queue, policy: policy.wire).encode(into: &$0)
        } decode: { body throws(WireError) in
            DeclareOutcome(try DeclareReply(body))
        }
    }

    /// The queues whose names match, by name. `*` stands for any run of characters.
    public func statistics(matching pattern: String = "*") async throws -> [QueueStatistics] {
        var queues: [QueueStatistics] = []
        let link = anyLink()
        while true {
            let after = queues.last?.name ?? ""
            let reply = try await call(.stats, on: link, afterLoss: .repeated) {
                StatsRequest(pattern: pattern, after: after).encode(into: &$0)
            } decode: { body throws(WireError) in
                try StatsReply(body)
            }
            queues += reply.queues.map { QueueStatistics($0) }
            // A page that is empty or does not go on would be asked for again and again.
            guard reply.moreFollow, let last = queues.last?.name, last > after else { return queues }
        }
    }

    /// Subscribes to the topics that match `pattern`: `*` stands for any run of characters, commas separate several patterns.
    ///
    /// Returns when the broker accepted. The subscription goes on behind its last event after every reconnect, and says so with
    /// ``TopicElement/gap(cursor:reason:)`` where that was not possible.
    /// - Parameter credit: events that may wait in memory here.
    public func subscribe(to pattern: String, from start: SubscriptionStart = .latest, credit: Int = 256) async throws -> TopicSubscription {
        let link = anyLink()
        let accepted = link.eventLoop.makePromise(of: TopicCursor.self)
        let stream = TopicStream(pattern: pattern, start: start, credit: credit, link: link, firstReply: accepted)
        let owner = TopicStreamOwner(stream)
        let timeout = configuration.requestTimeout.timeAmount
        link.eventLoop.execute {
            link.add(stream)
            let timer = link.eventLoop.scheduleTask(in: timeout) {
                link.remove(stream)
                stream.finish(throwing: SpindleError(
                    code: .timedOut, message: "the broker did not accept the subscription to '\(pattern)' in time", isRetryable: true))
            }
            accepted.futureResult.whenComplete { _ in timer.cancel() }
        }
        let cursor = try await withTaskCancellationHandler {
            try await accepted.futureResult.get()
        } onCancel: {
            stream.cancel()
        }
        return TopicSubscription(startCursor: cursor, owner: owner)
    }
}
