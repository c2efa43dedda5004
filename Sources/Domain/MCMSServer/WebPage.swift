internal import HTTPTypes
internal import Hummingbird

/// The page that a browser gets at `/`, its files at `/page/<name>`, and the rules under which it runs. All of it is part of the executable.
struct WebPage: Sendable {
    private struct File: Sendable {
        let name: String
        let type: String
        let bytes: [UInt8]

        init(_ name: String, _ bytes: [UInt8]) {
            self.name = name
            type = name.hasSuffix(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8"
            self.bytes = bytes
        }
    }

    /// A file that is added to `Page/` is found here under the name that the build gives it: `_` for what can't be in a Swift name.
    private static let files = [
        File("alert-list.js", PackageResources.alert_list_js),
        File("alert-words.js", PackageResources.alert_words_js),
        File("alerts.js", PackageResources.alerts_js),
        File("api.js", PackageResources.api_js),
        File("ask.js", PackageResources.ask_js),
        File("base.css", PackageResources.base_css),
        File("base.js", PackageResources.base_js),
        File("chart.js", PackageResources.chart_js),
        File("commands.js", PackageResources.commands_js),
        File("elements.js", PackageResources.elements_js),
        File("files.js", PackageResources.files_js),
        File("follow.js", PackageResources.follow_js),
        File("health.js", PackageResources.health_js),
        File("icons.js", PackageResources.icons_js),
        File("jobs.js", PackageResources.jobs_js),
        File("language.js", PackageResources.language_js),
        File("layout.css", PackageResources.layout_css),
        File("link-worker.js", PackageResources.link_worker_js),
        File("link.js", PackageResources.link_js),
        File("main.js", PackageResources.main_js),
        File("message.js", PackageResources.message_js),
        File("outbox.js", PackageResources.outbox_js),
        File("overview.js", PackageResources.overview_js),
        File("parts.css", PackageResources.parts_css),
        File("people.js", PackageResources.people_js),
        File("queue.js", PackageResources.queue_js),
        File("queues.js", PackageResources.queues_js),
        File("redrive.js", PackageResources.redrive_js),
        File("routing-store.js", PackageResources.routing_store_js),
        File("routing.js", PackageResources.routing_js),
        File("routings.js", PackageResources.routings_js),
        File("session.js", PackageResources.session_js),
        File("sign-in.js", PackageResources.sign_in_js),
        File("signals.js", PackageResources.signals_js),
        File("streams.js", PackageResources.streams_js),
        File("strings-en.js", PackageResources.strings_en_js),
        File("strings-ko.js", PackageResources.strings_ko_js),
        File("system.js", PackageResources.system_js),
        File("theme.js", PackageResources.theme_js),
        File("timeline.js", PackageResources.timeline_js),
        File("views.css", PackageResources.views_css),
        File("views.js", PackageResources.views_js),
        File("why.js", PackageResources.why_js),
        File("workers.js", PackageResources.workers_js),
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
