import Foundation
import Logging
import SpindleObservability
import SpindleText
import Synchronization
import Testing
import Tracing

/// Collects lines instead of writing them.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    var sink: LineSink { LineSink { line in self.lines.withLock { $0.append(line) } } }

    func logger(_ format: LogFormat = .json, level: Logger.Level = .info, provider: Logger.MetadataProvider? = nil) -> Logger {
        let sink = sink
        return Logger(label: "broker") { label in
            LineLogHandler(label: label, service: "broker-1", format: format, level: level, metadataProvider: provider, sink: sink, now: { Timestamp(milliseconds: 1_795_198_802_123) })
        }
    }

    /// The last line as JSON, read by another implementation than the one that wrote it.
    func lastObject() throws -> [String: Any] {
        let line = try #require(all.last)
        return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
}

@Suite struct LineLogHandlerTests {
    @Test func oneObjectPerEvent() throws {
        let lines = Lines()
        var logger = lines.logger()
        logger[metadataKey: "queue"] = "esprit-gen"
        logger.warning("slow", metadata: ["took_ms": .stringConvertible(1250), "ok": .stringConvertible(false), "b": ["c": ["d": "e"]], "list": ["x", "y"]])
        #expect(
            lines.all == [
                #"{"time":"2026-11-20T18:20:02.123Z","level":"warning","label":"broker","service":"broker-1","message":"slow","b.c.d":"e","list":["x","y"],"ok":false,"queue":"esprit-gen","took_ms":1250}"#,
            ])
    }

    /// What people and peers can put into a message comes out as it was, on one line.
    @Test(arguments: ["plain", "\"quoted\" \\back", "line\nbreak\r\ttab", "\u{0}\u{1}\u{1f}\u{7f}", "한국어 ünï", "\u{1F600}", "\u{2028}"])
    func anyTextSurvives(text: String) throws {
        let lines = Lines()
        lines.logger().info("\(text)", metadata: ["value": .string(text), "\(text)": "key"])
        let object = try lines.lastObject()
        #expect(object["message"] as? String == text)
        #expect(object["value"] as? String == text)
        #expect(object[text] as? String == "key")
        #expect(lines.all.count == 1 && !lines.all[0].utf8.contains(UInt8(ascii: "\n")))
    }

    @Test func laterMetadataWins() throws {
        let lines = Lines()
        var logger = lines.logger(provider: Logger.MetadataProvider { ["a": "provider", "b": "provider", "c": "provider"] })
        logger[metadataKey: "a"] = "handler"
        logger.info("x", metadata: ["b": "statement"])
        let object = try lines.lastObject()
        #expect(object["a"] as? String == "provider" && object["b"] as? String == "statement" && object["c"] as? String == "provider")
    }

    @Test func metadataCannotPoseAsTheLinesOwnFields() throws {
        let lines = Lines()
        lines.logger().info("x", metadata: ["level": "critical", "time": "never", "message": "y"])
        let object = try lines.lastObject()
        #expect(object["level"] as? String == "info" && object["level_"] as? String == "critical")
        #expect(object["message"] as? String == "x" && object["message_"] as? String == "y")
    }

    @Test func correlationIDFromContextOrStatement() throws {
        let lines = Lines()
        var context = ServiceContext.topLevel
        context.correlationID = "order-7"
        ServiceContext.withValue(context) { lines.logger().info("x") }
        #expect(try lines.lastObject()["correlationId"] as? String == "order-7")
        ServiceContext.withValue(context) { lines.logger().info("x", metadata: ["correlationId": "order-8"]) }
        #expect(try lines.lastObject()["correlationId"] as? String == "order-8")
        lines.logger().info("x")
        #expect(try lines.lastObject()["correlationId"] == nil)
    }

    private enum ForeignKey: ServiceContextKey {
        typealias Value = String
        static let nameOverride: String? = "correlationId"
    }

    @Test func aKeyOfAnotherModuleIsFoundByItsName() throws {
        let lines = Lines()
        var context = ServiceContext.topLevel
        context[ForeignKey.self] = "order-9"
        ServiceContext.withValue(context) { lines.logger().info("x") }
        #expect(try lines.lastObject()["correlationId"] as? String == "order-9")
    }

    @Test func errorsAndLevels() throws {
        struct Fault: Error, CustomStringConvertible { var description: String { "disk full" } }
        let lines = Lines()
        let logger = lines.logger(level: .warning)
        logger.info("hidden")
        #expect(lines.all.isEmpty)
        logger.error("failed", error: Fault())
        #expect(try lines.lastObject()["error"] as? String == "disk full")
        // One key, however it was given.
        logger.error("audit.error", metadata: ["error": "no license", "taskId": "t-1"])
        let line = try lines.lastObject()
        #expect(line["error"] as? String == "no license" && line["error_"] == nil && line["taskId"] as? String == "t-1")
        logger.error("audit.error", error: Fault(), metadata: ["error": "what the caller says"])
        #expect(try lines.lastObject()["error"] as? String == "disk full")
    }

    @Test func longTextsAreCut() throws {
        let lines = Lines()
        lines.logger().info("\(String(repeating: "é", count: LineLogHandler.textBytesMax))")
        #expect(try #require(lines.all.first).utf8.count < LineLogHandler.textBytesMax + 1000)
        _ = try lines.lastObject()
    }

    @Test func plainLinesForTerminals() {
        let lines = Lines()
        lines.logger(.plain).notice("up\n\u{1b}[2J\u{202E}", metadata: ["port": .stringConvertible(7400), "path": "/a b", "q": "say \"hi\""])
        #expect(lines.all == [#"2026-11-20T18:20:02.123Z notice   broker: up\n\u{1B}[2J\u{202E} path="/a b" port=7400 q="say \"hi\"""#])
    }

    /// Against Foundation's calendar, over leap years, century years and the turns of months.
    @Test func datesAreTheCalendars() throws {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        for day in stride(from: 0, through: 80_000, by: 7) {
            let seconds = UInt64(day) * 86400 + UInt64(day % 86400)
            let date = Date(timeIntervalSince1970: Double(seconds))
            #expect(Timestamp(milliseconds: Int64(seconds) * 1_000).rfc3339 == formatter.string(from: date))
        }
    }
}

