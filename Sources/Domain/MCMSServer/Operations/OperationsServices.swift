internal import HTTPTypes
internal import MCMS
internal import SpindleText
internal import Synchronization

/// What the operators' part of the API works with.
package struct OperationsServices: Sendable {
    /// A preview counts no further.
    static let previewMax = 100_000

    package let broker: any OperationsBroker
    package let rates: QueueRates
    package let system: SystemSource

    package init(broker: any OperationsBroker, rates: QueueRates = QueueRates(), system: SystemSource = SystemSource()) {
        self.broker = broker
        self.rates = rates
        self.system = system
    }

    /// Asks the broker, and lets the rates learn from the answer.
    package func readQueues() async throws -> [QueueFigures] {
        let queues = try await broker.queues()
        rates.note(queues, at: Timestamp.now().milliseconds)
        return queues
    }
}

/// Messages a second, over the last readings.
package struct QueueRate: Sendable, Hashable {
    package var publishedPerSecond: Double
    package var settledPerSecond: Double

    package init(publishedPerSecond: Double, settledPerSecond: Double) {
        self.publishedPerSecond = publishedPerSecond
        self.settledPerSecond = settledPerSecond
    }
}

/// Computes rates from readings of the queues' counters. Nil until two readings lie far enough apart.
package final class QueueRates: Sendable {
    private struct Reading {
        let at: Int64
        let flow: QueueFigures.Flow
    }

    /// Readings closer together tell more of chance than of the rate.
    private static let spanMillisecondsMin: Int64 = 2_000
    private static let spanMillisecondsMax: Int64 = 30_000
    private static let readingsMax = 64

    private let readings = Mutex<[String: [Reading]]>([:])

    package init() {}

    package func note(_ queues: [QueueFigures], at now: Int64) {
        readings.withLock { readings in
            // Queues that were deleted are forgotten.
            let before = readings
            readings = [:]
            for queue in queues {
                var kept = before[queue.name] ?? []
                // A counter that falls was begun again, with the queue; a clock that was set back tells nothing.
                if let last = kept.last, last.flow.published > queue.flow.published || last.flow.settled > queue.flow.settled || last.at >= now { kept = [] }
                kept.append(Reading(at: now, flow: queue.flow))
                // One reading from before the span stays, so that rates never rest on too short a time.
                while kept.count > 2, kept[1].at <= now - Self.spanMillisecondsMax || kept.count > Self.readingsMax { kept.removeFirst() }
                readings[queue.name] = kept
            }
        }
    }

    package func rate(of queue: String) -> QueueRate? {
        readings.withLock { readings in
            guard let kept = readings[queue], let first = kept.first, let last = kept.last, last.at - first.at >= Self.spanMillisecondsMin else { return nil }
            let seconds = Double(last.at - first.at) / 1000
            return QueueRate(
                publishedPerSecond: Double(last.flow.published - first.flow.published) / seconds,
                settledPerSecond: Double(last.flow.settled - first.flow.settled) / seconds)
        }
    }
}

extension Problem {
    init(_ error: OperationsError) {
        switch error {
        case .noSuchQueue(let name):
            self.init(.notFound, "There is no queue “\(name.prefix(200))”.", action: "GET /api/queues shows which there are.")
        case .noSuchMessage(let queue, let id):
            self.init(
                .notFound, "“\(queue.prefix(200))” has no message “\(id.prefix(50))”.", action: "It may have ended. GET its queue's messages to see what is left.")
        case .noSuchWorker(let id):
            self.init(.notFound, "No worker is connected as “\(id.prefix(50))”.", action: "GET /api/workers shows who is.")
        case .noSuchJob(let id):
            self.init(.notFound, "The broker knows no job “\(id.prefix(50))”.", action: "Jobs that ended are remembered for a day.")
        case .refused(let reason):
            self.init(.conflict, "The broker refused: \(reason)", action: "Correct what it names, then try again.")
        case .unreachable(let reason):
            self.init(.busy, "The broker does not answer: \(reason)", action: "Try again when GET /api/health/summary says that it is reachable.")
            headers[.retryAfter] = "5"
        }
    }
}
