import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import MCMS
import MCMSServer
import SQLStore
import Testing

@Suite struct SessionTests {
    static let origin: HTTPFields = [.origin: "http://localhost"]

    /// `name=value` of the cookie that an answer sets.
    private func cookie(_ answer: TestAPI.Answer) throws -> String {
        let header = try #require(answer.headers[.setCookie])
        return try #require(header.split(separator: ";").first.map(String.init))
    }

    @Test func aTokenIsTradedForASessionThatCanBeEnded() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let signedIn = try await api.send(.post, "/api/session", #"{"token":"\#(TestAPI.tokens["web"]!)"}"#, as: nil, headers: Self.origin)
        #expect(signedIn.status == 201)
        #expect(signedIn.body["principal"] == "web")
        let header = try #require(signedIn.headers[.setCookie])
        for property in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] { #expect(header.contains(property), "\(property)") }
        #expect(!header.contains("Secure"))
        let session: HTTPFields = [.cookie: try cookie(signedIn), .origin: "http://localhost"]
        #expect(try await api.send(.post, "/api/routings", #"{"name":"a"}"#, as: nil, headers: session).status == 201)
        #expect(try await api.send(.get, "/api/session", as: nil, headers: session).body["principal"] == "web")
        let out = try await api.send(.delete, "/api/session", as: nil, headers: session)
        #expect(out.status == 204)
        #expect(out.headers[.setCookie]?.contains("Max-Age=0") == true)
        #expect(try await api.send(.get, "/api/session", as: nil, headers: session).status == 401)
        #expect(try await api.send(.post, "/api/session", #"{"token":"wrong"}"#, as: nil).status == 401)
    }

    @Test func aSessionEndsWithItsTimeAndOutlivesTheProcess() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let signedIn = try await api.send(.post, "/api/session", #"{"token":"\#(TestAPI.tokens["web"]!)"}"#, as: nil)
        let session: HTTPFields = [.cookie: try cookie(signedIn)]
        let stored = try await api.test.store.database.read { try $0.values("SELECT digest FROM webSession", as: [UInt8].self) }
        let secret = try cookie(signedIn).split(separator: "=").last.map(String.init)
        #expect(stored.count == 1)
        #expect(stored.first != secret.map { Array($0.utf8) }, "only the digest is stored")
        let restarted = try MCMSServer(
            store: try api.test.another(),
            authenticator: try TokenDirectoryAuthenticator(directory: api.test.folder.appendingPathComponent("tokens").path, roles: TestAPI.roles), logger: quiet)
        let router = Router()
        restarted.addRoutes(to: router)
        let status = try await Application(router: router, logger: quiet).test(.router) { client in
            try await client.execute(uri: "/api/session", method: .get, headers: session) { $0.status.code }
        }
        #expect(status == 200)
        api.test.clock.advance(30 * 24 * 3_600_000)
        #expect(try await api.send(.get, "/api/session", as: nil, headers: session).status == 401)
    }

