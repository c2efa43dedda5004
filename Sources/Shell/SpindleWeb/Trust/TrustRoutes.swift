internal import HTTPTypes
package import Hummingbird

/// `/trust`: how people come to trust the company's own certificate authority, and the authority for their devices. Needs no rights: a
/// certificate is no secret.
///
/// Whoever does not trust the authority yet can't be reached by HTTPS without a warning, and nobody should learn to click warnings away. So
/// a second port may serve the same page in the clear (``addPlain(to:)``), and nothing else. What comes in the clear can be forged: the page
/// tells to compare the fingerprint with one that came another way.
package struct TrustRoutes: Sendable {
    static let certificatePath = "trust/spindle-ca.crt"
    static let pemPath = "trust/spindle-ca.pem"
    static let profilePath = "trust/spindle-ca.mobileconfig"

    private static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    private let authority: @Sendable () -> TrustedAuthority?
    private let securePort: Int
    private let plainPort: Int?

    /// - Parameters:
    ///   - authority: the one that issued this server's certificate; nil: it has none of ours.
    ///   - securePort: where HTTPS is.
    ///   - plainPort: where this page is in the clear; nil: nowhere.
    package init(authority: @escaping @Sendable () -> TrustedAuthority?, securePort: Int, plainPort: Int?) {
        self.authority = authority
        self.securePort = securePort
        self.plainPort = plainPort
    }

    package func add<Context: RequestContext>(to router: some RouterMethods<Context>) {
        router.get("trust") { request, _ in page(request) }
        router.get("trust/trust.css") { _, _ in Self.response("text/css; charset=utf-8", TrustPage.style) }
        // Without Content-Disposition: Firefox and Safari then ask whether to trust it, others save it under this name.
        file(Self.certificatePath, "application/x-x509-ca-cert", router) { ByteBuffer(bytes: $0.der) }
        file(Self.profilePath, "application/x-apple-aspen-config", router) { ByteBuffer(string: $0.profile) }
        file(Self.pemPath, "application/x-pem-file", router, isSaved: true) { ByteBuffer(string: $0.pem) }
    }

    /// The routes of the port in the clear: this page, `/` leads to it, and everything else to HTTPS.
    package func addPlain<Context: RequestContext>(to router: some RouterMethods<Context>) {
        add(to: router)
        router.get("/") { _, _ in
            Response(status: .temporaryRedirect, headers: [.location: "/trust", .cacheControl: "no-store"])
        }
        router.get("**") { request, _ in redirect(request) }
        router.on("**", method: .head) { request, _ in redirect(request) }
        // What was sent was readable on the way: it must not look as if that were a way to do things.
        for method in [HTTPRequest.Method.post, .put, .patch, .delete, .options] {
            router.on("**", method: method) { _, _ in
                Self.response("text/plain; charset=utf-8", "This port explains how to trust the server; everything else needs HTTPS.\n", status: .forbidden)
            }
        }
    }

    private func page(_ request: Request) -> Response {
        let language = TrustLanguage(
            asked: request.uri.queryParameters["language"].map(String.init), accepted: request.headers[.acceptLanguage])
        let address = TrustAddress(authority: request.head.authority)
        let authority = authority()
        let page = TrustPage(
            text: .of(language), language: language, authority: authority, address: address.map(ownAddress), console: address.map(console),
            systems: TrustSystem.of(userAgent: request.headers[.userAgent] ?? ""))
        return Self.response("text/html; charset=utf-8", page.html, status: authority == nil ? .notFound : .ok)
    }

    /// Another device does not trust the authority either: in the clear, where that is served.
    private func ownAddress(_ address: TrustAddress) -> String {
        plainPort.map { "http://\(address.host):\($0)/trust" } ?? "https://\(address.authority)/trust"
    }

    private func console(_ address: TrustAddress) -> String { "https://\(address.host):\(securePort)/" }

    private func redirect(_ request: Request) -> Response {
        guard let address = TrustAddress(authority: request.head.authority) else {
            return Self.response("text/plain; charset=utf-8", "The request names no host that this server could send you to.\n", status: .badRequest)
        }
        let query = request.uri.query.map { "?\($0)" } ?? ""
        return Response(
            status: .permanentRedirect,
            headers: [.location: "https://\(address.host):\(securePort)\(request.uri.path)\(query)", .cacheControl: "no-store"])
    }

    private func file<Context: RequestContext>(
        _ path: String, _ type: String, _ router: some RouterMethods<Context>, isSaved: Bool = false,
        _ content: @escaping @Sendable (TrustedAuthority) -> ByteBuffer
    ) {
        router.get(RouterPath(path)) { _, _ in
            guard let authority = authority() else {
                return Self.response("text/plain; charset=utf-8", "This server has no certificate of an authority of its own.\n", status: .notFound)
            }
            var headers: HTTPFields = [.contentType: type, .cacheControl: "no-store", .xContentTypeOptions: "nosniff"]
            if isSaved { headers[.contentDisposition] = "attachment; filename=\"spindle-ca.pem\"" }
            return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: content(authority)))
        }
    }

    private static func response(_ type: String, _ text: String, status: HTTPResponse.Status = .ok) -> Response {
        var response = Response(
            status: status,
            headers: [
                .contentType: type, .cacheControl: "no-store", .xContentTypeOptions: "nosniff", .contentSecurityPolicy: contentSecurityPolicy,
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        response.headers[.vary] = "Accept-Language, User-Agent, Host"
        if let name = HTTPField.Name("Referrer-Policy") { response.headers[name] = "no-referrer" }
        return response
    }
}
