internal import NIOCore
package import SpindleObservability

/// A server that takes spans.
package enum SpanDestination: Sendable {
    /// A collector that speaks OpenTelemetry's protocol over HTTP. `headers`: such as an API key.
    case collector(url: String, headers: [(String, String)], resource: [(String, String)])
    /// A server that speaks Sentry's protocol.
    case sentry(SentryAddress, SentryEnvelope.Origin)

    /// One request that sends spans.
    package struct Post: Sendable {
        package let url: String
        package let headers: [(String, String)]
        package let body: [UInt8]
    }

    package var name: String {
        switch self {
        case .collector: "otlp"
        case .sentry: "sentry"
        }
    }

    /// - Throws: what keeps a span from being encoded.
    package func posts(for spans: [FinishedSpan]) throws -> [Post] {
        switch self {
        case .collector(let url, let headers, let resource):
            let body = OTLPTraces.encode(spans, resource: resource)
            return [Post(url: url, headers: [("Content-Type", "application/x-protobuf")] + headers, body: body)]
        case .sentry(let address, let origin):
            // An envelope holds one transaction or one error.
            return try spans.flatMap { try SentryEnvelope.envelopes(of: $0, from: origin) }.map { envelope in
                Post(
                    url: address.envelopes,
                    headers: [
                        ("Content-Type", "application/x-sentry-envelope"), ("X-Sentry-Auth", address.authentication),
                    ], body: envelope.bytes)
            }
        }
    }
}
