import SpindleClient

/// One message after the other, from one connection to another, which waits for it.
struct BenchDelivery {
    private static let wait = Duration.seconds(10)

    let options: BenchOptions
    let configuration: ClientConfiguration
    /// Asked whether the worker waits already; its own connection, so that it is in nobody's way.
    let observer: SpindleClient

    func run() async throws -> BenchResult {
        let batch = try MessageBatch([Message(body: options.body())], compressionThreshold: nil)
        let (events, event) = AsyncStream.makeStream(of: (RawEvent, ContinuousClock.Instant).self)
        let worker = try await RawConnection.connect(configuration: configuration) { event.yield(($1, .now)) }
        let (answers, answer) = AsyncStream.makeStream(of: RawEvent.self)
        let publisher = try await RawConnection.connect(configuration: configuration) { answer.yield($1) }
        let result: Result<BenchResult, any Error>
        do {
            result = .success(try await measure(batch, worker, publisher, events, answers))
        } catch {
            result = .failure(error)
        }
        await worker.close()
        await publisher.close()
        return try result.get()
    }

    private func measure(
        _ batch: MessageBatch, _ worker: RawConnection, _ publisher: RawConnection, _ events: AsyncStream<(RawEvent, ContinuousClock.Instant)>,
        _ answers: AsyncStream<RawEvent>
    ) async throws -> BenchResult {
        var events = events.makeAsyncIterator()
        var answers = answers.makeAsyncIterator()
        var sample = BenchSample()
        let began = ContinuousClock.now
        let queue = options.queue
        for _ in 0..<options.count {
            worker.run { $0.lease(from: queue, max: 1, bytesMax: BenchOptions.batchBytesMax, wait: Self.wait, context: 0) }
            // Only a worker that waits already is measured.
            while try await observer.statistics(matching: queue).first?.waiters == 0 { await Task.yield() }
            let started = ContinuousClock.now
            publisher.run { $0.publish(batch, to: queue, context: 0) }
            guard case (.leased(_, let tokens, _), let arrived)? = await events.next() else { throw CommandFailure("the worker's connection was lost.") }
            guard case .published(_, let stored, _)? = await answers.next() else { throw CommandFailure("the publisher's connection was lost.") }
            guard stored == 1, tokens.count == 1 else {
                sample.fail(1, stored == 0 ? "the message was refused" : "a message did not arrive within \(Self.wait)")
                continue
            }
            sample.record(arrived - started, messages: 1)
            worker.run { $0.acknowledge(tokens, context: 0) }
            _ = await events.next()
        }
        return BenchResult(mode: "delivery", options: options, sample: sample, elapsed: ContinuousClock.now - began)
    }
}
