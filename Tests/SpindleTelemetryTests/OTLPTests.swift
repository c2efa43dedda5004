import Foundation
import SpindleObservability
import SpindleTelemetry
import Testing
import Tracing

/// What is sent, read by OpenTelemetry's own messages.
@Suite struct OTLPTests {
    private static let decoder = """
        import sys
        from google.protobuf.json_format import MessageToJson
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        request = ExportTraceServiceRequest()
        request.ParseFromString(sys.stdin.buffer.read())
        # Fields that the messages do not know would be kept aside without a word.
        assert request.SerializeToString(deterministic=True) == ExportTraceServiceRequest.FromString(request.SerializeToString()).SerializeToString(deterministic=True)
        print(MessageToJson(request))
        """

    private func attributes(_ item: [String: Any]) -> [String: [String: Any]] {
        var all: [String: [String: Any]] = [:]
        for pair in item["attributes"] as? [[String: Any]] ?? [] {
            if let key = pair["key"] as? String { all[key] = pair["value"] as? [String: Any] }
        }
        return all
    }

    @Test func aFailedTaskIsReadWithAllItSays() async throws {
        let spans = failedTask()
        let (inner, outer) = (try #require(spans.first), try #require(spans.last))
        let message = try await decode(
            Self.decoder, OTLPTraces.encode(spans, resource: [("service.name", "results-1")]))
        let resource = try #require((message["resourceSpans"] as? [[String: Any]])?.first)
        #expect(
            attributes(try #require(resource["resource"] as? [String: Any]))["service.name"]?["stringValue"] as? String
                == "results-1")
        let scope = try #require((resource["scopeSpans"] as? [[String: Any]])?.first)
        let read = try #require(scope["spans"] as? [[String: Any]])
        try #require(read.count == 2)
        let task = read[1]
        func bytes(_ hex: String) -> String {
            var data = Data()
            var rest = Substring(hex)
            while let byte = UInt8(rest.prefix(2), radix: 16) {
                data.append(byte)
                rest = rest.dropFirst(2)
            }
            return data.base64EncodedString()
        }
        #expect(task["name"] as? String == "queue.process" && task["kind"] as? String == "SPAN_KIND_CONSUMER")
        #expect(
            task["traceId"] as? String == bytes(outer.identity.traceID)
                && task["spanId"] as? String == bytes(outer.identity.spanIDText))
        #expect(task["parentSpanId"] as? String == bytes(try #require(outer.parent).spanIDText))
        #expect(
            read[0]["parentSpanId"] as? String == task["spanId"] as? String
                && read[0]["traceId"] as? String == task["traceId"] as? String)
        #expect(
            task["startTimeUnixNano"] as? String == "\(outer.startNanoseconds)"
                && task["endTimeUnixNano"] as? String == "\(outer.endNanoseconds)")
        let values = attributes(task)
        #expect(values["messaging.destination.name"]?["stringValue"] as? String == "esprit-gen")
        #expect(values["attempt"]?["intValue"] as? String == "2" && values["ratio"]?["doubleValue"] as? Double == -0.5)
        #expect(
            values["isLast"]?["boolValue"] as? Bool == false
                && values["correlationId"]?["stringValue"] as? String == "order-7")
        let sizes = (values["sizes"]?["arrayValue"] as? [String: Any])?["values"] as? [[String: Any]]
        #expect(sizes?.map { $0["intValue"] as? String } == ["1", "-1", "\(Int64.max)"])
        #expect((task["status"] as? [String: Any])?["code"] as? String == "STATUS_CODE_ERROR")
        let failure = try #require((task["events"] as? [[String: Any]])?.first)
        #expect(failure["name"] as? String == "exception")
        #expect(attributes(failure)["exception.message"]?["stringValue"] as? String == Fault().description)
        #expect(attributes(failure)["exception.type"]?["stringValue"] as? String == "Fault")
        #expect((task["links"] as? [[String: Any]])?.first?["spanId"] as? String == task["parentSpanId"] as? String)
        #expect(((read[0]["events"] as? [[String: Any]])?.first)?["name"] as? String == "locked")
        #expect(inner.parent == outer.identity)
    }

    @Test func attributesBeyondTheLimitAreCounted() async throws {
        let kept = KeptSpans()
        SpanTracer(sinks: [kept]).withSpan("many") { span in
            for number in 0..<100 { span.attributes["a\(number)"] = number }
        }
        let message = try await decode(Self.decoder, OTLPTraces.encode(kept.all, resource: []))
        let scopes = (message["resourceSpans"] as? [[String: Any]])?.first?["scopeSpans"] as? [[String: Any]]
        let span = try #require((scopes?.first?["spans"] as? [[String: Any]])?.first)
        #expect(
            attributes(span).count == FinishedSpan.itemsMax
                && span["droppedAttributesCount"] as? Int == 100 - FinishedSpan.itemsMax)
    }
}
