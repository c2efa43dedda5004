internal import AsyncHTTPClient
package import Logging
internal import Metrics
internal import NIOCore
internal import NIOHTTP1
internal import ServiceLifecycle
package import SpindleObservability
internal import Synchronization

/// Sends finished spans to a ``SpanDestination``, a batch at a time. The work whose span ends waits for nothing: a span is queued, or dropped
/// when the destination has been slower or away for ``SpanQueue/spansMax`` spans. Drops are counted as `spindle.spans.dropped`, and logged
/// at most once a minute.
package final class SpanExporter: SpanSink, Service {
    /// Spans that make no batch are sent after this long.
    private static let interval = Duration.seconds(2)
    private static let requestTimeout = TimeAmount.seconds(10)
    /// After the signal to stop; then what waits is dropped.
    private static let lastRequestTimeout = TimeAmount.seconds(2)
    private static let retryMax = Duration.seconds(30)
    private static let warningInterval = Duration.seconds(60)

    /// What a destination made of a batch.
    private enum Outcome {
        case taken
        /// It will never take these: they are dropped.
        case refused(String)
        case unavailable(String)
    }

    private let destination: SpanDestination
    private let givenLogger: Logger?
    private let queue = Mutex(SpanQueue())
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// - Parameter logger: nil: one that is made when it runs, since a process sets up its exporters before its logs.
    package init(destination: SpanDestination, logger: Logger? = nil) {
        self.destination = destination
        givenLogger = logger
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package func ended(_ span: FinishedSpan) {
        if queue.withLock({ $0.add(span) }) { wake.yield() }
    }

    package var droppedCount: Int { queue.withLock { $0.dropped } }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: Self.interval)  // ends early only by cancellation, which the loop sees
                        self.wake.yield()
                    }
                }
                await self.sendAll()
                group.cancelAll()
            }
        }
        // What ended last, once.
        if queue.withLock({ $0.count }) > 0 {
            _ = await send(queue.withLock { $0.batch() }, timeout: Self.lastRequestTimeout)
        }
    }

    private func sendAll() async {
        let logger = givenLogger ?? Logger(label: "telemetry")
        var wait = Duration.seconds(1)
        var warnedAt: ContinuousClock.Instant?
        // Made here: a process sets up its metrics after its exporters.
        let drops = Counter(label: "spindle.spans.dropped", dimensions: [("to", destination.name)])
        var counted = 0
        for await _ in wakes {
            defer {
                let dropped = droppedCount
                drops.increment(by: dropped - counted)
                counted = dropped
            }
            while !Task.isCancelled {
                let batch = queue.withLock { $0.batch() }
                guard !batch.isEmpty else { break }
                switch await send(batch, timeout: Self.requestTimeout) {
                case .taken:
                    queue.withLock { $0.remove(batch.count) }
                    wait = .seconds(1)
                case .refused(let reason):
                    queue.withLock { $0.drop(batch.count) }
                    warn(reason, &warnedAt, logger)
                case .unavailable(let reason):
                    warn(reason, &warnedAt, logger)
                    try? await Task.sleep(for: wait)  // as above
                    wait = min(wait * 2, Self.retryMax)
                }
            }
        }
    }

    private func warn(_ reason: String, _ warnedAt: inout ContinuousClock.Instant?, _ logger: Logger) {
        let now = ContinuousClock.now
        if let last = warnedAt, last + Self.warningInterval > now { return }
        warnedAt = now
        logger.warning(
            "spans can't be sent",
            metadata: ["to": "\(destination.name)", "reason": "\(reason)", "dropped": "\(droppedCount)"])
    }

    private func send(_ batch: [FinishedSpan], timeout: TimeAmount) async -> Outcome {
        do {
            for post in try destination.posts(for: batch) {
                var request = HTTPClientRequest(url: post.url)
                request.method = .POST
                for (name, value) in post.headers { request.headers.add(name: name, value: value) }
                request.body = .bytes(ByteBuffer(bytes: post.body))
                let response = try await HTTPClient.shared.execute(request, timeout: timeout)
                switch response.status.code {
                case 200..<300: continue
                case 429, 502, 503, 504: return .unavailable("it answers \(response.status.code)")
                default: return .refused("it answers \(response.status.code)")
                }
            }
            return .taken
        } catch {
            return .unavailable("\(error)")
        }
    }
}
