import Foundation
import Logging
import Metrics
import SpindleObservability
import Testing
import Tracing

/// The three systems as a process sets them up, in a process of their own: they can be set up once.
@Suite struct BootstrapTests {
    @Test func logsMetricsAndTracesOfAProcess() async throws {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardErrorContent, \.standardOutputContent]) {
            let metrics = Observability.bootstrap(label: "broker-1", format: .json, level: .info)
            let logger = Logger(label: "broker")
            logger.debug("hidden")
            withSpan("queue.process") { span in
                ServiceContext.withValue(span.context) { logger.info("inside") }
            }
            Counter(label: "spindle.published").increment(by: 3)
            try FileHandle.standardOutput.write(contentsOf: Data(metrics.render().utf8))
            exit(0)
        }
        let ended = try #require(result)
        let lines = try String(decoding: ended.standardErrorContent, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("{") }.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines.map { $0["message"] as? String } == ["inside", "span"])
        #expect(lines.allSatisfy { $0["service"] as? String == "broker-1" })
        #expect(lines.last?["span"] as? String == "queue.process")
        #expect(String(decoding: ended.standardOutputContent, as: UTF8.self).contains("spindle_published_total 3\n"))
    }
}
