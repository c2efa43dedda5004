import Foundation
import SpindleObservability
import SpindleTelemetry
import Testing

/// Envelopes, read by Sentry's own decoder.
@Suite struct SentryTests {
    private static let decoder = """
        import json, sys
        from sentry_sdk.envelope import Envelope
        envelope = Envelope.deserialize(sys.stdin.buffer.read())
        event, transaction = envelope.get_event(), envelope.get_transaction_event()
        print(json.dumps({"headers": envelope.headers, "items": [item.type for item in envelope], "event": event, "transaction": transaction}))
        """
    private static let origin = SentryEnvelope.Origin(
        dsn: "https://k@sentry.example.lan/1", service: "results-1", environment: "shop", release: "spindle@1")

    @Test func aFailedTaskIsATransactionAndAnError() async throws {
        let span = try #require(failedTask().last)
        let envelopes = try SentryEnvelope.envelopes(of: span, from: Self.origin)
        try #require(envelopes.count == 2)
        let (first, second) = (
            try await decode(Self.decoder, envelopes[0].bytes), try await decode(Self.decoder, envelopes[1].bytes)
        )
        #expect(first["items"] as? [String] == ["transaction"] && second["items"] as? [String] == ["event"])
        let transaction = try #require(first["transaction"] as? [String: Any])
        let error = try #require(second["event"] as? [String: Any])
        for one in [transaction, error] {
            let trace = try #require((one["contexts"] as? [String: Any])?["trace"] as? [String: Any])
            #expect(trace["op"] as? String == "queue.process" && trace["status"] as? String == "internal_error")
            #expect(
                trace["trace_id"] as? String == span.identity.traceID
                    && trace["span_id"] as? String == span.identity.spanIDText)
            let tags = try #require(one["tags"] as? [String: String])
            #expect(
                tags["correlationId"] == "order-7" && tags["attempt"] == "2"
                    && tags["messaging.destination.name"] == "esprit-gen")
            #expect(one["server_name"] as? String == "results-1" && one["environment"] as? String == "shop")
        }
        #expect(transaction["transaction"] as? String == "queue.process" && error["level"] as? String == "error")
        let failures = (error["exception"] as? [String: Any])?["values"] as? [[String: Any]]
        #expect(
            failures?.first?["value"] as? String == Fault().description
                && failures?.first?["type"] as? String == "Fault")
        #expect(error["event_id"] as? String != transaction["event_id"] as? String)
        let again = try decodeID(try SentryEnvelope.envelopes(of: span, from: Self.origin)[0].bytes)
        #expect(again == transaction["event_id"] as? String, "a span that is sent twice is one")
        #expect(
            try SentryEnvelope.envelopes(of: try #require(failedTask().first), from: Self.origin).count == 1,
            "nothing failed in the inner span")
    }

    private func decodeID(_ bytes: [UInt8]) throws -> String? {
        let header = bytes.prefix { $0 != 0x0A }
        return (try JSONSerialization.jsonObject(with: Data(header)) as? [String: Any])?["event_id"] as? String
    }

    @Test(arguments: [
        ("https://abc@sentry.example.lan/1", "https://sentry.example.lan/api/1/envelope/"),
        ("http://abc:secret@10.0.0.5:8000/sub/path/42", "http://10.0.0.5:8000/sub/path/api/42/envelope/"),
    ])
    func addresses(dsn: String, envelopes: String) throws {
        let address = try SentryAddress(dsn: dsn)
        #expect(address.envelopes == envelopes && address.authentication.hasSuffix("sentry_key=abc"))
    }

    @Test(arguments: [
        "", "abc", "ftp://a@b/1", "https://sentry.example.lan/1", "https://@h/1", "https://a@h/", "https://a@/1",
        "https://a b@h/1",
    ])
    func wrongAddressesAreRefused(dsn: String) {
        #expect(throws: SentryAddressError.self) { try SentryAddress(dsn: dsn) }
    }
}
