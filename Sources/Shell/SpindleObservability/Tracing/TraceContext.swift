package import Tracing

/// Who a span is, by W3C Trace Context level 1.
package struct TraceContext: Sendable, Hashable {
    /// 16 bytes, not all zero.
    package var traceIDHigh: UInt64
    package var traceIDLow: UInt64
    /// 8 bytes, not all zero.
    package var spanID: UInt64
    package var isSampled: Bool

    package var traceID: String { Self.hex(traceIDHigh) + Self.hex(traceIDLow) }
    package var spanIDText: String { Self.hex(spanID) }

    /// The value of the header `traceparent`: version, trace id, parent id, flags.
    package var traceparent: String { "00-\(traceID)-\(spanIDText)-\(isSampled ? "01" : "00")" }

    package init(traceIDHigh: UInt64, traceIDLow: UInt64, spanID: UInt64, isSampled: Bool) {
        self.traceIDHigh = traceIDHigh
        self.traceIDLow = traceIDLow
        self.spanID = spanID
        self.isSampled = isSampled
    }

    /// Reads a `traceparent`. Nil when it is none, which the standard says to answer with a new trace. Later versions may
    /// have more parts behind these four.
    package init?(traceparent: String) {
        guard traceparent.utf8.count >= 55, traceparent.utf8.count <= 512 else { return nil }
        let parts = traceparent.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].utf8.count == 2, parts[1].utf8.count == 32, parts[2].utf8.count == 16, parts[3].utf8.count == 2,
            let version = Self.number(parts[0]), version != 0xff, version != 0 || parts.count == 4,
            let high = Self.number(parts[1].prefix(16)), let low = Self.number(parts[1].suffix(16)), high | low != 0,
            let span = Self.number(parts[2]), span != 0, let flags = Self.number(parts[3])
        else { return nil }
        self.init(traceIDHigh: high, traceIDLow: low, spanID: span, isSampled: flags & 1 == 1)
    }

    /// A child of `parent` in its trace, or the first span of a new trace.
    static func next(after parent: TraceContext?) -> TraceContext {
        var generator = SystemRandomNumberGenerator()
        let spanID = UInt64.random(in: 1...UInt64.max, using: &generator)
        if let parent {
            return TraceContext(traceIDHigh: parent.traceIDHigh, traceIDLow: parent.traceIDLow, spanID: spanID, isSampled: parent.isSampled)
        }
        return TraceContext(
            traceIDHigh: UInt64.random(in: 1...UInt64.max, using: &generator), traceIDLow: UInt64.random(in: 0...UInt64.max, using: &generator),
            spanID: spanID, isSampled: true)
    }

    /// Lower-case hexadecimal digits only, as the standard asks.
    private static func number(_ text: Substring) -> UInt64? {
        let isHex = text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        return isHex ? UInt64(text, radix: 16) : nil
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

private enum TraceContextKey: ServiceContextKey {
    typealias Value = TraceContext
    static let nameOverride: String? = "trace-context"
}

extension ServiceContext {
    /// The span that work in this context belongs to.
    package var traceContext: TraceContext? {
        get { self[TraceContextKey.self] }
        set { self[TraceContextKey.self] = newValue }
    }
}
