import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import MCMS
import MCMSServer
import NIOCore
import SQLStore
import SpindleBridge
import SpindleClient
import SpindleText
import Testing

/// Connection tokens: who gets one, for what, and when it ends.
@Suite struct ConnectionTests {
    private static let alerts = EventScope.topics(["notification.alert"])

    @Test func aTokenIsGoodOnceAtAnyWebServer() async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        try await bridges.account("kim", .viewer)
        let session = try await bridges.signIn("kim")
        let given = try await bridges.connection(#"{"topics":["notification.*","routing.created"]}"#, session)
        #expect(given.url == "/events?topics=routing.created,notification.alert")
        #expect(given.expiresAt > bridges.test.clock.now)
        #expect(given.expiresAt <= bridges.test.clock.now.adding(milliseconds: 60_000))
        let caller = try await bridges.second.listener(for: Bridges.request("/events", token: given.token), Self.alerts)
        #expect(caller.name == "user:kim")
        for access in [bridges.first, bridges.second] {
            #expect(try await Bridges.status(access, given.token, Self.alerts) == 401, "used before")
        }
        let hub = try await bridges.connection(#"{"hubs":["routing"]}"#, session)
        #expect(hub.url == "/hubs/routing")
        #expect(try await Bridges.status(bridges.second, hub.token, .hub("routing")) == 200)
    }

    @Test func aTokenOpensNothingElse() async throws {
        let bridges = try await Bridges()
        let others = try await Bridges()
        defer { bridges.test.remove() }
        defer { others.test.remove() }
        for site in [bridges, others] { try await site.account("kim", .approver) }
        let session = try await bridges.signIn("kim")
        let token = try await bridges.connection(#"{"topics":["routing.created"]}"#, session).token
        let hub = try await bridges.connection(#"{"hubs":["addin"]}"#, session).token
        let foreign = try await others.connection(#"{"topics":["routing.created"]}"#, try await others.signIn("kim")).token
        let parts = token.split(separator: ".").map(String.init)
        let none = #"{"alg":"none","typ":"JWT"}"#
        let unsigned = Data(none.utf8).base64EncodedString().replacing("=", with: "")
        let created = EventScope.topics(["routing.created"])
        let rows: [(String, String, EventScope, Int)] = [
            ("another topic", token, Self.alerts, 403), ("one topic more", token, .topics(["routing.created", "notification.alert"]), 403),
            ("a hub instead", token, .hub("routing"), 403), ("another hub", hub, .hub("routing"), 403), ("no topic: the cursor", token, .topics([]), 403),
            ("another installation's key", foreign, created, 401),
            ("another's signature", [parts[0], parts[1], String(foreign.split(separator: ".")[2])].joined(separator: "."), created, 401),
            ("another's claims", [parts[0], String(foreign.split(separator: ".")[1]), parts[2]].joined(separator: "."), created, 401),
            ("no algorithm", "\(unsigned).\(parts[1]).", created, 401), ("no signature", "\(parts[0]).\(parts[1]).", created, 401),
            ("two parts", "\(parts[0]).\(parts[1])", created, 401), ("empty", "", created, 401), ("dots", "..", created, 401),
            ("too long", token + String(repeating: "a", count: 5_000), created, 401),
            // None of these has used it up.
            ("itself", token, created, 200), ("itself again", token, created, 401), ("the hub's", hub, .hub("addin"), 200),
        ]
        for (what, token, scope, status) in rows { #expect(try await Bridges.status(bridges.second, token, scope) == status, "\(what)") }
        let late = try await bridges.connection(#"{"topics":["routing.created"]}"#, session).token
        bridges.test.clock.advance(60_000)
        #expect(try await Bridges.status(bridges.first, late, created) == 401, "it has expired")
    }

    enum Ending: String, CaseIterable, Sendable {
        case signedOutEverywhere, disabled, newPassword, otherRole, serversTokenChanged
    }

    /// Both an unused token and an open connection.
    @Test(arguments: Ending.allCases, [false, true]) func whatATokenWasGivenForEndsIt(ending: Ending, isOnBehalf: Bool) async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        try await bridges.account("kim", .approver)
        try await bridges.account("boss", .admin)
        let session = isOnBehalf ? Bridges.bearer("pages") : try await bridges.signIn("kim")
        let body = isOnBehalf ? #"{"user":"Kim","topics":["notification.alert"]}"# : #"{"topics":["notification.alert"]}"#
        let (used, unused) = (try await bridges.connection(body, session).token, try await bridges.connection(body, session).token)
        let caller = try await bridges.second.listener(for: Bridges.request("/events", token: used), Self.alerts)
        #expect(caller.name == "user:kim")
        #expect(try await caller.mayStillListen())
        try await bridges.end(ending)
        let isEnded = ending != .serversTokenChanged || isOnBehalf
        #expect(try await caller.mayStillListen() != isEnded, "the open connection")
        #expect(try await Bridges.status(bridges.second, unused, Self.alerts) == (isEnded ? 401 : 200), "a token that was not used yet")
    }

    @Test func signingOutEndsWhatTheSessionGave() async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        try await bridges.account("kim", .viewer)
        let (session, other) = (try await bridges.signIn("kim"), try await bridges.signIn("kim"))
        let body = #"{"hubs":["addin"]}"#
        let (given, kept) = (try await bridges.connection(body, session).token, try await bridges.connection(body, other).token)
        #expect(try await bridges.send(.delete, "/api/session", nil, session).status == 204)
        #expect(try await Bridges.status(bridges.second, given, .hub("addin")) == 401)
        #expect(try await Bridges.status(bridges.second, kept, .hub("addin")) == 200)
    }

    @Test(arguments: [
        ("pages", #"{"user":"kim","topics":["*"]}"#, 201), ("pages", #"{"user":"nobody-here","topics":["*"]}"#, 403), ("pages", #"{"topics":["*"]}"#, 400),
        ("pages", #"{"user":"","topics":["*"]}"#, 400), ("web", #"{"user":"kim","topics":["*"]}"#, 400), ("web", #"{"topics":["*"]}"#, 201),
        ("addin", #"{"topics":["addin.job.updated"]}"#, 201), ("addin", #"{"hubs":["addin"]}"#, 201), ("addin", #"{"hubs":["routing"]}"#, 403),
        ("addin", #"{"topics":["*"]}"#, 403), ("web", "{}", 400), ("web", #"{"topics":[]}"#, 400), ("web", #"{"hubs":[]}"#, 400),
        ("web", #"{"topics":["message.dead"]}"#, 400), ("web", #"{"hubs":["Addin"]}"#, 400), ("web", #"{"topics":["*"],"hubs":["addin"]}"#, 400),
        ("web", #"{"topics":"*"}"#, 400), ("wrong-token-0123456789", #"{"topics":["*"]}"#, 401),
    ]) func whoGetsAToken(principal: String, body: String, status: Int) async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        try await bridges.account("kim", .viewer)
        let answer = try await bridges.send(.post, "/api/connections", body, Bridges.bearer(principal))
        #expect(answer.status == status, "\(answer.text)")
        if status >= 400 { #expect(answer.body["action"]?.text?.isEmpty == false) }
    }

    /// A server is trusted while nobody has an account, and no longer.
    @Test func theFirstAccountEndsWhatAServerGotForStrangers() async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        let body = #"{"user":"김철수","topics":["notification.alert"]}"#
        let (used, unused) = (
            try await bridges.connection(body, Bridges.bearer("pages")).token, try await bridges.connection(body, Bridges.bearer("pages")).token
        )
        let caller = try await bridges.second.listener(for: Bridges.request("/events", token: used), Self.alerts)
        #expect(caller.name == "pages:김철수")
        try await bridges.account("kim", .viewer)
        #expect(try await caller.mayStillListen() == false)
        #expect(try await Bridges.status(bridges.second, unused, Self.alerts) == 401)
    }

    @Test func inWhoseNameAServerAsksIsInTheAudit() async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        try await bridges.account("kim", .viewer)
        _ = try await bridges.connection(#"{"user":"kim","hubs":["addin"]}"#, Bridges.bearer("pages"))
        let line = try #require(try await bridges.test.store.audit(actor: nil, action: "connection-given", limit: 10, cursor: nil).items.first)
        #expect(line.actor == "kim" && line.principal == "pages" && line.detail == "/hubs/addin")
    }

    @Test func keysAreRotatedAndForgotten() async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        let (store, clock) = (bridges.test.store, bridges.test.clock)
        let first = try await store.signingKey()
        #expect(try await store.signingKey().id == first.id)
        #expect(try await bridges.test.another().signingKey().id == first.id, "servers share it")
        clock.advance(MCMSStore.connectionKeyMilliseconds - 10_000)
        #expect(try await store.signingKey().id == first.id)
        let token = try await bridges.connection(#"{"topics":["notification.alert"]}"#, Bridges.bearer("web")).token
        clock.advance(10_000)
        let second = try await store.signingKey()
        #expect(second.id != first.id && second.secret != first.secret)
        #expect(try await Bridges.status(bridges.second, token, Self.alerts) == 200, "what the old key signed lasts its time")
        clock.advance(MCMSStore.connectionKeyGraceMilliseconds)
        #expect(try await store.connectionKeys().map(\.id) == [second.id])
        try await store.prune()
        let left = try await store.database.read { db in
            [try db.value("SELECT count(*) FROM connectionKey", as: Int.self), try db.value("SELECT count(*) FROM usedConnectionToken", as: Int.self)]
        }
        #expect(left == [1, 0], "keys and marks that nothing can refer to are deleted")
    }

    /// A token becomes the id of a connection, which is good at another server, once, and ends with what the token was given for.
    @Test func anIdIsGoodOnceAtAnyWebServer() async throws {
        let bridges = try await Bridges()
        defer { bridges.test.remove() }
        try await bridges.account("kim", .approver)
        let session = try await bridges.signIn("kim")
        let tokens = (try await bridges.connection(#"{"hubs":["addin"]}"#, session).token, try await bridges.connection(#"{"user":"kim","hubs":["addin"]}"#, Bridges.bearer("pages")).token)
        for token in [tokens.0, tokens.1] {
            let id = try #require(try await bridges.negotiate(token, "addin"))
            #expect(try await bridges.negotiate(token, "addin") == nil, "the token is used up")
            let request = Bridges.request("/hubs/addin", token: "anything")
            #expect(try await bridges.second.hubs.redeem(token, "addin", request) == nil, "a token is no id")
            #expect(try await bridges.second.hubs.redeem(id, "routing", request) == nil)
            #expect(try await Bridges.status(bridges.second, id, .hub("addin")) == 401, "an id is no token")
            let caller = try #require(try await bridges.second.hubs.redeem(id, "addin", request))
            #expect(caller.name == "user:kim")
            #expect(try await bridges.first.hubs.redeem(id, "addin", request) == nil)
            #expect(try await caller.mayStillListen())
        }
        let late = try await bridges.connection(#"{"hubs":["addin"]}"#, session).token
        let lateID = try #require(try await bridges.negotiate(late, "addin"))
        bridges.test.clock.advance(60_000)
        #expect(try await bridges.first.hubs.redeem(lateID, "addin", Bridges.request("/hubs/addin", token: "")) == nil)
        let fresh = try #require(try await bridges.negotiate(try await bridges.connection(#"{"hubs":["addin"]}"#, session).token, "addin"))
        try await bridges.end(.otherRole)
        #expect(try await bridges.first.hubs.redeem(fresh, "addin", Bridges.request("/hubs/addin", token: "")) == nil)
    }

    /// Whatever happens to it: no token is in a line of the log, at any level, nor in an answer's body.
    @Test func noTokenIsEverLogged() async throws {
        let lines = Lines()
        let bridges = try await Bridges(logger: lines.logger)
        defer { bridges.test.remove() }
        try await bridges.account("kim", .viewer)
        let session = try await bridges.signIn("kim")
        let token = try await bridges.connection(#"{"topics":["*"]}"#, session).token
        let signature = try #require(token.split(separator: ".").last).prefix(20)
        let paths = ["/events/alerts", "/events/nothing", "/api/routings", "/api/nothing", "/", "/events/cursor"]
        for path in paths + paths {
            let inAddress = try await bridges.send(.get, "\(path)?access_token=\(token)", nil, [:])
            let inHeader = try await bridges.send(.get, path, nil, [.authorization: "Bearer \(token)"])
            for answer in [inAddress, inHeader] { #expect(!answer.text.contains(signature), "\(path)") }
        }
        try bridges.test.store.close()
        #expect(try await bridges.send(.get, "/events/alerts?access_token=\(token)", nil, [:]).status == 503)
        #expect(try await bridges.send(.post, "/api/connections?access_token=\(token)", "{}", session).status >= 500)
        #expect(lines.all.contains("audit.error"), "the failures are told")
        #expect(!lines.all.contains(signature))
    }
}

/// Two web servers of one installation: two connections to one database, and one folder of tokens.
private struct Bridges: Sendable {
    let test: TestStore
    let first: WebAccess
    let second: WebAccess
    private let app: Application<RouterResponder<BasicRequestContext>>
    private let tokens: TokenDirectoryAuthenticator
    private let others: TokenDirectoryAuthenticator

    private struct NoTopics: EventFeedSource {
        func subscribe(to pattern: String, from start: SubscriptionStart) async throws -> EventFeed { throw CancellationError() }
    }

    struct Given: Decodable {
        let url: String
        let token: String
        let expiresAt: Timestamp
    }

    init(logger: Logger = quiet) async throws {
        test = try TestStore()
        let folder = test.folder.appendingPathComponent("tokens")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, token) in TestAPI.tokens { try token.write(to: folder.appendingPathComponent(name), atomically: false, encoding: .utf8) }
        tokens = try TokenDirectoryAuthenticator(directory: folder.path, roles: TestAPI.roles)
        others = try TokenDirectoryAuthenticator(directory: folder.path, roles: TestAPI.roles)
        let hasher = PasswordHasher(cost: TestAPI.cheap)
        let server = try MCMSServer(store: test.store, authenticator: tokens, hasher: hasher, logger: logger)
        first = server.access
        second = WebAccess(store: try test.another(), authenticator: others, configuration: .init(), hasher: hasher)
        let hub = EventHub(configuration: .init(streams: [.init("alerts", topics: ["notification.alert"])]), source: NoTopics(), logger: logger)
        // Stopped: a stream that is let in ends with 503.
        let running = Task { try await hub.run() }
        running.cancel()
        try await running.value
        let router = Router()
        server.addRoutes(to: router)
        EventRoutes(hub: hub, logger: logger) { request, topics in
            try await server.access.admission(for: request, .topics(topics))
        }.add(to: router)
        app = Application(router: router, logger: logger)
    }

    @discardableResult
    func account(_ name: String, _ role: AccountRole) async throws -> Account { try await TestAPI.makeAccount(name, role, test.store) }

    static func bearer(_ principal: String) -> HTTPFields { [.authorization: "Bearer \(TestAPI.tokens[principal] ?? principal)"] }

    func send(_ method: HTTPRequest.Method, _ path: String, _ body: String?, _ headers: HTTPFields) async throws -> TestAPI.Answer {
        var all = headers
        if body != nil { all[.contentType] = "application/json" }
        let fields = all
        return try await app.test(.router) { client in
            try await client.execute(uri: path, method: method, headers: fields, body: body.map { ByteBuffer(string: $0) }) { response in
                let text = String(buffer: response.body)
                return TestAPI.Answer(
                    status: response.status.code, headers: response.headers,
                    body: (try? JSONDecoder().decode(JSON.self, from: Data(text.utf8))) ?? .null, text: text)
            }
        }
    }

    func signIn(_ name: String) async throws -> HTTPFields {
        let answer = try await send(.post, "/api/session", #"{"name":"\#(name)","password":"\#(TestAPI.password)"}"#, [:])
        return [.cookie: String(try #require(answer.headers[.setCookie]?.split(separator: ";").first)), .origin: "http://localhost"]
    }

    func connection(_ body: String, _ headers: HTTPFields) async throws -> Given {
        let answer = try await send(.post, "/api/connections", body, headers)
        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.headers[.cacheControl] == "no-store")
        return try MCMSJSON.decode(Given.self, from: answer.text.utf8)
    }

    static func request(_ path: String, token: String) -> Request {
        let head = HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: "\(path)?access_token=\(token)")
        return Request(head: head, body: RequestBody(buffer: ByteBuffer()))
    }

    /// The id of a connection; nil where there is none for this token.
    func negotiate(_ token: String, _ hub: String) async throws -> String? {
        guard case .agreed(let id) = try await first.hubs.negotiate(Self.request("/hubs/\(hub)/negotiate", token: token), hub) else { return nil }
        return id
    }

    /// The answer to who connects with this token.
    static func status(_ access: WebAccess, _ token: String, _ scope: EventScope) async throws -> Int {
        switch try await access.admission(for: request("/events", token: token), scope) {
        case .caller: 200
        case .notAuthenticated: 401
        case .notPermitted: 403
        }
    }

    func end(_ ending: ConnectionTests.Ending) async throws {
        var change = AccountChange()
        switch ending {
        case .signedOutEverywhere:
            try await test.store.endSessions(of: "user:kim", by: test.caller())
            return
        case .serversTokenChanged:
            try "another-token-0123456789".write(
                to: test.folder.appendingPathComponent("tokens/pages"), atomically: false, encoding: .utf8)
            for tokens in [tokens, others] { try tokens.reload() }
            return
        case .disabled: change.isDisabled = true
        case .newPassword: change.passwordHash = try await PasswordHasher(cost: TestAPI.cheap).hash(Password("another good password"))
        case .otherRole: change.role = .viewer
        }
        _ = try await test.store.changeAccount("kim", change, by: test.caller())
    }
}
