import Digests
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import MCMS
import MCMSServer
import SpindleText
import Synchronization
import Testing

/// Everything that was logged, as one text.
final class Lines: Sendable {
    private let text = Mutex("")
    var all: String { text.withLock { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            lines.text.withLock { $0 += "\(event.level) \(event.message) \((event.metadata ?? [:]).sorted { $0.key < $1.key })\n" }
        }
    }
}

/// People at the HTTP API: how they come in, what ends it, and who is written down.
@Suite struct PeopleTests {
    private static let origin: HTTPFields = [.origin: "http://localhost"]

    // MARK: Signing in

    @Test func aPersonSignsInAndIsWhoTheyAre() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        let answer = try await api.signIn("Kim", headers: Self.origin)
        #expect(answer.status == 201)
        let cookie = try #require(answer.headers[.setCookie])
        for property in ["mcms_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] { #expect(cookie.contains(property), "\(cookie)") }
        let session = try await api.session("kim")
        let me = try await api.send(.get, "/api/me", as: nil, headers: session).body
        #expect(me["name"] == "kim" && me["role"] == "approver" && me["kind"] == "account" && me["principal"] == "user:kim")
        #expect(me["permissions"] == .list(["readRoutings", "changeRoutings", "readJobs", "readFiles", "uploadFiles"]))
    }

    @Test func overHTTPSTheCookieIsThisHostsOnly() async throws {
        var access = WebAccess.Configuration()
        access.isSecure = true
        let api = try TestAPI(access)
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        let answer = try await api.signIn("kim")
        let cookie = try #require(answer.headers[.setCookie])
        #expect(cookie.hasPrefix("__Host-mcms_session=") && cookie.contains("Secure") && cookie.contains("Path=/") && !cookie.contains("Domain"), "\(cookie)")
        // A neighbour in the same domain may set the other name.
        let value = try #require(cookie.split(separator: ";").first?.split(separator: "=").last)
        #expect(try await api.status(.get, "/api/me", nil, [.cookie: "mcms_session=\(value)"]) == 401)
        #expect(try await api.status(.get, "/api/me", nil, [.cookie: "__Host-mcms_session=\(value)"]) == 200)
    }

    @Test func aNameThatNobodyHasIsAnsweredAsAWrongPasswordIs() async throws {
        let lines = Lines()
        let api = try TestAPI(logger: lines.logger)
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        let wrong = try await api.signIn("kim", "wrong password 1")
        let nobody = try await api.signIn("nobody", "wrong password 2")
        let noName = try await api.signIn("이건 비밀번호였다", "wrong password 3")
        for answer in [wrong, nobody, noName] {
            #expect(answer.status == 401 && answer.headers[.setCookie] == nil)
            #expect(answer.body["detail"] == wrong.body["detail"] && answer.body["action"] == wrong.body["action"])
        }
        #expect(lines.all.contains("\"kim\"") || lines.all.contains("kim"), "\(lines.all)")
        #expect(lines.all.contains("name") && lines.all.contains("address"))
        for secret in ["wrong password", "이건 비밀번호였다", TestAPI.password] { #expect(!lines.all.contains(secret), "\(lines.all)") }
        let audit = try await api.test.store.audit(action: "sign-in-refused").items
        #expect(audit.map(\.subject) == [nil, "nobody", "kim"])
        #expect(!"\(audit)".contains("wrong password") && !"\(audit)".contains("비밀번호"))
    }

    /// Not by the clock, which a busy machine moves, but by what is computed: as many hashes, of the same cost.
    @Test func aDisabledAccountIsToldOnlyToWhoKnowsThePassword() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        var change = AccountChange()
        change.isDisabled = true
        _ = try await api.test.store.changeAccount("kim", change, by: api.test.caller())
        let wrong = try await api.signIn("kim", "wrong password")
        let nobody = try await api.signIn("lee", "wrong password")
        #expect(wrong.status == 401 && wrong.body["detail"] == nobody.body["detail"])
        let right = try await api.signIn("kim")
        #expect(right.status == 401 && right.headers[.setCookie] == nil && right.body["detail"]?.text?.contains("disabled") == true)
    }

