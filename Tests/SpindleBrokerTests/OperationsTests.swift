import SpindleBroker
import SpindleWire
import Testing

@Suite("Operators' HTTP")
struct OperationsTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func answer(_ running: RunningBroker, _ request: String) async throws -> String {
        let port = try #require(running.broker.operationsPort)
        let client = try await TestClient.connect(port: port, isHTTP: true)
        client.sendLater(Array(request.utf8))
        return String(decoding: try await client.readToEnd(), as: UTF8.self)
    }

    private func get(_ running: RunningBroker, _ path: String) async throws -> String {
        try await answer(running, "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
    }

    @Test func answers() async throws {
        let hooks = BrokerHooks(furtherMetrics: { "further 1\n" })
        try await TestBroker.run(folder, hooks: hooks) {
            $0.operations = OperationsListener(port: 0)
            $0.limits.operationsMilliseconds = 500
        } _: { running in
            try await running.expectServes()
            #expect(try await get(running, "/healthz").hasPrefix("HTTP/1.1 200"))
            #expect(try await get(running, "/readyz").hasPrefix("HTTP/1.1 200"))
            let metrics = try await get(running, "/metrics?x=y")
            #expect(metrics.hasPrefix("HTTP/1.1 200"))
            #expect(metrics.contains("\nspindle_log_commit_seconds_bucket{le=\"+Inf\"} "))
            #expect(metrics.contains("\nspindle_messages_stored_total 1\n"))
            #expect(metrics.contains("\nspindle_queue_ready{queue=\"addin-result\"} 0\n"))
            #expect(metrics.contains("\nfurther 1\n"))
            for path in ["/", "/metrics/", "/../etc/passwd", "/healthz/x", "*"] {
                #expect(try await get(running, path).hasPrefix("HTTP/1.1 404"), "\(path)")
            }
            #expect(try await answer(running, "POST /metrics HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n").hasPrefix("HTTP/1.1 405"))
            #expect(try await answer(running, "garbage\r\n\r\n").hasPrefix("HTTP/1.1 400"))
            let endless = "GET /healthz HTTP/1.1\r\nx: " + String(repeating: "y", count: 1 << 20)
            #expect(try await !answer(running, endless).hasPrefix("HTTP/1.1 200"))
            // Neither a request that never ends nor one that never begins is waited for.
            #expect(try await answer(running, "GET /healthz HTTP/1.1\r\n").isEmpty)
            #expect(try await answer(running, "").isEmpty)
            try await running.expectServes()
        }
    }

    @Test func notReadyWhileItStops() async throws {
        var configuration = TestBroker.configuration(folder)
        configuration.operations = OperationsListener(port: 0)
        configuration.shutdownGraceMilliseconds = 60_000
        let broker = try await Broker.start(configuration: configuration, logger: TestBroker.logger)
        let running = RunningBroker(broker: broker)
        let client = try await running.client()
        async let stopped: Void = broker.shutdown()
        _ = try await client.next()
        let answer = try await get(running, "/readyz")
        #expect(answer.hasPrefix("HTTP/1.1 503"))
        #expect(answer.hasSuffix("the broker is stopping\n"))
        #expect(try await get(running, "/healthz").hasPrefix("HTTP/1.1 200"))
        client.close()
        await stopped
    }

    @Test("label values are escaped", arguments: [("plain", "plain"), ("a\"b", "a\\\"b"), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb")])
    func labels(value: String, escaped: String) {
        var text = MetricsText()
        text.sample("m", labels: [("l", value)], 3 as UInt64)
        #expect(text.text == "m{l=\"\(escaped)\"} 3\n")
    }

    @Test func histogramsAreCumulative() {
        var histogram = FixedHistogram(bounds: [10, 20])
        for value: UInt64 in [5, 10, 11, 30] { histogram.record(value) }
        var text = MetricsText()
        text.histogram("h", "help", histogram)
        #expect(
            text.text == """
                # HELP h help
                # TYPE h histogram
                h_bucket{le="10"} 2
                h_bucket{le="20"} 3
                h_bucket{le="+Inf"} 4
                h_sum 56.0
                h_count 4

                """)
    }
}
