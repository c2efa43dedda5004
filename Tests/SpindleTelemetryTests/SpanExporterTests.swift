import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import ServiceLifecycle
import SpindleObservability
import SpindleTelemetry
import Synchronization
import Testing

@Suite struct SpanExporterTests {
    /// A collector that answers as it is told, and counts what it took.
    private final class Collector: Sendable {
        private struct State {
            var answers: [HTTPResponse.Status]
            var requests = 0
            var taken = 0
        }
        private let state: Mutex<State>
        /// - Parameter answers: of its first requests; then 200.
        init(_ answers: [HTTPResponse.Status]) { state = Mutex(State(answers: answers)) }
        var requests: Int { state.withLock { $0.requests } }
        var taken: Int { state.withLock { $0.taken } }

        var router: Router<BasicRequestContext> {
            let router = Router()
            router.post("v1/traces") { request, _ in
                let bytes = try await request.body.collect(upTo: 8 << 20).readableBytes
                return self.state.withLock { state in
                    state.requests += 1
                    let answer = state.answers.isEmpty ? HTTPResponse.Status.ok : state.answers.removeFirst()
                    if answer == .ok, bytes > 0, request.headers[.contentType] == "application/x-protobuf" {
                        state.taken += 1
                    }
                    return Response(status: answer)
                }
            }
            return router
        }
    }

    private static var quiet: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    private func until(_ what: String, _ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !condition() {
            guard ContinuousClock.now < deadline else { throw Fault() }
            // Another task sends; it can only be asked again, until the deadline.
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test func spansArriveAfterACollectorWasAway() async throws {
        let collector = Collector([.serviceUnavailable, .tooManyRequests])
        try await Application(router: collector.router, logger: Self.quiet).test(.ahc(.http)) { client in
            let url = "http://localhost:\(try #require(client.port))/v1/traces"
            let exporter = SpanExporter(
                destination: .collector(url: url, headers: [], resource: []), logger: Self.quiet)
            let running = Task { try await exporter.run() }
            for span in failedTask() { exporter.ended(span) }
            try await until("the spans are taken") { collector.taken == 1 }
            #expect(collector.requests == 3 && exporter.droppedCount == 0)
            running.cancel()
            try await running.value
        }
    }

    @Test func spansThatAreRefusedAreDroppedAndTheNextAreSent() async throws {
        let collector = Collector([.badRequest])
        try await Application(router: collector.router, logger: Self.quiet).test(.ahc(.http)) { client in
            let url = "http://localhost:\(try #require(client.port))/v1/traces"
            let exporter = SpanExporter(
                destination: .collector(url: url, headers: [], resource: []), logger: Self.quiet)
            let running = Task { try await exporter.run() }
            for span in failedTask() { exporter.ended(span) }
            try await until("the spans are refused") { exporter.droppedCount == 2 }
            for span in failedTask() { exporter.ended(span) }
            try await until("the next are taken") { collector.taken == 1 }
            running.cancel()
            try await running.value
        }
    }

    @Test func aCollectorThatIsAwayCostsABoundedQueue() throws {
        var queue = SpanQueue()
        let span = try #require(failedTask().first)
        for number in 1...(SpanQueue.spansMax + 10) {
            #expect(queue.add(span) == (number >= SpanQueue.batchMax))
        }
        #expect(queue.count == SpanQueue.spansMax && queue.dropped == 10 && queue.batch().count == SpanQueue.batchMax)
        queue.remove(SpanQueue.batchMax)
        queue.drop(1)
        #expect(queue.count == SpanQueue.spansMax - SpanQueue.batchMax - 1 && queue.dropped == 11)
    }
}
