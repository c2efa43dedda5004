import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Testing

/// Two web servers behind one name, and browsers that are sent to either: see docs/decisions/0009-no-backplane.md.
@Suite struct SeveralWebsTests {
    private struct Routing: Decodable { let id: String }

    @Test(.enabled(if: Nginx.isInstalled, Nginx.isNeeded)) func whoListensAtAServerThatDiesMissesNothing() async throws {
        let port = try FreePorts.base()
        let url = "https://mcms.example.lan:\(port)"
        let roles = try RunningRoles { Self.withSecondWeb($0, origin: url) }
        let proxy = try Nginx(at: port, before: roles.base + 2) { server in
            let upstream = try Nginx.documented().several.replacing("127.0.0.1:7412", with: "127.0.0.1:\(roles.base + 6)")
            return upstream + server.replacing("proxy_pass http://127.0.0.1:7402;", with: "proxy_pass http://mcms; add_header X-Served-By $upstream_addr;")
        }
        try await roles.startAll(["broker", "bridge", "bridge-2"])
        let second = "http://127.0.0.1:\(roles.base + 6)/readyz"
        try await roles.waitUntil("the second web server is ready") { try await Curl.send("GET", second).status == 200 }
        let (health, options) = (url + "/healthz", proxy.options)
        try await roles.waitUntil("nginx answers") { try await Curl.send("GET", health, options).status == 200 }

        // A session that begins at one server is good at both.
        let origin = ["-H", "Origin: \(url)"]
        let signedIn = try await proxy.send("POST", "/api/session", origin, body: #"{"token":"\#(try roles.token("web"))"}"#)
        let cookie = try #require(signedIn.cookie, "\(signedIn)")
        let client = try Self.client(trusting: proxy.authority)
        let listeners = (0..<100).map { _ in PersistentListener(url + "/events/updates", cookie: cookie, client: client) }
        let made = try await withThrowingTaskGroup(of: Void.self) { group in
            for listener in listeners { group.addTask { await listener.run() } }
            let made = try await make(roles, proxy, origin + ["-H", "Cookie: \(cookie)"], listeners)
            group.cancelAll()
            return made
        }
        try await client.shutdown()
        for listener in listeners {
            let heard = await listener.routings
            #expect(heard.sorted() == made.sorted(), "each event once: \(heard.count) of \(made.count), \(Set(heard).symmetricDifference(made))")
        }
        try await roles.stop()
    }

    /// Routings are made while a server dies. - Returns: their ids.
    private func make(_ roles: RunningRoles, _ proxy: Nginx, _ session: [String], _ listeners: [PersistentListener]) async throws -> [String] {
        try await roles.waitUntil("all listen") { await Self.all(listeners) { await $0.isListening } }
        let servers = await Self.servers(listeners)
        #expect(servers.count == 2 && servers.values.allSatisfy { $0 >= 25 }, "both servers have listeners: \(servers)")
        var made: [String] = []
        for round in 0..<2 {
            if round == 1 {
                try await roles.send(SIGKILL, to: "bridge")
                _ = try await roles.end(of: "bridge")
            }
            for index in 0..<10 {
                let answer = try await proxy.send("POST", "/api/routings", session, body: #"{"name": "r\#(round)-\#(index)"}"#)
                #expect(answer.status == 201, "\(answer)")
                made.append(try JSONDecoder().decode(Routing.self, from: Data(answer.body.utf8)).id)
            }
        }
        let expected = made.count
        try await roles.waitUntil("all have heard of all") { await Self.all(listeners) { await $0.routings.count >= expected } }
        #expect(await Self.servers(listeners).count == 1, "all are at the server that lives")
        return made
    }

    private static func withSecondWeb(_ description: String, origin: String) -> String {
        let first = "  - name: web\n    host: local\n    principal: web\n    port: 7402\n    listen: 127.0.0.1\n"
        let origins = "    origins: [\"\(origin)\"]\n"
        let second = first.replacing("name: web", with: "name: web-2").replacing("7402", with: "7412")
        return description.replacing("    signInVisitors: true\n", with: origins + second + origins)
    }

    private static func client(trusting authority: String) throws -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.dnsOverride = ["mcms.example.lan": "127.0.0.1"]
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 200
        configuration.httpVersion = .http1Only
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(authority)
        configuration.tlsConfiguration = tls
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    private static func all(_ listeners: [PersistentListener], _ isSo: (PersistentListener) async -> Bool) async -> Bool {
        for listener in listeners where await !isSo(listener) { return false }
        return true
    }

    private static func servers(_ listeners: [PersistentListener]) async -> [String: Int] {
        var counts: [String: Int] = [:]
        for listener in listeners { if let server = await listener.server { counts[server, default: 0] += 1 } }
        return counts
    }
}

/// Listens as a browser does: where the stream ends, it connects again with its last id.
private actor PersistentListener {
    private let url: String
    private let cookie: String
    private let client: HTTPClient
    private var lastID: String?
    private(set) var server: String?
    private(set) var isListening = false
    /// Of the routings that were created, in the order of the events.
    private(set) var routings: [String] = []

    init(_ url: String, cookie: String, client: HTTPClient) {
        self.url = url
        self.cookie = cookie
        self.client = client
    }

    /// Until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do {
                try await listen()
            } catch {}
            isListening = false
            // A back-off with jitter, ended by the cancellation.
            try? await Task.sleep(for: .milliseconds(Int.random(in: 50...500)))
        }
    }

    private func listen() async throws {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "cookie", value: cookie)
        if let lastID { request.headers.add(name: "last-event-id", value: lastID) }
        let response = try await client.execute(request, deadline: .distantFuture)
        guard response.status == .ok else { return }
        // nginx names those that it tried in vain before.
        server = response.headers.first(name: "x-served-by")?.components(separatedBy: ", ").last
        var pending = ""
        for try await buffer in response.body {
            pending += String(buffer: buffer)
            var frames = pending.components(separatedBy: "\n\n")
            pending = frames.removeLast()
            try frames.forEach(take)
        }
    }

    private func take(_ frame: String) throws {
        struct Created: Decodable { let routingId: String }
        var fields: [Substring: Substring] = [:]
        for line in frame.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1].dropFirst() }
        }
        if let id = fields["id"] { lastID = String(id) }
        switch fields["event"] {
        case "hello": isListening = true
        case "routing.created": routings.append(try JSONDecoder().decode(Created.self, from: Data((fields["data"] ?? "").utf8)).routingId)
        default: break
        }
    }
}
