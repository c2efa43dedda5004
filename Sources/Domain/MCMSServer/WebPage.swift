internal import HTTPTypes
internal import Hummingbird

/// The page that a browser gets at `/`, its files at `/page/<name>`, and the rules under which it runs. All of it is part of the executable.
struct WebPage: Sendable {
    private struct File: Sendable {
        let name: String
        let type: String
        let bytes: [UInt8]
    }

    /// A file that is added to `Page/` is found here under the name that the build gives it: `_` for what can't be in a Swift name.
    private static let files = [
        File(name: "page.css", type: "text/css; charset=utf-8", bytes: PackageResources.page_css),
        File(name: "strings.js", type: "text/javascript; charset=utf-8", bytes: PackageResources.strings_js),
        File(name: "events.js", type: "text/javascript; charset=utf-8", bytes: PackageResources.events_js),
        File(name: "files.js", type: "text/javascript; charset=utf-8", bytes: PackageResources.files_js),
        File(name: "people.js", type: "text/javascript; charset=utf-8", bytes: PackageResources.people_js),
        File(name: "app.js", type: "text/javascript; charset=utf-8", bytes: PackageResources.app_js),
    ]

    /// Everything comes from this server and from files. Nothing inline runs, neither scripts nor handlers in attributes (`onclick=…`) nor
    /// styles, so text that somebody typed as a name can't become code.
    private static let contentSecurityPolicy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "base-uri 'none'",
        "form-action 'self'", "frame-ancestors 'none'",
    ].joined(separator: "; ")

    func response() -> Response {
        var response = Response(
            status: .ok,
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
                .contentSecurityPolicy: Self.contentSecurityPolicy,
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: PackageResources.index_html)))
        if let name = HTTPField.Name("Referrer-Policy") { response.headers[name] = "no-referrer" }
        return response
    }

    func addFiles<Context: RequestContext>(to router: some RouterMethods<Context>) {
        for file in Self.files {
            // Not cached without asking: after an update the page and its scripts must fit together.
            let headers: HTTPFields = [.contentType: file.type, .cacheControl: "no-cache", .xContentTypeOptions: "nosniff"]
            router.get(RouterPath("page/\(file.name)")) { _, _ in
                Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: file.bytes)))
            }
        }
    }
}
