internal import HTTPTypes
package import Hummingbird

/// Sets on every answer what a browser is to know of the server. Add it before the routes.
package struct SecurityHeaders<Context: RequestContext>: RouterMiddleware {
    /// A year: browsers then use HTTPS even where a link says `http:`.
    private static var transportSecurity: String { "max-age=31536000" }

    private static var frameOptions: HTTPField.Name? { HTTPField.Name("X-Frame-Options") }

    private let isSecure: Bool

    /// - Parameter isSecure: browsers reach the server by HTTPS.
    package init(isSecure: Bool) { self.isSecure = isSecure }

    package func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch let error as any HTTPResponseError {
            // Such as: nothing is at this address.
            response = try error.response(from: request, context: context)
        }
        if isSecure { response.headers[.strictTransportSecurity] = Self.transportSecurity }
        if response.headers[.xContentTypeOptions] == nil { response.headers[.xContentTypeOptions] = "nosniff" }
        // No page of another site shows ours in a frame and has people click into it; what is no page may do nothing at all.
        if response.headers[.contentSecurityPolicy] == nil { response.headers[.contentSecurityPolicy] = "default-src 'none'; frame-ancestors 'none'" }
        if let name = Self.frameOptions { response.headers[name] = "DENY" }
        return response
    }
}