    @Test(arguments: [
        (["Origin": "http://localhost"], 201), (["Origin": "http://LOCALHOST"], 201), (["Origin": "https://ours.example"], 201),
        ([:], 403), (["Origin": "null"], 403), (["Origin": "http://evil.example"], 403), (["Origin": "http://localhost.evil.example"], 403),
        (["Origin": "http://localhost:81"], 403), (["Origin": "https://localhost"], 403),
        (["Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"], 201),
        (["Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"], 403),
        (["Origin": "http://localhost", "Sec-Fetch-Site": "same-site"], 403),
    ] as [([String: String], Int)])
    func changesByCookieNeedOurOrigin(headers: [String: String], status: Int) async throws {
        var access = WebAccess.Configuration()
        access.trustedOrigins = ["https://ours.example"]
        let api = try TestAPI(access)
        defer { api.test.remove() }
        let signedIn = try await api.send(.post, "/api/session", #"{"token":"\#(TestAPI.tokens["web"]!)"}"#, as: nil)
        var fields: HTTPFields = [.cookie: try cookie(signedIn)]
        for (name, value) in headers { fields[try #require(HTTPField.Name(name))] = value }
        #expect(try await api.send(.post, "/api/routings", #"{"name":"a"}"#, as: nil, headers: fields).status == status)
        // Reading needs none, and a bearer token isn't sent by browsers on their own.
        #expect(try await api.send(.get, "/api/routings", as: nil, headers: fields).status == 200)
        #expect(try await api.send(.post, "/api/routings", #"{"name":"a"}"#, headers: fields).status == 201)
    }

    @Test func visitorsGetASessionOnlyWhereThatIsWanted() async throws {
        let closed = try TestAPI()
        defer { closed.test.remove() }
        let trial = #"{"trial":true}"#
        #expect(try await closed.send(.post, "/api/session", trial, as: nil).status == 403)
        #expect(try await closed.send(.get, "/api/sign-in", as: nil).body["ways"]?.list == ["token"])

        var access = WebAccess.Configuration()
        access.visitor = "web"
        access.isSecure = true
        access.isOwnUser = { _ in true }
        let open = try TestAPI(access)
        defer { open.test.remove() }
        #expect(try await open.send(.get, "/", as: nil).headers[.setCookie] == nil, "one click, not none")
        #expect(try await open.send(.get, "/api/sign-in", as: nil).body["ways"]?.list == ["token", "trial"])
        for foreign in ["https://evil.example", "null", "http://localhost"] {
            let refused = try await open.send(.post, "/api/session", trial, as: nil, headers: [.origin: foreign])
            #expect(refused.status == 403 && refused.headers[.setCookie] == nil, "\(foreign)")
        }
        let visit = try await open.send(.post, "/api/session", trial, as: nil, headers: [.origin: "https://localhost"])
        #expect(visit.status == 201)
        #expect(visit.headers[.setCookie]?.contains("Secure") == true)
        let session: HTTPFields = [.cookie: try cookie(visit)]
        let me = try await open.send(.get, "/api/me", as: nil, headers: session).body
        #expect(me["principal"] == "web" && me["kind"] == "trial", "a trial is marked as one")
        for proxy in ["X-Forwarded-For", "Forwarded", "Via"] {
            let fields: HTTPFields = [try #require(HTTPField.Name(proxy)): "1.2.3.4"]
            #expect(try await open.send(.post, "/api/session", trial, as: nil, headers: fields).headers[.setCookie] == nil)
        }

        // The first account ends the trial, also where it is under way.
        try await open.account("kim", .viewer)
        #expect(try await open.send(.get, "/api/me", as: nil, headers: session).status == 401)
        #expect(try await open.send(.post, "/api/session", trial, as: nil).status == 403)
        #expect(try await open.send(.get, "/api/sign-in", as: nil).body["ways"]?.list == ["password", "token"])
    }

    @Test(arguments: [
        ("localhost", true), ("localhost:8080", true), ("127.0.0.1:80", true), ("[::1]:80", true), ("LOCALHOST", true),
        ("evil.example", false), ("localhost.evil.example", false), ("127.0.0.1.evil.example", false), ("localhost:80@evil", false),
        ("", false), (nil, false),
    ] as [(String?, Bool)])
    func onlyLoopbackNamesAreLoopback(authority: String?, isLoopback: Bool) {
        #expect(WebAccess.namesLoopback(authority) == isLoopback)
    }

    @Test func thePageRunsUnderItsPolicy() async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let page = try await api.send(.get, "/", as: nil)
        let policy = try #require(page.headers[.contentSecurityPolicy])
        #expect(policy.contains("frame-ancestors 'none'"))
        #expect(!policy.contains("script-src 'self' 'unsafe-inline'"))
        let handlers = page.text.matches(of: #/<[a-z][^>]*\son[a-z]+\s*=/#.ignoresCase())
        #expect(handlers.isEmpty, "handlers in attributes do not run under the page's policy")
    }

    /// The rights go by the role, for principals of any name.
    @Test(arguments: [
        (.viewer, [.readRoutings, .readJobs, .readFiles]),
        (.bff, [.readRoutings, .changeRoutings, .readJobs, .nameActor, .readFiles, .uploadFiles]),
        (.approver, [.readRoutings, .changeRoutings, .readJobs, .readFiles, .uploadFiles]),
        (.operator, [.readRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles, .readAudit, .readOperations, .manageQueues]),
        (
            .admin,
            [
                .readRoutings, .changeRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles, .managePeople, .readAudit,
                .readOperations, .manageQueues,
            ]
        ),
        (.addin, [.readJobs, .reportJobs, .readFiles, .uploadFiles]), (.none, nil),
    ] as [(WebRole, Set<WebPermission>?)])
    func rightsGoByTheRole(role: WebRole, rights: Set<WebPermission>?) throws {
        let test = try TestStore()
        defer { test.remove() }
        for name in ["admin", "cell-7"] {
            try "token-of-\(name)-0123456789".write(to: test.folder.appendingPathComponent(name), atomically: false, encoding: .utf8)
        }
        let tokens = try TokenDirectoryAuthenticator(
            directory: test.folder.path, roles: [.init(principal: "admin", role: .viewer), .init(principal: "cell-7", role: role)])
        #expect(tokens.principal(for: "token-of-cell-7-0123456789")?.permissions == rights)
        #expect(tokens.holder(named: "cell-7")?.principal.permissions == rights)
        #expect(tokens.holder(named: "admin")?.principal.permissions == WebRole.viewer.permissions, "the name gives no right")
    }

    @Test func tokensThatCouldBeGuessedAreNotLoaded() throws {
        let test = try TestStore()
        defer { test.remove() }
        #expect(throws: TokenDirectoryAuthenticator.LoadError.self) { try TokenDirectoryAuthenticator(directory: test.folder.path, roles: TestAPI.roles) }
        let file = test.folder.appendingPathComponent("web")
        try "short".write(to: file, atomically: false, encoding: .utf8)
        #expect(throws: TokenDirectoryAuthenticator.LoadError.self) { try TokenDirectoryAuthenticator(directory: test.folder.path, roles: TestAPI.roles) }
        try "long-enough-token-1".write(to: file, atomically: false, encoding: .utf8)
        let tokens = try TokenDirectoryAuthenticator(directory: test.folder.path, roles: TestAPI.roles)
        #expect(tokens.principal(for: "long-enough-token-1")?.name == "web")
        #expect(tokens.principal(for: "long-enough-token-2") == nil)
        #expect(tokens.principal(for: "") == nil)
        try "long-enough-token-2".write(to: file, atomically: false, encoding: .utf8)
        try tokens.reload()
        #expect(tokens.principal(for: "long-enough-token-1") == nil)
        #expect(tokens.principal(for: "long-enough-token-2")?.name == "web")
    }
}