@Suite struct SpanTracerTests {
    struct Carrier: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    }

    @Test func spansAreLinesAndChildrenNameTheirParents() throws {
        let lines = Lines()
        let tracer = SpanTracer(sinks: [SpanLines(logger: lines.logger())])
        var context = ServiceContext.topLevel
        context.correlationID = "order-7"
        struct Fault: Error, CustomStringConvertible { var description: String { "no tool" } }
        #expect(throws: Fault.self) {
            try tracer.withSpan("queue.process", context: context, ofKind: .consumer) { span in
                span.attributes["queue"] = "esprit-gen"
                span.attributes["attempt"] = 2
                tracer.withSpan("db.commit") { $0.addEvent("locked") }
                throw Fault()
            }
        }
        let objects = try lines.all.map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
        try #require(objects.count == 2)
        let (child, parent) = (objects[0], objects[1])
        #expect(parent["span"] as? String == "queue.process" && parent["kind"] as? String == "consumer")
        #expect(parent["attributes.queue"] as? String == "esprit-gen" && parent["attributes.attempt"] as? Int == 2)
        #expect(parent["status"] as? String == "error" && parent["errors"] as? [String] == ["no tool"])
        #expect(parent["parentSpanId"] == nil && parent["duration_us"] is Int)
        #expect(child["parentSpanId"] as? String == parent["spanId"] as? String)
        #expect(child["traceId"] as? String == parent["traceId"] as? String)
        #expect(child["events"] as? [String] == ["locked"])
        #expect(objects.allSatisfy { $0["correlationId"] as? String == "order-7" })
        #expect((parent["traceId"] as? String)?.count == 32 && (parent["spanId"] as? String)?.count == 16)
    }

    @Test func durationsAndTheEnd() throws {
        let lines = Lines()
        let tracer = SpanTracer(sinks: [SpanLines(logger: lines.logger())])
        func at(_ nanoseconds: UInt64) -> DefaultTracerClock.Timestamp { .init(nanosecondsSinceEpoch: nanoseconds) }
        let span = tracer.startSpan("x", context: .topLevel, ofKind: .internal, at: at(1_000_000_000))
        span.end(at: at(1_002_500_000))
        span.end(at: at(9_000_000_000))
        span.setStatus(.init(code: .error))
        #expect(lines.all.count == 1 && !span.isRecording)
        #expect(try lines.lastObject()["duration_us"] as? Int == 2500)
        #expect(try lines.lastObject()["status"] == nil)
    }

    @Test func contextTravelsInHeaders() throws {
        let tracer = SpanTracer(sinks: [])
        let span = tracer.startSpan("x", context: .topLevel, ofKind: .client, at: DefaultTracerClock.now)
        var context = span.context
        context.correlationID = "order-7"
        var headers: [String: String] = [:]
        tracer.inject(context, into: &headers, using: Carrier())
        var received = ServiceContext.topLevel
        tracer.extract(headers, into: &received, using: Carrier())
        #expect(received.traceContext == span.context.traceContext && received.traceContext != nil)
        #expect(received.correlationID == "order-7")
        let remote = tracer.startSpan("y", context: received, ofKind: .server, at: DefaultTracerClock.now)
        #expect(remote.context.traceContext?.traceID == span.context.traceContext?.traceID)
    }

    /// The examples of W3C Trace Context, and what it says is invalid.
    @Test(arguments: [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true), ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like", true), ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false), ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false), ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false),
        ("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", false), ("", false), ("00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
    ])
    func traceparent(header: String, isValid: Bool) {
        let context = TraceContext(traceparent: header)
        #expect((context != nil) == isValid)
        if isValid, header.hasPrefix("00") { #expect(context?.traceparent == header) }
    }

    @Test(arguments: ["", "a b", "a\nb", "ü", String(repeating: "a", count: 201)]) func foreignCorrelationIDsAreChecked(id: String) {
        var context = ServiceContext.topLevel
        SpanTracer(sinks: []).extract(["x-correlation-id": id], into: &context, using: Carrier())
        #expect(context.correlationID == nil)
    }
}
