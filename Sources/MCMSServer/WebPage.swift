internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import MCMSFiles

/// The page that a browser gets at `/`, and the rules under which it runs.
struct WebPage: Sendable {
    let bytes: [UInt8]
    /// Scripts run only if they are the ones in the page itself (by their SHA-256), so text that somebody typed as a name can't become
    /// one. Handlers in attributes (`onclick=…`) don't run either.
    let contentSecurityPolicy: String

    init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        let hashes = try Self.inlineScripts(String(decoding: bytes, as: UTF8.self)).map { script in
            "'sha256-\(Data(try SHA256Stream.digest(of: Array(script.utf8))).base64EncodedString())'"
        }
        contentSecurityPolicy = [
            "default-src 'self'", "script-src " + (hashes.isEmpty ? "'none'" : hashes.joined(separator: " ")),
            "style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "connect-src 'self'", "object-src 'none'", "base-uri 'none'",
            "form-action 'self'", "frame-ancestors 'none'",
        ].joined(separator: "; ")
    }

    /// What is between `<script …>` and `</script>`.
    static func inlineScripts(_ html: String) -> [String] {
        var scripts: [String] = []
        var rest = html[...]
        while let open = rest.firstRange(of: #/<script\b[^>]*>/#.ignoresCase()) {
            rest = rest[open.upperBound...]
            guard let close = rest.firstRange(of: #/<\/script\s*>/#.ignoresCase()) else { break }
            scripts.append(String(rest[..<close.lowerBound]))
            rest = rest[close.upperBound...]
        }
        return scripts
    }

    func response(cookie: Cookie?) -> Response {
        var response = Response(
            status: .ok,
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
                .contentSecurityPolicy: contentSecurityPolicy,
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
        if let name = HTTPField.Name("Referrer-Policy") { response.headers[name] = "no-referrer" }
        if let cookie { response.setCookie(cookie) }
        return response
    }
}
