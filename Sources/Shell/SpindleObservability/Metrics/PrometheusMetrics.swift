package import Metrics
import Synchronization

/// A swift-metrics backend that keeps everything in memory and shows it in Prometheus's text format, version 0.0.4.
///
/// Counters get the suffix `_total`, timers `_seconds` (histograms), aggregating recorders are histograms, meters and
/// the other recorders gauges. A metric that is made twice with the same labels is one metric.
package final class PrometheusMetrics: MetricsFactory {
    /// The value of the header `Content-Type` for `render()`.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    /// Label sets that are kept in all. More are counted in `spindle_metrics_dropped_series_total`, and not shown: labels
    /// made from ids must not fill the memory.
    package static let seriesMax = 10_000
    /// Seconds: from a fast sync to the longest request.
    package static let timerBounds: [Double] = [
        0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    /// Sizes and counts: powers of four.
    package static let recorderBounds: [Double] = (0...15).map { Double(1 << (2 * $0)) }

    private enum Series {
        case counter(PrometheusCounter)
        case floatingCounter(PrometheusGauge)
        case gauge(PrometheusGauge)
        case histogram(PrometheusHistogram)

        var type: String {
            switch self {
            case .counter, .floatingCounter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    private struct Family {
        let type: String
        var help: String
        /// By rendered labels.
        var series: [String: (dimensions: [(String, String)], metric: Series)] = [:]
    }

    private struct State {
        var families: [String: Family] = [:]
        var help: [String: String] = [:]
        var seriesCount = 0
        var droppedCount = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Gives the metrics with this swift-metrics label their `HELP` text. The default is the label itself.
    package func describe(_ label: String, _ help: String) {
        state.withLock { $0.help[label] = help }
    }

    // MARK: MetricsFactory

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let made = PrometheusCounter()
        if case .counter(let known) = register(label, suffix: "_total", dimensions, .counter(made)) { return known }
        return made
    }

    package func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        let made = PrometheusGauge(isCounter: true)
        if case .floatingCounter(let known) = register(label, suffix: "_total", dimensions, .floatingCounter(made)) { return known }
        return made
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        gauge(label, dimensions)
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate ? histogram(label, suffix: "", dimensions, Self.recorderBounds) : gauge(label, dimensions)
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, suffix: "_seconds", dimensions, Self.timerBounds)
    }

    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> PrometheusGauge {
        let made = PrometheusGauge()
        if case .gauge(let known) = register(label, suffix: "", dimensions, .gauge(made)) { return known }
        return made
    }

    private func histogram(_ label: String, suffix: String, _ dimensions: [(String, String)], _ bounds: [Double]) -> PrometheusHistogram {
        let made = PrometheusHistogram(bounds: bounds)
        if case .histogram(let known) = register(label, suffix: suffix, dimensions, .histogram(made)) { return known }
        return made
    }

    /// The metric that is kept under this name and these labels: `made`, or an earlier one of the same type.
    private func register(_ label: String, suffix: String, _ dimensions: [(String, String)], _ made: Series) -> Series {
        var name = PrometheusText.metricName(label)
        if !name.hasSuffix(suffix) { name += suffix }
        let labels = PrometheusText.labels(dimensions)
        return state.withLock { state in
            // Two types cannot share a name; the later one says its type.
            if let family = state.families[name], family.type != made.type { name += "_\(made.type)" }
            if let known = state.families[name]?.series[labels] { return known.metric }
            guard state.seriesCount < Self.seriesMax else {
                state.droppedCount += 1
                return made
            }
            state.seriesCount += 1
            state.families[name, default: Family(type: made.type, help: state.help[label] ?? label)].series[labels] = (dimensions, made)
            return made
        }
    }

    private func remove(_ handler: AnyObject) {
        state.withLock { state in
            for name in state.families.keys.sorted() {
                guard let labels = state.families[name]?.series.first(where: { Self.handler($0.value.metric) === handler })?.key else { continue }
                state.families[name]?.series[labels] = nil
                state.seriesCount -= 1
                if state.families[name]?.series.isEmpty == true { state.families[name] = nil }
                return
            }
        }
    }

    private static func handler(_ series: Series) -> AnyObject {
        switch series {
        case .counter(let counter): counter
        case .floatingCounter(let gauge), .gauge(let gauge): gauge
        case .histogram(let histogram): histogram
        }
    }

    // MARK: Rendering

    /// Everything, sorted by name and labels. Metrics that change meanwhile are shown with one value or the other.
    package func render() -> String {
        let (families, dropped) = state.withLock { ($0.families, $0.droppedCount) }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# HELP \(name) \(PrometheusText.escapedHelp(family.help))\n# TYPE \(name) \(family.type)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                switch series.metric {
                case .counter(let counter): text += "\(name)\(labels) \(PrometheusText.number(counter.value))\n"
                case .floatingCounter(let gauge), .gauge(let gauge): text += "\(name)\(labels) \(PrometheusText.number(gauge.value))\n"
                case .histogram(let histogram): Self.append(histogram, name, labels, series.dimensions, to: &text)
                }
            }
        }
        let name = "spindle_metrics_dropped_series_total"
        text += "# HELP \(name) Metrics that were not kept because there were over \(Self.seriesMax) already.\n# TYPE \(name) counter\n\(name) \(dropped)\n"
        return text
    }

    /// Buckets are cumulative in the format: each counts what is at most its bound.
    private static func append(
        _ histogram: PrometheusHistogram, _ name: String, _ labels: String, _ dimensions: [(String, String)], to text: inout String
    ) {
        let snapshot = histogram.snapshot
        var cumulative: UInt64 = 0
        for (index, count) in snapshot.counts.enumerated() {
            cumulative += count
            let bound = index < histogram.bounds.count ? PrometheusText.number(histogram.bounds[index]) : "+Inf"
            text += "\(name)_bucket\(PrometheusText.labels(dimensions, extra: ("le", bound))) \(cumulative)\n"
        }
        text += "\(name)_sum\(labels) \(PrometheusText.number(snapshot.sum))\n\(name)_count\(labels) \(snapshot.count)\n"
    }
}
