package import Logging
package import MCMS
internal import ServiceLifecycle
internal import SpindleText

/// Reads the queues' figures every ten seconds, and keeps them, so that charts have a past that outlives every process.
///
/// The web server does this, and not the broker: it has the database that the history belongs in, next to the routings and the audit, and
/// the broker's log stays free of what is only looked at. Where several web servers run, each reads, and the first to write wins.
package actor QueueSampler: Service {
    private let operations: OperationsServices
    private let store: MCMSStore
    private let logger: Logger
    /// Until when the past was gathered in coarse steps by this process.
    private var foldedUntil: Timestamp?
    private var fails = false

    package init(operations: OperationsServices, store: MCMSStore, logger: Logger) {
        self.operations = operations
        self.store = store
        self.logger = logger
    }

    package func run() async throws {
        let step = QueueHistoryStep.fine.milliseconds
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.sample()
                // Ends early only when it is cancelled, which the loop sees.
                try? await Task.sleep(for: .milliseconds(step - Timestamp.now().milliseconds % step))
            }
        }
    }

    package func sample() async {
        do {
            let queues = try await operations.readQueues()
            let now = store.clock()
            let most = queues.sorted { ($0.flow.published, $1.name) > ($1.flow.published, $0.name) }.prefix(QueueHistoryLimits.queuesMax)
            let fold = QueueHistoryStep.coarse.begin(of: now)
            try await store.keepQueueReadings(
                most.map { ($0.name, QueueReading($0, at: now)) }, foldsBefore: fold == foldedUntil ? nil : fold)
            foldedUntil = fold
            if fails { logger.notice("the queues' history goes on") }
            fails = false
        } catch {
            guard !Task.isCancelled, !fails else { return }
            fails = true
            logger.warning("the queues' history has a gap from now on", metadata: ["error": "\(error)"])
        }
    }
}

extension QueueReading {
    init(_ queue: QueueFigures, at time: Timestamp) {
        self.init(
            at: time, ready: queue.counts.ready, leased: queue.counts.leased, oldestAgeMilliseconds: Int64(queue.oldestAgeSeconds * 1_000),
            published: queue.flow.published, settled: queue.flow.settled)
    }
}
