internal import Synchronization
package import Tracing

/// Makes spans, and hands each finished one to its sinks: ``SpanLines`` writes log lines, an exporter sends it to a collector.
/// Trace ids travel between processes as `traceparent`, correlation ids as `x-correlation-id`.
package struct SpanTracer: Tracer {
    package typealias Span = RecordingSpan

    private let sinks: [any SpanSink]

    package init(sinks: [any SpanSink]) { self.sinks = sinks }

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String, file fileID: String, line: UInt
    ) -> RecordingSpan {
        let parentContext = context()
        let parent = parentContext.traceContext
        let identity = TraceContext.next(after: parent)
        var spanContext = parentContext
        spanContext.traceContext = identity
        return RecordingSpan(
            name: operationName, context: spanContext, identity: identity, parent: parent, kind: kind,
            startNanoseconds: instant().nanosecondsSinceEpoch, sinks: sinks)
    }

    @available(*, deprecated, message: "prefer withSpan")
    package func startAnySpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String, file fileID: String, line: UInt
    ) -> any Tracing.Span {
        startSpan(
            operationName, context: context(), ofKind: kind, at: instant(), function: function, file: fileID, line: line
        )
    }

    /// Sinks send by themselves, within seconds.
    @available(*, deprecated)
    package func forceFlush() {}

    package func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    )
    where Inject.Carrier == Carrier {
        if let identity = context.traceContext {
            injector.inject(identity.traceparent, forKey: "traceparent", into: &carrier)
        }
        if let correlationID = context.correlationID {
            injector.inject(correlationID, forKey: "x-correlation-id", into: &carrier)
        }
    }

    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    )
    where Extract.Carrier == Carrier {
        if let header = extractor.extract(key: "traceparent", from: carrier),
            let identity = TraceContext(traceparent: header)
        {
            context.traceContext = identity
        }
        if let id = extractor.extract(key: "x-correlation-id", from: carrier), Self.isCorrelationID(id) {
            context.correlationID = id
        }
    }

    /// Printable ASCII of a bounded length: it ends up in logs, headers and pages.
    private static func isCorrelationID(_ text: String) -> Bool {
        (1...ServiceContext.correlationIDBytesMax).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}
