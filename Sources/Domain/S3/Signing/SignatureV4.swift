internal import Crypto
internal import Digests

/// AWS's signature, version 4, in the header `Authorization`.
package struct SignatureV4: Sendable {
    package struct Request: Sendable {
        package var method: String
        /// Encoded.
        package var path: String
        /// Of ``URIEncoding/query(_:)``.
        package var query: String
        /// All of them are signed.
        package var headers: [(name: String, value: String)]
        /// SHA-256 of the body, 64 hexadecimal digits.
        package var payloadHash: String

        package init(method: String, path: String, query: String, headers: [(name: String, value: String)], payloadHash: String) {
            self.method = method
            self.path = path
            self.query = query
            self.headers = headers
            self.payloadHash = payloadHash
        }
    }

    package static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    private let credentials: S3Credentials
    private let region: String
    private let service: String

    package init(_ credentials: S3Credentials, region: String, service: String = "s3") {
        self.credentials = credentials
        self.region = region
        self.service = service
    }

    /// - Parameter date: as in `x-amz-date`, such as `20150830T123600Z`.
    package func authorization(_ request: Request, date: String) -> String {
        let (headers, signed) = Self.canonical(request.headers)
        let canonical = [request.method, request.path, request.query, headers, signed, request.payloadHash].joined(separator: "\n")
        let day = String(date.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let text = ["AWS4-HMAC-SHA256", date, scope, Self.hex(SHA256.hash(data: Array(canonical.utf8)))].joined(separator: "\n")
        var key = Self.code(day, SymmetricKey(data: Array("AWS4\(credentials.secretKey)".utf8)))
        for part in [region, service, "aws4_request"] { key = Self.code(part, SymmetricKey(data: key)) }
        let signature = Self.hex(Self.code(text, SymmetricKey(data: key)))
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(signed), Signature=\(signature)"
    }

    /// One line for each name, and the names.
    private static func canonical(_ headers: [(name: String, value: String)]) -> (lines: String, names: String) {
        var values: [String: [String]] = [:]
        for header in headers {
            let words = header.value.split(separator: " ", omittingEmptySubsequences: true)
            values[header.name.lowercased(), default: []].append(words.joined(separator: " "))
        }
        let names = values.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return (names.map { "\($0):\((values[$0] ?? []).joined(separator: ","))\n" }.joined(), names.joined(separator: ";"))
    }

    private static func code(_ text: String, _ key: SymmetricKey) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String { Hexadecimal.text(Array(bytes)) }
}
