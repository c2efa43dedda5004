package import Logging
internal import SpindleText
internal import Tracing

/// Writes each finished span as a log line with the message `span` and `traceId`, `spanId`, `parentSpanId`, `span` (its name), `kind`,
/// `start`, `duration_us`, `status`, `attributes.*`, and its errors, events and links.
package struct SpanLines: SpanSink {
    private let logger: Logger
    private let level: Logger.Level

    /// - Parameter level: the level of the lines. A logger with a higher one turns them off.
    package init(logger: Logger = Logger(label: "trace"), level: Logger.Level = .info) {
        self.logger = logger
        self.level = level
    }

    package func ended(_ span: FinishedSpan) {
        guard logger.logLevel <= level else { return }
        let metadata = line(span)
        // The line belongs to this span's work, wherever the span is ended.
        ServiceContext.withValue(span.context) { logger.log(level: level, "span", metadata: metadata) }
    }

    private func line(_ span: FinishedSpan) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "span": .string(span.name), "traceId": .string(span.identity.traceID),
            "spanId": .string(span.identity.spanIDText),
            "kind": .string("\(span.kind)"),
            "start": .string(Timestamp(milliseconds: Int64(clamping: span.startNanoseconds / 1_000_000)).rfc3339),
            "duration_us": .stringConvertible((span.endNanoseconds - span.startNanoseconds) / 1000),
        ]
        if let parent = span.parent { metadata["parentSpanId"] = .string(parent.spanIDText) }
        if let status = span.status {
            metadata["status"] = .string(status.code == .ok ? "ok" : "error")
            if let message = status.message { metadata["statusMessage"] = .string(message) }
        }
        var attributes: Logger.Metadata = [:]
        span.attributes.forEach { name, attribute in
            if attributes.count < FinishedSpan.itemsMax { attributes[name] = Self.value(attribute) }
        }
        if !attributes.isEmpty { metadata["attributes"] = .dictionary(attributes) }
        let texts = [
            ("events", span.notes.events.map(\.name)),
            ("links", span.notes.links.map { "\($0.traceID)-\($0.spanIDText)" }),
            ("errors", span.notes.errors.map(\.text)),
        ]
        for (name, texts) in texts where !texts.isEmpty { metadata[name] = .array(texts.map { .string($0) }) }
        return metadata
    }

    private static func value(_ attribute: SpanAttribute) -> Logger.MetadataValue {
        switch attribute {
        case .int32(let number): .stringConvertible(number)
        case .int64(let number): .stringConvertible(number)
        case .double(let number): .stringConvertible(number)
        case .bool(let bool): .stringConvertible(bool)
        case .string(let text): .string(text)
        case .stringConvertible(let value): .string(value.description)
        case .int32Array(let numbers): .array(numbers.map { .stringConvertible($0) })
        case .int64Array(let numbers): .array(numbers.map { .stringConvertible($0) })
        case .doubleArray(let numbers): .array(numbers.map { .stringConvertible($0) })
        case .boolArray(let bools): .array(bools.map { .stringConvertible($0) })
        case .stringArray(let texts): .array(texts.map { .string($0) })
        case .stringConvertibleArray(let values): .array(values.map { .string($0.description) })
        default: .string("\(attribute)")
        }
    }
}
