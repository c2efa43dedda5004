import ContentStore
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import MCMS
import MCMSFiles
import MCMSServer
import NIOCore
import SpindleBridge
import SpindleClient
import SpindleWeb
import Testing

/// Every path of the web server, by every kind of caller. What each may do is written out here once more, apart from the code.
@Suite struct SecurityTableTests {
    enum Right: String {
        case readRoutings, changeRoutings, readJobs, reportJobs, readFiles, uploadFiles, manageFiles, managePeople, readAudit, readOperations, manageQueues, anyone, session
    }

    /// A row of the table: a request, the right that it needs, and its answer to those who have it.
    struct Row: Sendable, CustomStringConvertible {
        let method: HTTPRequest.Method
        let path: String
        var body: String?
        let right: Right
        let status: Int
        var description: String { "\(method) \(path)" }
        /// Whether it ends the session in which it is asked.
        var ends: Bool { method == .delete && path == "/api/session" }

        init(_ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, needs right: Right, _ status: Int) {
            self.method = method
            self.path = path
            self.body = body
            self.right = right
            self.status = status
        }
    }

    /// Everybody may load the page: what it shows is asked of the API.
    static let pageFiles = (try? PageTests.names(ending: ".js") + PageTests.names(ending: ".css")) ?? []

    static let rows = pageFiles.map { Row(.get, "/page/\($0)", needs: .anyone, 200) } + [
        Row(.get, "/", needs: .anyone, 200),
        Row(.get, "/trust", needs: .anyone, 200), Row(.get, "/trust/trust.css", needs: .anyone, 200), Row(.get, "/trust/spindle-ca.crt", needs: .anyone, 200),
        Row(.get, "/trust/spindle-ca.pem", needs: .anyone, 200), Row(.get, "/trust/spindle-ca.mobileconfig", needs: .anyone, 200),
        Row(.get, "/healthz", needs: .anyone, 200), Row(.get, "/readyz", needs: .anyone, 200),
        Row(.post, "/api/routings", #"{"name":"a"}"#, needs: .changeRoutings, 201),
        Row(.get, "/api/routings", needs: .readRoutings, 200),
        Row(.get, "/api/routings/x", needs: .readRoutings, 404),
        Row(.get, "/api/routings/x/history", needs: .readRoutings, 404),
        Row(.post, "/api/routings/x/submit", "{}", needs: .changeRoutings, 404),
        Row(.post, "/api/routings/x/approve", "{}", needs: .changeRoutings, 404),
        Row(.post, "/api/routings/x/reject", "{}", needs: .changeRoutings, 404),
        Row(.post, "/api/routings/x/retry-generation", "{}", needs: .changeRoutings, 404),
        Row(.get, "/api/addin/jobs", needs: .readJobs, 200),
        Row(.get, "/api/addin/jobs/x", needs: .readJobs, 404),
        Row(.post, "/api/addin/jobs/x/complete", #"{"resultStatus":"failed"}"#, needs: .reportJobs, 404),
        Row(.get, "/api/session", needs: .session, 200), Row(.delete, "/api/session", needs: .anyone, 204),
        Row(.post, "/api/session", #"{"token":"x"}"#, needs: .anyone, 401),
        Row(.get, "/api/me", needs: .session, 200), Row(.get, "/api/sign-in", needs: .anyone, 200),
        // A token has no password, and nobody's is “x”.
        Row(.post, "/api/me/password", #"{"current":"x","password":"y"}"#, needs: .session, 403),
        Row(.post, "/api/setup", #"{"link":"x","name":"kim","password":"y"}"#, needs: .anyone, 403),
        Row(.get, "/api/people", needs: .readRoutings, 200),
        Row(.get, "/api/users", needs: .managePeople, 200),
        Row(.post, "/api/users", #"{"name":"NEW","role":"admin","password":"long enough, is it?"}"#, needs: .managePeople, 201),
        Row(.get, "/api/users/x", needs: .managePeople, 404), Row(.patch, "/api/users/x", #"{"role":"viewer"}"#, needs: .managePeople, 404),
        Row(.get, "/api/audit", needs: .readAudit, 200),
        Row(.get, "/api/health/summary", needs: .session, 200),
        Row(.get, "/api/alerts", needs: .readRoutings, 200),
        Row(.get, "/api/queues", needs: .readOperations, 200), Row(.get, "/api/queues/x", needs: .readOperations, 404),
        Row(.post, "/api/queues/x/pause", "{}", needs: .manageQueues, 404), Row(.post, "/api/queues/x/resume", "{}", needs: .manageQueues, 404),
        Row(.get, "/api/queues/x/messages", needs: .readOperations, 404), Row(.get, "/api/queues/x/messages/0", needs: .readOperations, 404),
        Row(.get, "/api/queues/x/messages/0/body", needs: .readOperations, 404),
        Row(.post, "/api/queues/x/messages/0/cancel", "{}", needs: .manageQueues, 404),
        Row(.post, "/api/queues/x/redrive", #"{"preview":true}"#, needs: .manageQueues, 404),
        Row(.get, "/api/queues/x/history", needs: .readOperations, 404),
        Row(.get, "/api/queues/x/redrive/0", needs: .readOperations, 404),
        Row(.get, "/api/workers", needs: .readOperations, 200), Row(.post, "/api/workers/x/quiet", "{}", needs: .manageQueues, 404),
        Row(.post, "/api/workers/x/resume", "{}", needs: .manageQueues, 404), Row(.post, "/api/workers/x/terminate", "{}", needs: .manageQueues, 404),
        Row(.get, "/api/outbox", needs: .readOperations, 200), Row(.get, "/api/system", needs: .readOperations, 200),
        Row(.get, "/api/why/x", needs: .readRoutings, 404), Row(.get, "/api/timeline/x", needs: .readRoutings, 404),
        Row(.get, "/api/files", needs: .readFiles, 200), Row(.get, "/api/files/x", needs: .readFiles, 404),
        Row(.get, "/api/files/x/audit", needs: .readFiles, 404), Row(.get, "/api/files/x/content", needs: .readFiles, 404),
        Row(.post, "/api/files/x/rescan", "{}", needs: .manageFiles, 404), Row(.post, "/api/files/x/release", #"{"reason":"a"}"#, needs: .manageFiles, 404),
        Row(.delete, "/api/files/x", needs: .manageFiles, 404),
        Row(.post, "/api/upload/parts", #"{"routingId":"x","filename":"a","size":1}"#, needs: .uploadFiles, 404),
        Row(.put, "/api/upload/x/parts/0", needs: .uploadFiles, 404), Row(.get, "/api/upload/x", needs: .uploadFiles, 404),
        Row(.delete, "/api/upload/x", needs: .uploadFiles, 404),
        // Without Tus-Resumable.
        Row(.post, "/api/upload", needs: .uploadFiles, 412), Row(.post, "/api/upload/x", needs: .uploadFiles, 412),
        Row(.patch, "/api/upload/x", needs: .uploadFiles, 412),
        // The streams have stopped: whoever is let in is told so.
        Row(.post, "/api/connections", #"{"topics":["routing.*"]}"#, needs: .readRoutings, 201),
        Row(.post, "/hubs/addin/negotiate", needs: .readJobs, 200), Row(.post, "/hubs/routing/negotiate", needs: .readRoutings, 200),
        // Without the id that a negotiation gives.
        Row(.get, "/hubs/addin", needs: .anyone, 400), Row(.post, "/hubs/addin", needs: .anyone, 400), Row(.delete, "/hubs/addin", needs: .anyone, 400),
        Row(.get, "/hubs/routing", needs: .anyone, 400), Row(.post, "/hubs/routing", needs: .anyone, 400),
        Row(.delete, "/hubs/routing", needs: .anyone, 400),
        // Without topics.
        Row(.get, "/events", needs: .anyone, 400),
        Row(.get, "/events/updates", needs: .readRoutings, 503), Row(.get, "/events/alerts", needs: .readRoutings, 503),
        Row(.get, "/events/cursor", needs: .readRoutings, 503),
    ]

    static let rights: [WebRole: Set<Right>] = [
        .viewer: [.readRoutings, .readJobs, .readFiles],
        .approver: [.readRoutings, .changeRoutings, .readJobs, .readFiles, .uploadFiles],
        .operator: [.readRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles, .readAudit, .readOperations, .manageQueues],
        .admin: [
            .readRoutings, .changeRoutings, .readJobs, .reportJobs, .readFiles, .uploadFiles, .manageFiles, .managePeople, .readAudit,
            .readOperations, .manageQueues,
        ],
        .addin: [.readJobs, .reportJobs, .readFiles, .uploadFiles],
        .bff: [.readRoutings, .changeRoutings, .readJobs, .readFiles, .uploadFiles],
    ]

    /// A server acts for a person; this one may do what the server may.
    static func onBehalf(_ role: WebRole) throws -> HTTPFields {
        role == .bff ? [try #require(HTTPField.Name("X-On-Behalf-Of")): "person-approver"] : [:]
    }

    /// A principal of each role, none of them called as its role, and all paths on one router.
    final class Site {
        private var people: [AccountRole: HTTPFields] = [:]
        private var sessions: [WebRole: HTTPFields] = [:]
        let test: TestStore
        let app: Application<RouterResponder<BasicRequestContext>>
        let router: Router<BasicRequestContext>

        static func token(_ role: WebRole) -> String { "token-of-somebody-\(role.rawValue)" }

        init() async throws {
            test = try TestStore()
            for role in WebRole.allCases {
                try Site.token(role).write(to: test.folder.appendingPathComponent("cell-\(role.rawValue)"), atomically: false, encoding: .utf8)
            }
            let tokens = try TokenDirectoryAuthenticator(
                directory: test.folder.path, roles: WebRole.allCases.map { .init(principal: "cell-\($0.rawValue)", role: $0) })
            let files = FilesStore(test.store)
            let folder = try DiskFolder(path: test.folder.appendingPathComponent("files").path)
            let uploads = UploadService(store: files, folder: folder, payloads: LocalPayloadStore(folder), room: DiskRoom(store: folder.path, share: folder.path, reserve: 0), logger: quiet)
            let services = FileServices(store: files, uploads: uploads, payloads: LocalPayloadStore(folder), scanning: "none")
            for role in AccountRole.allCases { try await TestAPI.makeAccount("person-\(role.rawValue)", role, test.store) }
            let server = try MCMSServer(
                store: test.store, files: services, operations: OperationsServices(broker: FakeOperationsBroker()),
                health: HealthWatch(site: HealthSite(), readers: []), authenticator: tokens, hasher: PasswordHasher(cost: TestAPI.cheap), logger: quiet)
            let hub = EventHub(
                configuration: EventBridgeConfiguration(streams: [.init("updates", topics: ["addin.job.created", "routing.created"]), .init("alerts", topics: ["notification.alert"])], hubs: EventHubName.allCases.map { .init($0.rawValue, topics: $0.topics.map(\.rawValue)) }), source: NoTopics(),
                logger: quiet)
            let running = Task { try await hub.run() }
            running.cancel()
            try await running.value
            router = Router()
            router.add(middleware: SecurityHeaders(isSecure: true))
            server.addRoutes(to: router)
            let authority = TrustedAuthority(name: "a", der: [1], pem: "a", sha256: "01", sha1: "01", end: "2036-01-01")
            TrustRoutes(authority: { authority }, securePort: 7402, plainPort: 7404).add(to: router)
            EventRoutes(hub: hub, logger: quiet) { request, topics in
                try await server.access.admission(for: request, .topics(topics))
            }.add(to: router)
            SignalRRoutes(hubs: SignalRHubs(hub: hub, access: server.access.hubs, logger: quiet), hasWebSockets: false).add(to: router)
            app = Application(router: router, logger: quiet)
        }

        /// A fresh one of somebody who is signed in.
        func connectionToken(_ topics: [String], _ person: HTTPFields) async throws -> String {
            struct Given: Decodable { let token: String }
            var headers = person
            headers[.contentType] = "application/json"
            let (fields, body) = (headers, #"{"topics":["\#(topics.joined(separator: #"",""#))"]}"#)
            return try await app.test(.router) { client in
                try await client.execute(uri: "/api/connections", method: .post, headers: fields, body: ByteBuffer(string: body)) { response in
                    try JSONDecoder().decode(Given.self, from: Data(response.body.readableBytesView)).token
                }
            }
        }

        func status(_ row: Row, at path: String? = nil, _ headers: HTTPFields) async throws -> (code: Int, headers: HTTPFields) {
            var headers = headers
            if row.body != nil { headers[.contentType] = "application/json" }
            let fields = headers
            let body = row.body.map { $0.replacing("NEW", with: "new-\(UInt32.random(in: 0...UInt32.max))") }
            return try await app.test(.router) { client in
                try await client.execute(uri: path ?? row.path, method: row.method, headers: fields, body: body.map { ByteBuffer(string: $0) }) {
                    ($0.status.code, $0.headers)
                }
            }
        }

        /// What the browser of a person sends who has signed in.
        func person(_ role: AccountRole) async throws -> HTTPFields {
            if let known = people[role] { return known }
            let body = #"{"name":"person-\#(role.rawValue)","password":"\#(TestAPI.password)"}"#
            let (code, headers) = try await status(Row(.post, "/api/session", body, needs: .anyone, 201), [:])
            #expect(code == 201)
            let fields: HTTPFields = [.cookie: String(try #require(headers[.setCookie]?.split(separator: ";").first)), .origin: "http://localhost"]
            people[role] = fields
            return fields
        }

        func forget() {
            people = [:]
            sessions = [:]
        }

        /// What a browser sends that has traded the role's token for a session; nil where it can't.
        func session(_ role: WebRole) async throws -> HTTPFields? {
            if let known = sessions[role] { return known }
            let (code, headers) = try await status(Row(.post, "/api/session", #"{"token":"\#(Site.token(role))"}"#, needs: .anyone, 201), [:])
            guard code == 201, let cookie = headers[.setCookie]?.split(separator: ";").first else { return nil }
            let fields: HTTPFields = [.cookie: String(cookie), .origin: "http://localhost"]
            sessions[role] = fields
            return fields
        }
    }

    private struct NoTopics: EventFeedSource {
        func subscribe(to pattern: String, from start: SubscriptionStart) async throws -> EventFeed { throw CancellationError() }
    }

    private func expected(_ row: Row, _ role: WebRole?) -> Int {
        if row.right == .anyone { return row.status }
        guard let role, let rights = Self.rights[role] else { return 401 }
        if row.right == .session || rights.contains(row.right) { return row.status }
        return 403
    }

    @Test func everyPathHasARow() async throws {
        let site = try await Site()
        defer { site.test.remove() }
        // What is registered to be refused is in the table of HTTPTests: wrong methods, and addresses with nothing there.
        let registered = Set(
            site.router.routes.filter { $0.method == .get || $0.method == .post || $0.method == .delete }.map { "\($0.path)" }
                .filter { !$0.hasSuffix("**") && $0 != "/api" })
        let inTable = Set(Self.rows.map { $0.path.replacing("/x", with: "/{id}").replacing("/parts/0", with: "/parts/{index}").replacing("/messages/0", with: "/messages/{index}")
                    .replacing("/redrive/0", with: "/redrive/{index}") })
        #expect(registered.symmetricDifference(inTable) == [], "a path without a row, or a row without a path")
    }

    /// One site for all rows: to make one costs more than to ask it.
    @Test func eachPathByEachCaller() async throws {
        let site = try await Site()
        defer { site.test.remove() }
        for row in Self.rows { try await check(row, on: site) }
    }

    private func check(_ row: Row, on site: Site) async throws {
        #expect(try await site.status(row, [:]).code == expected(row, nil), "\(row): nobody")
        #expect(try await site.status(row, [.authorization: "Bearer not-a-token-of-anybody"]).code == expected(row, nil), "\(row): a wrong token")
        for role in WebRole.allCases {
            var bearer = try Self.onBehalf(role)
            bearer[.authorization] = "Bearer \(Site.token(role))"
            #expect(try await site.status(row, bearer).code == expected(row, role), "\(row): bearer of \(role)")
            let session = try await site.session(role)
            #expect((session != nil) == (role != .none), "a session of \(role)")
            guard var session else { continue }
            session.append(contentsOf: try Self.onBehalf(role))
            let answer = try await site.status(row, session)
            #expect(answer.code == expected(row, role), "\(row): session of \(role)")
            if row.ends { site.forget() }
            #expect(answer.headers[.strictTransportSecurity] == "max-age=31536000")
            #expect(answer.headers[.xContentTypeOptions] == "nosniff")
            #expect(answer.headers[.contentSecurityPolicy]?.contains("frame-ancestors 'none'") == true, "\(row): no other page shows it in a frame")
            #expect(answer.headers[try #require(HTTPField.Name("X-Frame-Options"))] == "DENY")
        }
        for role in AccountRole.allCases {
            let person = try await site.person(role)
            // The cookie alone changes nothing: another site's page may have sent it, or have the browser send it.
            if row.right != .anyone, ![.get, .head].contains(row.method) {
                for origin in [nil, "https://evil.example"] {
                    var foreign: HTTPFields = [.cookie: try #require(person[.cookie])]
                    if let origin { foreign[.origin] = origin }
                    #expect(try await site.status(row, foreign).code == 403, "\(row): the person \(role) from \(origin ?? "nowhere")")
                }
            }
            try await checkConnectionTokens(row, person, on: site)
            #expect(try await site.status(row, person).code == expected(row, WebRole(role)), "\(row): the person \(role)")
            if row.ends { site.forget() }
        }
    }

    /// A connection token opens what it is for, and nothing of the API: in the header or in the address.
    private func checkConnectionTokens(_ row: Row, _ person: HTTPFields, on site: Site) async throws {
        let (all, alerts) = (try await site.connectionToken(["*"], person), try await site.connectionToken(["notification.alert"], person))
        let isOpened = row.path == "/events/updates" || row.path == "/events/alerts"
        let address = "\(row.path)?access_token="
        // The place is nothing that a token can be for.
        let isForAnother = row.path == "/events/cursor" || row.path.hasSuffix("/negotiate")
        let closed = isForAnother ? 403 : expected(row, nil)
        let opened = isOpened ? row.status : closed
        #expect(try await site.status(row, [.authorization: "Bearer \(all)"]).code == opened, "\(row): a connection token")
        #expect(try await site.status(row, at: address + all, [:]).code == (isOpened ? 401 : closed), "\(row): a used connection token")
        let forAlerts = row.path == "/events/updates" ? 403 : opened
        #expect(try await site.status(row, at: address + alerts, [:]).code == forAlerts, "\(row): a connection token for alerts")
        #expect(try await site.status(row, at: address + Site.token(.admin), [:]).code == expected(row, nil), "\(row): a long-lived token in the address")
    }

    /// Topics are heard by who may read what they tell about; a person's session, and a token, count alike.
    @Test(arguments: WebRole.allCases) func topicsAreHeardByWhoMayReadThem(role: WebRole) async throws {
        let site = try await Site()
        defer { site.test.remove() }
        for (topics, needs) in [
            ("addin.job.*", [Right.readJobs]), ("routing.*", [.readRoutings]), ("notification.alert", [.readRoutings]),
            ("addin.job.created,routing.created", [.readJobs, .readRoutings]), ("*", [.readJobs, .readRoutings]),
        ] {
            let row = Row(.get, "/events?topics=\(topics)", needs: .readRoutings, 503)
            let isAllowed = needs.allSatisfy { Self.rights[role]?.contains($0) == true }
            let status = try await site.status(row, [.authorization: "Bearer \(Site.token(role))"]).code
            #expect(status == (role == .none ? 401 : isAllowed ? 503 : 403), "\(role): \(topics)")
            #expect(try await site.status(row, [:]).code == 401)
        }
    }

    /// Who may say in whose name a routing is changed: a server with pages of its own, nobody else.
    @Test(arguments: WebRole.allCases) func theActorIsTakenFromABFFOnly(role: WebRole) async throws {
        let site = try await Site()
        defer { site.test.remove() }
        let row = Row(.post, "/api/routings", #"{"name":"a","actor":"person-approver"}"#, needs: .changeRoutings, 201)
        let status = try await site.status(row, [.authorization: "Bearer \(Site.token(role))"]).code
        #expect(status == (role == .bff ? 201 : expected(row, role) == 201 ? 400 : expected(row, role)))
    }

    /// Headers by which a caller might pass for somebody else. The session is an approver's; the request creates a routing.
    @Test(arguments: [
        ([:], 201), (["Origin": "https://evil.example"], 403), (["Origin": "null"], 403), (["Origin": "http://localhost:81"], 403),
        (["Origin": "http://localhost.evil.example"], 403), (["Sec-Fetch-Site": "cross-site"], 403), (["Sec-Fetch-Site": "same-site"], 403),
        // A bad token is not made good by a cookie beside it, nor by another scheme.
        (["Authorization": "Bearer not-a-token-of-anybody"], 401), (["Authorization": "Basic YWRtaW46YWRtaW4="], 401), (["Authorization": ""], 401),
        (["Authorization": "Bearer"], 401),
        // Names that other servers take on trust.
        (["X-Forwarded-User": "cell-admin", "X-Remote-User": "cell-admin", "Remote-User": "cell-admin"], 201),
        (["X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"], 201), (["X-HTTP-Method-Override": "GET"], 201),
        (["Content-Type": "text/plain"], 415), (["Content-Type": "application/x-www-form-urlencoded"], 415),
    ] as [([String: String], Int)])
    func headersGiveNobodysRights(headers: [String: String], status: Int) async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let signedIn = try await api.send(.post, "/api/session", #"{"token":"\#(TestAPI.tokens["web"]!)"}"#, as: nil)
        let cookie = try #require(signedIn.headers[.setCookie]?.split(separator: ";").first)
        var fields: HTTPFields = [.cookie: String(cookie), .origin: "http://localhost"]
        for (name, value) in headers { fields[try #require(HTTPField.Name(name))] = value }
        let answer = try await api.send(.post, "/api/routings", #"{"name":"a"}"#, as: nil, headers: fields)
        #expect(answer.status == status, "\(answer.text)")
        guard status == 201 else { return }
        let history = try await api.test.store.history(of: try #require(answer.body["id"]?.text)).items
        #expect(history.map(\.principal) == ["web"] && history.map(\.actor) == ["web"])
    }

    // MARK: Visitors

    struct Visit: Sendable, CustomTestStringConvertible {
        var authority: String? = "127.0.0.1:7402"
        var headers: [String: String] = [:]
        var isOwnUser = true
        let isLetIn: Bool
        var testDescription: String { "\(authority ?? "no host") \(headers) own user: \(isOwnUser)" }
    }

    static let visits =
        [
            Visit(isLetIn: true), Visit(authority: "localhost:7402", isLetIn: true), Visit(authority: "[::1]:7402", isLetIn: true),
            Visit(isOwnUser: false, isLetIn: false), Visit(authority: "mcms.example.lan", isLetIn: false),
            Visit(authority: "127.0.0.1.evil.example", isLetIn: false), Visit(authority: "10.0.0.5:7402", isLetIn: false), Visit(authority: nil, isLetIn: false),
        ]
        + [
            "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server", "x-forwarded-anything", "Forwarded",
            "X-Real-IP", "Via", "CF-Connecting-IP", "True-Client-IP",
        ].map { Visit(headers: [$0: "127.0.0.1"], isLetIn: false) }

    @Test(arguments: visits) func aVisitorComesStraightFromThisPC(visit: Visit) async throws {
        var access = WebAccess.Configuration()
        access.visitor = "web"
        access.isOwnUser = { _ in visit.isOwnUser }
        let api = try TestAPI(access)
        defer { api.test.remove() }
        let tokens = try TokenDirectoryAuthenticator(directory: api.test.folder.appendingPathComponent("tokens").path, roles: TestAPI.roles)
        let door = WebAccess(store: api.test.store, authenticator: tokens, configuration: access)
        func request(_ cookie: String? = nil) throws -> Request {
            var head = HTTPRequest(method: .get, scheme: "http", authority: visit.authority, path: "/")
            for (name, value) in visit.headers { head.headerFields[try #require(HTTPField.Name(name))] = value }
            if let cookie { head.headerFields[.cookie] = cookie }
            return Request(head: head, body: RequestBody(buffer: ByteBuffer()))
        }
        let cookie = try await door.cookieForVisitor(try request(), from: nil)
        #expect((cookie != nil) == visit.isLetIn)
        // A visitor's session that was given on this PC is worth nothing on the ways that are closed to visitors.
        access.isOwnUser = { _ in true }
        let open = WebAccess(store: api.test.store, authenticator: tokens, configuration: access)
        let good = Request(
            head: HTTPRequest(method: .get, scheme: "http", authority: "localhost:7402", path: "/"), body: RequestBody(buffer: ByteBuffer()))
        let given = try #require(try await open.cookieForVisitor(good, from: nil))
        let again = try? await open.principal(for: try request("\(given.name)=\(given.value)"))
        #expect((again != nil) == (visit.isLetIn || !visit.isOwnUser))
        // And nothing at all once the setting is off.
        let closed = WebAccess(store: api.test.store, authenticator: tokens, configuration: .init())
        #expect(try await closed.cookieForVisitor(good, from: nil) == nil)
        #expect((try? await closed.principal(for: try request("\(given.name)=\(given.value)"))) == nil)
    }

    @Test func theOwnerOfAConnectionIsReadFromTheKernelsTable() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
               1: 0100007F:D2F0 0100007F:1CEA 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0
               2: 0100007F:1CEA 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0
               3: 0500000A:D2F0 0600000A:01BB 01 00000000:00000000 00:00000000 00000000    33        0 4 1 0
               4: 0000000000000000FFFF00000100007F:D2F1 0000000000000000FFFF00000100007F:1CEA 01 0:0 0:0 0  1001 0 5
            """
        #expect(LoopbackPeer.users(ofPort: 0xD2F0, in: table) == [1000])
        #expect(LoopbackPeer.users(ofPort: 0xD2F1, in: table) == [1001])
        #expect(LoopbackPeer.users(ofPort: 0x1CEB, in: table) == [])
        #expect(LoopbackPeer.users(ofPort: 1, in: "") == [])
    }

    // MARK: Sessions and tokens

    /// A session ends with the token for which it was traded: the token is another, or there is none.
    @Test(arguments: ["another-token-0123456789", nil]) func aSessionEndsWithItsToken(next: String?) async throws {
        let api = try TestAPI()
        defer { api.test.remove() }
        let folder = api.test.folder.appendingPathComponent("tokens")
        let tokens = try TokenDirectoryAuthenticator(directory: folder.path, roles: TestAPI.roles)
        let access = WebAccess(store: api.test.store, authenticator: tokens, configuration: .init())
        func request(_ cookie: Cookie) -> Request {
            var head = HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: "/api/session")
            head.headerFields[.cookie] = "\(cookie.name)=\(cookie.value)"
            return Request(head: head, body: RequestBody(buffer: ByteBuffer()))
        }
        let anybody = Request(head: HTTPRequest(method: .post, scheme: "http", authority: "localhost", path: "/"), body: RequestBody(buffer: ByteBuffer()))
        let mine = try await access.signIn(token: TestAPI.tokens["web"]!, request: anybody).1
        let other = try await access.signIn(token: TestAPI.tokens["admin"]!, request: anybody).1
        let file = folder.appendingPathComponent("web")
        if let next { try next.write(to: file, atomically: true, encoding: .utf8) } else { try FileManager.default.removeItem(at: file) }
        #expect(try await access.principal(for: request(mine)).name == "web", "not before the tokens are read again")
        try tokens.reload()
        await #expect(throws: Problem.self) { try await access.principal(for: request(mine)) }
        #expect(try await access.principal(for: request(other)).name == "admin")
        if let next {
            let again = try await access.signIn(token: next, request: anybody).1
            #expect(try await access.principal(for: request(again)).name == "web")
        }
    }

    @Test func onePrincipalsSessionsDriveOutOnlyItsOwn() async throws {
        let test = try TestStore()
        defer { test.remove() }
        func digest(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }
        func begin(_ number: Int, _ principal: String) async throws {
            try await test.store.createSession(
                digest: digest(number), principal: principal, credential: [], isVisitor: false, lifetimeMilliseconds: 1_000_000_000)
        }
        try await begin(0, "kim")
        for number in 1...MCMSStore.sessionsPerPrincipalMax + 1 { try await begin(number, "web") }
        #expect(try await test.store.session(digest: digest(0))?.principal == "kim")
        #expect(try await test.store.session(digest: digest(1)) == nil, "its oldest")
        #expect(try await test.store.session(digest: digest(2)) != nil)
    }

    // MARK: Four eyes

    @Test func fourEyesSeeEachRouting() async throws {
        let api = try TestAPI(approval: .fourEyes)
        defer { api.test.remove() }
        func routing(createdBy creator: String, submittedBy submitter: String) async throws -> String {
            let created = try await api.send(.post, "/api/routings", #"{"name":"a","actor":"\#(creator)"}"#, as: "pages")
            let id = try #require(created.body["id"]?.text)
            _ = try await api.send(.post, "/api/routings/\(id)/submit", #"{"actor":"\#(submitter)"}"#, as: "pages")
            return id
        }
        for (creator, submitter, approver, status) in [
            ("김철수", "김철수", "김철수", 403), ("김철수", "이영희", "김철수", 403), ("이영희", "김철수", "김철수", 403), ("Kim", "Kim", "KIM", 403),
            ("김철수", "김철수", "이영희", 200), ("김철수", "이영희", "박민수", 200),
        ] {
            let id = try await routing(createdBy: creator, submittedBy: submitter)
            let answer = try await api.send(.post, "/api/routings/\(id)/approve", #"{"actor":"\#(approver)"}"#, as: "pages")
            #expect(answer.status == status, "\(creator), \(submitter), \(approver)")
        }
        // Who asks for approval again, after a rejection, is the submitter; the one before may approve.
        let id = try await routing(createdBy: "김철수", submittedBy: "이영희")
        _ = try await api.send(.post, "/api/routings/\(id)/reject", as: "web")
        _ = try await api.send(.post, "/api/routings/\(id)/submit", #"{"actor":"박민수"}"#, as: "pages")
        #expect(try await api.send(.post, "/api/routings/\(id)/approve", #"{"actor":"박민수"}"#, as: "pages").status == 403)
        #expect(try await api.send(.post, "/api/routings/\(id)/approve", #"{"actor":"이영희"}"#, as: "pages").status == 200)
        // Otherwise one's own routing may be approved.
        let open = try TestAPI()
        defer { open.test.remove() }
        let own = try await open.test.store.createRouting(name: "a", by: open.test.caller("web"))
        _ = try await open.send(.post, "/api/routings/\(own.id)/submit")
        #expect(try await open.send(.post, "/api/routings/\(own.id)/approve").status == 200)
    }

    @Test func theDatabaseIsItsOwnersAlone() throws {
        let test = try TestStore()
        defer { test.remove() }
        let file = test.folder.appendingPathComponent("mcms.sqlite").path
        func mode(_ path: String) throws -> Int? { try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int }
        for name in [file, file + "-wal", file + "-shm", file + ".open-lock"] { #expect(try mode(name) == 0o600, "\(name)") }
        // As earlier versions left them.
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        try test.another().close()
        #expect(try mode(file) == 0o600)
        try MCMSStore.backUp(file, to: file + ".copy", extending: FilesSchema.add)
        #expect(try mode(file + ".copy") == 0o600)
    }
}
