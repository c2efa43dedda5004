internal import Logging
internal import SpindleClient

/// The work on one queue: a consumer, and as many lanes as tasks may run at once.
struct QueueWorker: Sendable {
    let worker: SpindleWorker
    let queue: WorkerConfiguration.Queue

    func run() async {
        var lastRefusal: String?
        while worker.stopping.phase == .running {
            let consumer = worker.client.makeConsumer(
                queue: queue.name,
                configuration: .init(
                    inFlightMax: queue.concurrency + queue.prefetch, lease: queue.lease, wait: worker.configuration.wait))
            let stopID = worker.stopping.when(.stopping) { consumer.stop() }
            let quietID = worker.quiet.add(consumer)
            let error = await consume(consumer)
            worker.quiet.forget(quietID)
            worker.stopping.forget(stopID)
            guard worker.stopping.phase == .running else { return }
            guard let error else { return } // the client was closed under us
            // Said once, not with every attempt.
            let refusal = "\(error)"
            if refusal != lastRefusal {
                worker.logger.error("audit.error", metadata: [
                    "queue": "\(queue.name)", "error": "\(refusal)", "reason": "the broker gives no leases of this queue; asking again",
                ])
            }
            lastRefusal = refusal
            await pause(worker.configuration.refusalPause)
        }
    }

    /// Works until the consumer ends; returns what ended it, nil for a stop.
    private func consume(_ consumer: Consumer) async -> (any Error)? {
        await withTaskGroup(of: (any Error)?.self) { group in
            for _ in 0..<queue.concurrency {
                group.addTask {
                    do {
                        for try await delivery in consumer {
                            await TaskRun(worker: worker, consumer: consumer, delivery: delivery).run()
                        }
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            var first: (any Error)?
            for await error in group { first = first ?? error }
            return first
        }
    }

    /// Waits, but not beyond the stop.
    private func pause(_ duration: Duration) async {
        let sleep = Task { try? await Task.sleep(for: duration) }
        let id = worker.stopping.when(.stopping) { sleep.cancel() }
        _ = await sleep.value
        worker.stopping.forget(id)
    }
}
