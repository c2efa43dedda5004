import Foundation
import Testing

/// Spans of a real worker, at a collector that reads them with OpenTelemetry's and Sentry's own code.
@Suite struct TelemetryTests {
    /// Writes a line for each span of `POST /v1/traces`, and for each item of an envelope.
    private static let collector = """
        import http.server, json, sys
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        from sentry_sdk.envelope import Envelope

        class Collector(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                lines = []
                if self.path == "/v1/traces":
                    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                        service = {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]
                        for span in resource.scope_spans[0].spans:
                            fields = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
                            failures = [one.name for one in span.events]
                            lines.append({"from": "otlp", "service": service, "name": span.name, "trace": span.trace_id.hex(), "status": span.status.code, "events": failures, **fields})
                else:
                    for item in Envelope.deserialize(body):
                        event = item.payload.json
                        lines.append({"from": item.type, "op": event["contexts"]["trace"]["op"], "trace": event["contexts"]["trace"]["trace_id"], **event["tags"]})
                with open(sys.argv[2], "a") as file:
                    for line in lines:
                        file.write(json.dumps(line) + "\\n")
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Collector).serve_forever()
        """

    private static func lines(_ path: String) -> [[String: Any]] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }

    @Test func aTaskThatFailsIsAnErrorAtBothWithItsCorrelationID() async throws {
        let roles = try RunningRoles()
        let (port, file) = (try FreePorts.base(), roles.directory.path + "/spans")
        let collector = try ForeignProcess.python(Self.collector, ["\(port)", file])
        defer { collector.kill() }
        try await roles.startAll(["broker"])
        try await roles.start(
            "worker",
            environment: [
                "SPINDLE_OTLP_ENDPOINT": "http://127.0.0.1:\(port)", "SENTRY_DSN": "http://key@127.0.0.1:\(port)/1",
            ])
        // No task of this type is known: it dies at once, which is an error.
        let publish = [
            "message", "publish", "addin-result", "--text",
            #"{"taskType":"Unknown","taskId":"t-1","correlationId":"order-7","payload":{}}"#,
            "--content-type", "application/json",
        ]
        try await roles.waitUntil("the broker takes the task") {
            try await Spindle.run(publish + FileTools.options(roles)).exitCode == 0
        }
        try await roles.waitUntil("both servers have the failed task") {
            let all = Self.lines(file)
            return ["otlp", "transaction"].allSatisfy { from in
                all.contains { $0["from"] as? String == from && $0["correlationId"] as? String == "order-7" }
            }
        }
        let mine = Self.lines(file).filter { $0["correlationId"] as? String == "order-7" }
        let span = try #require(mine.first { $0["from"] as? String == "otlp" })
        #expect(span["name"] as? String == "queue.process" && span["service"] as? String == "worker-results", "\(span)")
        #expect(
            span["queue"] as? String == "addin-result"
                && span["messaging.destination.name"] as? String == "addin-result")
        #expect(
            span["taskType"] as? String == "Unknown" && span["attempt"] as? Int == 1
                && span["outcome"] as? String == "dead")
        #expect(span["status"] as? Int == 2, "an error")
        let transaction = try #require(mine.first { $0["from"] as? String == "transaction" })
        #expect(
            transaction["op"] as? String == "queue.process"
                && transaction["trace"] as? String == span["trace"] as? String)
        try await roles.stop()
    }

    @Test func aWrongSettingIsNamed() async throws {
        let roles = try RunningRoles()
        let refused = try await Spindle.run(["broker"] + FileTools.options(roles), environment: ["SENTRY_DSN": "abc"])
        #expect(refused.exitCode == 1 && refused.errors.contains("SENTRY_DSN: this is no Sentry DSN"), "\(refused)")
    }
}
