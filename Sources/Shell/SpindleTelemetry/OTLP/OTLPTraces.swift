package import SpindleObservability
internal import Tracing

/// The body of `POST /v1/traces`: `ExportTraceServiceRequest` of OpenTelemetry's protocol, version 1, as protobuf.
///
/// ```
/// ExportTraceServiceRequest { 1: ResourceSpans { 1: Resource { 1: attributes }, 2: ScopeSpans { 1: scope, 2: Span … } } }
/// ```
/// Source: https://github.com/open-telemetry/opentelemetry-proto, `trace/v1/trace.proto` and `common/v1/common.proto`.
package enum OTLPTraces {
    /// - Parameter resource: what sends the spans, such as `service.name`.
    package static func encode(_ spans: [FinishedSpan], resource: [(String, String)]) -> [UInt8] {
        var request = ProtobufWriter()
        request.message(1) { resourceSpans in
            resourceSpans.message(1) { fields in
                for (name, value) in resource { fields.attribute(1, name, .string(value)) }
            }
            resourceSpans.message(2) { scopeSpans in
                scopeSpans.message(1) { $0.string(1, "spindle") }
                for span in spans { scopeSpans.message(2) { write(span, &$0) } }
            }
        }
        return request.bytes
    }

    private static func write(_ span: FinishedSpan, _ fields: inout ProtobufWriter) {
        fields.block(1, span.identity.traceIDBytes)
        fields.block(2, span.identity.spanIDBytes)
        if let parent = span.parent { fields.block(4, parent.spanIDBytes) }
        fields.string(5, span.name)
        fields.varint(6, kind(span.kind))
        fields.fixed64(7, span.startNanoseconds)
        fields.fixed64(8, span.endNanoseconds)
        var count = 0
        var dropped: UInt64 = 0
        span.attributes.forEach { name, value in
            if count < FinishedSpan.itemsMax { fields.attribute(9, name, value) } else { dropped += 1 }
            count += 1
        }
        if span.attributes["correlationId"] == nil, let id = span.context.correlationID {
            fields.attribute(9, "correlationId", .string(id))
        }
        fields.varint(10, dropped)
        for event in span.notes.events {
            fields.event(event.name, at: event.atNanoseconds) { writer in
                event.attributes.forEach { writer.attribute(3, $0, $1) }
            }
        }
        // https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
        for error in span.notes.errors {
            fields.event("exception", at: error.atNanoseconds) { writer in
                writer.attribute(3, "exception.type", .string(error.type))
                writer.attribute(3, "exception.message", .string(error.text))
            }
        }
        for link in span.notes.links {
            fields.message(13) { inner in
                inner.block(1, link.traceIDBytes)
                inner.block(2, link.spanIDBytes)
                inner.fixed32(6, link.isSampled ? 1 : 0)
            }
        }
        if let status = span.status {
            fields.message(15) { inner in
                if let message = status.message { inner.string(2, message) }
                inner.varint(3, status.code == .ok ? 1 : 2)
            }
        }
        fields.fixed32(16, span.identity.isSampled ? 1 : 0)
    }

    private static func kind(_ kind: SpanKind) -> UInt64 {
        switch kind {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }
}

extension TraceContext {
    fileprivate var traceIDBytes: [UInt8] { Self.bigEndian(traceIDHigh) + Self.bigEndian(traceIDLow) }
    fileprivate var spanIDBytes: [UInt8] { Self.bigEndian(spanID) }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}

extension ProtobufWriter {
    fileprivate mutating func event(
        _ name: String, at nanoseconds: UInt64, _ attributes: (inout ProtobufWriter) -> Void
    ) {
        message(11) { inner in
            inner.fixed64(1, nanoseconds)
            inner.string(2, name)
            attributes(&inner)
        }
    }

    /// `KeyValue { 1: key, 2: AnyValue }`.
    fileprivate mutating func attribute(_ field: UInt64, _ name: String, _ value: SpanAttribute) {
        message(field) { pair in
            pair.string(1, name)
            pair.message(2) { $0.any(value) }
        }
    }

    private mutating func any(_ value: SpanAttribute) {
        switch value {
        case .int32(let number): chosenVarint(3, UInt64(bitPattern: Int64(number)))
        case .int64(let number): chosenVarint(3, UInt64(bitPattern: number))
        case .double(let number): fixed64(4, number.bitPattern)
        case .bool(let bool): chosenVarint(2, bool ? 1 : 0)
        case .string(let text): string(1, text)
        case .stringConvertible(let value): string(1, value.description)
        case .int32Array(let values): array(values.map { .int32($0) })
        case .int64Array(let values): array(values.map { .int64($0) })
        case .doubleArray(let values): array(values.map { .double($0) })
        case .boolArray(let values): array(values.map { .bool($0) })
        case .stringArray(let values): array(values.map { .string($0) })
        case .stringConvertibleArray(let values): array(values.map { .string($0.description) })
        default: string(1, "\(value)")
        }
    }

    private mutating func array(_ values: [SpanAttribute]) {
        message(5) { inner in
            for value in values { inner.message(1) { $0.any(value) } }
        }
    }
}
