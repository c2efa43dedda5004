import Foundation
import Testing

/// SignalR clients that nobody here wrote, at real servers.
@Suite struct SignalRTests {
    private struct Routing: Decodable { let id: String }
    private struct Given: Decodable {
        let url: String
        let token: String
    }

    private static let created = SignalRClients.Line.event(
        "routing.created", fields: ["routingId", "name", "status", "createdBy", "createdAt"], nulls: [])
    private static let submitted = SignalRClients.Line.event(
        "routing.approval.changed", fields: ["routingId", "status", "approvedBy", "reason", "timestamp"], nulls: ["reason"])
    private static let job = SignalRClients.Line.event("addin.job.created", fields: ["jobId", "routingId", "createdAt"], nulls: [])

    private static func hub(_ roles: RunningRoles, _ name: String) -> String { "http://127.0.0.1:\(roles.base + 2)/hubs/\(name)" }

    private static func token(_ roles: RunningRoles, _ hub: String) async throws -> Given {
        try await roles.http("POST", "/api/connections", body: #"{"hubs":["\#(hub)"]}"#).decode(Given.self)
    }

    private static func routing(_ roles: RunningRoles) async throws -> String {
        try await roles.http("POST", "/api/routings", body: #"{"name": "hubs"}"#).decode(Routing.self).id
    }

    /// Each way of carrying a connection, with a connection token as the access token: each event is one invocation with one argument that
    /// has all fields.
    @Test(arguments: ["web_sockets", "server_sent_events", "long_polling"]) func signalrcoreHearsEvents(carrier: String) async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let (routings, jobs) = (roles.directory.path + "/routings", roles.directory.path + "/jobs")
        let (first, second) = (try await Self.token(roles, "routing"), try await Self.token(roles, "addin"))
        #expect(first.url == "/hubs/routing")
        let listeners = [
            try ForeignProcess.python(
                SignalRClients.signalrcore, [routings, Self.hub(roles, "routing"), first.token, carrier, "none", "routing.created", "routing.approval.changed"]),
            try ForeignProcess.python(SignalRClients.signalrcore, [jobs, Self.hub(roles, "addin"), second.token, carrier, "none", "addin.job.created"]),
        ]
        defer { for listener in listeners { listener.kill() } }
        for file in [routings, jobs] { try await roles.waitUntil("\(carrier) is open") { SignalRClients.lines(file).contains(.open) } }
        let id = try await Self.routing(roles)
        try await roles.waitUntil("it hears of the routing") { SignalRClients.lines(routings).contains(Self.created) }
        for step in ["submit", "approve"] { _ = try await roles.http("POST", "/api/routings/\(id)/\(step)", body: "{}") }
        try await roles.waitUntil("it hears of the submission") { SignalRClients.lines(routings).contains(Self.submitted) }
        try await roles.waitUntil("the other hub's listener hears of the job") { SignalRClients.lines(jobs).contains(Self.job) }
        #expect(SignalRClients.lines(routings).filter { $0 == Self.created }.count == 1, "once")
        for file in [routings, jobs] { #expect(!SignalRClients.lines(file).contains { if case .other = $0 { true } else { false } }) }
        let log = await roles.errors(of: "bridge")
        #expect(!log.isEmpty && !log.contains(first.token), "no token is logged")
        try await roles.stop()
    }

    @Test func aWrongTokenIsRefused() async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let used = try await Self.token(roles, "routing").token
        let negotiate = "/hubs/routing/negotiate?access_token=\(used)"
        #expect(try await roles.http("POST", "/hubs/routing/negotiate", body: "").status == 200, "the caller's own token")
        #expect(try await Curl.send("POST", "http://127.0.0.1:\(roles.base + 2)\(negotiate)").status == 200)
        for (what, token) in [("nobody's", "wrong-token-0123456789"), ("used", used), ("for another hub", try await Self.token(roles, "addin").token)] {
            let file = roles.directory.path + "/lines-\(what.count)"
            let client = try ForeignProcess.python(
                SignalRClients.signalrcore, [file, Self.hub(roles, "routing"), token, "server_sent_events", "none", "routing.created"])
            #expect(try await client.end().exitCode == 1, "\(what)")
            guard case .error? = SignalRClients.lines(file).last else {
                Issue.record("\(what): \(SignalRClients.lines(file))")
                continue
            }
        }
        try await roles.stop()
    }

    /// Each step at the other of two servers: the token, the negotiation, the connection.
    @Test func aTokenIsGoodAtTheOtherServer() async throws {
        let roles = try RunningRoles { description in
            let first = "  - name: web\n    host: local\n    principal: web\n    port: 7402\n    listen: 127.0.0.1\n"
            let second = first.replacing("name: web", with: "name: web-2").replacing("7402", with: "7412")
            return description.replacing("    signInVisitors: true\n", with: "    signInVisitors: true\n" + second)
        }
        try await roles.startAll(["broker", "bridge", "bridge-2"])
        let (one, other) = ("http://127.0.0.1:\(roles.base + 2)", "http://127.0.0.1:\(roles.base + 6)")
        try await roles.waitUntil("the second web server is ready") { try await Curl.send("GET", other + "/readyz").status == 200 }
        struct Agreement: Decodable { let connectionToken: String }
        let token = try await Self.token(roles, "routing").token
        let negotiated = try await Curl.send("POST", other + "/hubs/routing/negotiate?negotiateVersion=1", ["-H", "Authorization: Bearer \(token)"])
        #expect(negotiated.status == 200, "\(negotiated)")
        let id = try JSONDecoder().decode(Agreement.self, from: Data(negotiated.body.utf8)).connectionToken
        #expect(try await Curl.send("GET", one + "/hubs/routing?id=\(id)").status == 200, "the first poll")
        #expect(try await Curl.send("GET", other + "/hubs/routing?id=\(id)").status == 404, "an id is good once")
        #expect(try await Curl.send("POST", one + "/hubs/routing/negotiate", ["-H", "Authorization: Bearer \(token)"]).status == 401, "a token too")
        try await roles.stop()
    }

    /// By a negotiation with a connection token, and without one with the token of a principal.
    @Test(arguments: ["yes", "no"]) func pysignalrHearsEvents(negotiates: String) async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let file = roles.directory.path + "/lines"
        let token = negotiates == "yes" ? try await Self.token(roles, "routing").token : try roles.token("admin")
        let client = try ForeignProcess.python(
            SignalRClients.pysignalr, [file, Self.hub(roles, "routing"), token, negotiates, "routing.created", "routing.approval.changed"])
        defer { client.kill() }
        try await roles.waitUntil("it is open") { SignalRClients.lines(file).contains(.open) }
        let id = try await Self.routing(roles)
        _ = try await roles.http("POST", "/api/routings/\(id)/submit", body: "{}")
        try await roles.waitUntil("it hears of both") {
            SignalRClients.lines(file).contains(Self.created) && SignalRClients.lines(file).contains(Self.submitted)
        }
        #expect(SignalRClients.lines(file).filter { $0 == Self.created }.count == 1, "once")
        try await roles.stop()
    }

