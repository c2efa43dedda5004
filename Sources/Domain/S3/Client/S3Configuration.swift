/// Where a bucket is, and how it is asked.
package struct S3Configuration: Sendable {
    package enum Addressing: String, CaseIterable, Sendable {
        /// `https://host/bucket/key`
        case path
        /// `https://bucket.host/key`
        case virtualHost
    }

    /// `http://` or `https://`, a host, and a port where it is not the usual one.
    package var endpoint: String
    package var bucket: String
    package var region = "us-east-1"
    package var addressing = Addressing.path
    package var credentials: S3Credentials
    /// PEM of the authority that signed the server's certificate; nil: those of the system.
    package var caFile: String?
    /// So long nothing may move in either direction.
    package var timeout = Duration.seconds(30)
    /// A question is asked so often, while the answer is that it can't be answered now.
    package var attemptsMax = 5
    package var backoff = Backoff()
    /// Hosts that are found elsewhere than their name says.
    package var hosts: [String: String] = [:]

    package init(endpoint: String, bucket: String, credentials: S3Credentials) {
        self.endpoint = endpoint
        self.bucket = bucket
        self.credentials = credentials
    }

    /// The host as the header `Host` has it, and the address of a key, both for the path and for the signature.
    struct Place: Hashable {
        var scheme: String
        var host: String
        /// Encoded.
        var path: String
    }

    /// - Parameter key: empty for the bucket itself.
    func place(of key: String) -> Place {
        let (scheme, authority) = Self.split(endpoint)
        let key = URIEncoding.encode(key, keepsSlashes: true)
        return switch addressing {
        case .path: Place(scheme: scheme, host: authority, path: "/\(URIEncoding.encode(bucket))" + (key.isEmpty ? "" : "/\(key)"))
        case .virtualHost: Place(scheme: scheme, host: "\(bucket).\(authority)", path: "/\(key)")
        }
    }

    /// The port is left out where it is the scheme's own, as clients do in `Host`.
    private static func split(_ endpoint: String) -> (scheme: String, authority: String) {
        let scheme = endpoint.hasPrefix("https://") ? "https" : "http"
        var authority = endpoint.dropFirst(scheme.count + "://".count)
        while authority.hasSuffix("/") { authority.removeLast() }
        let port = scheme == "https" ? ":443" : ":80"
        if authority.hasSuffix(port) { authority.removeLast(port.count) }
        return (scheme, String(authority))
    }

    /// For people: no secret is in it.
    package var name: String { "\(endpoint)/\(bucket)" }
}

/// How long to wait before asking again: twice as long each time, and a random part of that, so that many who wait do not come back at once.
package struct Backoff: Sendable {
    package var min = Duration.milliseconds(200)
    package var max = Duration.seconds(10)

    package init() {}

    /// - Parameters:
    ///   - attempt: 1 after the first.
    ///   - asked: what the server says in `Retry-After`.
    ///   - random: from 0 to 1.
    package func pause(after attempt: Int, asked: Duration?, random: Double) -> Duration {
        let doubled = min * (1 << Swift.min(attempt - 1, 20))
        let jittered = Swift.min(doubled, max) * (0.5 + random / 2)
        return Swift.min(Swift.max(jittered, asked ?? .zero), max)
    }
}
