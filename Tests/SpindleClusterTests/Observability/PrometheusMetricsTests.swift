import Foundation
import Metrics
import SpindleObservability
import Testing

@Suite struct PrometheusMetricsTests {
    /// One of each kind, with the labels that break careless renderers.
    private func example() -> PrometheusMetrics {
        let metrics = PrometheusMetrics()
        metrics.describe("spindle.published", "Messages confirmed.\nSecond line \\ slash")
        Counter(label: "spindle.published", dimensions: [("queue", "esprit-gen")], factory: metrics).increment(by: 41)
        Counter(label: "spindle.published", dimensions: [("queue", "esprit-gen")], factory: metrics).increment()
        Counter(label: "spindle.published", dimensions: [("queue", "a\"b\\c\nd"), ("le", "x"), ("1st", "y")], factory: metrics).increment(by: -5)
        FloatingPointCounter(label: "spindle.cpu", factory: metrics).increment(by: 1.5)
        let depth = Meter(label: "spindle.queue-depth", factory: metrics)
        depth.set(10)
        depth.decrement(by: 2.5)
        let timer = Timer(label: "spindle.sync", factory: metrics)
        for microseconds in [40, 50, 60, 900, 70_000_000] { timer.recordMicroseconds(microseconds) }
        Recorder(label: "spindle.batch", aggregate: true, factory: metrics).record(5)
        Gauge(label: "spindle.up", factory: metrics).record(1)
        return metrics
    }

    @Test func textFormat() {
        let text = example().render()
        for part in [
            "# HELP spindle_published_total Messages confirmed.\\nSecond line \\\\ slash\n# TYPE spindle_published_total counter\n",
            "spindle_published_total{queue=\"esprit-gen\"} 42\n", "spindle_published_total{_1st=\"y\",le_=\"x\",queue=\"a\\\"b\\\\c\\nd\"} 0\n",
            "spindle_cpu_total 1.5\n", "# TYPE spindle_queue_depth gauge\nspindle_queue_depth 7.5\n", "# TYPE spindle_sync_seconds histogram\n",
            "spindle_sync_seconds_bucket{le=\"5e-05\"} 2\n", "spindle_sync_seconds_bucket{le=\"0.0001\"} 3\n", "spindle_sync_seconds_bucket{le=\"0.001\"} 4\n",
            "spindle_sync_seconds_bucket{le=\"60\"} 4\n", "spindle_sync_seconds_bucket{le=\"+Inf\"} 5\n", "spindle_sync_seconds_count 5\n",
            "spindle_batch_bucket{le=\"4\"} 0\nspindle_batch_bucket{le=\"16\"} 1\n", "spindle_up 1\n",
        ] { #expect(text.contains(part), "\(part)\n--\n\(text)") }
        let families = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE") }
        #expect(families == families.sorted() || families.last?.contains("spindle_metrics_dropped") == true)
    }

    /// Prometheus's own Python library reads it. Needs `pip install prometheus_client`, once, into a folder of its own.
    @Test func prometheusReadsIt() throws {
        let folder = try TemporaryFolder()
        let python = ["/usr/bin/env", "python3"]
        func run(_ arguments: [String], input: String = "") throws -> (code: Int32, output: String) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: python[0])
            process.arguments = python[1...] + arguments
            process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONPATH": folder.path]) { $1 }
            let (stdin, stdout) = (Pipe(), Pipe())
            process.standardInput = stdin
            process.standardOutput = stdout
            process.standardError = FileHandle.nullDevice
            try process.run()
            try stdin.fileHandleForWriting.write(contentsOf: Data(input.utf8))
            try stdin.fileHandleForWriting.close()
            let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: output, as: UTF8.self))
        }
        if try run(["-c", "import prometheus_client"]).code != 0 {
            let install = try run(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", folder.path, "prometheus_client==0.26.0"])
            guard install.code == 0 else { try Test.cancel("prometheus_client is not installed, and pip could not install it") }
        }
        let script = """
            import sys
            from prometheus_client.parser import text_string_to_metric_families
            for family in text_string_to_metric_families(sys.stdin.read()):
                for s in family.samples:
                    print(family.type, s.name, sorted(s.labels.items()), float(s.value))
            """
        let parsed = try run(["-c", script], input: example().render())
        #expect(parsed.code == 0)
        for line in [
            "counter spindle_published_total [('queue', 'esprit-gen')] 42.0", "gauge spindle_queue_depth [] 7.5", "counter spindle_cpu_total [] 1.5",
            "counter spindle_published_total [('_1st', 'y'), ('le_', 'x'), ('queue', 'a\"b\\\\c\\nd')] 0.0", "histogram spindle_sync_seconds_bucket [('le', '+Inf')] 5.0",
            "histogram spindle_sync_seconds_count [] 5.0", "histogram spindle_batch_sum [] 5.0",
        ] { #expect(parsed.output.contains(line + "\n"), "\(line)\n--\n\(parsed.output)") }
    }

    @Test func theSameLabelsAreTheSameMetric() {
        let metrics = PrometheusMetrics()
        for order in [[("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]] { Counter(label: "x", dimensions: order, factory: metrics).increment() }
        #expect(metrics.render().contains("x_total{a=\"1\",b=\"2\"} 2\n"))
    }

    @Test func twoTypesDoNotShareAName() {
        let metrics = PrometheusMetrics()
        Meter(label: "x", factory: metrics).set(1)
        Recorder(label: "x", aggregate: true, factory: metrics).record(1)
        let text = metrics.render()
        #expect(text.contains("# TYPE x gauge\n") && text.contains("# TYPE x_histogram histogram\n"))
    }

    @Test func destroyedMetricsAreGone() {
        let metrics = PrometheusMetrics()
        let meter = Meter(label: "x", factory: metrics)
        meter.set(1)
        #expect(metrics.render().contains("x 1\n"))
        metrics.destroyMeter(metrics.makeMeter(label: "x", dimensions: []))
        #expect(!metrics.render().contains("x 1\n"))
    }

    @Test func labelsCannotFillTheMemory() {
        let metrics = PrometheusMetrics()
        for number in 0..<(PrometheusMetrics.seriesMax + 7) { Counter(label: "x", dimensions: [("id", "\(number)")], factory: metrics).increment() }
        let text = metrics.render()
        #expect(text.contains("spindle_metrics_dropped_series_total 7\n"))
        #expect(text.split(separator: "\n").count { $0.hasPrefix("x_total{") } == PrometheusMetrics.seriesMax)
    }

    @Test func countsFromManyThreads() async {
        let metrics = PrometheusMetrics()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        Counter(label: "c", factory: metrics).increment()
                        Meter(label: "m", factory: metrics).increment(by: 0.5)
                        Timer(label: "t", factory: metrics).recordNanoseconds(Int64(1000))
                    }
                }
            }
        }
        let text = metrics.render()
        #expect(text.contains("c_total 8000\n") && text.contains("m 4000\n") && text.contains("t_seconds_count 8000\n"))
    }
}
