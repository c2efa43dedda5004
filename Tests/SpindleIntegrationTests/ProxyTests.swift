import Foundation
import Testing

/// nginx in front of the web server, with the configuration that docs/operations.md shows, and strangers before it.
@Suite(.serialized) struct ProxyTests {
    /// nginx with one server block, in a folder of its own, for the time of this object.
    private final class Nginx {
        static let program = "/usr/sbin/nginx"
        static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

        let directory: TemporaryDirectory
        let port: Int
        let authority: String
        private let process = Process()

        /// The blocks of nginx's configuration that the document shows: a server's, and the lines that put it under a path.
        static func documented() throws -> (server: String, underPath: String) {
            let root = Spindle.executable.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            let page = try String(contentsOf: root.appendingPathComponent("docs/operations.md"), encoding: .utf8)
            let blocks = page.components(separatedBy: "```nginx\n").dropFirst().compactMap { $0.components(separatedBy: "```").first }
            try #require(blocks.count == 2, "the document shows \(blocks.count)")
            return (blocks[0], blocks[1])
        }

        /// - Parameter change: of the server's block that the document shows.
        init(at port: Int, before webPort: Int, change: (String) throws -> String = { $0 }) throws {
            directory = try TemporaryDirectory()
            self.port = port
            authority = directory.path + "/mcms.pem"
            let openssl = Process()
            openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            openssl.arguments = [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", directory.path + "/mcms.key", "-out",
                authority, "-days", "2", "-subj", "/CN=mcms.example.lan", "-addext", "subjectAltName=DNS:mcms.example.lan",
            ]
            openssl.standardError = FileHandle.nullDevice
            try openssl.run()
            openssl.waitUntilExit()
            let server = try change(Self.documented().server).replacing("listen 443 ssl", with: "listen 127.0.0.1:\(port) ssl").replacing("127.0.0.1:7402", with: "127.0.0.1:\(webPort)")
                .replacing("/etc/ssl/mcms.pem", with: authority).replacing("/etc/ssl/mcms.key", with: directory.path + "/mcms.key")
            let user = getuid() == 0 ? "user nobody nogroup;\n" : ""
            let configuration = """
                \(user)pid \(directory.path)/pid;
                error_log \(directory.path)/error.log;
                events {}
                http {
                    access_log off;
                    client_body_temp_path \(directory.path)/body; proxy_temp_path \(directory.path)/proxy; fastcgi_temp_path \(directory.path)/fastcgi;
                    uwsgi_temp_path \(directory.path)/uwsgi; scgi_temp_path \(directory.path)/scgi;
                \(server)
                }
                """
            try configuration.write(toFile: directory.path + "/nginx.conf", atomically: true, encoding: .utf8)
            process.executableURL = URL(fileURLWithPath: Self.program)
            process.arguments = ["-p", directory.path, "-c", directory.path + "/nginx.conf", "-g", "daemon off;"]
            process.standardError = FileHandle.nullDevice
            try process.run()
        }

        deinit { stop() }

        func stop() {
            guard process.isRunning else { return }
            process.terminate()
            process.waitUntilExit()
        }

        var url: String { "https://mcms.example.lan:\(port)" }
        /// A browser that knows the company's name for the server, and its certificate.
        var options: [String] { ["--resolve", "mcms.example.lan:\(port):127.0.0.1", "--cacert", authority] }

        func send(_ method: String, _ path: String, _ further: [String] = [], body: String? = nil) async throws -> Curl.Answer {
            try await Curl.send(method, url + path, options + further, body: body)
        }
    }

    private static let trial = #"{"trial":true}"#
    private static let needsNginx: Comment = "nginx is not installed: apt-get install nginx-light"

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

    @Test(.enabled(if: Nginx.isInstalled, needsNginx)) func strangersApproveNothingAndPeopleWork() async throws {
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
    @Test(.enabled(if: Nginx.isInstalled, needsNginx), arguments: [true, false]) func aTrialBehindAProxyLetsNoStrangerIn(asDocumented: Bool) async throws {
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
    @Test(.enabled(if: Nginx.isInstalled, needsNginx)) func filesGoThroughNginxByPartsAndTusAndComeBackInRanges() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(FileTools.roles)
        let proxy = try Nginx(at: try FreePorts.base(), before: roles.base + 2)
        try await waitUntilItAnswers(proxy, roles)
        let login = try FileTools.login(roles)
        try await FileRelay.sendAndFetch(roles, proxy.url, proxy.options + login, name: "nginx")
        try await roles.stop()
    }

    /// Beside other sites on the same name: the server doesn't know of the path.
    @Test(.enabled(if: Nginx.isInstalled, needsNginx)) func underAPathOfItsOwnAllIsThere() async throws {
        let port = try FreePorts.base()
        let origin = "https://mcms.example.lan:\(port)"
        let roles = try RunningRoles { $0.replacing("    signInVisitors: true\n", with: "    origins: [\"\(origin)\"]\n") }
        try await roles.startAll(FileTools.roles)
        let proxy = try Nginx(at: port, before: roles.base + 2) { server in
            let atRoot = "    location / {\n        proxy_pass http://127.0.0.1:7402;\n"
            try #require(server.contains(atRoot))
            return server.replacing(atRoot, with: try Nginx.documented().underPath)
        }
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
}