    @Test func guessingIsSlowedDown() async throws {
        let lines = Lines()
        let api = try TestAPI(logger: lines.logger)
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        var refused: TestAPI.Answer?
        for _ in 0..<50 where refused == nil {
            let answer = try await api.signIn("kim", "wrong password")
            if answer.status == 429 { refused = answer }
        }
        let answer = try #require(refused)
        #expect(answer.headers[.retryAfter].flatMap { Int($0) }.map { (1...60).contains($0) } == true)
        #expect(answer.body["type"] == "urn:mcms:problem:too-many-attempts")
        #expect(try await api.signIn("kim").status == 429, "also the right one: else it could be found")
        #expect(lines.all.contains("too many attempts"))
        api.test.clock.advance(60_000)
        #expect(try await api.signIn("kim").status == 201)
    }

    @Test(arguments: [
        "{}", #"{"name":"kim"}"#, #"{"password":"x"}"#, #"{"name":"kim","password":"x","token":"y"}"#, #"{"trial":false}"#,
        #"{"name":"kim","password":"x","trial":true}"#,
    ])
    func aSignInSaysOneThing(body: String) async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        #expect(try await api.send(.post, "/api/session", body, as: nil).status == 400)
    }

    @Test func anotherSitesPageSignsNobodyIn() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        for (name, value) in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site")] {
            let answer = try await api.signIn("kim", headers: [try #require(HTTPField.Name(name)): value])
            #expect(answer.status == 403 && answer.headers[.setCookie] == nil, "\(name): \(value)")
        }
    }

    // MARK: The end of sessions

    @Test func signingOutEndsThisSessionOrAll() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        for name in ["kim", "lee"] { try await api.account(name, .approver) }
        let (first, second, third, other) = (
            try await api.session("kim"), try await api.session("kim"), try await api.session("kim"), try await api.session("lee")
        )
        #expect(try await api.status(.delete, "/api/session", nil, first) == 204)
        #expect(try await api.status(.get, "/api/me", nil, first) == 401)
        #expect(try await api.status(.get, "/api/me", nil, second) == 200)
        #expect(try await api.status(.delete, "/api/session?everywhere=true", nil, second) == 204)
        for session in [second, third] { #expect(try await api.status(.get, "/api/me", nil, session) == 401) }
        #expect(try await api.status(.get, "/api/me", nil, other) == 200)
    }

    @Test func aNewSignInEndsTheSessionThatTheBrowserHad() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        let old = try await api.session("kim")
        #expect(try await api.signIn("kim", headers: old).status == 201)
        #expect(try await api.status(.get, "/api/me", nil, old) == 401)
    }

    @Test func whatAnAdministratorChangesHoldsAtOnce() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("boss", .admin)
        try await api.account("kim", .approver)
        let boss = try await api.session("boss")
        var kim = try await api.session("kim")
        #expect(try await api.status(.post, "/api/routings", #"{"name":"a"}"#, kim) == 201)
        #expect(try await api.status(.patch, "/api/users/kim", #"{"role":"viewer"}"#, boss) == 200)
        #expect(try await api.status(.post, "/api/routings", #"{"name":"a"}"#, kim) == 403, "the role of now, in the session of before")
        #expect(try await api.status(.patch, "/api/users/kim", #"{"isDisabled":true}"#, boss) == 200)
        #expect(try await api.status(.get, "/api/me", nil, kim) == 401)
        #expect(try await api.status(.patch, "/api/users/kim", #"{"isDisabled":false}"#, boss) == 200)
        #expect(try await api.status(.get, "/api/me", nil, kim) == 401, "a session that ended does not begin again")
        kim = try await api.session("kim")
        #expect(try await api.status(.patch, "/api/users/kim", #"{"password":"another password"}"#, boss) == 200)
        #expect(try await api.status(.get, "/api/me", nil, kim) == 401)
        #expect(try await api.signIn("kim").status == 401)
        _ = try await api.session("kim", "another password")
        #expect(try await api.status(.patch, "/api/users/boss", #"{"role":"viewer"}"#, boss) == 409, "the last administrator stays one")
        for body in ["{}", #"{"role":"king"}"#, #"{"password":"short"}"#, #"{"displayName":" "}"#] {
            #expect(try await api.status(.patch, "/api/users/kim", body, boss) == 400, "\(body)")
        }
        let actions = try await api.test.store.audit(actor: "boss", action: "account-changed").items
        #expect(actions.map(\.detail) == ["new password", "enabled", "disabled", "role approver → viewer"])
    }

    @Test func ownPasswordsAreChangedByWhoKnowsThem() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("kim", .viewer)
        let (here, there) = (try await api.session("kim"), try await api.session("kim"))
        func change(_ current: String, _ new: String) async throws -> Int {
            try await api.status(.post, "/api/me/password", #"{"current":"\#(current)","password":"\#(new)"}"#, here)
        }
        #expect(try await change("wrong", "another password") == 403)
        #expect(try await change(TestAPI.password, "short") == 400)
        #expect(try await api.status(.get, "/api/me", nil, there) == 200)
        #expect(try await change(TestAPI.password, "another password") == 204)
        #expect(try await api.status(.get, "/api/me", nil, here) == 200, "who changed it stays")
        #expect(try await api.status(.get, "/api/me", nil, there) == 401, "everybody else does not")
        #expect(try await api.signIn("kim", "another password").status == 201)
    }

    @Test func aSessionOutlivesTheProcessAndItsTimeEnds() async throws {
        var access = WebAccess.Configuration()
        access.sessions = SessionLimits(idleMilliseconds: 3_600_000, absoluteMilliseconds: 10 * 3_600_000)
        let api = try TestAPI(access)
        defer { api.test.remove() }
        try await api.account("kim", .approver)
        func again() throws -> WebAccess {
            let tokens = try TokenDirectoryAuthenticator(directory: api.test.folder.appendingPathComponent("tokens").path, roles: TestAPI.roles)
            return WebAccess(store: try api.test.another(), authenticator: tokens, configuration: access)
        }
        func request(_ session: HTTPFields) -> Request {
            Request(head: HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: "/", headerFields: session), body: .init(buffer: .init()))
        }
        let used = try await api.session("kim")
        let left = try await api.session("kim")
        #expect(try await again().principal(for: request(used)).actor == "kim")
        // Somebody works: 50 minutes and 50 minutes. Somebody left: their page looks by itself, which keeps nothing.
        let background: HTTPFields = [.cookie: try #require(left[.cookie]), try #require(HTTPField.Name("X-Background")): "1"]
        for _ in 0..<2 {
            api.test.clock.advance(50 * 60_000)
            #expect(try await api.status(.get, "/api/routings", nil, used) == 200)
            _ = try await api.status(.get, "/api/routings", nil, background)
        }
        #expect(try await api.status(.get, "/api/me", nil, left) == 401, "idle")
        for _ in 0..<11 {
            api.test.clock.advance(50 * 60_000)
            _ = try await api.status(.get, "/api/routings", nil, used)
        }
        #expect(try await api.status(.get, "/api/me", nil, used) == 401, "at most ten hours, whatever somebody does")
    }

    @Test func anUploadKeepsItsSessionForUploads() async throws {
        let limits = SessionLimits(idleMilliseconds: 3_600_000, absoluteMilliseconds: 7_200_000)
        func session(usedAgo: Int64, uploadedAgo: Int64?, age: Int64) -> (WebSession, now: Int64) {
            let now: Int64 = 1_800_000_000_000
            return (
                WebSession(
                    principal: "user:kim", credential: [], isVisitor: false, expiresAt: .init(milliseconds: now - age + limits.absoluteMilliseconds),
                    usedAt: .init(milliseconds: now - usedAgo), uploadedAt: .init(milliseconds: uploadedAgo.map { now - $0 } ?? 0)), now
            )
        }
        for (used, uploaded, age, opens, opensUploads) in [
            (0, nil, 0, true, true), (3_599_999, nil, 3_599_999, true, true), (3_600_000, nil, 3_600_000, false, false),
            (0, nil, 7_200_000, false, false), (1_000, 1_000, 7_200_000, false, true), (1_000, 1_000, 900_000_000, false, true),
            (1_000, 3_600_000, 7_200_000, false, false),
        ] as [(Int64, Int64?, Int64, Bool, Bool)] {
            let (session, now) = session(usedAgo: used, uploadedAgo: uploaded, age: age)
            #expect(limits.isValid(session, isUpload: false, now: .init(milliseconds: now)) == opens, "\(used) \(age)")
            #expect(limits.isValid(session, isUpload: true, now: .init(milliseconds: now)) == opensUploads, "\(used) \(age)")
        }
        // In the store: cleaning up leaves what an upload still uses.
        let api = try TestAPI()
        defer { api.test.remove() }
        let store = api.test.store
        for number in [UInt8(1), 2] {
            try await store.createSession(digest: [number], principal: "user:kim", credential: [], isVisitor: false, lifetimeMilliseconds: 1_000)
        }
        api.test.clock.advance(2_000)
        try await store.touchSession(digest: [1], isUpload: true)
        try await store.prune()
        #expect(try await store.session(digest: [1]) != nil)
        #expect(try await store.session(digest: [2]) == nil)
    }

    // MARK: The first account

    @Test func aLinkMakesAnAccountAndSignsIn() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let secret = String(repeating: "ab", count: 32)
        let digest = try DigestStream.digest(of: Array(secret.utf8))
        _ = try await api.test.store.createLink(digest: digest, role: .admin, isFirst: true, by: api.test.caller())
        func use(_ link: String, _ name: String, _ password: String = TestAPI.password, _ headers: HTTPFields = [:]) async throws -> TestAPI.Answer {
            try await api.send(
                .post, "/api/setup", #"{"link":"\#(link)","name":"\#(name)","displayName":"김철수","password":"\#(password)"}"#, as: nil, headers: headers)
        }
        #expect(try await use("wrong", "kim").status == 403)
        #expect(try await use(secret, "kim", "short").status == 400)
        #expect(try await use(secret, "k!").status == 400)
        #expect(try await use(secret, "kim", TestAPI.password, [.origin: "https://evil.example"]).status == 403)
        let made = try await use(secret, "kim")
        #expect(made.status == 201 && made.body["role"] == "admin" && made.body["displayName"] == "김철수", "\(made.text)")
        let cookie = String(try #require(made.headers[.setCookie]?.split(separator: ";").first))
        #expect(try await api.status(.get, "/api/users", nil, [.cookie: cookie]) == 200)
        #expect(try await use(secret, "lee").status == 403)
    }

    // MARK: Who is written down

    @Test func theApproverIsTheAccountAndNoTextOfTheirs() async throws {
        let api = try TestAPI(approval: .fourEyes)
        defer { api.test.remove() }
        for name in ["kim", "lee"] { try await api.account(name, .approver) }
        let (kim, lee) = (try await api.session("kim"), try await api.session("lee"))
        let created = try await api.send(.post, "/api/routings", #"{"name":"a"}"#, as: nil, headers: kim)
        let id = try #require(created.body["id"]?.text)
        #expect(try await api.status(.post, "/api/routings/\(id)/submit", "{}", kim) == 200)
        #expect(try await api.status(.post, "/api/routings/\(id)/approve", "{}", kim) == 403, "not one's own")
        #expect(try await api.status(.post, "/api/routings/\(id)/approve", #"{"actor":"kim"}"#, lee) == 400, "nobody says who they are")
        let header: HTTPFields = [try #require(HTTPField.Name("X-On-Behalf-Of")): "kim", .cookie: try #require(lee[.cookie]), .origin: "http://localhost"]
        #expect(try await api.status(.post, "/api/routings/\(id)/approve", "{}", header) == 400)
        let approved = try await api.send(.post, "/api/routings/\(id)/approve", "{}", as: nil, headers: lee)
        #expect(approved.body["approver"] == "lee")
        let history = try await api.test.store.history(of: id).items
        #expect(history.map(\.actor) == ["kim", "kim", "lee", "lee"])
        #expect(history.map(\.principal) == ["user:kim", "user:kim", "user:lee", "user:lee"])
    }

    @Test func everyChangeIsInTheAudit() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        try await api.account("boss", .admin)
        try await api.account("kim", .approver)
        let (boss, kim) = (try await api.session("boss"), try await api.session("kim"))
        var fields = kim
        fields[try #require(HTTPField.Name("X-Correlation-ID"))] = "c-42"
        fields[try #require(HTTPField.Name("X-Forwarded-For"))] = "10.9.9.9"
        let id = try #require(try await api.send(.post, "/api/routings", #"{"name":"a"}"#, as: nil, headers: fields).body["id"]?.text)
        _ = try await api.status(.post, "/api/routings/\(id)/approve", "{}", kim)
        _ = try await api.status(.post, "/api/addin/jobs/x/complete", "{}", kim)
        _ = try await api.status(.get, "/api/routings", nil, kim)
        let audit = try await api.send(.get, "/api/audit?actor=kim", as: nil, headers: boss)
        let lines = audit.body["items"]?.list?.map { "\($0["action"]?.text ?? "") \($0["status"] ?? .null)" } ?? []
        #expect(lines == [
            "POST /api/addin/jobs/{id}/complete number(403.0)", "POST /api/routings/{id}/approve number(409.0)", "POST /api/routings number(201.0)",
            "signed-in null",
        ])
        let created = try #require(audit.body["items"]?.list?.first { $0["correlationId"] == "c-42" })
        #expect(created["actor"] == "kim" && created["principal"] == "user:kim" && created["subject"] == "/api/routings")
        #expect(created["address"] == "unknown", "a header is not believed from anywhere: \(created)")
    }

    /// A server with pages of its own acts for a person whom it names, and who could do it themselves.
    @Test func aBFFActsForPeopleWhoMay() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        func create(_ actor: String?, header: String? = nil) async throws -> Int {
            let body = actor.map { #"{"name":"a","actor":"\#($0)"}"# } ?? #"{"name":"a"}"#
            let headers: HTTPFields = header.flatMap { value in HTTPField.Name("X-On-Behalf-Of").map { [$0: value] } } ?? [:]
            return try await api.send(.post, "/api/routings", body, as: "pages", headers: headers).status
        }
        #expect(try await create(nil) == 400, "for whom?")
        #expect(try await create("이영희") == 201, "while nobody has an account here, its own people are believed")
        #expect(try await create(nil, header: "%EC%9D%B4%EC%98%81%ED%9D%AC") == 201)
        try await api.account("kim", .approver)
        try await api.account("lee", .viewer)
        #expect(try await create("이영희") == 403)
        #expect(try await create("lee") == 403, "a viewer creates nothing, through nobody")
        #expect(try await create("kim") == 201)
        #expect(try await create(nil, header: "kim") == 201)
        var change = AccountChange()
        change.isDisabled = true
        _ = try await api.test.store.changeAccount("kim", change, by: api.test.caller())
        #expect(try await create("kim") == 403)
        #expect(try await api.send(.get, "/api/routings", as: "pages").status == 200, "reading is its own")
        let audit = try await api.test.store.audit(action: "POST /api/routings").items
        #expect(audit.map { "\($0.actor) \($0.principal ?? "") \($0.status ?? 0)" }.prefix(4) == ["kim pages 403", "kim pages 201", "kim pages 201", "lee pages 403"])
    }

    // MARK: What others change

    /// Tokens appear, change and go; an account is changed by a command. Each is noticed without a restart.
    @Test func whatOthersChangeIsNoticed() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let folder = api.test.folder.appendingPathComponent("tokens")
        let roles = TestAPI.roles + [.init(principal: "cell-7", role: .viewer)]
        let tokens = try TokenDirectoryAuthenticator(directory: folder.path, roles: roles)
        let (changes, told) = AsyncStream.makeStream(of: Void.self)
        let watch = AccessWatch(store: try api.test.another(), tokens: tokens, interval: .milliseconds(5), logger: quiet) { told.yield() }
        let running = Task { try await watch.run() }
        defer { running.cancel() }
        var noticed = changes.makeAsyncIterator()

        let file = folder.appendingPathComponent("cell-7")
        try "token-of-cell-7-0123456789".write(to: file, atomically: true, encoding: .utf8)
        await noticed.next()
        #expect(tokens.principal(for: "token-of-cell-7-0123456789")?.name == "cell-7")
        try "token-of-cell-7-another-one".write(to: file, atomically: true, encoding: .utf8)
        await noticed.next()
        #expect(tokens.principal(for: "token-of-cell-7-0123456789") == nil && tokens.principal(for: "token-of-cell-7-another-one") != nil)
        // One that can't be used is refused, and takes no other with it.
        try "short".write(to: file, atomically: true, encoding: .utf8)
        await noticed.next()
        #expect(tokens.principal(for: "short") == nil && tokens.principal(for: "token-of-cell-7-another-one") == nil)
        #expect(tokens.principal(for: try #require(TestAPI.tokens["web"]))?.name == "web")
        for name in TestAPI.tokens.keys { try FileManager.default.removeItem(at: folder.appendingPathComponent(name)) }
        try FileManager.default.removeItem(at: file)
        // Several looks may see them go.
        while tokens.holder(named: "web") != nil { await noticed.next() }
        #expect(tokens.principal(for: try #require(TestAPI.tokens["web"])) == nil, "also the last one's")

        try await api.account("kim", .viewer)
        await noticed.next()
    }
}
