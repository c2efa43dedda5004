package import Logging
import Metrics
import Tracing

/// Sets up logs, metrics and traces for a process.
package enum Observability {
    /// Call it once, first thing in `main`: the three systems behind it trap when they are set up twice.
    /// - Parameters:
    ///   - label: the role that this process plays, for example `broker-1`; it is on every line as `service`.
    ///   - format: JSON lines, or readable ones for a terminal.
    ///   - level: the lowest level that is written.
    ///   - spanLevel: the level of the lines for finished spans.
    ///   - spanSinks: what gets finished spans besides.
    /// - Returns: the metrics of this process, for its `/metrics`.
    @discardableResult
    package static func bootstrap(
        label: String, format: LogFormat, level: Logger.Level, spanLevel: Logger.Level = .info, spanSinks: [any SpanSink] = [],
        sink: LineSink = .standardError
    ) -> PrometheusMetrics {
        LoggingSystem.bootstrap(
            { loggerLabel, provider in
                LineLogHandler(label: loggerLabel, service: label, format: format, level: level, metadataProvider: provider, sink: sink)
            }, metadataProvider: nil)
        let metrics = PrometheusMetrics()
        MetricsSystem.bootstrap(metrics)
        InstrumentationSystem.bootstrap(SpanTracer(sinks: [SpanLines(level: spanLevel)] + spanSinks))
        return metrics
    }
}
