package import SpindleObservability

/// Spans that wait to be sent. When it is full, what comes is dropped and counted: the newest, since those before tell how it began.
package struct SpanQueue: Sendable {
    package static let spansMax = 4_096
    /// Sent in one request.
    package static let batchMax = 512

    private var spans: [FinishedSpan] = []
    private(set) package var dropped = 0

    package init() {}

    package var count: Int { spans.count }

    /// Returns whether a whole batch waits now, which needs no waiting for more.
    package mutating func add(_ span: FinishedSpan) -> Bool {
        guard spans.count < Self.spansMax else {
            dropped += 1
            return true
        }
        spans.append(span)
        return spans.count >= Self.batchMax
    }

    /// The oldest, which stay until ``remove(_:)``.
    package func batch() -> [FinishedSpan] { Array(spans.prefix(Self.batchMax)) }

    package mutating func remove(_ count: Int) { spans.removeFirst(min(count, spans.count)) }

    package mutating func drop(_ count: Int) {
        dropped += min(count, spans.count)
        remove(count)
    }
}
