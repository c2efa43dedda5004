package import Tracing

/// A span that has ended, as sinks get it.
package struct FinishedSpan: Sendable {
    /// Events, links and errors beyond these are left out; so are attributes where a sink writes them.
    package static let itemsMax = 64

    package struct Event: Sendable {
        package let name: String
        package let atNanoseconds: UInt64
        package let attributes: SpanAttributes
    }

    package struct Failure: Sendable {
        package let text: String
        /// The error's Swift type.
        package let type: String
        package let atNanoseconds: UInt64
    }

    /// What happened on the way.
    package struct Notes: Sendable {
        package let events: [Event]
        package let links: [TraceContext]
        package let errors: [Failure]
    }

    package let name: String
    package let context: ServiceContext
    package let identity: TraceContext
    package let parent: TraceContext?
    package let kind: SpanKind
    /// Since 1970, in UTC.
    package let startNanoseconds: UInt64
    /// Not before ``startNanoseconds``.
    package let endNanoseconds: UInt64
    package let attributes: SpanAttributes
    package let notes: Notes
    package let status: SpanStatus?
}

/// Takes finished spans. It must neither wait nor throw: the work that the span measured waits for it.
package protocol SpanSink: Sendable {
    func ended(_ span: FinishedSpan)
}
