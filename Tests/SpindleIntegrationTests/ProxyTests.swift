import Foundation
import Testing

/// nginx in front of the web server, and strangers before it.
@Suite(.serialized) struct ProxyTests {
    private static let trial = #"{"trial":true}"#

    private func waitUntilItAnswers(_ nginx: Nginx, _ roles: RunningRoles) async throws {
        let (url, options) = (nginx.url + "/healthz", nginx.options)
        try await roles.waitUntil("nginx answers") { try await Curl.send("GET", url, options).status == 200 }
    }

    /// A routing that waits for approval, made on the server's own machine.
    private func waiting(_ roles: RunningRoles) async throws -> String {
        struct Routing: Decodable { let id: String }
        let id = try await roles.http("POST", "/api/routings", body: #"{"name": "a"}"#).decode(Routing.self).id
        #expect(try await roles.http("POST", "/api/routings/\(id)/submit", body: "{}").status == 200)
        return id
    }

    @Test(.enabled(if: Nginx.isInstalled, Nginx.isNeeded)) func strangersApproveNothingAndPeopleWork() async throws {
        let port = try FreePorts.base()
        let url = "https://mcms.example.lan:\(port)"
        let roles = try RunningRoles { $0.replacing("    signInVisitors: true\n", with: "    origins: [\"\(url)\"]\n") }
        let proxy = try Nginx(at: port, before: roles.base + 2)
        try await roles.startAll(["broker", "bridge"])
        try await waitUntilItAnswers(proxy, roles)
        let id = try await waiting(roles)

        // A stranger gets the page, and no session.
        let visit = try await proxy.send("GET", "/")
        #expect(visit.status == 200 && visit.cookie == nil)
        #expect(visit.field("strict-transport-security") == "max-age=31536000")
        for trick in [[], ["-H", "Host: 127.0.0.1:\(roles.base + 2)"], ["-H", "X-Forwarded-For;"], ["-H", "Cookie: __Host-mcms_session=\(String(repeating: "0", count: 64))"]] {
            #expect(try await proxy.send("POST", "/api/session", trick, body: Self.trial).cookie == nil, "\(trick)")
            #expect(try await proxy.send("POST", "/api/routings/\(id)/approve", trick, body: "{}").status == 401, "\(trick)")
        }

        // Somebody with a token signs in and works, from this page only.
        let origin = ["-H", "Origin: \(url)"]
        let signedIn = try await proxy.send("POST", "/api/session", origin, body: #"{"token":"\#(try roles.token("web"))"}"#)
        #expect(signedIn.status == 201, "\(signedIn)")
        let setCookie = try #require(signedIn.field("set-cookie"))
        for property in ["Secure", "HttpOnly", "SameSite=Strict"] { #expect(setCookie.contains(property), "\(setCookie)") }
        let session = ["-H", "Cookie: \(try #require(signedIn.cookie))"]
        #expect(try await proxy.send("POST", "/api/routings/\(id)/approve", session + ["-H", "Origin: https://evil.example"], body: "{}").status == 403)
        #expect(try await proxy.send("POST", "/api/routings/\(id)/approve", session, body: "{}").status == 403, "no origin")
        #expect(try await proxy.send("POST", "/api/routings/\(id)/approve", session + origin, body: "{}").status == 200)

        // Events pass the proxy as they come.
        let stream = try Curl.Stream(proxy.url + "/events/updates", proxy.options + session)
        try await roles.waitUntil("the stream begins") { stream.count(of: "hello") == 1 }
        _ = try await waiting(roles)
        try await roles.stop()
    }

    /// The trial on one PC, before which somebody puts a proxy all the same: as documented, and with nothing but the address.
    @Test(.enabled(if: Nginx.isInstalled, Nginx.isNeeded), arguments: [true, false]) func aTrialBehindAProxyLetsNoStrangerIn(asDocumented: Bool) async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let nginx = try Nginx(at: try FreePorts.base(), before: roles.base + 2) { block in
            asDocumented ? block : block.split(separator: "\n").filter { !$0.contains("proxy_set_header") }.joined(separator: "\n")
        }
        try await waitUntilItAnswers(nginx, roles)
        // Without its headers nginx can only be told by the user as whom it runs, which is another one only where root starts it.
        if asDocumented || getuid() == 0 {
            #expect(try await nginx.send("POST", "/api/session", body: Self.trial).cookie == nil)
        }
        // On the PC itself one click opens the page.
        let local = try await Curl.send("POST", "http://127.0.0.1:\(roles.base + 2)/api/session", body: Self.trial)
        let session = ["-H", "Cookie: \(try #require(local.cookie))"]
        #expect(try await Curl.send("GET", "http://localhost:\(roles.base + 2)/api/session", session).status == 200)
        // And that session opens nothing through the proxy as documented.
        if asDocumented { #expect(try await nginx.send("GET", "/api/session", session).status == 401) }
        for host in ["mcms.example.lan", "10.0.0.5:\(roles.base + 2)", "127.0.0.1.evil.example"] {
            let answer = try await Curl.send("POST", "http://127.0.0.1:\(roles.base + 2)/api/session", ["-H", "Host: \(host)"], body: Self.trial)
            #expect(answer.cookie == nil, "\(host)")
        }
        try await roles.stop()
    }

    /// A part of 10 MiB is more than nginx takes by itself.
    @Test(.enabled(if: Nginx.isInstalled, Nginx.isNeeded)) func filesGoThroughNginxByPartsAndTusAndComeBackInRanges() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let proxy = try Nginx(at: try FreePorts.base(), before: roles.base + 2)
        try await waitUntilItAnswers(proxy, roles)
        let login = try FileTools.login(roles)
        try await FileRelay.sendAndFetch(roles, proxy.url, proxy.options + login, name: "nginx")
        try await roles.stop()
    }

    /// Beside other sites on the same name: the server doesn't know of the path.
    @Test(.enabled(if: Nginx.isInstalled, Nginx.isNeeded)) func underAPathOfItsOwnAllIsThere() async throws {
        let port = try FreePorts.base()
        let origin = "https://mcms.example.lan:\(port)"
        let roles = try RunningRoles { $0.replacing("    signInVisitors: true\n", with: "    origins: [\"\(origin)\"]\n") }
        try await roles.startAll(FileTools.roles)
        let proxy = try Nginx(at: port, before: roles.base + 2) { try Nginx.underPath($0) }
        let (health, options) = (proxy.url + "/mcms/healthz", proxy.options)
        try await roles.waitUntil("nginx answers") { try await Curl.send("GET", health, options).status == 200 }
        #expect(try await proxy.send("GET", "/healthz").status == 404, "only the path is ours")
        #expect(try await proxy.send("GET", "/mcms").field("location") == "/mcms/")

        let fromPage = ["-H", "Origin: \(origin)"]
        let signedIn = try await proxy.send("POST", "/mcms/api/session", fromPage, body: #"{"token":"\#(try roles.token("web"))"}"#)
        #expect(signedIn.status == 201, "\(signedIn)")
        let session = ["-H", "Cookie: \(try #require(signedIn.cookie))"]
        let stream = try Curl.Stream(proxy.url + "/mcms/events/updates", proxy.options + session)
        try await roles.waitUntil("the stream begins") { stream.count(of: "hello") == 1 }
        #expect(try await proxy.send("POST", "/mcms/api/routings", session + fromPage, body: #"{"name": "a"}"#).status == 201)
        try await roles.waitUntil("the event comes") { stream.count(of: "routing.created") == 1 }
        let login = try FileTools.login(roles)
        try await FileRelay.sendAndFetch(roles, origin, path: "/mcms", proxy.options + login, name: "path")
        try await roles.stop()
    }

    /// The page as people see it there: it finds its files, signs in, hears of events.
    @Test(.enabled(if: Nginx.isInstalled && WebDriver.isInstalled, "needs nginx, chromium and chromium-driver")) func thePageWorksUnderAPath() async throws {
        let port = try FreePorts.base()
        let origin = "https://mcms.example.lan:\(port)"
        let roles = try RunningRoles { $0.replacing("    signInVisitors: true\n", with: "    origins: [\"\(origin)\"]\n") }
        let proxy = try Nginx(at: port, before: roles.base + 2) { try Nginx.underPath($0) }
        try await roles.startAll(["broker", "bridge"])
        let (health, options) = (proxy.url + "/mcms/healthz", proxy.options)
        try await roles.waitUntil("nginx answers") { try await Curl.send("GET", health, options).status == 200 }
        let password = "correct horse battery"
        let added = try await Spindle.run(["user", "add", "kim", "--role", "approver", "--password-file", "-", "--data", roles.data], input: password)
        #expect(added.exitCode == 0, "\(added.errors)")

        let browser = try await WebDriver(arguments: ["--host-resolver-rules=MAP mcms.example.lan 127.0.0.1", "--ignore-certificate-errors"])
        try await browser.open(origin + "/mcms/")
        try await roles.waitUntil("the page asks who one is") { try await browser.evaluate("document.getElementById('sign-in').open") == "true" }
        try await browser.type("kim", in: "#sign-in-name")
        try await browser.type(password, in: "#sign-in-password")
        _ = try await browser.evaluate("document.getElementById('sign-in-submit').click()")
        try await roles.waitUntil("the page is live") {
            try await browser.evaluate("document.getElementById('link').dataset.state") == "connected"
        }
        #expect(try await roles.http("POST", "/api/routings", body: #"{"name": "from elsewhere"}"#).status == 201)
        try await roles.waitUntil("the page hears of it") {
            try await browser.evaluate("document.getElementById('routing-rows').innerText").contains("from elsewhere")
        }
        let strangers = "performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname).filter((one) => !one.startsWith('/mcms/')).join()"
        #expect(try await browser.evaluate(strangers) == "", "everything is below the path")
        try await browser.close()
        try await roles.stop()
    }
}
