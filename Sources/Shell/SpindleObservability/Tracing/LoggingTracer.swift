package import Logging
import SpindleText
import Synchronization
package import Tracing

/// A tracer that needs no collector: every finished span is a log line with the message `span` and `traceId`, `spanId`,
/// `parentSpanId`, `span` (its name), `kind`, `start`, `duration_us`, `status`, `attributes.*`, and its errors and events.
/// Trace ids travel between processes as `traceparent`, correlation ids as `x-correlation-id`.
package struct LoggingTracer: Tracer {
    package typealias Span = LoggingSpan

    private let logger: Logger
    private let level: Logger.Level

    /// - Parameter level: the level of the lines. A logger with a higher one turns them off.
    package init(logger: Logger = Logger(label: "trace"), level: Logger.Level = .info) {
        self.logger = logger
        self.level = level
    }

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind, at instant: @autoclosure () -> Instant,
        function: String, file fileID: String, line: UInt
    ) -> LoggingSpan {
        let parentContext = context()
        let parent = parentContext.traceContext
        let identity = TraceContext.next(after: parent)
        var spanContext = parentContext
        spanContext.traceContext = identity
        return LoggingSpan(
            name: operationName, context: spanContext, identity: identity, parent: parent, kind: kind,
            startNanoseconds: instant().nanosecondsSinceEpoch, logger: logger, level: level)
    }

    @available(*, deprecated, message: "prefer withSpan")
    package func startAnySpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind, at instant: @autoclosure () -> Instant,
        function: String, file fileID: String, line: UInt
    ) -> any Tracing.Span {
        startSpan(operationName, context: context(), ofKind: kind, at: instant(), function: function, file: fileID, line: line)
    }

    /// Lines are written when their span ends: there is nothing to flush.
    @available(*, deprecated)
    package func forceFlush() {}

    package func inject<Carrier, Inject: Injector>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
    where Inject.Carrier == Carrier {
        if let identity = context.traceContext { injector.inject(identity.traceparent, forKey: "traceparent", into: &carrier) }
        if let correlationID = context.correlationID { injector.inject(correlationID, forKey: "x-correlation-id", into: &carrier) }
    }

    package func extract<Carrier, Extract: Extractor>(_ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract)
    where Extract.Carrier == Carrier {
        if let header = extractor.extract(key: "traceparent", from: carrier), let identity = TraceContext(traceparent: header) {
            context.traceContext = identity
        }
        if let id = extractor.extract(key: "x-correlation-id", from: carrier), Self.isCorrelationID(id) { context.correlationID = id }
    }

    /// Printable ASCII of a bounded length: it ends up in logs, headers and pages.
    private static func isCorrelationID(_ text: String) -> Bool {
        (1...ServiceContext.correlationIDBytesMax).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}

/// A span of `LoggingTracer`. It may be used from any thread; what comes after its end is ignored.
package final class LoggingSpan: Tracing.Span {
    /// Attributes, events and links past these are left out.
    package static let itemsMax = 64

    private struct State {
        var name: String
        var attributes: SpanAttributes = [:]
        var events: [String] = []
        var links: [String] = []
        var errors: [String] = []
        var status: SpanStatus?
        var hasEnded = false
    }

    package let context: ServiceContext
    private let identity: TraceContext
    private let parent: TraceContext?
    private let kind: SpanKind
    private let startNanoseconds: UInt64
    private let logger: Logger
    private let level: Logger.Level
    private let state: Mutex<State>

    init(
        name: String, context: ServiceContext, identity: TraceContext, parent: TraceContext?, kind: SpanKind, startNanoseconds: UInt64,
        logger: Logger, level: Logger.Level
    ) {
        self.context = context
        self.identity = identity
        self.parent = parent
        self.kind = kind
        self.startNanoseconds = startNanoseconds
        self.logger = logger
        self.level = level
        state = Mutex(State(name: name))
    }

    package var operationName: String {
        get { state.withLock { $0.name } }
        set { update { $0.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { update { $0.attributes = newValue } }
    }

    package var isRecording: Bool { state.withLock { !$0.hasEnded } }

    package func setStatus(_ status: SpanStatus) {
        update { $0.status = status }
    }

    package func addEvent(_ event: SpanEvent) {
        update { if $0.events.count < Self.itemsMax { $0.events.append(event.name) } }
    }

    package func addLink(_ link: SpanLink) {
        guard let linked = link.context.traceContext else { return }
        update { if $0.links.count < Self.itemsMax { $0.links.append("\(linked.traceID)-\(linked.spanIDText)") } }
    }

    package func recordError<Instant: TracerInstant>(_ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant) {
        let text = "\(error)"
        update { if $0.errors.count < Self.itemsMax { $0.errors.append(text) } }
    }

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let finished = state.withLock { state -> State? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            return state
        }
        guard let finished, identity.isSampled, logger.logLevel <= level else { return }
        let endNanoseconds = max(instant().nanosecondsSinceEpoch, startNanoseconds)
        let metadata = line(finished, durationNanoseconds: endNanoseconds - startNanoseconds)
        // The line belongs to this span's work, wherever the span is ended.
        ServiceContext.withValue(context) { logger.log(level: level, "span", metadata: metadata) }
    }

    private func line(_ finished: State, durationNanoseconds: UInt64) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "span": .string(finished.name), "traceId": .string(identity.traceID), "spanId": .string(identity.spanIDText),
            "kind": .string("\(kind)"), "start": .string(Timestamp(milliseconds: Int64(clamping: startNanoseconds / 1_000_000)).rfc3339),
            "duration_us": .stringConvertible(durationNanoseconds / 1000),
        ]
        if let parent { metadata["parentSpanId"] = .string(parent.spanIDText) }
        if let status = finished.status {
            metadata["status"] = .string(status.code == .ok ? "ok" : "error")
            if let message = status.message { metadata["statusMessage"] = .string(message) }
        }
        var attributes: Logger.Metadata = [:]
        finished.attributes.forEach { name, attribute in
            if attributes.count < Self.itemsMax { attributes[name] = Self.value(attribute) }
        }
        if !attributes.isEmpty { metadata["attributes"] = .dictionary(attributes) }
        for (name, texts) in [("events", finished.events), ("links", finished.links), ("errors", finished.errors)] where !texts.isEmpty {
            metadata[name] = .array(texts.map { .string($0) })
        }
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

    private func update(_ change: (inout State) -> Void) {
        state.withLock { if !$0.hasEnded { change(&$0) } }
    }
}
