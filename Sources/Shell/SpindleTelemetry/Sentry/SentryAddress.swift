/// A Sentry DSN, taken apart: `https://KEY@HOST[:PORT]/[PATH/]PROJECT`.
package struct SentryAddress: Sendable, Hashable {
    /// Where envelopes go.
    package let envelopes: String
    /// The value of the header `X-Sentry-Auth`.
    package let authentication: String
    package let dsn: String

    /// - Throws: ``SentryAddressError``, which says what a DSN looks like.
    package init(dsn: String) throws(SentryAddressError) {
        guard let scheme = ["https://", "http://"].first(where: { dsn.hasPrefix($0) }) else { throw .malformed }
        let rest = dsn.dropFirst(scheme.count)
        guard let at = rest.firstIndex(of: "@"), let slash = rest.lastIndex(of: "/"), at < slash else {
            throw .malformed
        }
        // An old DSN has a secret after the key. No server needs it today.
        let key = rest[..<at].prefix { $0 != ":" }
        let place = rest[rest.index(after: at)..<slash]
        let project = rest[rest.index(after: slash)...]
        guard !key.isEmpty, !place.isEmpty, !project.isEmpty,
            key.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }),
            project.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
        else { throw .malformed }
        let host = place.prefix { $0 != "/" }
        let path = place.dropFirst(host.count)
        envelopes = "\(scheme)\(host)\(path)/api/\(project)/envelope/"
        authentication = "Sentry sentry_version=7, sentry_client=spindle/1, sentry_key=\(key)"
        self.dsn = dsn
    }
}

package enum SentryAddressError: Error, CustomStringConvertible {
    case malformed

    package var description: String { "this is no Sentry DSN; it looks like https://KEY@sentry.example.lan/1" }
}
