import SpindleTelemetry
import Testing

@Suite struct TelemetrySettingsTests {
    struct Row: Sendable, CustomStringConvertible {
        let description: String
        let environment: [String: String]
        let names: [String]

        init(_ description: String, _ environment: [String: String], _ names: [String]) {
            self.description = description
            self.environment = environment
            self.names = names
        }
    }

    @Test(arguments: [
        Row("nothing is sent without being asked", [:], []),
        Row("empty variables ask for nothing", ["SENTRY_DSN": "", "SPINDLE_OTLP_ENDPOINT": ""], []),
        Row("a collector", ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"], ["http://c:4318/v1/traces"]),
        Row(
            "our own name wins", ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "SPINDLE_OTLP_ENDPOINT": "http://d"],
            ["http://d/v1/traces"]),
        Row(
            "both", ["SPINDLE_OTLP_ENDPOINT": "http://d", "SENTRY_DSN": "http://k@s/1"],
            ["http://d/v1/traces", "http://s/api/1/envelope/"]),
    ])
    func environment(row: Row) throws {
        let settings = try TelemetrySettings(environment: row.environment, service: "a", release: "1")
        let span = failedTask()[0]
        #expect(try settings.destinations.flatMap { try $0.posts(for: [span]) }.map(\.url) == row.names)
    }

    @Test func headersAreSent() throws {
        let environment = [
            "SPINDLE_OTLP_ENDPOINT": "http://d", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=abc=, tenant=shop",
        ]
        let settings = try TelemetrySettings(environment: environment, service: "a", release: "1")
        let post = try #require(try settings.destinations.first?.posts(for: []).first)
        #expect(
            post.headers.map { "\($0.0): \($0.1)" } == [
                "Content-Type: application/x-protobuf", "api-key: abc=", "tenant: shop",
            ])
    }

    @Test(arguments: [
        (["SPINDLE_OTLP_ENDPOINT": "collector:4318"], "SPINDLE_OTLP_ENDPOINT"),
        (["SPINDLE_OTLP_ENDPOINT": "http://d", "OTEL_EXPORTER_OTLP_HEADERS": "abc"], "OTEL_EXPORTER_OTLP_HEADERS"),
        (["SENTRY_DSN": "abc"], "SENTRY_DSN"),
    ])
    func whatIsWrongIsNamed(environment: [String: String], name: String) {
        #expect {
            try TelemetrySettings(environment: environment, service: "a", release: "1")
        } throws: { "\($0)".contains(name) }
    }
}