    /// signalrcore with a new connection token each time, pysignalr by itself with the token of a principal.
    @Test(arguments: ["signalrcore", "pysignalr"]) func clientsComeBackAfterARestart(name: String) async throws {
        let roles = try RunningRoles()
        try await roles.startAll(["broker", "bridge"])
        let (file, url, token) = (roles.directory.path + "/lines", Self.hub(roles, "routing"), try roles.token("admin"))
        let client =
            name == "signalrcore"
            ? try ForeignProcess.python(SignalRClients.signalrcore, [file, url, token, "web_sockets", "http://127.0.0.1:\(roles.base + 2)/api/connections", "routing.created"])
            : try ForeignProcess.python(SignalRClients.pysignalr, [file, url, token, "no", "routing.created"])
        defer { client.kill() }
        try await roles.waitUntil("it is open") { SignalRClients.lines(file).contains(.open) }
        try await roles.killAndRestart("bridge")
        try await roles.waitUntil("the web server is ready") { try await roles.http("GET", "/readyz").status == 200 }
        // When it is back, only it knows: routings are made until it hears of one.
        try await roles.waitUntil("it hears events again") {
            _ = try await Self.routing(roles)
            return SignalRClients.lines(file).contains(Self.created)
        }
        try await roles.stop()
    }
}
