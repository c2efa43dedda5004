internal import Foundation
package import SpindleObservability
internal import SpindleText
internal import Tracing

/// One envelope of Sentry's protocol: header, then an item for the transaction, or for an error, each a header line and a JSON line.
/// Source: https://develop.sentry.dev/sdk/data-model/envelopes/
package struct SentryEnvelope: Sendable {
    package let bytes: [UInt8]

    /// What every event of this process says.
    package struct Origin: Sendable {
        package let dsn: String
        package let service: String
        package let environment: String
        package let release: String

        package init(dsn: String, service: String, environment: String, release: String) {
            self.dsn = dsn
            self.service = service
            self.environment = environment
            self.release = release
        }
    }

    private struct Trace: Encodable {
        let trace_id: String
        let span_id: String
        let parent_span_id: String?
        let op: String
        let status: String
    }

    private struct Failure: Encodable {
        let type: String
        let value: String
    }

    private struct Event: Encodable {
        struct Contexts: Encodable { let trace: Trace }
        struct Failures: Encodable { let values: [Failure] }
        let event_id: String
        let type: String?
        let transaction: String
        let start_timestamp: Double?
        let timestamp: Double
        let platform = "other"
        let level: String?
        let server_name: String
        let environment: String
        let release: String
        let contexts: Contexts
        let tags: [String: String]
        let exception: Failures?
        /// Sentry's schema asks for it of a transaction; children are transactions of their own here.
        let spans: [String]?
    }

    /// The envelopes of a finished span: its transaction, and one for its errors if it has any.
    package static func envelopes(of span: FinishedSpan, from origin: Origin) throws -> [SentryEnvelope] {
        var all = [
            try SentryEnvelope(item: "transaction", event(of: span, from: origin, isError: false), dsn: origin.dsn)
        ]
        if !span.notes.errors.isEmpty {
            all.append(try SentryEnvelope(item: "event", event(of: span, from: origin, isError: true), dsn: origin.dsn))
        }
        return all
    }

    private init(item: String, _ event: Event, dsn: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let payload = try encoder.encode(event)
        let header = JSONText.object([("event_id", event.event_id), ("dsn", dsn)])
        let itemHeader = #"{"type":"\#(item)","content_type":"application/json","length":\#(payload.count)}"#
        bytes = Array(header.utf8) + [0x0A] + Array(itemHeader.utf8) + [0x0A] + Array(payload) + [0x0A]
    }

    private static func event(of span: FinishedSpan, from origin: Origin, isError: Bool) -> Event {
        let trace = Trace(
            trace_id: span.identity.traceID, span_id: span.identity.spanIDText, parent_span_id: span.parent?.spanIDText,
            op: operation(of: span),
            status: status(of: span))
        return Event(
            event_id: eventID(of: span, isError: isError), type: isError ? nil : "transaction", transaction: span.name,
            start_timestamp: isError ? nil : Double(span.startNanoseconds) / 1e9,
            timestamp: Double(span.endNanoseconds) / 1e9,
            level: isError ? "error" : nil, server_name: origin.service, environment: origin.environment,
            release: origin.release,
            contexts: .init(trace: trace), tags: tags(of: span),
            exception: isError ? .init(values: span.notes.errors.map { Failure(type: $0.type, value: $0.text) }) : nil,
            spans: isError ? nil : [])
    }

    /// 32 digits that are the same when the span is sent again, so that the server recognises it.
    private static func eventID(of span: FinishedSpan, isError: Bool) -> String {
        let trace = span.identity.traceID.suffix(16)
        return isError ? trace + span.identity.spanIDText : span.identity.spanIDText + trace
    }

    /// What kind of work the span is, in Sentry's words: https://develop.sentry.dev/sdk/telemetry/traces/span-operations/
    private static func operation(of span: FinishedSpan) -> String {
        switch span.kind {
        case .consumer: "queue.process"
        case .producer: "queue.publish"
        case .server: "http.server"
        case .client: "http.client"
        case .internal: "function"
        }
    }

    private static func status(of span: FinishedSpan) -> String {
        guard let status = span.status else { return span.notes.errors.isEmpty ? "ok" : "internal_error" }
        return status.code == .ok ? "ok" : "internal_error"
    }

    /// Sentry keeps tags of up to 200 characters.
    private static let tagCharactersMax = 200

    private static func tags(of span: FinishedSpan) -> [String: String] {
        var tags: [String: String] = [:]
        span.attributes.forEach { name, value in
            guard tags.count < FinishedSpan.itemsMax else { return }
            switch value {
            case .string(let text): tags[name] = String(text.prefix(tagCharactersMax))
            case .int32(let number): tags[name] = "\(number)"
            case .int64(let number): tags[name] = "\(number)"
            case .bool(let bool): tags[name] = "\(bool)"
            case .double(let number): tags[name] = "\(number)"
            case .stringConvertible(let value): tags[name] = String(value.description.prefix(tagCharactersMax))
            default: break
            }
        }
        if let id = span.context.correlationID { tags["correlationId"] = String(id.prefix(tagCharactersMax)) }
        return tags
    }
}
