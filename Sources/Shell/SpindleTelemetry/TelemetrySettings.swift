/// Where spans go, from the environment: `SPINDLE_OTLP_ENDPOINT` or else `OTEL_EXPORTER_OTLP_ENDPOINT`, with
/// `OTEL_EXPORTER_OTLP_HEADERS`; and `SENTRY_DSN`, with `SENTRY_ENVIRONMENT`. Nothing is sent without them.
package struct TelemetrySettings: Sendable {
    package var destinations: [SpanDestination] = []

    /// - Parameters:
    ///   - service: what the process is called, such as `results-1`.
    ///   - release: the program's version.
    /// - Throws: ``TelemetrySettingsError``: which variable is wrong, and how it looks when it is right.
    package init(environment: [String: String], service: String, release: String) throws(TelemetrySettingsError) {
        let names = ["SPINDLE_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        if let name = names.first(where: { environment[$0]?.isEmpty == false }), let endpoint = environment[name] {
            guard endpoint.hasPrefix("http://") || endpoint.hasPrefix("https://") else {
                throw .endpoint(name, endpoint)
            }
            let base = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
            destinations.append(
                .collector(
                    url: base + "/v1/traces",
                    headers: try Self.headers(environment["OTEL_EXPORTER_OTLP_HEADERS"] ?? ""),
                    resource: [
                        ("service.name", service), ("service.namespace", "spindle"), ("service.version", release),
                    ]))
        }
        if let dsn = environment["SENTRY_DSN"], !dsn.isEmpty {
            let address: SentryAddress
            do { address = try SentryAddress(dsn: dsn) } catch { throw .dsn(error) }
            destinations.append(
                .sentry(
                    address,
                    .init(
                        dsn: dsn, service: service, environment: environment["SENTRY_ENVIRONMENT"] ?? "production",
                        release: "spindle@\(release)")))
        }
    }

    /// `name=value,name=value`, as OpenTelemetry has it.
    private static func headers(_ text: String) throws(TelemetrySettingsError) -> [(String, String)] {
        var headers: [(String, String)] = []
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingPrefix(while: \.isWhitespace) }
            guard parts.count == 2, !parts[0].isEmpty else { throw .headers }
            headers.append((String(parts[0]), String(parts[1])))
        }
        return headers
    }
}

package enum TelemetrySettingsError: Error, CustomStringConvertible {
    case endpoint(String, String)
    case headers
    case dsn(SentryAddressError)

    package var description: String {
        switch self {
        case .endpoint(let name, let value):
            "\(name) is “\(value)”, which is no address; it looks like http://collector.example.lan:4318"
        case .headers: "OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value,name=value"
        case .dsn(let error): "SENTRY_DSN: \(error)"
        }
    }
}
